//! Signing and making keys in batches: plain Ed25519 (RFC 8032), bit for bit, in constant time.

use core::arch::x86_64::*;
use std::ops::Deref;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::comb::{self, Digits};
use super::field::Field;
use super::key::VerifyingKey;
use super::point::{Point, halves_over_z};
use super::rows::{load_32, store_32, store_64};
use super::scalar::{INTO_MONTGOMERY, MINUS_ODD, Scalar, TWICE};
use super::sha512::{all_of_32, challenge, hash_any, hash_short};
use crate::{Expanded, Lanes};

/// Groups of eight that share one inversion: enough to make it vanish, few enough for the
/// accumulators to stay in the first-level cache.
const GROUPS: usize = 16;

/// Signatures of a chunk.
const CHUNK: usize = 8 * GROUPS;

/// A key and what it signs.
type Job<'a> = (Expanded<'a>, &'a [u8]);

/// A secret key in the form that signing uses (RFC 8032, 5.1.5), wiped when dropped.
#[derive(ZeroizeOnDrop)]
pub struct SigningKey {
    scalar: [u8; 32],
    prefix: [u8; 32],
    #[zeroize(skip)]
    public: VerifyingKey,
}

impl SigningKey {
    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        self.public.bytes()
    }

    /// The public key as verifying takes it, without the square root that decoding one takes.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        &self.public
    }

    /// Its parts, for signing.
    #[must_use]
    pub fn expanded(&self) -> Expanded<'_> {
        Expanded::from_parts(&self.scalar, &self.prefix, self.public())
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
        let scratch = Box::new(unsafe { Scratch::new() });
        Signer { lanes, scratch }
    }

    /// The lanes this signer works in.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Expands seeds into keys, in a vector with room for no more: one that grows leaves copies of
    /// its keys behind that nobody wipes, and so does one that is iterated by value.
    #[must_use]
    pub fn keys<S: Deref<Target = [u8; 32]>>(&mut self, seeds: &[S]) -> Vec<SigningKey> {
        // Expanded where they stay, and seen by nobody before.
        let mut keys = Vec::with_capacity(seeds.len());
        keys.extend(seeds.iter().map(|seed| SigningKey {
            scalar: **seed,
            prefix: [0; 32],
            public: VerifyingKey::unknown(),
        }));
        for chunk in keys.chunks_mut(CHUNK) {
            // SAFETY: `self.lanes` is proof of the features.
            unsafe { self.scratch.expand(chunk) };
            self.wipe();
        }
        keys
    }

    /// Makes `count` signatures. `job(i)` gives the key and the message of signature i, once each and
    /// in order; `emit` receives the signatures in order.
    pub fn sign<'a>(
        &mut self,
        count: usize,
        mut job: impl FnMut(usize) -> (Expanded<'a>, &'a [u8]),
        mut emit: impl FnMut(&[u8; 64]),
    ) {
        let mut signatures = [[0; 64]; CHUNK];
        for first in (0..count).step_by(CHUNK) {
            let many = (count - first).min(CHUNK);
            // All of the caller's code runs before the first nonce is derived or after the last one
            // is wiped. The last group repeats a job in the lanes that it has to spare.
            let mut jobs = [job(first); CHUNK];
            for (at, to) in jobs.iter_mut().enumerate().take(many).skip(1) {
                *to = job(first + at);
            }
            let whole = many.next_multiple_of(8);
            // SAFETY: `self.lanes` is proof of the features.
            unsafe { self.scratch.sign(&jobs[..whole], &mut signatures[..whole]) };
            self.wipe();
            signatures[..many].iter().for_each(&mut emit);
        }
    }

    /// A nonce gives its key away, and so does what it was made from.
    fn wipe(&mut self) {
        // SAFETY: `self.lanes` is proof of the features.
        unsafe {
            self.scratch.wipe();
            wipe_dead_stack();
        }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Nothing is left unless an assertion of our own failed half way.
        self.wipe();
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
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let last = keys.len() - 1;
            let seeds: [&[u8; 32]; 8] = std::array::from_fn(|lane| &keys[lane.min(last)].scalar);
            let [mut a0, a1, a2, mut a3, p0, p1, p2, p3] = hash_short(&[], &load_32(seeds));
            // Clamping: a multiple of 8, bit 254 set, bit 255 clear.
            a0 = _mm512_and_si512(a0, _mm512_set1_epi64(!7));
            a3 = _mm512_and_si512(a3, _mm512_set1_epi64(i64::MAX));
            a3 = _mm512_or_si512(a3, _mm512_set1_epi64(1 << 62));
            let scalar = [a0, a1, a2, a3];
            let parts = store_32(scalar).into_iter().zip(store_32([p0, p1, p2, p3]));
            for (key, parts) in keys.iter_mut().zip(parts) {
                (key.scalar, key.prefix) = parts;
            }
            (self.digits[group], self.nonces[group]) = Digits::new(&scalar);
        }
        self.multiply(keys.len().div_ceil(8));
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let (x, y) = self.points[group].affine(&self.halves[group]);
            let publics = VerifyingKey::multiples_of_base(&x, &y);
            for (key, public) in keys.iter_mut().zip(publics) {
                key.public = public;
            }
        }
    }

    /// Whole groups of eight.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn sign(&mut self, jobs: &[Job<'_>], signatures: &mut [[u8; 64]]) {
        let (jobs, _) = jobs.as_chunks::<8>();
        for (group, jobs) in jobs.iter().enumerate() {
            let prefixes = jobs.map(|(key, _)| key.prefix());
            let messages = jobs.map(|(_, message)| message);
            let hash = match all_of_32(messages) {
                Some(messages) => hash_short(&load_32(prefixes), &load_32(messages)),
                None => hash_any(prefixes.map(|prefix| &prefix[..]), messages),
            };
            (self.digits[group], self.nonces[group]) = Digits::new(&hash);
        }
        self.multiply(jobs.len());
        let (signatures, _) = signatures.as_chunks_mut::<8>();
        for (group, (jobs, signatures)) in jobs.iter().zip(signatures).enumerate() {
            let r = self.points[group].compress(&self.halves[group]);
            let publics = jobs.map(|(key, _)| key.public());
            let h = challenge(&r, publics, jobs.map(|(_, message)| message));
            let scalar = Scalar::from_words(&load_32(jobs.map(|(key, _)| key.scalar())));
            // s = r + ha, with r = 2W − (2^258 − 1).
            let ha = Scalar::reduce(&h, &INTO_MONTGOMERY).montgomery(&scalar);
            let r2 = self.nonces[group].montgomery(&TWICE.splat());
            let s = ha.plus(&r2).plus(&MINUS_ODD.splat());
            let s = s.canonical().to_words();
            *signatures = store_64([r[0], r[1], r[2], r[3], s[0], s[1], s[2], s[3]]);
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn wipe(&mut self) {
        self.digits.iter_mut().for_each(|digits| digits.0.zeroize());
        self.nonces.iter_mut().for_each(|nonce| nonce.0.zeroize());
        for Point { plus, minus, z, t } in &mut self.points {
            [plus, minus, z, t]
                .into_iter()
                .for_each(|field| field.0.zeroize());
        }
        self.halves.iter_mut().for_each(|half| half.0.zeroize());
    }
}

