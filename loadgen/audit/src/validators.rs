//! Those who decide about blocks, where Layer 1 has some: every block has a certificate, in which
//! more than two thirds of them have signed that it is final. So has a height at which they decided
//! for a block of nothing, which is no block of the chain.

use std::collections::HashSet;
use std::fmt;

use super::bytes::Reader;
use super::claim::{Claim, check_key, first_forged};
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex};
use super::transaction::{PublicKey, Signature};

/// What stands for no round where one is signed.
const NO_ROUND: u32 = u32::MAX;

/// The validators.
pub(super) struct Validators {
    keys: Vec<PublicKey>,
    /// The last height that has its certificate.
    certified: u64,
    /// How many blocks have theirs.
    certificates: u64,
}

/// How many validators there are, and what tells their keys from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Voters {
    pub(super) validators: u64,
    pub(super) keys: Digest,
}

/// For findings.
impl fmt::Display for Voters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of keys {}", self.validators, hex(&self.keys))
    }
}

/// What a certificate may be of.
pub(super) struct Candidates<B: FnOnce(u64) -> Option<Digest>> {
    /// The last block's height and hash.
    pub(super) last: (u64, Digest),
    /// The block of nothing of a later height; none where each height has a block.
    pub(super) empty: B,
}

impl Validators {
    /// Of a record with their keys.
    pub(super) fn read(record: &mut Reader<'_>) -> Result<Validators, AuditError> {
        let place = record.place();
        let (mut keys, mut distinct) = (Vec::new(), HashSet::new());
        while !record.is_empty() {
            let (place, key) = (record.place(), record.take()?);
            check_key(&key, place)?;
            keys.push(key);
            let most = usize::from(u16::MAX);
            if keys.len() > most {
                return Err(place.finding("validators", format!("at most {most}"), "more"));
            }
            if !distinct.insert(key) {
                let expected = "one of its own: whoever has it would count twice";
                return Err(place.finding("a validator's key", expected, hex(&key)));
            }
        }
        match keys.is_empty() {
            true => Err(place.finding("validators", "at least 1", 0)),
            false => Ok(Validators {
                keys,
                certified: 0,
                certificates: 0,
            }),
        }
    }

    /// Who they are.
    pub(super) fn voters(&self) -> Voters {
        Voters {
            validators: self.keys.len() as u64,
            keys: KEYS.validators.hash(&[self.keys.as_flattened()]),
        }
    }

    /// How many blocks have their certificates: all, once the last one is.
    pub(super) fn certificates(&self) -> u64 {
        self.certificates
    }

    /// That the block of this height, the last one, has its certificate.
    pub(super) fn check_certified(&self, height: u64, place: Place<'_>) -> Result<(), AuditError> {
        match self.certified >= height {
            true => Ok(()),
            false => Err(place.finding("a certificate", format!("of block {height}"), "none")),
        }
    }

    /// The last height that was decided about, with a block or without.
    pub(super) fn certified(&self) -> u64 {
        self.certified
    }

    /// Of a certificate: it is of the last block, or once that has one, of a block of nothing after
    /// it.
    pub(super) fn certificate(
        &mut self,
        record: &mut Reader<'_>,
        genesis: &Digest,
        candidates: Candidates<impl FnOnce(u64) -> Option<Digest>>,
    ) -> Result<(), AuditError> {
        let place = record.place();
        let height = record.u64()?;
        let (last, hash) = candidates.last;
        let block = match self.certified >= last {
            false => (height == last).then_some(hash),
            true if height > self.certified => (candidates.empty)(height),
            true => None,
        };
        let Some(block) = block else {
            let expected = match self.certified >= last {
                false => format!("one of block {last}"),
                true => format!("none, or above {} with a clock", self.certified),
            };
            return Err(place.finding("a certificate's height", expected, height));
        };
        let place = record.place();
        let round = record.u32()?;
        if round == NO_ROUND {
            return Err(place.finding("a certificate's round", "one", "the number of none"));
        }
        let place = record.place();
        let of_block: Digest = record.take()?;
        if of_block != block {
            return Err(place.finding("a certificate's block", hex(&block), hex(&of_block)));
        }
        let place = record.place();
        let [low, high] = record.take()?;
        let count = u16::from_le_bytes([low, high]);
        if usize::from(count) * 3 <= self.keys.len() * 2 {
            let expected = format!("more than two thirds of {}", self.keys.len());
            return Err(place.finding("a certificate's signatures", expected, count));
        }
        let digest = precommit(genesis, height, round, &block);
        let mut claims = Vec::with_capacity(usize::from(count));
        let mut places = Vec::with_capacity(usize::from(count));
        let mut least = 0;
        for _ in 0..count {
            let place = record.place();
            let [low, high] = record.take()?;
            let which = u16::from_le_bytes([low, high]);
            let key = self.keys.get(usize::from(which));
            let Some(key) = key.filter(|_| u32::from(which) >= least) else {
                let expected = format!("from {least} to {}", self.keys.len() - 1);
                return Err(place.finding("a validator's place", expected, which));
            };
            least = u32::from(which) + 1;
            let signature: Signature = record.take()?;
            claims.push(Claim::new(key, &digest, &signature));
            places.push((which, place));
        }
        if let Some(at) = first_forged(&claims)? {
            let (which, place) = places[at];
            let expected = format!("validator {which}'s, of block {height}");
            return Err(place.finding("a signature", expected, "another"));
        }
        self.certified = height;
        self.certificates += 1;
        Ok(())
    }
}

