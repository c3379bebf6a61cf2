//! Secret multiples of the base point, eight side by side, in constant time.
//!
//! A scalar is written in odd digits of 6 bits, in {−63, −61, …, 63}, or of as many as are best for
//! a machine: there is no zero, so no case is special, and half as many magnitudes are selected
//! from. Every selection reads the digit's whole table, in the same order.

use super::decode::Decode;
use super::field::Field;
use super::point::{Half, HalvesOverZ, Niels, Point, PointTiles};
use super::scalar::{Constant, HALVED, Scalar, ones};
use crate::machine::{Limbs, MOST_TOGETHER, Machine, Multiples, Register, Tile, Vector, Work};

/// Eight secret scalars as digits, so many to a word.
pub(crate) type Digits = [Tile; 5];

/// How many there are in a word.
pub(crate) const fn digits_of_a_word(bits: u32) -> u32 {
    64 / bits
}

/// 2^n − 1, where scalars have n bits of digits.
pub(crate) const fn odd<M: Machine>() -> Constant {
    ones(M::Multiples::BITS * M::Multiples::DIGITS as u32)
}

/// The digits of r for an integer r of 512 bits, and W with r = 2W − (2^n − 1) mod l, below 5l: the
/// digits are 2w − (2^b − 1) for the digits w of W, which have b bits.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn digits<M: Machine>(machine: M, r: &[M::V]) -> (Digits, Scalar<M>) {
    let half = const { odd::<M>().half() };
    let w = Scalar::reduce(machine, r, &HALVED).plus(&half.splat(machine));
    let bits = M::Multiples::BITS;
    let mut digits = [Tile::ZERO; 5];
    let words = w.to_words_of(bits * digits_of_a_word(bits));
    for (word, to) in words.iter().zip(&mut digits) {
        word.store(&mut to.0);
    }
    (digits, w)
}

/// `r · B` for each group of eight r.
pub(crate) struct Multiply<'a>(pub(crate) &'a [Digits], pub(crate) &'a mut [PointTiles]);

impl<M: Machine> Work<M> for Multiply<'_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let Multiply(scalars, points) = self;
        let table = machine.comb().get_or_init(|| machine.run(Build));
        for point in &mut *points {
            point.store(&Point::identity(machine));
        }
        let mut selected = [[machine.splat(0); 15]; MOST_TOGETHER];
        let mut half = Half::new(Field::zero(machine));
        // Digit by digit over all groups: its table is fetched once.
        for (at, table) in table.iter().enumerate() {
            let digit = (table, at);
            if !M::OVERLAPS {
                for (group, point) in points.iter_mut().enumerate() {
                    let point = point.place(machine);
                    half.start_add_niels(
                        point,
                        select(machine, digit, scalars, group, &mut selected),
                    );
                    half.finish(point);
                }
                continue;
            }
            // Each group's second half of an addition comes after the next one's first.
            half.start_add_niels(
                points[0].place(machine),
                select(machine, digit, scalars, 0, &mut selected),
            );
            for group in 1..scalars.len() {
                let mut next = half;
                next.start_add_niels(
                    points[group].place(machine),
                    select(machine, digit, scalars, group, &mut selected),
                );
                half.finish(points[group - 1].place(machine));
                half = next;
            }
            half.finish(points[scalars.len() - 1].place(machine));
        }
    }
}

/// What a group adds at digit number `at`. The first of those that are selected for together comes
/// first.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn select<'a, M: Machine>(
    machine: M,
    (table, at): (&M::Multiples, usize),
    scalars: &[Digits],
    group: usize,
    selected: &'a mut [Limbs<M::V>; MOST_TOGETHER],
) -> &'a Niels<M> {
    let together = M::Multiples::TOGETHER;
    if group.is_multiple_of(together) {
        let (places, negative) = places(machine, scalars, group, at);
        table.select(&places, &negative, selected);
    }
    Niels::of(&selected[group % together])
}

/// The places of the magnitudes of digits number `at`, and which digits are negative, in the groups
/// that are selected for together. Where there are no more, the last one's count.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn places<M: Machine>(
    machine: M,
    scalars: &[Digits],
    first: usize,
    at: usize,
) -> (
    [M::V; MOST_TOGETHER],
    [<M::V as Vector>::Mask; MOST_TOGETHER],
) {
    let zero = machine.splat(0);
    let (mut places, mut negative) = ([zero; MOST_TOGETHER], [zero.tops(); MOST_TOGETHER]);
    let bits = M::Multiples::BITS;
    let many = digits_of_a_word(bits) as usize;
    for group in 0..M::Multiples::TOGETHER {
        let digits = &scalars[(first + group).min(scalars.len() - 1)];
        let word = machine.load(&digits[at / many].0);
        let w = word.shr_each(machine.splat((at % many * bits as usize) as u64));
        // With 7 bits, 2w − 127 = 2(w − 64) + 1 from 64 on, −(2(63 − w) + 1) below.
        let sign = w.shl(64 - bits);
        negative[group] = (sign ^ sign.splat(1 << 63)).tops();
        let others = w ^ w.splat(M::Multiples::ENTRIES as u64 - 1);
        places[group] = w.blend(negative[group], others);
    }
    (places, negative)
}

/// RFC 8032's base point: y = 4/5, x even.
pub(crate) const BASE: [u8; 32] = {
    let mut bytes = [0x66; 32];
    bytes[0] = 0x58;
    bytes
};

/// Makes the table.
struct Build;

impl<M: Machine> Work<M> for Build {
    type Out = Vec<M::Multiples>;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> Vec<M::Multiples> {
        let (count, entries) = (M::Multiples::DIGITS, M::Multiples::ENTRIES);
        let mut table = Vec::with_capacity(count);
        let [(base, _)] = machine.run(Decode(&[machine.load_32([&BASE; 8])]));
        let mut power = Point::identity(machine).add_niels(&base);
        // Eight digits at a time, one per lane.
        while table.len() < count {
            let mut lanes = power;
            for lane in 0..8 {
                lanes = lanes.blend(machine.splat(0).mask(1 << lane), &power);
                power = power.double_times(machine, M::Multiples::BITS);
            }
            let twice = lanes.double();
            let mut multiple = lanes;
            let mut multiples = vec![PointTiles::ZERO; entries];
            for to in &mut multiples {
                to.store(&multiple);
                multiple = multiple.add(&twice);
            }
            let mut halves = vec![[Tile::ZERO; 5]; entries];
            machine.run(HalvesOverZ(&multiples, &mut halves));
            let mut digits = vec![vec![[0; 15]; entries]; 8];
            for (entry, (point, half)) in multiples.iter().zip(&halves).enumerate() {
                let (x, y) = point.load(machine).affine(&Field::load(machine, half));
                let niels = Niels::new(&x, &y);
                let fields = [niels.plus, niels.minus, niels.t2d];
                for (limb, words) in fields.iter().flat_map(|field| field.0).enumerate() {
                    let mut lanes = [0; 8];
                    words.store(&mut lanes);
                    for (digit, word) in digits.iter_mut().zip(lanes) {
                        digit[entry][limb] = word;
                    }
                }
            }
            let more = count - table.len();
            table.extend(
                digits
                    .iter()
                    .take(more)
                    .map(|digit| M::Multiples::new(digit)),
            );
        }
        table
    }
}
