//! Verifying in batches: ZIP 215, cofactored, an exact verdict per signature.

use std::ops::Index;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::buckets::{Buckets, PointRow, load_negated, store_niels};
use super::comb;
use super::decode::Decode;
use super::joined::Joined;
use super::key::VerifyingKey;
use super::point::{Point, PointTiles};
use super::scalar::{Scalar, UNCHANGED};
use super::sha512::{Rows32, challenge};
use super::sums::{Coefficient, Sum, signed};
use super::window::{Terms, Window, halves_of};
use crate::machine::{Machine, Mask, Tile, Vector, Work};
use crate::{Item, Lanes, OnAny};

/// Judges signatures in batches. Buffers are kept for the next batch.
pub struct Verifier {
    lanes: Lanes,
    /// Seeded by the operating system: who could foresee a coefficient could cancel one bad
    /// signature's error by another's.
    rng: ChaCha12Rng,
    scratch: Scratch,
}

/// The buffers of a batch: the first five in the order of its items.
struct Scratch {
    points: Vec<PointRow>,
    challenges: Vec<[u64; 8]>,
    responses: Vec<[u64; 4]>,
    coefficients: Vec<Coefficient>,
    keys: Vec<usize>,
    /// The items whose encodings are in order.
    sound: Vec<u32>,
    joined: Joined,
    /// The points of the joined keys.
    key_points: Vec<PointRow>,
    sums: Vec<Sum>,
    scalars: Vec<[i8; 32]>,
    buckets: Buckets,
    /// −B.
    minus_base: PointRow,
    equations: u64,
}

impl Verifier {
    /// Most signatures in one batch.
    pub const LARGEST_BATCH: usize = 1 << 16;

    /// A verifier whose coefficients come from a generator seeded by the operating system.
    ///
    /// # Panics
    /// If the operating system gives no randomness: without it batch verification is not sound.
    #[must_use]
    pub fn new(lanes: Lanes) -> Verifier {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).expect("the operating system gives randomness");
        Verifier {
            lanes,
            rng: ChaCha12Rng::from_seed(*seed),
            scratch: Scratch::new(lanes.on(MinusBase)),
        }
    }

    /// The lanes this verifier works in.
    #[must_use]
    pub fn lanes(&self) -> Lanes {
        self.lanes
    }

    /// Judges a batch: appends one verdict per item to `valid` and returns how many distinct keys
    /// the items name. A bad signature costs no other item its verdict.
    ///
    /// # Panics
    /// If the batch is larger than [`Verifier::LARGEST_BATCH`] or names a key that is not there;
    /// `valid` is as it was then.
    pub fn verify<'a>(
        &mut self,
        keys: &(impl Index<usize, Output = VerifyingKey> + ?Sized),
        items: impl IntoIterator<Item = Item<'a>>,
        valid: &mut Vec<bool>,
    ) -> usize {
        let publics = |key: usize| &keys[key].bytes;
        self.scratch.open(self.lanes, publics, items.into_iter());
        self.scratch.draw(&mut self.rng);
        let first = valid.len();
        valid.resize(first + self.scratch.keys.len(), false);
        let all = JudgeAll {
            scratch: &mut self.scratch,
            keys: &Of(keys),
            valid: &mut valid[first..],
        };
        all.on_lanes(self.lanes)
    }

    /// How many equations were tried so far: one per batch, and more for those that fail.
    #[must_use]
    pub fn equations(&self) -> u64 {
        self.scratch.equations
    }
}

/// The keys that items name by their places.
trait Keys {
    fn key(&self, at: usize) -> &VerifyingKey;
}

struct Of<'a, K: ?Sized>(&'a K);

impl<K: Index<usize, Output = VerifyingKey> + ?Sized> Keys for Of<'_, K> {
    fn key(&self, at: usize) -> &VerifyingKey {
        &self.0[at]
    }
}

impl Scratch {
    fn new(minus_base: PointRow) -> Scratch {
        Scratch {
            points: Vec::new(),
            challenges: Vec::new(),
            responses: Vec::new(),
            coefficients: Vec::new(),
            keys: Vec::new(),
            sound: Vec::new(),
            joined: Joined::default(),
            key_points: Vec::new(),
            sums: Vec::new(),
            scalars: Vec::new(),
            buckets: Buckets::new(),
            minus_base,
            equations: 0,
        }
    }

