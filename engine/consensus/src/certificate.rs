//! Certificates: that more than two thirds of the validators precommitted a block, for whoever
//! knows their keys. A party or a watchtower that asks a single node needs no more to believe it.

use super::message::{precommit, vote_digest};
use duet_base::bytes::Reader;
use duet_channels::crypto::{Digest, Domain, PublicKey, Signature, accept, hash};

/// Why the block of a height is final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The height.
    pub height: u64,
    /// The round in which the block was precommitted.
    pub round: u32,
    /// The hash of its header.
    pub block: Digest,
    /// Places of validators, rising, each with its signature of the precommit.
    pub signatures: Vec<(u16, Signature)>,
}

/// Who decides: the keys of the validators of a Layer 1, by their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validators {
    /// The Layer 1's identity, which every vote is bound to.
    pub genesis: Digest,
    /// Their keys.
    pub keys: Vec<PublicKey>,
}

/// What tells validators from others: `H_validators(key 32 …)`, in the order of their places.
#[must_use]
pub fn keys_digest(keys: &[PublicKey]) -> Digest {
    let bytes: Vec<u8> = keys.iter().flat_map(|key| key.0).collect();
    hash(Domain::Validators, &bytes)
}

/// Why a certificate shows nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not more than two thirds signed.
    #[error("{got} of {validators} validators signed, and more than two thirds have to")]
    TooFew {
        /// How many signed.
        got: usize,
        /// Of how many.
        validators: usize,
    },
    /// Places that do not rise, or are none's.
    #[error("validator {place} is out of order, or there is none")]
    OutOfOrder {
        /// The place.
        place: u16,
    },
    /// A signature that is not the validator's over this block.
    #[error("the signature of validator {place} is not over this block")]
    BadSignature {
        /// Whose it is said to be.
        place: u16,
    },
    /// A key that stands at two places: whoever has it would count twice.
    #[error("validators {one} and {other} have the same key")]
    SameKey {
        /// The first place.
        one: u16,
        /// The other one.
        other: u16,
    },
    /// The number that stands for no round.
    #[error("a certificate of no round")]
    NoRound,
    /// Its bytes are not of a certificate's length, or end early.
    #[error("{got} bytes are no certificate's")]
    Length {
        /// How many there are.
        got: usize,
    },
}

impl Certificate {
    /// Appends its bytes: `height u64 ‖ round u32 ‖ block 32 ‖ count u16 ‖ (place u16 ‖ signature
    /// 64)…`, integers little-endian.
    ///
    /// # Panics
    /// From 2^16 signatures on.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.signatures.len()).expect("places are 16 bits");
        out.extend(self.height.to_le_bytes());
        out.extend(self.round.to_le_bytes());
        out.extend(self.block.0);
        out.extend(count.to_le_bytes());
        for (place, signature) in &self.signatures {
            out.extend(place.to_le_bytes());
            out.extend(signature.0);
        }
    }

    /// Of its bytes.
    ///
    /// # Errors
    /// [`CertificateError::Length`].
    pub fn decode(bytes: &[u8]) -> Result<Certificate, CertificateError> {
        let got = bytes.len();
        Certificate::read(Reader::new(bytes)).ok_or(CertificateError::Length { got })
    }

    fn read(mut bytes: Reader<'_>) -> Option<Certificate> {
        let (height, round) = (bytes.u64()?, bytes.u32()?);
        let block = Digest(bytes.array()?);
        let count = bytes.u16()?;
        let rows = (0..count).map(|_| Some((bytes.u16()?, Signature(bytes.array()?))));
        let signatures = rows.collect::<Option<Vec<_>>>()?;
        bytes.rest().is_empty().then_some(Certificate {
            height,
            round,
            block,
            signatures,
        })
    }
}

impl Validators {
    /// Whether a certificate shows that its block is final.
    ///
    /// # Errors
    /// A [`CertificateError`] with what is missing.
    pub fn check(&self, certificate: &Certificate) -> Result<(), CertificateError> {
        let (got, validators) = (certificate.signatures.len(), self.keys.len());
        if got * 3 <= validators * 2 {
            return Err(CertificateError::TooFew { got, validators });
        }
        self.check_distinct()?;
        if certificate.round == u32::MAX {
            return Err(CertificateError::NoRound);
        }
        let mut least = 0;
        for (place, signature) in &certificate.signatures {
            let place = *place;
            let key = self.keys.get(usize::from(place));
            let Some(key) = key.filter(|_| usize::from(place) >= least) else {
                return Err(CertificateError::OutOfOrder { place });
            };
            least = usize::from(place) + 1;
            let Certificate {
                height,
                round,
                block,
                ..
            } = certificate;
            let vote = precommit(*height, *round, *block, place);
            let digest = vote_digest(&self.genesis, &vote);
            if !accept(&key.0, &digest.0, &signature.0) {
                return Err(CertificateError::BadSignature { place });
            }
        }
        Ok(())
    }

    fn check_distinct(&self) -> Result<(), CertificateError> {
        let mut keys: Vec<(&PublicKey, u16)> = self.keys.iter().zip(0..=u16::MAX).collect();
        keys.sort_unstable_by_key(|(key, place)| (key.0, *place));
        match keys.array_windows().find(|[one, other]| one.0 == other.0) {
            Some([(_, one), (_, other)]) => Err(CertificateError::SameKey {
                one: *one,
                other: *other,
            }),
            None => Ok(()),
        }
    }
}
