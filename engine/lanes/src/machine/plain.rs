//! Any processor: eight words in memory, and what the compiler makes of loops over them. No
//! intrinsics and nothing unsafe, so that Miri can run it. Its operations are functions, not copied
//! where they are used: this is the machine of last resort, and would be most of the crate's code.

use std::ops::{Add, BitAnd, BitOr, BitXor, Sub};
use std::sync::OnceLock;

use super::table::{Select, Words};
use super::tile::Tile;
use super::{Doubles, Leaf, Machine, Multiply52, Products, Register, Vector, Work};
use crate::kernel::field::Long;
#[cfg(test)]
use crate::kernel::field::{Fma, Ifma};

impl Tile {
    /// Does the same to every lane.
    #[inline]
    fn each(self, f: impl Fn(Lane) -> Lane) -> Tile {
        Tile(self.0.map(|word| f(Lane(word)).0))
    }

    /// Does the same to every lane of both.
    #[inline]
    fn with(mut self, other: Tile, f: impl Fn(Lane, Lane) -> Lane) -> Tile {
        for (a, b) in self.0.iter_mut().zip(other.0) {
            *a = f(Lane(*a), Lane(b)).0;
        }
        self
    }

    /// Does the same to every lane of all three.
    #[inline]
    fn with_two(mut self, b: Tile, c: Tile, f: impl Fn(Lane, Lane, Lane) -> Lane) -> Tile {
        for (a, (b, c)) in self.0.iter_mut().zip(b.0.into_iter().zip(c.0)) {
            *a = f(Lane(*a), Lane(b), Lane(c)).0;
        }
        self
    }
}

/// One word: what leaves run on, lane by lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lane(u64);

macro_rules! operator {
    ($($name:ident $function:ident $do:ident)+) => {$(
        impl $name for Lane {
            type Output = Lane;

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn $function(self, other: Lane) -> Lane {
                Lane(self.0.$do(other.0))
            }
        }

        impl $name for Tile {
            type Output = Tile;

            #[inline(never)]
            fn $function(self, other: Tile) -> Tile {
                self.with(other, Lane::$function)
            }
        }
    )+};
}
operator! {
    Add add wrapping_add
    Sub sub wrapping_sub
    BitAnd bitand bitand
    BitOr bitor bitor
    BitXor bitxor bitxor
}

