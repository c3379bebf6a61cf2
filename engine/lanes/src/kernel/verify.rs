//! Verifying in batches: ZIP 215, cofactored, an exact verdict per signature.

use std::ops::Index;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use zeroize::Zeroizing;

use super::buckets::{Buckets, PointRow};
use super::comb::{self, Digits};
use super::decode::decode;
use super::joined::Joined;
use super::key::VerifyingKey;
use super::point::Point;
use super::rows::{load, load_32, store_32, store_words, transpose};
use super::scalar::{Scalar, UNCHANGED};
use super::sha512::challenge;
use super::sums::{Coefficient, Sum, signed};
use super::window::{Window, halves_of};
use crate::{Item, Lanes};

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
            // SAFETY: `lanes` is proof of the features.
            scratch: unsafe { Scratch::new() },
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
        // SAFETY: `self.lanes` is proof of the features.
        unsafe { self.scratch.open(keys, items.into_iter()) };
        self.scratch.draw(&mut self.rng);
        let first = valid.len();
        valid.resize(first + self.scratch.keys.len(), false);
        // SAFETY: as above.
        unsafe { self.scratch.judge_all(keys, &mut valid[first..]) }
    }

    /// How many equations were tried so far: one per batch, and more for those that fail.
    #[must_use]
    pub fn equations(&self) -> u64 {
        self.scratch.equations
    }
}

