//! Those who decide about blocks, where Layer 1 has some: every block has a certificate, in which
//! more than two thirds of them have signed that it is final.

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex};
use super::signature::{Claim, check_key, first_forged};
use super::transaction::{PublicKey, Signature};

/// The validators.
pub(super) struct Validators {
    keys: Vec<PublicKey>,
    /// The height of the last block that has its certificate.
    certified: u64,
}

impl Validators {
    /// Of a record with their keys.
    pub(super) fn read(record: &mut Reader<'_>) -> Result<Validators, AuditError> {
        let place = record.place();
        let mut keys = Vec::new();
        while !record.is_empty() {
            let (place, key) = (record.place(), record.take()?);
            check_key(&key, place)?;
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(place.finding("validators", "at least 1", 0)),
            false => Ok(Validators { keys, certified: 0 }),
        }
    }

    /// That the block of this height, the last one, has its certificate.
    pub(super) fn check_certified(&self, height: u64, place: Place<'_>) -> Result<(), AuditError> {
        match self.certified == height {
            true => Ok(()),
            false => Err(place.finding("a certificate", format!("of block {height}"), "none")),
        }
    }

    /// Of a certificate: it is of this block, the last one.
    pub(super) fn certificate(
        &mut self,
        record: &mut Reader<'_>,
        genesis: &Digest,
        (height, block): (u64, &Digest),
    ) -> Result<(), AuditError> {
        let place = record.place();
        let of_height = record.u64()?;
        if of_height != height || self.certified == height {
            let expected = format!("one of block {height}");
            return Err(place.finding("a certificate's height", expected, of_height));
        }
        let round = record.u32()?;
        let place = record.place();
        let of_block: Digest = record.take()?;
        if of_block != *block {
            return Err(place.finding("a certificate's block", hex(block), hex(&of_block)));
        }
        let place = record.place();
        let [low, high] = record.take()?;
        let count = u16::from_le_bytes([low, high]);
        if usize::from(count) * 3 <= self.keys.len() * 2 {
            let expected = format!("more than two thirds of {}", self.keys.len());
            return Err(place.finding("a certificate's signatures", expected, count));
        }
        let digest = precommit(genesis, height, round, block);
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
        Ok(())
    }
}

/// What a precommit of a block signs: `H_vote(genesis id ‖ height u64 ‖ round u32 ‖ 1 ‖ 1 ‖ block)`.
fn precommit(genesis: &Digest, height: u64, round: u32, block: &Digest) -> Digest {
    let (height, round) = (height.to_le_bytes(), round.to_le_bytes());
    (KEYS.vote).hash(&[genesis, &height, &round, &[1, 1], block])
}