impl Register for Lane {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat(self, word: u64) -> Lane {
        Lane(word)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat32(self, word: u32) -> Lane {
        Lane(u64::from(word) << 32 | u64::from(word))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl(self, bits: u32) -> Lane {
        Lane(self.0 << bits)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr(self, bits: u32) -> Lane {
        Lane(self.0 >> bits)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror(self, bits: u32) -> Lane {
        Lane(self.0.rotate_right(bits))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl_each(self, bits: Lane) -> Lane {
        Lane(self.0.checked_shl(bits.0 as u32).unwrap_or(0))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr_each(self, bits: Lane) -> Lane {
        Lane(self.0.checked_shr(bits.0 as u32).unwrap_or(0))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn mul32(self, other: Lane) -> Lane {
        Lane(u64::from(self.0 as u32) * u64::from(other.0 as u32))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn swap_bytes(self) -> Lane {
        Lane(self.0.swap_bytes())
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn choose(self, a: Lane, b: Lane) -> Lane {
        b ^ (self & (a ^ b))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn majority(self, b: Lane, c: Lane) -> Lane {
        b ^ ((self ^ b) & (b ^ c))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn xor3(self, b: Lane, c: Lane) -> Lane {
        self ^ b ^ c
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add32(self, other: Lane) -> Lane {
        // The top bits of both halves are added without what they would carry.
        const TOPS: u64 = 0x8000_0000_8000_0000;
        let low = (self.0 & !TOPS) + (other.0 & !TOPS);
        Lane(low ^ ((self.0 ^ other.0) & TOPS))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror32(self, bits: u32) -> Lane {
        let low = 0x1_0000_0001 * (u64::from(u32::MAX) >> bits);
        Lane((self.0 >> bits & low) | (self.0 << (32 - bits) & !low))
    }
}

/// As AVX-512 IFMA does it (Intel's manual, VPMADD52LUQ and VPMADD52HUQ).
impl Multiply52 for Lane {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add_low(self, a: Lane, b: Lane) -> Lane {
        Lane(self.0.wrapping_add(product52(a, b) as u64 & LOW52))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add_high(self, a: Lane, b: Lane) -> Lane {
        Lane(self.0.wrapping_add((product52(a, b) >> 52) as u64))
    }
}

const LOW52: u64 = (1 << 52) - 1;

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn product52(a: Lane, b: Lane) -> u128 {
    u128::from(a.0 & LOW52) * u128::from(b.0 & LOW52)
}

impl Doubles for Lane {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fused(self, b: Lane, c: Lane) -> Lane {
        let [a, b, c] = [self, b, c].map(|lane| f64::from_bits(lane.0));
        Lane(a.mul_add(b, c).to_bits())
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fadd(self, other: Lane) -> Lane {
        Lane((f64::from_bits(self.0) + f64::from_bits(other.0)).to_bits())
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fsub(self, other: Lane) -> Lane {
        Lane((f64::from_bits(self.0) - f64::from_bits(other.0)).to_bits())
    }
}

impl Register for Tile {
    #[inline(never)]
    fn splat(self, word: u64) -> Tile {
        Tile([word; 8])
    }

    #[inline(never)]
    fn splat32(self, word: u32) -> Tile {
        self.each(|lane| lane.splat32(word))
    }

    #[inline(never)]
    fn shl(self, bits: u32) -> Tile {
        self.each(|lane| lane.shl(bits))
    }

    #[inline(never)]
    fn shr(self, bits: u32) -> Tile {
        self.each(|lane| lane.shr(bits))
    }

    #[inline(never)]
    fn ror(self, bits: u32) -> Tile {
        self.each(|lane| lane.ror(bits))
    }

    #[inline(never)]
    fn shl_each(self, bits: Tile) -> Tile {
        self.with(bits, Lane::shl_each)
    }

    #[inline(never)]
    fn shr_each(self, bits: Tile) -> Tile {
        self.with(bits, Lane::shr_each)
    }

    #[inline(never)]
    fn mul32(self, other: Tile) -> Tile {
        self.with(other, Lane::mul32)
    }

    #[inline(never)]
    fn swap_bytes(self) -> Tile {
        self.each(Lane::swap_bytes)
    }

    #[inline(never)]
    fn choose(self, a: Tile, b: Tile) -> Tile {
        self.with_two(a, b, Lane::choose)
    }

    #[inline(never)]
    fn majority(self, b: Tile, c: Tile) -> Tile {
        self.with_two(b, c, Lane::majority)
    }

    #[inline(never)]
    fn xor3(self, b: Tile, c: Tile) -> Tile {
        self.with_two(b, c, Lane::xor3)
    }

    #[inline(never)]
    fn add32(self, other: Tile) -> Tile {
        self.with(other, Lane::add32)
    }

    #[inline(never)]
    fn ror32(self, bits: u32) -> Tile {
        self.each(|lane| lane.ror32(bits))
    }
}

impl Multiply52 for Tile {
    #[inline(never)]
    fn add_low(self, a: Tile, b: Tile) -> Tile {
        self.with_two(a, b, Lane::add_low)
    }

    #[inline(never)]
    fn add_high(self, a: Tile, b: Tile) -> Tile {
        self.with_two(a, b, Lane::add_high)
    }
}

impl Doubles for Tile {
    #[inline(never)]
    fn fused(self, b: Tile, c: Tile) -> Tile {
        self.with_two(b, c, Lane::fused)
    }

    #[inline(never)]
    fn fadd(self, other: Tile) -> Tile {
        self.with(other, Lane::fadd)
    }

    #[inline(never)]
    fn fsub(self, other: Tile) -> Tile {
        self.with(other, Lane::fsub)
    }
}

// SAFETY: it is an array of them.
unsafe impl Vector for Tile {
    type Part = Lane;
    type Mask = u8;

    #[inline(never)]
    fn apply<L: Leaf<Lane, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Tile; A],
        b: &[Tile; B],
    ) -> [Tile; O] {
        let mut output = [Tile::ZERO; O];
        for lane in 0..8 {
            let words = L::run(
                &a.map(|tile| Lane(tile.0[lane])),
                &b.map(|tile| Lane(tile.0[lane])),
            );
            for (to, word) in output.iter_mut().zip(words) {
                to.0[lane] = word.0;
            }
        }
        output
    }

    #[inline]
    fn call<L: Leaf<Lane, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Tile; A],
        b: &[Tile; B],
    ) -> [Tile; O] {
        Self::apply::<L, A, B, O>(a, b)
    }

    #[inline(never)]
    fn zeros(self) -> u8 {
        // The top bit of x | −x is set for all but 0.
        !(self | (Tile::ZERO - self)).tops()
    }

    #[inline(never)]
    fn tops(self) -> u8 {
        let mut bits = 0;
        for (lane, word) in self.0.into_iter().enumerate() {
            bits |= ((word >> 63) as u8) << lane;
        }
        bits
    }

    #[inline]
    fn mask(self, bits: u8) -> u8 {
        bits
    }

    #[inline(never)]
    fn blend(mut self, mask: u8, other: Tile) -> Tile {
        for (lane, (a, b)) in self.0.iter_mut().zip(other.0).enumerate() {
            let all = u64::from(mask >> lane & 1).wrapping_neg();
            *a ^= all & (*a ^ b);
        }
        self
    }

    #[inline]
    fn store(self, to: &mut [u64; 8]) {
        *to = self.0;
    }

    #[inline(never)]
    fn store_8x4(words: [Tile; 4], tiles: &mut [Tile], at: [usize; 8]) {
        for (lane, at) in at.into_iter().enumerate() {
            for (to, word) in tiles[at].0.iter_mut().zip(&words) {
                *to = word.0[lane];
            }
        }
    }

    #[inline(never)]
    fn store_8x8(words: [Tile; 8], tiles: &mut [Tile], at: [usize; 8]) {
        for (lane, at) in at.into_iter().enumerate() {
            tiles[at] = Tile(words.map(|word| word.0[lane]));
        }
    }

    #[inline(never)]
    fn store_32(words: [Tile; 4]) -> [[u8; 32]; 8] {
        std::array::from_fn(|lane| {
            let mut row = [0; 32];
            for (to, word) in row.as_chunks_mut::<8>().0.iter_mut().zip(&words) {
                *to = word.0[lane].to_le_bytes();
            }
            row
        })
    }

    #[inline(never)]
    fn store_16x8(words: [Tile; 8], rows: &mut [[u8; 32]; 16]) {
        for (lane, row) in rows.iter_mut().enumerate() {
            for (to, word) in row.as_chunks_mut::<4>().0.iter_mut().zip(&words) {
                *to = ((word.0[lane / 2] >> (32 * (lane % 2))) as u32).to_le_bytes();
            }
        }
    }
}

impl Products for Tile {}

impl Select for Tile {
    type Index = Tile;

    #[inline]
    fn index(self) -> Tile {
        self & self.splat(31)
    }

    #[inline(never)]
    fn select(index: Tile, table: &[u64; 32]) -> Tile {
        let mut found = [0; 8];
        for (at, word) in (0..).zip(table) {
            for (found, index) in found.iter_mut().zip(index.0) {
                // The top bit of x − 1 is set for 0 alone, of the numbers up to 31.
                let hit = ((index ^ at).wrapping_sub(1) >> 63).wrapping_neg();
                *found |= hit & word;
            }
        }
        Tile(found)
    }
}

/// Machines of tiles, which differ in how they multiply.
macro_rules! machine {
    ($($(#[$attribute:meta])* $name:ident multiplies by $arithmetic:ident)+) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) struct $name;

        $(#[$attribute])*
        impl Machine for $name {
            type V = Tile;
            type Arithmetic = $arithmetic;
            type Multiples = Words;
            const OVERLAPS: bool = true;

            #[inline(never)]
            fn run<W: Work<$name>>(self, work: W) -> W::Out {
                work.run(self)
            }

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn splat(self, word: u64) -> Tile {
                Tile([word; 8])
            }

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn load(self, words: &[u64; 8]) -> Tile {
                Tile(*words)
            }

            #[inline(never)]
            fn load_8x4(self, rows: [&[u64; 4]; 8]) -> [Tile; 4] {
                std::array::from_fn(|word| Tile(rows.map(|row| row[word])))
            }

            #[inline(never)]
            fn load_8x8(self, rows: [&[u64; 8]; 8]) -> [Tile; 8] {
                std::array::from_fn(|word| Tile(rows.map(|row| row[word])))
            }

            #[inline(never)]
            fn load_32(self, rows: [&[u8; 32]; 8]) -> [Tile; 4] {
                std::array::from_fn(|word| {
                    Tile(rows.map(|row| u64::from_le_bytes(row.as_chunks::<8>().0[word])))
                })
            }

            #[inline(never)]
            fn load_16x8(self, rows: [&[u8; 32]; 16]) -> [Tile; 8] {
                std::array::from_fn(|word| {
                    let of = |row: &[u8; 32]| u32::from_le_bytes(row.as_chunks::<4>().0[word]);
                    Tile(std::array::from_fn(|lane| {
                        u64::from(of(rows[2 * lane])) | u64::from(of(rows[2 * lane + 1])) << 32
                    }))
                })
            }

            fn comb(self) -> &'static OnceLock<Vec<Words>> {
                static TABLE: OnceLock<Vec<Words>> = OnceLock::new();
                &TABLE
            }
        }
    )+};
}
machine! {
    /// Products of 128 bits, lane by lane.
    Plain multiplies by Long

    /// The formulas of AVX-512 IFMA, for tests where there is none.
    #[cfg(test)] EmulatedIfma multiplies by Ifma

    /// The formulas of doubles, for tests where they are slow.
    #[cfg(test)] EmulatedFma multiplies by Fma
}