impl Scratch {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn new() -> Scratch {
        let [(base, _)] = decode(&[load_32([&comb::BASE; 8])]);
        let mut rows = [PointRow::ZERO; 8];
        let mut minus = base.negate();
        minus.t2d = minus.t2d.widen().carry();
        PointRow::store(&minus, &mut rows);
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
            minus_base: rows[0],
            equations: 0,
        }
    }

    /// Decodes the signatures and derives their challenges.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn open<'a, K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
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
            self.open_sixteen(keys, &sixteen, many);
        }
    }

    /// The first `many` of sixteen items.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn open_sixteen<K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
        items: &[Item<'_>; 16],
        many: usize,
    ) {
        let first = self.points.len();
        self.points.resize(first + 16, PointRow::ZERO);
        let (eights, _) = items.as_chunks::<8>();
        let eights = [&eights[0], &eights[1]];
        let rs = eights.map(|eight| load_32(eight.each_ref().map(|item| halves(item.signature).0)));
        for (half, ((eight, r), (niels, points))) in
            eights.into_iter().zip(&rs).zip(decode(&rs)).enumerate()
        {
            let first = first + 8 * half;
            let rows = self.points[first..]
                .first_chunk_mut()
                .expect("whole groups");
            PointRow::store(&niels, rows);
            let publics = eight.each_ref().map(|item| &keys[item.key].bytes);
            let messages = eight.each_ref().map(|item| item.message);
            let hashes = store_words(challenge(r, publics, messages));
            for lane in 0..many.saturating_sub(8 * half).min(8) {
                let response = words(halves(eight[lane].signature).1);
                if points & (1 << lane) != 0 && is_canonical(&response) {
                    self.sound.push((first + lane) as u32);
                }
                self.responses.push(response);
                self.challenges.push(hashes[lane]);
            }
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

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn judge_all<K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
        valid: &mut [bool],
    ) -> usize {
        self.joined.join(&self.keys, 0..self.keys.len() as u32);
        let joined = self.joined.keys.len();
        let sound = std::mem::take(&mut self.sound);
        self.judge(keys, &sound, false, valid);
        self.sound = sound;
        joined
    }

    /// Halves a batch that fails until at most eight are left, which are judged one by one. `fails`:
    /// the caller knows that the equation over all of `items` does not hold.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn judge<K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
        items: &[u32],
        fails: bool,
        valid: &mut [bool],
    ) -> bool {
        if items.len() <= 8 {
            return self.judge_singly(keys, items, valid);
        }
        let holds = !fails && self.holds(keys, items);
        if holds {
            items.iter().for_each(|&item| valid[item as usize] = true);
        } else {
            let (left, right) = items.split_at(items.len() / 2);
            let left_holds = self.judge(keys, left, false, valid);
            // If the left half holds, the fault is known to be in the right one.
            self.judge(keys, right, left_holds, valid);
        }
        holds
    }

    /// The equation of each of at most eight items: `[8](sB − hA − R) = 0`. Whether all hold.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn judge_singly<K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
        items: &[u32],
        valid: &mut [bool],
    ) -> bool {
        let Some(last) = items.len().checked_sub(1) else {
            return true;
        };
        self.equations += 1;
        let item: [usize; 8] = std::array::from_fn(|lane| items[lane.min(last)] as usize);
        let minus_a = VerifyingKey::points(item.map(|item| &keys[self.keys[item]])).negate();
        let mut multiple = Point::identity();
        for digit in 0..=8 {
            self.buckets.put(digit, &multiple);
            multiple = multiple.add_niels(&minus_a);
        }
        let h = transpose(item.map(|item| load(&self.challenges[item])));
        let h = store_32(
            Scalar::reduce(&h, &[UNCHANGED[0], UNCHANGED[1]])
                .canonical()
                .to_words(),
        );
        let h = h.map(|bytes| signed(&bytes));
        let mut sum = Point::identity();
        for at in (0..32).rev() {
            let digits = h.map(|digits| halves_of(digits[at]));
            for half in [1, 0] {
                sum = sum
                    .double_times(4)
                    .add(&self.buckets.get(digits.map(|digit| digit[half])));
            }
        }
        let mut s = [[0; 8]; 8];
        for (s, item) in s.iter_mut().zip(item) {
            s[..4].copy_from_slice(&self.responses[item]);
        }
        let (digits, _) = Digits::new(&transpose(s.each_ref().map(|words| load(words)))[..4]);
        let mut base = [Point::identity()];
        comb::multiply(&[digits], &mut base);
        let minus_r = PointRow::load_negated(item.map(|item| &self.points[item]));
        let holds = base[0]
            .add(&sum)
            .add_niels(&minus_r)
            .double_times(3)
            .is_identity();
        for (lane, &item) in items.iter().enumerate() {
            valid[item as usize] = holds & (1 << lane) != 0;
        }
        holds == 0xff
    }

    /// `[8](Σ zᵢRᵢ + Σₖ(Σ zᵢhᵢ)Aₖ − (Σ zᵢsᵢ)B) = 0`, the terms of one key joined.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn holds<K: Index<usize, Output = VerifyingKey> + ?Sized>(
        &mut self,
        keys: &K,
        items: &[u32],
    ) -> bool {
        self.equations += 1;
        self.add_up(items);
        self.expand(keys);
        let Scratch {
            points,
            coefficients,
            key_points,
            scalars,
            buckets,
            minus_base,
            ..
        } = self;
        let key_terms = key_points.iter().chain([&*minus_base]).zip(&*scalars);
        // Digits 16 to 31 are the keys' and B's alone.
        let high_window = Window::for_points(scalars.len());
        let high = high_window.sum(Point::identity(), buckets, || {
            key_terms
                .clone()
                .map(|(point, digits)| (point, digits.last_chunk().expect("32 digits")))
        });
        let low_window = Window::for_points(items.len() + scalars.len());
        let sum = low_window.sum(high, buckets, || {
            let items = items
                .iter()
                .map(|&item| (&points[item as usize], &coefficients[item as usize]));
            items.chain(
                key_terms
                    .clone()
                    .map(|(point, digits)| (point, digits.first_chunk().expect("32 digits"))),
            )
        });
        sum.double_times(3).is_identity() & 1 != 0
    }

    /// The scalars of the joined keys and of −B, as digits.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn add_up(&mut self, items: &[u32]) {
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
            self.scalars.extend(&Sum::reduce(&eight)[..sums.len()]);
        }
    }

    /// The points of the joined keys, once each.
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
    fn expand<K: Index<usize, Output = VerifyingKey> + ?Sized>(&mut self, keys: &K) {
        let joined = &self.joined.keys;
        self.key_points.clear();
        (self.key_points).resize(joined.len().next_multiple_of(8), PointRow::ZERO);
        let (rows, _) = self.key_points.as_chunks_mut::<8>();
        for (rows, joined) in rows.iter_mut().zip(joined.chunks(8)) {
            let eight = std::array::from_fn(|lane| &keys[joined[lane.min(joined.len() - 1)]]);
            PointRow::store(&VerifyingKey::points(eight), rows);
        }
        self.key_points.truncate(joined.len());
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
        let Some(lanes) = Lanes::detect() else { return };
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
        let Some(lanes) = Lanes::detect() else { return };
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