    /// Decodes the signatures and derives their challenges.
    fn open<'a, 'k>(
        &mut self,
        lanes: Lanes,
        public: impl Fn(usize) -> &'k [u8; 32],
        mut items: impl Iterator<Item = Item<'a>>,
    ) {
        self.points.clear();
        self.challenges.clear();
        self.responses.clear();
        self.keys.clear();
        self.sound.clear();
        while let Some(first) = items.next() {
            // The last group repeats its first item in the lanes that it has to spare.
            let mut sixteen = [first; 16];
            let mut many = 1;
            while many < 16
                && let Some(item) = items.next()
            {
                sixteen[many] = item;
                many += 1;
            }
            self.keys
                .extend(sixteen[..many].iter().map(|item| item.key));
            let count = self.keys.len();
            assert!(
                count <= Verifier::LARGEST_BATCH,
                "{count} signatures or more in one batch"
            );
            let open = Open {
                scratch: self,
                items: &sixteen,
                publics: sixteen.map(|item| public(item.key)),
                many,
            };
            open.on_lanes(lanes);
        }
    }

    /// Draws the coefficients, now that every signature is fixed.
    fn draw(&mut self, rng: &mut ChaCha12Rng) {
        self.coefficients.resize(self.keys.len(), [0; 16]);
        for coefficient in &mut self.coefficients {
            let mut bytes = [0; 16];
            rng.fill_bytes(&mut bytes);
            *coefficient = bytes.map(|byte| byte as i8);
        }
    }

    /// Halves a batch that fails until at most eight are left, which are judged one by one.
    /// `fails`: the caller knows that the equation over all of `items` does not hold.
    fn judge<M: Machine>(
        &mut self,
        machine: M,
        keys: &dyn Keys,
        items: &[u32],
        fails: bool,
        valid: &mut [bool],
    ) -> bool {
        if items.is_empty() {
            return true;
        }
        let equation = Equation {
            scratch: self,
            keys,
            items,
        };
        if items.len() <= 8 {
            let holds = machine.run(Singly(equation));
            for (lane, &item) in items.iter().enumerate() {
                valid[item as usize] = holds & (1 << lane) != 0;
            }
            return holds == 0xff;
        }
        let holds = !fails && machine.run(Joint(equation));
        if holds {
            items.iter().for_each(|&item| valid[item as usize] = true);
        } else {
            let (left, right) = items.split_at(items.len() / 2);
            let left_holds = self.judge(machine, keys, left, false, valid);
            // If the left half holds, the fault is known to be in the right one.
            self.judge(machine, keys, right, left_holds, valid);
        }
        holds
    }

    /// The scalars of the joined keys and of −B, as digits.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add_up<M: Machine>(&mut self, machine: M, items: &[u32]) {
        self.joined.join(&self.keys, items.iter().copied());
        let joined = self.joined.keys.len();
        self.sums.clear();
        self.sums.resize(joined + 1, Sum::default());
        let (key_sums, base_sum) = self.sums.split_at_mut(joined);
        for (&item, &place) in items.iter().zip(&self.joined.places) {
            let item = item as usize;
            let z = &self.coefficients[item];
            key_sums[place as usize].add(z, &self.challenges[item]);
            base_sum[0].add(z, &self.responses[item]);
        }
        self.scalars.clear();
        for sums in self.sums.chunks(8) {
            let eight = std::array::from_fn(|lane| &sums[lane.min(sums.len() - 1)]);
            self.scalars
                .extend(&Sum::reduce(machine, &eight)[..sums.len()]);
        }
    }

    /// The points of the joined keys, once each.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn expand<M: Machine>(&mut self, machine: M, keys: &dyn Keys) {
        let joined = &self.joined.keys;
        self.key_points.clear();
        (self.key_points).resize(joined.len().next_multiple_of(8), [Tile::ZERO; 2]);
        let (rows, _) = self.key_points.as_chunks_mut::<8>();
        for (rows, joined) in rows.iter_mut().zip(joined.chunks(8)) {
            let eight = std::array::from_fn(|lane| keys.key(joined[lane.min(joined.len() - 1)]));
            store_niels(&VerifyingKey::points(machine, eight), rows);
        }
        self.key_points.truncate(joined.len());
    }
}

/// −B, as a row.
struct MinusBase;

impl OnAny for MinusBase {
    type Out = PointRow;

    fn on<M: Machine>(self, machine: M) -> PointRow {
        machine.run(self)
    }
}

impl<M: Machine> Work<M> for MinusBase {
    type Out = PointRow;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> PointRow {
        let [(base, _)] = machine.run(Decode(&[machine.load_32([&comb::BASE; 8])]));
        let mut minus = base.negate();
        minus.t2d = minus.t2d.widen().carry();
        let mut rows = [[Tile::ZERO; 2]; 8];
        store_niels(&minus, &mut rows);
        rows[0]
    }
}