/// Overwrites the stack below its caller's frame, where what it called before left its variables.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn wipe_dead_stack() {
    // More than the deepest call of this module takes.
    let mut dead = [_mm512_setzero_si512(); 512];
    dead.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn is_wiped(scratch: &Scratch) -> bool {
        let zero = |limb: __m512i| _mm512_test_epi64_mask(limb, limb) == 0;
        let points = scratch.points.iter().flat_map(|point| {
            let Point { plus, minus, z, t } = *point;
            [plus, minus, z, t]
        });
        let fields = points.chain(scratch.halves).flat_map(|field| field.0);
        let digits = scratch.digits.iter().flat_map(|digits| digits.0);
        let nonces = scratch.nonces.iter().flat_map(|nonce| nonce.0);
        fields.chain(digits).chain(nonces).all(zero)
    }

    fn assert_wiped(signer: &Signer) {
        // SAFETY: a signer has the proof of the features.
        assert!(unsafe { is_wiped(&signer.scratch) });
    }

    #[test]
    fn nothing_secret_stays_in_scratch_memory() {
        let Some(lanes) = Lanes::detect() else { return };
        let mut signer = Signer::new(lanes);
        for count in [1, 8, 127, 128, 129, 300] {
            let seeds = vec![[count as u8; 32]; count];
            let keys = signer.keys(&seeds.iter().collect::<Vec<_>>());
            assert_wiped(&signer);
            signer.sign(count, |at| (keys[at].expanded(), &[1; 32]), |_| {});
            assert_wiped(&signer);
        }
        // The caller's code may panic: no nonce is derived yet, or none is left.
        for (bad_job, bad_emit) in [(5, 999), (999, 5), (200, 999)] {
            let key = signer.keys(&[&[7; 32]]);
            let mut emitted = 0;
            let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                let job = |at| {
                    assert_ne!(at, bad_job);
                    (key[0].expanded(), &[1; 32][..])
                };
                signer.sign(300, job, |_| {
                    emitted += 1;
                    assert_ne!(emitted, bad_emit);
                });
            }));
            assert!(panicked.is_err());
            assert_wiped(&signer);
        }
    }
}
