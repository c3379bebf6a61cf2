//! The signatures of the sampled sessions, with the plain `ed25519-zebra` crate: both parties' over
//! every state, their finals, and those of their Layer 1 transactions. One rule for all of them,
//! alone or in a batch: ZIP 215, which the parties and Layer 1 accept by.

use std::collections::HashMap;

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_zebra::{VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::bytes::Reader;
use super::finding::{AuditError, Place};
use super::hash::{Digest, KEYS, hex};
use super::ledger::Ledger;
use super::sample::{self, Chooser};
use super::source::Source;
use super::transaction::{Act, PublicKey, Signature, Transaction};

/// Signatures in one equation at most: what it takes of memory is bounded, and more gain nothing.
const MOST_SIGNATURES: usize = 4096;

/// The sampled channels, by index, and the keys of A and B: of those that are opened so far.
pub(super) struct Sampled {
    chooser: Chooser,
    /// The channel that is to be looked at next.
    next: usize,
    keys: HashMap<u32, [PublicKey; 2]>,
}

impl Sampled {
    /// Those that this one chooses.
    pub(super) fn new(chooser: Chooser) -> Sampled {
        Sampled {
            chooser,
            next: 0,
            keys: HashMap::new(),
        }
    }

    /// Looks at the channels that have been opened since the last time.
    pub(super) fn follow(&mut self, ledger: &Ledger) -> Result<(), AuditError> {
        let l1 = Source::L1.whole(0);
        let place = Place {
            file: &l1,
            offset: None,
        };
        // Not by skipping: this is called for every segment, and channels are many.
        let opened_since = &ledger.channels[self.next..];
        for (index, channel) in (self.next as u32..).zip(opened_since) {
            let left_out = self.chooser.take(index, &channel.id);
            if left_out == Some(index) {
                continue;
            }
            if let Some(left_out) = left_out {
                self.keys.remove(&left_out);
            }
            let keys = ledger.keys(index);
            keys.iter().try_for_each(|key| check_key(key, place))?;
            self.keys.insert(index, keys);
        }
        self.next = ledger.channels.len();
        Ok(())
    }

    pub(super) fn len(&self) -> u64 {
        self.keys.len() as u64
    }

    /// The keys of A and B, if the channel is sampled.
    pub(super) fn keys(&self, channel: u32) -> Option<&[PublicKey; 2]> {
        if self.keys.is_empty() {
            return None;
        }
        self.keys.get(&channel)
    }
}

/// Refuses a key that Layer 1 takes from nobody: anybody could sign for one of small order.
pub(super) fn check_key(key: &PublicKey, place: Place<'_>) -> Result<(), AuditError> {
    let encoded = CompressedEdwardsY(*key);
    let point = encoded.decompress();
    if point.is_some_and(|point| !point.is_small_order() && point.compress() == encoded) {
        return Ok(());
    }
    let expected = "an Ed25519 key, in its canonical form and not of small order";
    Err(place.finding("a signer's key", expected, hex(key)))
}

/// What both sign to agree on a state.
pub(super) fn state_digest(channel: &Digest, head: &Digest) -> Digest {
    KEYS.state.hash(&[channel, head])
}

/// That a key has signed a digest.
pub(super) struct Claim(batch::Item);

impl Claim {
    pub(super) fn new(key: &PublicKey, digest: &Digest, signature: &Signature) -> Claim {
        let key = VerificationKeyBytes::from(*key);
        let signature = ed25519_zebra::Signature::from(*signature);
        Claim((key, signature, digest).into())
    }
}

/// The first claim that does not hold. The crate's batch equation says at a quarter of the cost
/// that all hold; where it does not, each one is judged alone, by the same rule.
///
/// # Errors
/// The system has no randomness to give: a batch needs coefficients that nobody can foresee.
pub(super) fn first_forged(claims: &[Claim]) -> Result<Option<usize>, AuditError> {
    for (start, part) in (0..)
        .step_by(MOST_SIGNATURES)
        .zip(claims.chunks(MOST_SIGNATURES))
    {
        let mut batch = batch::Verifier::new();
        part.iter()
            .for_each(|claim: &Claim| batch.queue(claim.0.clone()));
        let coefficients = ChaCha20Rng::from_seed(sample::random()?);
        if batch.verify(coefficients).is_ok() {
            continue;
        }
        let forged = |claim: &Claim| claim.0.clone().verify_single().is_err();
        if let Some(at) = part.iter().position(forged) {
            return Ok(Some(start + at));
        }
    }
    Ok(None)
}

/// A signature of a Layer 1 transaction, and where that stands.
struct OfLayer1 {
    what: &'static str,
    offset: Option<u64>,
}

/// Signatures of Layer 1's transactions, gathered to be verified together.
#[derive(Default)]
struct Gathered {
    claims: Vec<Claim>,
    of: Vec<OfLayer1>,
}

impl Gathered {
    fn add(
        &mut self,
        what: &'static str,
        place: Place<'_>,
        key: &PublicKey,
        digest: &Digest,
        signature: &Signature,
    ) -> Result<(), AuditError> {
        check_key(key, place)?;
        self.claims.push(Claim::new(key, digest, signature));
        let offset = place.offset;
        self.of.push(OfLayer1 { what, offset });
        Ok(())
    }

    /// Gives how many there were.
    fn verify(self, file: &str) -> Result<u64, AuditError> {
        let Some(forged) = first_forged(&self.claims)? else {
            return Ok(self.claims.len() as u64);
        };
        let OfLayer1 { what, offset } = self.of[forged];
        let place = Place { file, offset };
        let expected = "the signer's over the transaction's bytes";
        Err(place.finding(what, expected, "one that does not verify"))
    }
}

/// Verifies, in one chunk of Layer 1's stream that has been replayed, the opening and closing
/// transactions of the sampled channels, and all that failed: those are of no channel that could be
/// sampled. Gives the number of signatures.
pub(super) fn verify_blocks(
    mut records: Reader<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
) -> Result<u64, AuditError> {
    let file = records.place().file;
    let mut gathered = Gathered::default();
    while !records.is_empty() {
        let length = records.u32()?;
        let kind = records.u8()?;
        let place = records.place();
        let content = records.bytes(length as usize)?;
        if kind != 4 {
            continue;
        }
        let mut body = Reader::new(place.file, place.offset.unwrap_or(0), content);
        body.bytes(ledger.header_bytes())?;
        while !body.is_empty() {
            let place = body.place();
            let transaction = Transaction::read(&mut body)?;
            gather(&transaction, ledger, sampled, place, &mut gathered)?;
        }
    }
    gathered.verify(file)
}

fn gather(
    transaction: &Transaction<'_>,
    ledger: &Ledger,
    sampled: &Sampled,
    place: Place<'_>,
    gathered: &mut Gathered,
) -> Result<(), AuditError> {
    let id = match &transaction.act {
        Act::Open(open) => open.channel(&ledger.genesis),
        Act::Close(close) => close.channel,
    };
    let channel = ledger.channel(&id);
    if channel.is_some_and(|channel| sampled.keys(channel).is_none()) {
        return Ok(());
    }
    let digest = KEYS
        .transaction
        .hash(&[&ledger.genesis, transaction.unsigned]);
    if let Act::Open(open) = &transaction.act {
        // It signs states later on, if it has not signed this.
        check_key(&open.key_b, place)?;
    }
    let mut add = |what, key: &PublicKey, digest: &Digest, signature: &Signature| {
        gathered.add(what, place, key, digest, signature)
    };
    match &transaction.act {
        Act::Open(open) => {
            add(
                "the opener's signature",
                &open.key_a,
                &digest,
                &transaction.signature,
            )?;
            if let Some(consent) = &transaction.consent {
                add("the other party's signature", &open.key_b, &digest, consent)?;
            }
        }
        Act::Close(close) => {
            add(
                "the submitter's signature",
                &close.submitter,
                &digest,
                &transaction.signature,
            )?;
            let digest = KEYS.final_state.hash(&[&id, &close.head()]);
            let keys = channel.and_then(|channel| sampled.keys(channel));
            let finals = keys.into_iter().flatten().zip(&close.finals);
            for (key, signature) in finals {
                add("a final signature", key, &digest, signature)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::constants::{ED25519_BASEPOINT_TABLE, EIGHT_TORSION};
    use curve25519_dalek::scalar::Scalar;
    use sha2::{Digest as _, Sha512};

    use super::*;

    /// A signature by the key of this scalar, with a point of the torsion added to its R.
    fn signed(secret: u64, digest: &Digest, torsion: usize) -> Claim {
        let secret = Scalar::from(secret);
        let key = (&secret * ED25519_BASEPOINT_TABLE).compress().0;
        let nonce = Scalar::from(77_u64);
        let r = (&nonce * ED25519_BASEPOINT_TABLE + EIGHT_TORSION[torsion]).compress();
        let mut hasher = Sha512::new();
        hasher.update(r.0);
        hasher.update(key);
        hasher.update(digest);
        let challenge = Scalar::from_bytes_mod_order_wide(&hasher.finalize().into());
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&r.0);
        signature[32..].copy_from_slice((nonce + challenge * secret).as_bytes());
        Claim::new(&key, digest, &signature)
    }

    /// A part of small order is accepted everywhere, alone and in each place of a batch: what is
    /// random in a batch decides nothing.
    #[test]
    fn a_signature_is_judged_in_a_batch_as_alone() {
        for torsion in 0..8 {
            let odd = signed(5, &[torsion as u8; 32], torsion);
            assert_eq!(first_forged(&[odd]).unwrap(), None, "{torsion} alone");
            for at in 0..3 {
                let claim = |place: usize| {
                    let torsion = if place == at { torsion } else { 0 };
                    signed(place as u64 + 5, &[place as u8; 32], torsion)
                };
                for _ in 0..20 {
                    let claims: Vec<Claim> = (0..3).map(claim).collect();
                    assert_eq!(first_forged(&claims).unwrap(), None, "{torsion} at {at}");
                }
            }
        }
    }

    #[test]
    fn the_first_forged_one_is_found_wherever_it_stands() {
        let count = MOST_SIGNATURES + 3;
        for forged in [0, 1, MOST_SIGNATURES - 1, MOST_SIGNATURES, count - 1] {
            let good = || signed(9, &[1; 32], 0);
            let mut claims: Vec<Claim> = (0..4).map(|_| good()).collect();
            // Many claims of one signature stand for many signatures.
            claims.resize_with(count, good);
            claims[forged] = Claim::new(&[1; 32], &[2; 32], &[3; 64]);
            assert_eq!(first_forged(&claims).unwrap(), Some(forged));
        }
        assert_eq!(first_forged(&[]).unwrap(), None);
    }

    #[test]
    fn keys_that_layer_1_takes_from_nobody_are_refused() {
        let place = Place {
            file: "file",
            offset: None,
        };
        let good = (&Scalar::from(3_u64) * ED25519_BASEPOINT_TABLE).compress();
        assert!(check_key(&good.0, place).is_ok());
        for small in &EIGHT_TORSION {
            assert!(check_key(&small.compress().0, place).is_err());
        }
        // y = p + 3 stands for the point of y = 3.
        let mut twice = [0xff; 32];
        (twice[0], twice[31]) = (0xf0, 0x7f);
        assert!(CompressedEdwardsY(twice).decompress().is_some());
        assert!(check_key(&twice, place).is_err());
        assert!(check_key(&[2; 32], place).is_err());
    }
}
