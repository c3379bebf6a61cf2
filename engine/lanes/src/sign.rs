//! Signing and making keys in batches: plain Ed25519 (RFC 8032), bit for bit, in constant time.

use core::arch::x86_64::*;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::comb::{self, Digits};
use super::field::Field;
use super::point::{Point, halves_over_z};
use super::rows::{load_32, store_32, store_64};
use super::scalar::{INTO_MONTGOMERY, MINUS_ODD, Scalar, TWICE};
use super::sha512::{hash_any, hash_short};
use crate::{Expanded, Lanes};

/// Groups of eight that share one inversion: enough to make it vanish, few enough for the
/// accumulators to stay in the first-level cache.
const GROUPS: usize = 16;

/// A secret key in the form that signing uses (RFC 8032, 5.1.5), wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct SigningKey {
    scalar: [u8; 32],
    prefix: [u8; 32],
    #[zeroize(skip)]
    public: [u8; 32],
}

impl SigningKey {
    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Its parts, for signing.
    #[must_use]
    pub fn expanded(&self) -> Expanded<'_> {
        Expanded {
            scalar: &self.scalar,
            prefix: &self.prefix,
            public: &self.public,
        }
    }
}

/// Makes keys and signatures in batches. Holds the secrets of one chunk, wiped after each.
pub struct Signer {
    lanes: Lanes,
    scratch: Box<Scratch>,
}

struct Scratch {
    digits: [Digits; GROUPS],
    /// W of each nonce, as [`Digits::new`] gives it.
    nonces: [Scalar; GROUPS],
    /// As secret as the nonces until they are divided by Z, which tells how they were computed.
    points: [Point; GROUPS],
    halves: [Field; GROUPS],
}

impl Signer {
    /// A signer.
    #[must_use]
    pub fn new(lanes: Lanes) -> Signer {
        // SAFETY: `lanes` is proof of the features.
        let scratch = unsafe { Scratch::new() };
        Signer {
            lanes,
            scratch: Box::new(scratch),
        }
    }

    /// The lanes this signer works in.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Expands seeds into keys.
    pub fn keys<'a>(
        &mut self,
        seeds: impl ExactSizeIterator<Item = &'a [u8; 32]>,
        keys: &mut Vec<SigningKey>,
    ) {
        let first = keys.len();
        // Expanded where they stay: whatever moves leaves a copy that nobody wipes.
        keys.reserve_exact(seeds.len());
        keys.extend(seeds.map(|seed| SigningKey {
            scalar: *seed,
            prefix: [0; 32],
            public: [0; 32],
        }));
        for chunk in keys[first..].chunks_mut(8 * GROUPS) {
            // SAFETY: `self.lanes` is proof of the features.
            unsafe { self.scratch.expand(chunk) };
        }
    }

    /// Makes `count` signatures. `job(i)` gives the key and the message of signature i, and may be
    /// called more than once; `emit` receives the signatures in order.
    pub fn sign<'a>(
        &mut self,
        count: usize,
        job: impl Fn(usize) -> (Expanded<'a>, &'a [u8]),
        mut emit: impl FnMut(&[u8; 64]),
    ) {
        for first in (0..count).step_by(8 * GROUPS) {
            let many = (count - first).min(8 * GROUPS);
            // The last group repeats its last job in the lanes that it has to spare.
            let job = |at: usize| job(first + at.min(many - 1));
            // SAFETY: `self.lanes` is proof of the features.
            unsafe { self.scratch.sign(many, &job, &mut emit) };
        }
    }
}

impl Scratch {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn new() -> Scratch {
        Scratch {
            digits: [Digits::zero(); GROUPS],
            nonces: [Scalar::zero(); GROUPS],
            points: [Point::identity(); GROUPS],
            halves: [Field::zero(); GROUPS],
        }
    }

