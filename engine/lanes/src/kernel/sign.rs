//! Signing and making keys in batches: plain Ed25519 (RFC 8032), bit for bit, in constant time.

use std::ops::Deref;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::comb::{self, Digits};
use super::field::Field;
use super::key::VerifyingKey;
use super::point::{HalvesOverZ, PointTiles};
use super::scalar::{INTO_MONTGOMERY, Scalar, TWICE};
use super::sha512::{all_of_32, challenge, hash_any, hash_short};
use crate::machine::{Machine, Tile, Vector, Work};
use crate::{Expanded, Lanes, OnAny};

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

#[derive(Zeroize)]
struct Scratch {
    digits: [Digits; GROUPS],
    /// W of each nonce, as [`comb::digits`] gives it.
    nonces: [[Tile; 5]; GROUPS],
    /// As secret as the nonces until they are divided by Z, which tells how they were computed.
    points: [PointTiles; GROUPS],
    halves: [[Tile; 5]; GROUPS],
}

impl Signer {
    /// A signer.
    #[must_use]
    pub fn new(lanes: Lanes) -> Signer {
        Signer {
            lanes,
            scratch: Box::new(Scratch {
                digits: [[Tile::ZERO; 5]; GROUPS],
                nonces: [[Tile::ZERO; 5]; GROUPS],
                points: [PointTiles::ZERO; GROUPS],
                halves: [[Tile::ZERO; 5]; GROUPS],
            }),
        }
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
            Expand(&mut self.scratch, chunk).on_lanes(self.lanes);
            self.wipe();
        }
        keys
    }

    /// Makes `count` signatures. `job(i)` gives the key and the message of signature i, once each
    /// and in order; `emit` receives the signatures in order.
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
            let sign = Sign {
                scratch: &mut self.scratch,
                jobs: &jobs[..whole],
                signatures: &mut signatures[..whole],
            };
            sign.on_lanes(self.lanes);
            self.wipe();
            signatures[..many].iter().for_each(&mut emit);
        }
    }

    /// A nonce gives its key away, and so does what it was made from.
    fn wipe(&mut self) {
        self.scratch.zeroize();
        wipe_dead_stack();
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        // Nothing is left unless an assertion of our own failed half way.
        self.wipe();
    }
}

impl Scratch {
    /// Multiplies the base point by the digits of `groups` groups, and makes ready to compress.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply<M: Machine>(&mut self, machine: M, groups: usize) {
        let points = &mut self.points[..groups];
        machine.run(comb::Multiply(&self.digits[..groups], points));
        machine.run(HalvesOverZ(points, &mut self.halves[..groups]));
    }
}

/// Expands at most a chunk of seeds, which are in the scalars' place.
struct Expand<'a>(&'a mut Scratch, &'a mut [SigningKey]);

impl Expand<'_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) {
        lanes.on(self);
    }
}

impl OnAny for Expand<'_> {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
}

impl<M: Machine> Work<M> for Expand<'_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let Expand(scratch, keys) = self;
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let last = keys.len() - 1;
            let seeds: [&[u8; 32]; 8] = std::array::from_fn(|lane| &keys[lane.min(last)].scalar);
            let [mut a0, a1, a2, mut a3, p0, p1, p2, p3] =
                hash_short(machine, &[], &machine.load_32(seeds));
            // Clamping: a multiple of 8, bit 254 set, bit 255 clear.
            a0 = a0 & machine.splat(!7);
            a3 = (a3 & machine.splat(!0 >> 1)) | machine.splat(1 << 62);
            let scalar = [a0, a1, a2, a3];
            let prefixes = M::V::store_32([p0, p1, p2, p3]);
            let parts = M::V::store_32(scalar).into_iter().zip(prefixes);
            for (key, parts) in keys.iter_mut().zip(parts) {
                (key.scalar, key.prefix) = parts;
            }
            scratch.digits[group] = comb::digits(machine, &scalar).0;
        }
        scratch.multiply(machine, keys.len().div_ceil(8));
        for (group, keys) in keys.chunks_mut(8).enumerate() {
            let half = Field::load(machine, &scratch.halves[group]);
            let (x, y) = scratch.points[group].load(machine).affine(&half);
            let publics = VerifyingKey::multiples_of_base(&x, &y);
            for (key, public) in keys.iter_mut().zip(publics) {
                key.public = public;
            }
        }
    }
}