/// Opens the first `many` of sixteen items.
struct Open<'a, 'b, 'k> {
    scratch: &'a mut Scratch,
    items: &'a [Item<'b>; 16],
    publics: [&'k [u8; 32]; 16],
    many: usize,
}

impl Open<'_, '_, '_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) {
        lanes.on(self);
    }
}

impl OnAny for Open<'_, '_, '_> {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
}

impl<M: Machine> Work<M> for Open<'_, '_, '_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let Open {
            scratch,
            items,
            publics,
            many,
        } = self;
        let first = scratch.points.len();
        scratch.points.resize(first + 16, [Tile::ZERO; 2]);
        let (eights, _) = items.as_chunks::<8>();
        let (publics, _) = publics.as_chunks::<8>();
        let mut rs = [[machine.splat(0); 4]; 2];
        for (r, eight) in rs.iter_mut().zip(eights) {
            *r = machine.load_32(eight.each_ref().map(|item| halves(item.signature).0));
        }
        let decoded = machine.run(Decode(&rs));
        for (half, (niels, points)) in decoded.iter().enumerate() {
            let first = first + 8 * half;
            let rows = scratch.points[first..]
                .first_chunk_mut()
                .expect("whole groups");
            store_niels(niels, rows);
            let points = points.bits();
            let messages = eights[half].each_ref().map(|item| item.message);
            let publics: Rows32<'_> = publics[half];
            let hash = challenge(machine, &rs[half], publics, messages);
            let mut hashes = [Tile::ZERO; 8];
            M::V::store_8x8(hash, &mut hashes, [0, 1, 2, 3, 4, 5, 6, 7]);
            for lane in 0..many.saturating_sub(8 * half).min(8) {
                let response = words(halves(eights[half][lane].signature).1);
                if points & (1 << lane) != 0 && is_canonical(&response) {
                    scratch.sound.push((first + lane) as u32);
                }
                scratch.responses.push(response);
                scratch.challenges.push(hashes[lane].0);
            }
        }
    }
}

/// Judges a batch that was opened, and says how many keys it names.
struct JudgeAll<'a> {
    scratch: &'a mut Scratch,
    keys: &'a dyn Keys,
    valid: &'a mut [bool],
}

impl JudgeAll<'_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) -> usize {
        lanes.on(self)
    }
}

impl OnAny for JudgeAll<'_> {
    type Out = usize;

    fn on<M: Machine>(self, machine: M) -> usize {
        let JudgeAll {
            scratch,
            keys,
            valid,
        } = self;
        scratch
            .joined
            .join(&scratch.keys, 0..scratch.keys.len() as u32);
        let joined = scratch.joined.keys.len();
        let sound = std::mem::take(&mut scratch.sound);
        scratch.judge(machine, keys, &sound, false, valid);
        scratch.sound = sound;
        joined
    }
}

/// Of some of the items.
struct Equation<'a> {
    scratch: &'a mut Scratch,
    keys: &'a dyn Keys,
    items: &'a [u32],
}

/// The equation of each of one to eight items, `[8](sB − hA − R) = 0`: which lanes' hold. The lanes
/// that are left over repeat the last item.
struct Singly<'a>(Equation<'a>);

impl<M: Machine> Work<M> for Singly<'_> {
    type Out = u8;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> u8 {
        let Equation {
            scratch,
            keys,
            items,
        } = self.0;
        scratch.equations += 1;
        let last = items.len() - 1;
        let item: [usize; 8] = std::array::from_fn(|lane| items[lane.min(last)] as usize);
        let eight = item.map(|item| keys.key(scratch.keys[item]));
        let minus_a = VerifyingKey::points(machine, eight).negate();
        let mut multiple = Point::identity(machine);
        for digit in 0..=8 {
            scratch.buckets.put(digit, &multiple);
            multiple = multiple.add_niels(&minus_a);
        }
        let h = machine.load_8x8(item.map(|item| &scratch.challenges[item]));
        let h = Scalar::reduce(machine, &h, &[UNCHANGED[0], UNCHANGED[1]]);
        let h = M::V::store_32(h.canonical().to_words()).map(|bytes| signed(&bytes));
        let mut sum = Point::identity(machine);
        for at in (0..32).rev() {
            let digits = h.map(|digits| halves_of(digits[at]));
            for half in [1, 0] {
                let multiple = scratch
                    .buckets
                    .get(machine, digits.map(|digit| digit[half]));
                sum = sum.double_times(machine, 4).add(&multiple);
            }
        }
        let s = machine.load_8x4(item.map(|item| &scratch.responses[item]));
        let (digits, _) = comb::digits(machine, &s);
        let mut base = [PointTiles::ZERO];
        machine.run(comb::Multiply(&[digits], &mut base));
        let minus_r = load_negated(machine, item.map(|item| &scratch.points[item]));
        let error = base[0].load(machine).add(&sum).add_niels(&minus_r);
        error.double_times(machine, 3).is_identity().bits()
    }
}

