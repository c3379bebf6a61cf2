//! The back end of library code: batches over curve25519-dalek's group, on every machine.

use std::collections::HashMap;
use std::iter::once;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, IsIdentity, VartimeMultiscalarMul};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest as _, Sha512};
use zeroize::{Zeroize, Zeroizing};

use super::accept::{Opened, challenge};
use super::ring::{DalekKey, KeyId, KeyRing};
use super::signature::Signed;
use super::signature::{Secrets, SignJob, Signature};
use super::sums::ProductSum;
use duet_base::chunks::Chunks;

/// Scratch memory of batched signing: one chunk's secrets, wiped after each chunk and when
/// dropped. Its length is fixed, so that it never moves and leaves no copy behind.
pub(super) struct SignScratch {
    nonces: Zeroizing<Vec<Scalar>>,
    /// As secret as the nonces until they are divided by Z, which tells how they were computed.
    points: Zeroizing<Vec<EdwardsPoint>>,
}

impl SignScratch {
    /// Points compressed with one shared inversion: enough to make the inversion vanish, few
    /// enough to stay in the first-level cache.
    const CHUNK: usize = 128;

    pub(super) fn new() -> SignScratch {
        SignScratch {
            nonces: Zeroizing::new(vec![Scalar::ZERO; Self::CHUNK]),
            points: Zeroizing::new(vec![EdwardsPoint::identity(); Self::CHUNK]),
        }
    }

    pub(super) fn sign<S: Secrets + ?Sized>(
        &mut self,
        secrets: &S,
        jobs: &[SignJob],
        signatures: &mut Vec<Signature>,
    ) {
        signatures.reserve(jobs.len());
        // One hasher for all nonces: where a hasher moves, it leaves a key's prefix behind.
        let mut hasher = Sha512::new();
        for jobs in jobs.chunks(Self::CHUNK) {
            let nonces = &mut self.nonces[..jobs.len()];
            let points = &mut self.points[..jobs.len()];
            for ((job, nonce), point) in jobs.iter().zip(&mut *nonces).zip(&mut *points) {
                let prefix = secrets.prefix(job.secret as usize);
                *nonce = derive_nonce(&mut hasher, prefix, &job.digest.0);
                *point = EdwardsPoint::mul_base(nonce);
            }
            let encoded = EdwardsPoint::compress_batch_alloc(points);
            for ((job, nonce), r) in jobs.iter().zip(&*nonces).zip(encoded) {
                let secret = job.secret as usize;
                let h = challenge(&r.0, secrets.public(secret), &job.digest.0);
                let s = nonce + h * secrets.scalar(secret);
                let mut signature = [0; 64];
                signature[..32].copy_from_slice(&r.0);
                signature[32..].copy_from_slice(s.as_bytes());
                signatures.push(Signature(signature));
            }
            // A nonce gives its key away.
            nonces.iter_mut().zeroize();
            points.iter_mut().zeroize();
        }
    }
}

/// `SHA-512(prefix ‖ M) mod l`: RFC 8032's deterministic nonce.
fn derive_nonce(hasher: &mut Sha512, prefix: &[u8; 32], message: &[u8]) -> Scalar {
    let mut wide = Zeroizing::new([0; 64]);
    hasher.update(prefix);
    hasher.update(message);
    hasher.finalize_into_reset((&mut *wide).into());
    Scalar::from_bytes_mod_order_wide(&wide)
}

/// Scratch memory of batched verification, and its source of coefficients.
pub(super) struct VerifyScratch {
    /// Seeded by the operating system: who could foresee a coefficient could cancel one bad
    /// signature's error by another's.
    rng: ChaCha12Rng,
    terms: Vec<Term>,
    /// The distinct keys, in the order in which they came.
    keys: Vec<KeyId>,
    /// Each one's place in `keys`. Of the batch's size, and not of the ring's.
    places: HashMap<KeyId, u32>,
    key_sums: Vec<ProductSum>,
    #[cfg(test)]
    pub(super) equations: usize,
}

/// One well-encoded signature of the batch.
struct Term {
    item: usize,
    key: KeyId,
    opened: Opened,
    /// The random coefficient, uniform over all 2^128.
    ///
    /// Multiplied by the cofactor, each signature's error lies in the group of prime order
    /// l > 2^252. If any is not zero, then whatever the other coefficients are, at most one of
    /// the 2^128 values of its own makes the errors' sum vanish: a batch with a bad signature
    /// passes with probability at most 2^-128. A coefficient of 0 is one of these values and needs
    /// no exception. The halves of a failed batch keep their coefficients: the bound holds for
    /// each subset, so over a whole search it is at most 2n times as much.
    z: u128,
}