/// Makes at most a chunk of signatures, in whole groups of eight.
struct Sign<'a, 'b> {
    scratch: &'a mut Scratch,
    jobs: &'a [Job<'b>],
    signatures: &'a mut [[u8; 64]],
}

impl Sign<'_, '_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) {
        lanes.on(self);
    }
}

impl OnAny for Sign<'_, '_> {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
}

impl<M: Machine> Work<M> for Sign<'_, '_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let Sign {
            scratch,
            jobs,
            signatures,
        } = self;
        let (jobs, _) = jobs.as_chunks::<8>();
        for (group, jobs) in jobs.iter().enumerate() {
            let prefixes = jobs.map(|(key, _)| key.prefix());
            let messages = jobs.map(|(_, message)| message);
            let hash = match all_of_32(messages) {
                Some(messages) => hash_short(
                    machine,
                    &machine.load_32(prefixes),
                    &machine.load_32(messages),
                ),
                None => hash_any(machine, prefixes.map(|prefix| &prefix[..]), messages),
            };
            let (digits, nonce) = comb::digits(machine, &hash);
            scratch.digits[group] = digits;
            nonce.store(&mut scratch.nonces[group]);
        }
        scratch.multiply(machine, jobs.len());
        let (signatures, _) = signatures.as_chunks_mut::<8>();
        for (group, (jobs, signatures)) in jobs.iter().zip(signatures).enumerate() {
            let half = Field::load(machine, &scratch.halves[group]);
            let r = scratch.points[group].load(machine).compress(&half);
            let publics = jobs.map(|(key, _)| key.public());
            let h = challenge(machine, &r, publics, jobs.map(|(_, message)| message));
            let scalar = Scalar::from_words(&machine.load_32(jobs.map(|(key, _)| key.scalar())));
            // s = r + ha, with r = 2W − (2^n − 1).
            let ha = Scalar::reduce(machine, &h, &INTO_MONTGOMERY).montgomery(&scalar);
            let nonce = Scalar::load(machine, &scratch.nonces[group]);
            let r2 = nonce.montgomery(&TWICE.splat(machine));
            let less = const { comb::odd::<M>().negative() };
            let s = ha.plus(&r2).plus(&less.splat(machine));
            let halves = [M::V::store_32(r), M::V::store_32(s.canonical().to_words())];
            for (lane, signature) in signatures.iter_mut().enumerate() {
                for (to, half) in signature.as_chunks_mut::<32>().0.iter_mut().zip(&halves) {
                    *to = half[lane];
                }
            }
        }
    }
}

/// Overwrites the stack below its caller's frame, where what it called before left its variables.
#[inline(never)]
fn wipe_dead_stack() {
    // More than the deepest call of this module takes.
    let mut dead = [0_u64; 4096];
    dead.zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_wiped(scratch: &Scratch) -> bool {
        let tiles = |tiles: &[Tile]| tiles.iter().all(|tile| tile.0 == [0; 8]);
        let points = scratch.points.iter().all(PointTiles::is_zero);
        let rest = [&scratch.digits, &scratch.nonces, &scratch.halves];
        points && rest.into_iter().all(|rest| tiles(rest.as_flattened()))
    }

    fn assert_wiped(signer: &Signer) {
        assert!(is_wiped(&signer.scratch));
    }

    #[test]
    fn nothing_secret_stays_in_scratch_memory() {
        for lanes in Lanes::all() {
            nothing_stays(lanes);
        }
    }

    fn nothing_stays(lanes: Lanes) {
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
