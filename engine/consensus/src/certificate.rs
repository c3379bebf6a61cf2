//! Certificates: that more than two thirds of the validators precommitted a block, for whoever
//! knows their keys. A party or a watchtower that asks a single node needs no more to believe it.

use super::message::{precommit, vote_digest};
use duet_channels::crypto::{Digest, PublicKey, Signature, accept};

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
    /// Its bytes are not of a certificate's length, or end early.
    #[error("{got} bytes are no certificate's")]
    Length {
        /// How many there are.
        got: usize,
    },
}

impl Certificate {
    const HEAD: usize = 8 + 4 + 32 + 2;
    const ROW: usize = 2 + 64;

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
        let wrong = CertificateError::Length { got: bytes.len() };
        let (head, rows) = bytes.split_at_checked(Certificate::HEAD).ok_or(wrong)?;
        let count = u16::from_le_bytes([head[44], head[45]]);
        if rows.len() != usize::from(count) * Certificate::ROW {
            return Err(wrong);
        }
        let row = |row: &[u8]| {
            let signature = row[2..].try_into().expect("64 bytes");
            (u16::from_le_bytes([row[0], row[1]]), Signature(signature))
        };
        Ok(Certificate {
            height: u64::from_le_bytes(head[..8].try_into().expect("8 bytes")),
            round: u32::from_le_bytes(head[8..12].try_into().expect("4 bytes")),
            block: Digest(head[12..44].try_into().expect("32 bytes")),
            signatures: rows.chunks(Certificate::ROW).map(row).collect(),
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
}