/// What a precommit of a block signs: `H_vote(genesis id ‖ height 8 ‖ round 4 ‖ 1 ‖ 1 ‖ block)`.
fn precommit(genesis: &Digest, height: u64, round: u32, block: &Digest) -> Digest {
    let (height, round) = (height.to_le_bytes(), round.to_le_bytes());
    (KEYS.vote).hash(&[genesis, &height, &round, &[1, 1], block])
}

#[cfg(test)]
mod tests {
    use ed25519_zebra::{SigningKey, VerificationKeyBytes};

    use super::*;

    const GENESIS: Digest = [3; 32];
    const BLOCK: Digest = [5; 32];

    fn secret(place: u16) -> SigningKey {
        SigningKey::from([place as u8 + 1; 32])
    }

    fn keys(count: u16) -> Vec<u8> {
        let key = |place| <[u8; 32]>::from(VerificationKeyBytes::from(&secret(place)));
        (0..count).flat_map(key).collect()
    }

    /// A certificate of block 7 by these validators.
    fn certificate(by: &[u16]) -> Vec<u8> {
        certificate_of((7, BLOCK), by)
    }

    fn certificate_of((height, block): (u64, Digest), by: &[u16]) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(height.to_le_bytes());
        bytes.extend(2_u32.to_le_bytes());
        bytes.extend(block);
        bytes.extend((by.len() as u16).to_le_bytes());
        let digest = precommit(&GENESIS, height, 2, &block);
        for place in by {
            bytes.extend(place.to_le_bytes());
            bytes.extend(<[u8; 64]>::from(secret(*place).sign(&digest)));
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(), AuditError> {
        let keys = keys(4);
        let mut validators = Validators::read(&mut Reader::new("l1", 0, &keys))?;
        let mut record = Reader::new("l1", 0, bytes);
        validators.certificate(&mut record, &GENESIS, candidates(None))?;
        let place = record.place();
        validators.check_certified(7, place)?;
        assert!(record.is_empty());
        // One is enough.
        let record = &mut Reader::new("l1", 0, bytes);
        assert!((validators.certificate(record, &GENESIS, candidates(None))).is_err());
        Ok(())
    }

    /// Block 7, and after it a block of nothing at any height, if there is one.
    fn candidates(empty: Option<Digest>) -> Candidates<impl FnOnce(u64) -> Option<Digest>> {
        Candidates {
            last: (7, BLOCK),
            empty: move |_| empty,
        }
    }

    #[test]
    fn a_block_of_nothing_has_its_certificate_too() {
        let keys = keys(4);
        let mut validators =
            Validators::read(&mut Reader::new("l1", 0, &keys)).expect("sound keys");
        let mut read = |bytes: &[u8], empty| {
            let record = &mut Reader::new("l1", 0, bytes);
            validators.certificate(record, &GENESIS, candidates(empty))
        };
        let nothing = [9; 32];
        let of = |height, block| certificate_of((height, block), &[0, 1, 2]);
        // Not before the last block has its own.
        assert!(read(&of(8, nothing), Some(nothing)).is_err());
        assert!(read(&of(7, BLOCK), Some(nothing)).is_ok());
        // Not where each height has a block, nor of another one, nor of an earlier height.
        assert!(read(&of(8, nothing), None).is_err());
        assert!(read(&of(8, BLOCK), Some(nothing)).is_err());
        assert!(read(&of(7, nothing), Some(nothing)).is_err());
        assert!(read(&of(8, nothing), Some(nothing)).is_ok());
        assert!(read(&of(8, nothing), Some(nothing)).is_err());
        assert!(read(&of(12, nothing), Some(nothing)).is_ok());
        assert_eq!(validators.certified(), 12);
    }

    #[test]
    fn more_than_two_thirds_and_nothing_else_make_a_block_final() {
        assert!(read(&certificate(&[0, 1, 2, 3])).is_ok());
        assert!(read(&certificate(&[0, 2, 3])).is_ok());
        let what = |bytes: &[u8]| match read(bytes) {
            Err(AuditError::Refused(finding)) => finding.what,
            other => panic!("{other:?}"),
        };
        assert_eq!(what(&certificate(&[0, 1])), "a certificate's signatures");
        assert_eq!(what(&certificate(&[0, 1, 1])), "a validator's place");
        assert_eq!(what(&certificate(&[1, 0, 2])), "a validator's place");
        assert_eq!(what(&certificate(&[0, 1, 4])), "a validator's place");
        let mut none = certificate(&[0, 1, 2]);
        none[8..12].fill(0xff);
        assert_eq!(what(&none), "a certificate's round");
        let good = certificate(&[0, 1, 2]);
        for (byte, name) in [
            (0, "a certificate's height"),
            (8, "a signature"),
            (12, "a certificate's block"),
            (46 + 66 + 2, "a signature"),
        ] {
            let mut bad = good.clone();
            bad[byte] ^= 1;
            assert_eq!(what(&bad), name, "byte {byte}");
        }
    }

    #[test]
    fn a_block_without_a_certificate_is_found() {
        let keys = keys(4);
        let mut record = Reader::new("l1", 0, &keys);
        let validators = Validators::read(&mut record).expect("sound keys");
        assert!(validators.check_certified(0, record.place()).is_ok());
        assert!(validators.check_certified(1, record.place()).is_err());
        assert!(Validators::read(&mut Reader::new("l1", 0, &[])).is_err());
        let thrice = keys[..32].repeat(3);
        let refused = Validators::read(&mut Reader::new("l1", 0, &thrice)).err();
        let Some(AuditError::Refused(finding)) = refused else {
            panic!("one key at three places")
        };
        assert_eq!(
            (finding.what, finding.offset),
            ("a validator's key", Some(32))
        );
        assert!(Validators::read(&mut Reader::new("l1", 0, &[0; 32])).is_err());
    }
}