/// `[8](Σ zᵢRᵢ + Σₖ(Σ zᵢhᵢ)Aₖ − (Σ zᵢsᵢ)B) = 0`, the terms of one key joined.
struct Joint<'a>(Equation<'a>);

impl<M: Machine> Work<M> for Joint<'_> {
    type Out = bool;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> bool {
        let Equation {
            scratch,
            keys,
            items,
        } = self.0;
        scratch.equations += 1;
        scratch.add_up(machine, items);
        scratch.expand(machine, keys);
        let Scratch {
            points,
            coefficients,
            key_points,
            scalars,
            buckets,
            minus_base,
            ..
        } = scratch;
        key_points.push(*minus_base);
        let low = Terms {
            items,
            points,
            coefficients,
            keys: key_points,
            key_scalars: scalars,
            half: 0,
        };
        // Digits 16 to 31 are the keys' and B's alone.
        let high = Terms {
            items: &[],
            half: 1,
            ..low
        };
        let mut sum = Point::identity(machine);
        for terms in [high, low] {
            let window = Window::for_points(terms.items.len() + terms.keys.len());
            sum = window.sum(machine, sum, buckets, &terms);
        }
        sum.double_times(machine, 3).is_identity().bits() & 1 != 0
    }
}

/// R and s.
#[inline]
fn halves(signature: &[u8; 64]) -> (&[u8; 32], &[u8; 32]) {
    let (halves, _) = signature.as_chunks::<32>();
    (&halves[0], &halves[1])
}

#[inline]
fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bytes.as_chunks::<8>();
    [words[0], words[1], words[2], words[3]].map(u64::from_le_bytes)
}

/// Whether `s < l`.
fn is_canonical(s: &[u64; 4]) -> bool {
    const ORDER: [u64; 4] = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 1 << 60];
    s.iter().rev().lt(ORDER.iter().rev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_verifiers_draw_different_coefficients() {
        let lanes = Lanes::detect();
        let mut drawn: Vec<Coefficient> = Vec::new();
        for _ in 0..4 {
            let mut verifier = Verifier::new(lanes);
            for _ in 0..2 {
                verifier.scratch.keys = vec![0; 10];
                verifier.scratch.draw(&mut verifier.rng);
                drawn.extend(&verifier.scratch.coefficients);
            }
        }
        assert!(drawn.iter().any(|z| z[15] != 0), "of 128 bits");
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 80, "no coefficient twice");
    }

    #[test]
    fn buffers_are_used_again() {
        let lanes = Lanes::detect();
        let mut signer = crate::Signer::new(lanes);
        let keys = signer.keys(&[&[1; 32], &[2; 32], &[3; 32]]);
        let known: Vec<VerifyingKey> = keys
            .iter()
            .map(|key| VerifyingKey::decode(lanes, key.public()).expect("a sound key"))
            .collect();
        let mut signatures = Vec::new();
        let job = |at: usize| (keys[at % 3].expanded(), &[7; 32][..]);
        signer.sign(400, job, |signature| signatures.push(*signature));
        let mut verifier = Verifier::new(lanes);
        let mut valid = Vec::new();
        let mut places = Vec::new();
        for _ in 0..3 {
            valid.clear();
            let items = signatures.iter().enumerate().map(|(at, signature)| Item {
                key: at % 3,
                message: &[7; 32],
                signature,
            });
            assert_eq!(verifier.verify(&known, items, &mut valid), 3);
            assert_eq!(valid, [true; 400]);
            let scratch = &verifier.scratch;
            places.push((
                scratch.points.as_ptr(),
                scratch.challenges.as_ptr(),
                scratch.responses.as_ptr(),
                scratch.coefficients.as_ptr(),
                scratch.keys.as_ptr(),
                scratch.sound.as_ptr(),
                scratch.joined.slots.as_ptr(),
                scratch.joined.keys.as_ptr(),
                scratch.joined.places.as_ptr(),
                scratch.key_points.as_ptr(),
                scratch.sums.as_ptr(),
                scratch.scalars.as_ptr(),
            ));
        }
        assert!(places.windows(2).all(|pair| pair[0] == pair[1]));
    }
}
