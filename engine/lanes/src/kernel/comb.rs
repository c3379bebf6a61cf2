//! Secret multiples of the base point, eight side by side, in constant time.
//!
//! A scalar is written in 43 odd digits of radix 64, each in {−63, −61, …, 63}: there is no zero,
//! so no case is special, and 32 magnitudes a digit are what a machine selects from registers.
//! Every selection reads the digit's whole table, in the same order.

use super::decode::Decode;
use super::field::Field;
use super::point::{Half, HalvesOverZ, Niels, Point, PointTiles};
use super::scalar::{HALVED, ODD, Scalar};
use crate::machine::{DIGITS, Digit, Machine, Register, Table, Tile, Vector, Work, five};

/// Eight secret scalars as digits, nine to a word.
pub(crate) type Digits = [Tile; 5];

/// The digits of r for an integer r of 512 bits, and W with r = 2W − (2^258 − 1) mod l, below 5l:
/// the digits are 2w − 63 for the six-bit digits w of W.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(crate) fn digits<M: Machine>(machine: M, r: &[M::V]) -> (Digits, Scalar<M>) {
    let w = Scalar::reduce(machine, r, &HALVED).plus(&ODD.splat(machine));
    let mut digits = [Tile::ZERO; 5];
    for (word, to) in w.to_digits().iter().zip(&mut digits) {
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
        // Digit by digit over all groups: its table is fetched once. Each group's second half of an
        // addition comes after the next one's first.
        for (at, table) in table.iter().enumerate() {
            let mut half = start(machine, table, &scalars[0], at, &points[0]);
            for group in 1..scalars.len() {
                let next = start(machine, table, &scalars[group], at, &points[group]);
                points[group - 1].store(&half.finish());
                half = next;
            }
            points[scalars.len() - 1].store(&half.finish());
        }
    }
}

/// The first half of adding digit number `at` of each scalar.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn start<M: Machine>(
    machine: M,
    table: &Digit,
    digits: &Digits,
    at: usize,
    point: &PointTiles,
) -> Half<M> {
    let word = machine.load(&digits[at / 9].0);
    let w = word.shr_each(machine.splat((at % 9 * 6) as u64));
    point.load(machine).start_add_niels(&select::<M>(table, w))
}

/// 2w − 63 times the digit's power, for the low six bits w.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn select<M: Machine>(table: &Digit, w: M::V) -> Niels<M> {
    // 2w − 63 = 2(w − 32) + 1 from 32 on, −(2(31 − w) + 1) below.
    let sign = w.shl(58);
    let not = sign ^ sign.splat(1 << 63);
    let negative = not.tops();
    let index = w.blend(negative, w ^ w.splat(31)).index();
    // −(x, y) = (−x, y). Limb by limb, so that few registers are taken.
    let [p0, p1, p2, p3, p4] = five!(I => {
        let plus = M::V::select(index, &table[I]);
        let minus = M::V::select(index, &table[5 + I]);
        (plus.blend(negative, minus), minus.blend(negative, plus))
    });
    let t2d = Field::<M>(five!(I => M::V::select(index, &table[10 + I])));
    Niels {
        plus: Field([p0.0, p1.0, p2.0, p3.0, p4.0]),
        minus: Field([p0.1, p1.1, p2.1, p3.1, p4.1]),
        t2d: t2d.negate_where(negative),
    }
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
    type Out = Box<Table>;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) -> Box<Table> {
        let mut table = Box::new([[[0; 32]; 15]; DIGITS]);
        let [(base, _)] = machine.run(Decode(&[machine.load_32([&BASE; 8])]));
        let mut power = Point::identity(machine).add_niels(&base);
        // Eight digits at a time, one per lane.
        for first in (0..DIGITS).step_by(8) {
            let mut lanes = power;
            for lane in 0..8 {
                lanes = lanes.blend(machine.splat(0).mask(1 << lane), &power);
                power = power.double_times(machine, 6);
            }
            let twice = lanes.double();
            let mut multiple = lanes;
            let mut multiples = [PointTiles::ZERO; 32];
            for to in &mut multiples {
                to.store(&multiple);
                multiple = multiple.add(&twice);
            }
            let mut halves = [[Tile::ZERO; 5]; 32];
            machine.run(HalvesOverZ(&multiples, &mut halves));
            for (entry, (point, half)) in multiples.iter().zip(&halves).enumerate() {
                let (x, y) = point.load(machine).affine(&Field::load(machine, half));
                let niels = Niels::new(&x, &y);
                let fields = [niels.plus, niels.minus, niels.t2d];
                for (limb, words) in fields.iter().flat_map(|field| field.0).enumerate() {
                    let mut lanes = [0; 8];
                    words.store(&mut lanes);
                    for (digit, word) in table[first..].iter_mut().zip(lanes) {
                        digit[limb][entry] = word;
                    }
                }
            }
        }
        for limb in table.as_flattened_mut() {
            *limb = M::V::arrange(limb);
        }
        table
    }
}
