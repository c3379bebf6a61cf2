//! The back end of library code: batches over curve25519-dalek's group, on every machine.

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::accept::{Opened, challenge};
use super::keys::{KeyId, KeyRing, SecretKey};
use super::sign::{SignJob, Signature};
use super::verify::Signed;

/// Scratch memory of batched signing.
#[derive(Default)]
pub(super) struct SignScratch {
    nonces: Vec<Scalar>,
    points: Vec<EdwardsPoint>,
}

impl SignScratch {
    /// Points compressed with one shared inversion: enough to make the inversion vanish, few
    /// enough to stay in the first-level cache.
    const CHUNK: usize = 128;

    pub(super) fn sign(
        &mut self,
        secrets: &[SecretKey],
        jobs: &[SignJob],
        signatures: &mut Vec<Signature>,
    ) {
        signatures.reserve(jobs.len());
        for jobs in jobs.chunks(Self::CHUNK) {
            self.points.clear();
            for job in jobs {
                let secret = &secrets[job.secret as usize];
                let nonce = nonce(secret, &job.digest.0);
                self.points.push(EdwardsPoint::mul_base(&nonce));
                self.nonces.push(nonce);
            }
            let encoded = EdwardsPoint::compress_batch_alloc(&self.points);
            for ((job, nonce), r) in jobs.iter().zip(&self.nonces).zip(encoded) {
                let secret = &secrets[job.secret as usize];
                let h = challenge(&r.0, &secret.public().0, &job.digest.0);
                let s = nonce + h * secret.scalar();
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r.0);
                signature[32..].copy_from_slice(s.as_bytes());
                signatures.push(Signature(signature));
            }
            // A nonce gives its key away. Zeroizing empties the vector and keeps its memory.
            self.nonces.zeroize();
        }
    }
}

/// `SHA-512(prefix ‖ M) mod l`: RFC 8032's deterministic nonce.
fn nonce(secret: &SecretKey, message: &[u8]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(secret.expanded.hash_prefix)
        .chain_update(message);
    let wide = Zeroizing::new(<[u8; 64]>::from(hash.finalize()));
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// Scratch memory of batched verification, and its source of coefficients.
pub(super) struct VerifyScratch {
    rng: ChaCha12Rng,
    terms: Vec<Term>,
    /// For each key of the ring, its place in `keys`; stale where `keys` does not point back.
    places: Vec<u32>,
    keys: Vec<KeyId>,
    key_scalars: Vec<Scalar>,
}

/// One well-encoded signature of the batch.
struct Term {
    item: usize,
    key: KeyId,
    opened: Opened,
    /// The 128-bit random coefficient.
    z: Scalar,
}

impl VerifyScratch {
    pub(super) fn new() -> VerifyScratch {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).expect("the operating system gives randomness");
        VerifyScratch {
            rng: ChaCha12Rng::from_seed(*seed),
            terms: Vec::new(),
            places: Vec::new(),
            keys: Vec::new(),
            key_scalars: Vec::new(),
        }
    }

    /// Appends one verdict per item to `valid`; returns the number of distinct keys.
    pub(super) fn verify<T: Signed>(
        &mut self,
        ring: &KeyRing,
        items: &[T],
        valid: &mut Vec<bool>,
    ) -> usize {
        let first = valid.len();
        valid.resize(first + items.len(), false);
        let valid = &mut valid[first..];
        self.places.resize(ring.len(), 0);

        self.open(ring, items);
        let terms = std::mem::take(&mut self.terms);
        let keys = self.join(&terms).len();
        self.judge(ring, &terms, false, &mut |item| valid[item] = true);
        self.terms = terms;
        keys
    }

    /// Decodes all signatures. The coefficients are drawn here, when every signature is fixed.
    fn open<T: Signed>(&mut self, ring: &KeyRing, items: &[T]) {
        self.terms.clear();
        for (item, signed) in items.iter().enumerate() {
            let key = signed.signer();
            let opened = Opened::open(&ring.key(key).0, &signed.digest().0, &signed.signature().0);
            if let Some(opened) = opened {
                let mut z = [0; 32];
                self.rng.fill_bytes(&mut z[..16]);
                self.terms.push(Term {
                    item,
                    key,
                    opened,
                    z: Scalar::from_bytes_mod_order(z),
                });
            }
        }
    }

    /// Halves a batch that fails until the culprits stand alone. `fails`: the caller knows that
    /// the equation over all of `terms` does not hold.
    fn judge(
        &mut self,
        ring: &KeyRing,
        terms: &[Term],
        fails: bool,
        accept: &mut impl FnMut(usize),
    ) -> bool {
        let holds = match terms {
            [] => true,
            [term] => !fails && term.opened.holds(ring.point(term.key)),
            _ => !fails && self.equation(ring, terms),
        };
        if holds {
            terms.iter().for_each(|term| accept(term.item));
        } else if terms.len() > 1 {
            let (left, right) = terms.split_at(terms.len() / 2);
            let left_holds = self.judge(ring, left, false, accept);
            // If the left half holds, the fault is known to be in the right one.
            self.judge(ring, right, left_holds, accept);
        }
        holds
    }

    /// `[8](Σ zᵢRᵢ + Σₖ(Σ zᵢhᵢ)Aₖ − (Σ zᵢsᵢ)B) = 0`, the terms of one key joined.
    fn equation(&mut self, ring: &KeyRing, terms: &[Term]) -> bool {
        self.join(terms);
        self.key_scalars.clear();
        self.key_scalars.resize(self.keys.len(), Scalar::ZERO);
        let mut base = Scalar::ZERO;
        for Term { key, opened, z, .. } in terms {
            self.key_scalars[self.places[key.0 as usize] as usize] += z * opened.h;
            base -= z * opened.s;
        }
        let scalars = terms
            .iter()
            .map(|term| &term.z)
            .chain(&self.key_scalars)
            .chain([&base]);
        let points = terms
            .iter()
            .map(|term| &term.opened.r)
            .chain(self.keys.iter().map(|&key| ring.point(key)))
            .chain([&ED25519_BASEPOINT_POINT]);
        EdwardsPoint::vartime_multiscalar_mul(scalars, points)
            .mul_by_cofactor()
            .is_identity()
    }

    /// Lists the distinct keys of `terms` and notes each one's place.
    fn join(&mut self, terms: &[Term]) -> &[KeyId] {
        self.keys.clear();
        for term in terms {
            let place = self.places[term.key.0 as usize] as usize;
            if self.keys.get(place) != Some(&term.key) {
                self.places[term.key.0 as usize] = self.keys.len() as u32;
                self.keys.push(term.key);
            }
        }
        &self.keys
    }
}