    /// Multiplies the base point by the digits of `groups` groups, and makes ready to compress.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn multiply(&mut self, groups: usize) {
        comb::multiply(&self.digits[..groups], &mut self.points[..groups]);
        halves_over_z(&self.points[..groups], &mut self.halves[..groups]);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn expand(&mut self, keys: &mut [SigningKey]) {
        let groups = keys.len().div_ceil(8);
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let last = keys.len() - 1;
            let seeds: [&[u8; 32]; 8] = std::array::from_fn(|lane| &keys[lane.min(last)].scalar);
            let hash = hash_short(&[], &load_32(seeds));
            let [mut a0, a1, a2, mut a3, p0, p1, p2, p3] = hash;
            // Clamping: a multiple of 8, bit 254 set, bit 255 clear.
            a0 = _mm512_and_si512(a0, _mm512_set1_epi64(!7));
            a3 = _mm512_and_si512(a3, _mm512_set1_epi64(i64::MAX));
            a3 = _mm512_or_si512(a3, _mm512_set1_epi64(1 << 62));
            let scalar = [a0, a1, a2, a3];
            let mut scalars = store_32(scalar);
            let mut prefixes = store_32([p0, p1, p2, p3]);
            for ((key, scalar), prefix) in keys.iter_mut().zip(&scalars).zip(&prefixes) {
                (key.scalar, key.prefix) = (*scalar, *prefix);
            }
            scalars.zeroize();
            prefixes.zeroize();
            (self.digits[group], self.nonces[group]) = Digits::new(&scalar);
        }
        self.multiply(groups);
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let publics = store_32(self.points[group].compress(&self.halves[group]));
            for (key, public) in keys.iter_mut().zip(publics) {
                key.public = public;
            }
        }
        self.wipe(groups);
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn sign<'a>(
        &mut self,
        count: usize,
        job: &impl Fn(usize) -> (Expanded<'a>, &'a [u8]),
        emit: &mut impl FnMut(&[u8; 64]),
    ) {
        let groups = count.div_ceil(8);
        for group in 0..groups {
            let jobs: [(Expanded<'_>, &[u8]); 8] =
                std::array::from_fn(|lane| job(8 * group + lane));
            let hash = match short(&jobs) {
                Some(messages) => {
                    let prefixes = load_32(jobs.map(|(key, _)| key.prefix));
                    hash_short(&prefixes, &load_32(messages))
                }
                None => hash_any(jobs.map(|(key, _)| &key.prefix[..]), jobs.map(|job| job.1)),
            };
            (self.digits[group], self.nonces[group]) = Digits::new(&hash);
        }
        self.multiply(groups);
        for group in 0..groups {
            let jobs: [(Expanded<'_>, &[u8]); 8] =
                std::array::from_fn(|lane| job(8 * group + lane));
            let r = self.points[group].compress(&self.halves[group]);
            let h = challenge(&r, &jobs);
            let scalar = Scalar::from_words(&load_32(jobs.map(|(key, _)| key.scalar)));
            // s = r + ha, with r = 2W − (2^258 − 1).
            let ha = Scalar::reduce(&h, &INTO_MONTGOMERY).montgomery(&scalar);
            let r2 = self.nonces[group].montgomery(&TWICE.splat());
            let s = ha.plus(&r2).plus(&MINUS_ODD.splat()).canonical().to_words();
            let signatures = store_64([r[0], r[1], r[2], r[3], s[0], s[1], s[2], s[3]]);
            for signature in signatures.iter().take(count - 8 * group) {
                emit(signature);
            }
        }
        self.wipe(groups);
    }

    /// A nonce gives its key away.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn wipe(&mut self, groups: usize) {
        for group in 0..groups {
            self.digits[group] = Digits::zero();
            self.nonces[group] = Scalar::zero();
            self.points[group] = Point::identity();
            self.halves[group] = Field::zero();
        }
        std::hint::black_box(self);
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Each chunk is wiped when it is done, but for one in which a job panicked.
        // SAFETY: `self.lanes` is proof of the features.
        unsafe { self.scratch.wipe(GROUPS) };
    }
}

/// The messages, if all are of 32 bytes.
#[inline]
fn short<'a>(jobs: &[(Expanded<'_>, &'a [u8]); 8]) -> Option<[&'a [u8; 32]; 8]> {
    let mut messages = [&[0; 32]; 8];
    for (message, job) in messages.iter_mut().zip(jobs) {
        *message = job.1.try_into().ok()?;
    }
    Some(messages)
}

/// `SHA-512(R ‖ A ‖ M)` in each lane.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn challenge(r: &[__m512i; 4], jobs: &[(Expanded<'_>, &[u8]); 8]) -> [__m512i; 8] {
    match short(jobs) {
        Some(messages) => {
            let [a0, a1, a2, a3] = load_32(jobs.map(|(key, _)| key.public));
            let head = [r[0], r[1], r[2], r[3], a0, a1, a2, a3];
            hash_short(&head, &load_32(messages))
        }
        None => {
            let rs = store_32(*r);
            let heads: [[u8; 64]; 8] = std::array::from_fn(|lane| {
                let mut head = [0; 64];
                head[..32].copy_from_slice(&rs[lane]);
                head[32..].copy_from_slice(jobs[lane].0.public);
                head
            });
            hash_any(
                heads.each_ref().map(|head| &head[..]),
                jobs.map(|job| job.1),
            )
        }
    }
}