impl VerifyScratch {
    pub(super) fn new() -> VerifyScratch {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).expect("the operating system gives randomness");
        VerifyScratch {
            rng: ChaCha12Rng::from_seed(*seed),
            terms: Vec::new(),
            keys: Vec::new(),
            places: HashMap::new(),
            key_sums: Vec::new(),
            #[cfg(test)]
            equations: 0,
        }
    }

    /// Appends one verdict per item to `valid`; returns the number of distinct keys.
    pub(super) fn verify<T: Signed>(
        &mut self,
        ring: &KeyRing,
        points: &Chunks<DalekKey>,
        items: &[T],
        valid: &mut Vec<bool>,
    ) -> usize {
        let first = valid.len();
        valid.resize(first + items.len(), false);
        let valid = &mut valid[first..];

        self.open(ring, items);
        let terms = std::mem::take(&mut self.terms);
        let keys = self.join(items.iter().map(|item| item.signed().0)).len();
        self.judge(points, &terms, false, &mut |item| valid[item] = true);
        self.terms = terms;
        keys
    }

    /// Decodes all signatures. The coefficients are drawn here, when every signature is fixed.
    fn open<T: Signed>(&mut self, ring: &KeyRing, items: &[T]) {
        self.terms.clear();
        for (item, signed) in items.iter().enumerate() {
            let (key, digest, signature) = signed.signed();
            let opened = Opened::open(&ring.key(key).0, &digest.0, &signature.0);
            if let Some(opened) = opened {
                let mut z = [0; 16];
                self.rng.fill_bytes(&mut z);
                self.terms.push(Term {
                    item,
                    key,
                    opened,
                    z: u128::from_le_bytes(z),
                });
            }
        }
    }

    /// Halves a batch that fails until the culprits stand alone. `fails`: the caller knows that
    /// the equation over all of `terms` does not hold.
    fn judge(
        &mut self,
        points: &Chunks<DalekKey>,
        terms: &[Term],
        fails: bool,
        accept: &mut impl FnMut(usize),
    ) -> bool {
        let holds = !fails && self.holds(points, terms);
        if holds {
            terms.iter().for_each(|term| accept(term.item));
        } else if terms.len() > 1 {
            let (left, right) = terms.split_at(terms.len() / 2);
            let left_holds = self.judge(points, left, false, accept);
            // If the left half holds, the fault is known to be in the right one.
            self.judge(points, right, left_holds, accept);
        }
        holds
    }

    /// The equation over `terms`, in the form that suits their number.
    fn holds(&mut self, points: &Chunks<DalekKey>, terms: &[Term]) -> bool {
        #[cfg(test)]
        {
            self.equations += 1;
        }
        match terms {
            [] => true,
            [term] => term.opened.holds(&points[term.key.0 as usize].point),
            _ => self.joined_equation(points, terms),
        }
    }

    /// `[8](Σ zᵢRᵢ + Σₖ(Σ zᵢhᵢ)Aₖ − (Σ zᵢsᵢ)B) = 0`, the terms of one key joined.
    fn joined_equation(&mut self, keys: &Chunks<DalekKey>, terms: &[Term]) -> bool {
        self.join(terms.iter().map(|term| term.key));
        self.key_sums.clear();
        self.key_sums.resize(self.keys.len(), ProductSum::default());
        let mut base_sum = ProductSum::default();
        for Term { key, opened, z, .. } in terms {
            self.key_sums[self.places[key] as usize].add(*z, opened.h.as_bytes());
            base_sum.add(*z, &opened.s);
        }
        let scalars = terms
            .iter()
            .map(|term| Scalar::from(term.z))
            .chain(self.key_sums.iter().map(ProductSum::reduce))
            .chain(once(-base_sum.reduce()));
        let points = terms
            .iter()
            .map(|term| &term.opened.r)
            .chain(self.keys.iter().map(|key| &keys[key.0 as usize].point))
            .chain(once(&ED25519_BASEPOINT_POINT));
        EdwardsPoint::vartime_multiscalar_mul(scalars, points)
            .mul_by_cofactor()
            .is_identity()
    }

    /// Lists the distinct keys and notes each one's place.
    fn join(&mut self, keys: impl Iterator<Item = KeyId>) -> &[KeyId] {
        self.keys.clear();
        self.places.clear();
        for key in keys {
            self.places.entry(key).or_insert_with(|| {
                self.keys.push(key);
                self.keys.len() as u32 - 1
            });
        }
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use zeroize::ZeroizeOnDrop;

    use super::super::ring::Points;
    use super::super::{Backend, Domain, PublicKey, SecretKey, hash};
    use super::*;

    fn secrets(count: usize) -> Vec<SecretKey> {
        (0..count)
            .map(|i| SecretKey::from_seed(&[i as u8; 32]))
            .collect()
    }

    fn jobs(count: usize, secrets: u32) -> Vec<SignJob> {
        (0..count as u32)
            .map(|i| SignJob {
                secret: i % secrets,
                digest: hash(Domain::State, &i.to_le_bytes()),
            })
            .collect()
    }

    #[test]
    fn nothing_secret_stays_in_scratch_memory() {
        let mut scratch = SignScratch::new();
        let secrets = secrets(3);
        for count in [1, 127, 128, 129, 300] {
            scratch.sign(&secrets[..], &jobs(count, 3), &mut Vec::new());
            assert!(scratch.nonces.iter().all(|nonce| *nonce == Scalar::ZERO));
            assert!(scratch.points.iter().all(IsIdentity::is_identity));
        }
    }

    #[test]
    fn what_holds_secrets_wipes_them_when_dropped() {
        fn wipes<T: ZeroizeOnDrop>() {}
        wipes::<Sha512>();
        wipes::<ed25519_dalek::hazmat::ExpandedSecretKey>();
        assert!(std::mem::needs_drop::<SecretKey>());
    }

    fn points(ring: &KeyRing) -> &Chunks<DalekKey> {
        match ring.points() {
            Points::Dalek(points) => points,
            Points::Lanes(..) => unreachable!("made for dalek"),
        }
    }

    #[test]
    fn scratch_memory_is_used_again() {
        let (mut sign, mut verify) = (SignScratch::new(), VerifyScratch::new());
        let secrets = secrets(10);
        let mut ring = KeyRing::new(Backend::Dalek);
        let ids: Vec<KeyId> = secrets
            .iter()
            .map(|secret| ring.insert(secret.public()).expect("a sound key"))
            .collect();
        let (mut signatures, mut valid) = (Vec::new(), Vec::new());
        let mut places = Vec::new();
        for _ in 0..3 {
            let jobs = jobs(200, 10);
            signatures.clear();
            sign.sign(&secrets[..], &jobs, &mut signatures);
            let items: Vec<_> = jobs
                .iter()
                .zip(&signatures)
                .map(|(job, signature)| (ids[job.secret as usize], job.digest, *signature))
                .collect();
            valid.clear();
            assert_eq!(verify.verify(&ring, points(&ring), &items, &mut valid), 10);
            assert_eq!(valid, [true; 200]);
            places.push((
                sign.nonces.as_ptr(),
                sign.points.as_ptr(),
                verify.terms.as_ptr(),
                verify.places.capacity(),
                verify.keys.as_ptr(),
                verify.key_sums.as_ptr(),
            ));
        }
        assert!(places.windows(2).all(|pair| pair[0] == pair[1]));
    }

    #[test]
    fn two_verifiers_draw_different_coefficients() {
        let secret = SecretKey::from_seed(&[5; 32]);
        let mut ring = KeyRing::new(Backend::Dalek);
        let id = ring.insert(secret.public()).expect("a sound key");
        let mut signatures = Vec::new();
        let job = jobs(1, 1)[0];
        SignScratch::new().sign(&[secret][..], &[job], &mut signatures);
        let items = [
            (id, job.digest, signatures[0]),
            (id, job.digest, signatures[0]),
        ];
        let mut drawn: Vec<u128> = Vec::new();
        for _ in 0..4 {
            let mut verify = VerifyScratch::new();
            for _ in 0..2 {
                verify.open(&ring, &items);
                drawn.extend(verify.terms.iter().map(|term| term.z));
            }
        }
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 16, "no coefficient twice");
        assert!(drawn.iter().any(|z| z >> 120 != 0), "of 128 bits");
    }

    /// RFC 8032, 7.1: seed, public key, message, signature. TEST 1 to 3 and TEST SHA(abc).
    const RFC_8032: [[&str; 4]; 4] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
        [
            "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
            "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
        ],
    ];

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex digits"))
            .collect()
    }

    /// The batch's own parts, on messages that are not digests.
    #[test]
    fn the_vectors_of_rfc_8032_are_signed_bit_for_bit() {
        for vector in RFC_8032 {
            let [seed, public, message, signature] = vector.map(hex);
            let secret = SecretKey::from_seed(&seed.try_into().expect("32 bytes"));
            let public = PublicKey(public.try_into().expect("32 bytes"));
            assert_eq!(secret.public(), public);
            let nonce = derive_nonce(&mut Sha512::new(), secret.prefix(), &message);
            let r = EdwardsPoint::mul_base(&nonce).compress().0;
            let s = nonce + challenge(&r, &public.0, &message) * secret.scalar();
            assert_eq!([r, s.to_bytes()].concat(), signature);
            let signature = signature.try_into().expect("64 bytes");
            assert!(super::super::accept(&public.0, &message, &signature));
        }
    }
}
