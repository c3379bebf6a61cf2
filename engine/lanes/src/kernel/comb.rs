//! Secret multiples of the base point, eight side by side, in constant time.
//!
//! A scalar is written in odd digits of 6 bits, in {−63, −61, …, 63}, or of as many as are best for
//! a machine: there is no zero, so no case is special, and half as many magnitudes are selected
//! from. Every selection reads the digit's whole table, in the same order.

use super::decode::Decode;
use super::field::Field;
use super::point::{Half, HalvesOverZ, Niels, Point, PointTiles};
use super::scalar::{Constant, HALVED, Scalar, ones};
use crate::machine::{MOST_TOGETHER, Machine, Multiples, Register, Tile, Vector, Work, five};

/// Eight secret scalars as digits, so many to a word.
pub(crate) type Digits = [Tile; 5];

/// How many there are in a word.
pub(crate) const fn digits_of_a_word(bits: u32) -> u32 {
    if bits < 7 { 9 } else { 64 / bits }
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
        let mut selected = M::Multiples::none(machine.splat(0));
        // Digit by digit over all groups: its table is fetched once. Each group's second half of an
        // addition comes after the next one's first.
        for (at, table) in table.iter().enumerate() {
            table.select(&places(machine, scalars, 0, at), &mut selected);
            let mut half = start(machine, &selected, scalars, 0, at, points);
            for group in 1..scalars.len() {
                if group % M::Multiples::TOGETHER == 0 {
                    table.select(&places(machine, scalars, group, at), &mut selected);
                }
                let next = start(machine, &selected, scalars, group, at, points);
                points[group - 1].store(&half.finish());
                half = next;
            }
            points[scalars.len() - 1].store(&half.finish());
        }
    }
}

/// Digit number `at` of one group's scalars, in the low bits.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn digit<M: Machine>(machine: M, digits: &Digits, at: usize) -> M::V {
    let bits = M::Multiples::BITS;
    let many = digits_of_a_word(bits) as usize;
    let word = machine.load(&digits[at / many].0);
    word.shr_each(machine.splat((at % many * bits as usize) as u64))
}

/// Lanes whose digit 2w − (2^b − 1) is negative: those of which w's top bit is not set.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn negative<M: Machine>(w: M::V) -> <M::V as Vector>::Mask {
    let sign = w.shl(64 - M::Multiples::BITS);
    (sign ^ sign.splat(1 << 63)).tops()
}

/// The places of the digits' magnitudes, of the groups that are selected for together. Where there
/// are no more, the last one's count.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn places<M: Machine>(
    machine: M,
    scalars: &[Digits],
    first: usize,
    at: usize,
) -> [M::V; MOST_TOGETHER] {
    let mut places = [machine.splat(0); MOST_TOGETHER];
    for (group, place) in places.iter_mut().enumerate().take(M::Multiples::TOGETHER) {
        let group = (first + group).min(scalars.len() - 1);
        // 2w − 127 = 2(w − 64) + 1 from 64 on, −(2(63 − w) + 1) below.
        let w = digit(machine, &scalars[group], at);
        let others = machine.splat(M::Multiples::ENTRIES as u64 - 1);
        *place = w.blend(negative::<M>(w), w ^ others);
    }
    places
}

/// The first half of adding digit number `at` of a group.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn start<M: Machine>(
    machine: M,
    selected: &<M::Multiples as Multiples<M::V>>::Selected,
    scalars: &[Digits],
    group: usize,
    at: usize,
    points: &[PointTiles],
) -> Half<M> {
    let negative = negative::<M>(digit(machine, &scalars[group], at));
    let words = M::Multiples::group(selected, group % M::Multiples::TOGETHER);
    // −(x, y) = (−x, y). Limb by limb, so that few registers are taken.
    let [p0, p1, p2, p3, p4] = five!(I => {
        let (plus, minus) = (words[I], words[5 + I]);
        (plus.blend(negative, minus), minus.blend(negative, plus))
    });
    let t2d = Field::<M>(five!(I => words[10 + I]));
    let multiple = Niels {
        plus: Field([p0.0, p1.0, p2.0, p3.0, p4.0]),
        minus: Field([p0.1, p1.1, p2.1, p3.1, p4.1]),
        t2d: t2d.negate_where(negative),
    };
    points[group].load(machine).start_add_niels(&multiple)
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
            table.extend(digits.iter().take(more).map(|digit| M::Multiples::new(digit)));
        }
        table
    }
}
