//! That keys have signed digests, with the plain `ed25519-zebra` crate, many at once. One rule for
//! all of them, alone or in a batch: ZIP 215, which the parties and Layer 1 accept by.

use curve25519_dalek::edwards::CompressedEdwardsY;
use ed25519_zebra::{VerificationKeyBytes, batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::finding::{AuditError, Place};
use super::hash::{Digest, hex};
use super::sample;
use super::transaction::{PublicKey, Signature};

/// Signatures in one equation at most: what it takes of memory is bounded, and more gain nothing.
const MOST_SIGNATURES: usize = 4096;

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
