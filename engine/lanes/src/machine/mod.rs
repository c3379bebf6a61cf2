//! What the kernels ask of a processor: vectors of 512 bits, taken as eight lanes of 64 bits or as
//! sixteen of 32, whatever registers they are made of.
//!
//! Kernels are written once, generic over a [`Machine`]. What differs from one to the next is a
//! file or two each: all of the crate's intrinsics, and its `unsafe` but for points that are taken
//! as vectors where they lie.
//!
//! - **A value is the proof.** A [`Machine`] is only made where its instructions were found, and a
//!   vector only by a machine or from other vectors. So their methods are safe.
//! - **One door.** A safe trait method cannot be compiled for more instructions than the whole
//!   crate is. So kernels are always inlined (but in tests without optimisation, where that takes
//!   minutes), and [`Machine::run`] calls them from one function that is. It takes a [`Work`],
//!   never a closure: a closure that is not inlined is compiled without the instructions, and each
//!   intrinsic in it becomes a call.
//! - **Hot leaves work register by register.** Where a vector is two registers, [`Vector::apply`]
//!   runs a [`Leaf`] on one and then on the other, so that its operands fit the 16 registers there
//!   are.

mod arithmetic;
#[cfg(target_arch = "x86_64")]
mod avx2_fma;
#[cfg(target_arch = "x86_64")]
mod avx512_ifma;
#[cfg(target_arch = "x86_64")]
mod link;
mod pair;
mod plain;
#[cfg(target_arch = "x86_64")]
mod product;
mod table;
mod tile;
#[cfg(target_arch = "x86_64")]
mod ymm;

use std::fmt::Debug;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::ops::{Add, BitAnd, BitOr, BitXor, Sub};
use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2_fma::Avx2Fma;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512_ifma::Avx512Ifma;
pub(crate) use plain::Plain;
#[cfg(test)]
pub(crate) use plain::{EmulatedFma, EmulatedIfma};

pub(crate) use arithmetic::Arithmetic;
pub(crate) use table::{Limbs, MOST_TOGETHER, Multiples};
pub(crate) use tile::Tile;

/// Proof that a processor has the instructions of one of our sets.
pub(crate) trait Machine: Copy + Debug {
    /// Eight lanes of 64 bits.
    type V: Vector;
    /// How it multiplies.
    type Arithmetic: Arithmetic<Self::V>;
    /// How it selects multiples of the base point.
    type Multiples: Multiples<Self::V, Self::Arithmetic> + Send + Sync + 'static;
    /// Whether an addition's second half is best done after the next one's first: where registers
    /// hold what is between them.
    const OVERLAPS: bool;

    /// Does the work in a function that is compiled for the machine.
    fn run<W: Work<Self>>(self, work: W) -> W::Out;

    /// The same word in every lane.
    fn splat(self, word: u64) -> Self::V;

    /// One word for each lane.
    fn load(self, words: &[u64; 8]) -> Self::V;

    /// Vector w holds word w of every row.
    fn load_8x4(self, rows: [&[u64; 4]; 8]) -> [Self::V; 4];

    /// Vector w holds word w of every row.
    fn load_8x8(self, rows: [&[u64; 8]; 8]) -> [Self::V; 8];

    /// Vector w holds word w of every row, little-endian.
    fn load_32(self, rows: [&[u8; 32]; 8]) -> [Self::V; 4];

    /// Vector w holds word w of every row, little-endian, in sixteen lanes of 32 bits.
    fn load_16x8(self, rows: [&[u8; 32]; 16]) -> [Self::V; 8];

    /// Where this machine keeps the multiples of the base point, digit by digit.
    fn comb(self) -> &'static OnceLock<Vec<Self::Multiples>>;
}

/// What a machine is asked to do.
pub(crate) trait Work<M: Machine> {
    /// What comes of it.
    type Out;

    /// Does it. Must be inlined as every kernel is.
    fn run(self, machine: M) -> Self::Out;
}

/// Lanes of 64 bits, or twice as many of 32, in one register or more. Sums and differences wrap,
/// and shifts are by less than a lane's bits.
pub(crate) trait Register:
    Copy
    + Debug
    + Add<Output = Self>
    + Sub<Output = Self>
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
{
    /// The same word in every lane: a register proves that there are more.
    fn splat(self, word: u64) -> Self;
    /// The same word in every lane of 32 bits.
    fn splat32(self, word: u32) -> Self;
    /// Shifted up by a constant.
    fn shl(self, bits: u32) -> Self;
    /// Shifted down by a constant; zeros come in.
    fn shr(self, bits: u32) -> Self;
    /// Rotated down by a constant.
    fn ror(self, bits: u32) -> Self;
    /// Each lane shifted up by its own count; by 64 bits, all are gone.
    fn shl_each(self, bits: Self) -> Self;
    /// Each lane shifted down by its own count; by 64 bits, all are gone.
    fn shr_each(self, bits: Self) -> Self;
    /// The product of the lanes' low halves.
    fn mul32(self, other: Self) -> Self;
    /// Each lane's bytes in the opposite order.
    fn swap_bytes(self) -> Self;
    /// Bit by bit, `a` where this is 1 and `b` where it is 0.
    fn choose(self, a: Self, b: Self) -> Self;
    /// Bit by bit, what two of three say.
    fn majority(self, b: Self, c: Self) -> Self;
    /// Bit by bit, whether an odd number is 1.
    fn xor3(self, b: Self, c: Self) -> Self;
    /// The sum in lanes of 32 bits.
    fn add32(self, other: Self) -> Self;
    /// Lanes of 32 bits, rotated down by a constant.
    fn ror32(self, bits: u32) -> Self;
}

/// Registers that multiply integers of 52 bits.
pub(crate) trait Multiply52: Register {
    /// Adds the low 52 bits of `a · b`, of whose operands only the low 52 bits count.
    fn add_low(self, a: Self, b: Self) -> Self;
    /// Adds what is above the low 52 bits of `a · b`.
    fn add_high(self, a: Self, b: Self) -> Self;
}

/// Registers whose words may be doubles, by the rules of IEEE 754, rounded to nearest.
pub(crate) trait Doubles: Register {
    /// `self · b + c`, rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// The sum of doubles.
    fn fadd(self, other: Self) -> Self;
    /// The difference of doubles.
    fn fsub(self, other: Self) -> Self;
}

/// What a machine with instructions of its own takes, four times each: what a product takes (its
/// first two constants and its limbs' rests) or sums and differences do (the bias, and that of
/// twice a double), and what a carry does (a mask, 19, its two constants, and the one around which
/// doubles count units).
#[repr(C, align(64))]
pub(crate) struct Constants(pub(crate) [[u64; 4]; 12]);

/// Eight lanes that multiply doubles. What is asked for is what leaves do; a machine may have it in
/// instructions of its own, which take constants.
pub(crate) trait Products: Vector<Part: Doubles> + Doubles {
    /// `a · b`, as P gives it.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply<P: Leaf<Self::Part, 5, 5, 5>>(
        [a, b]: [&[Self; 5]; 2],
        _: &Constants,
        product: &mut [Self; 5],
    ) {
        *product = Self::call::<P, 5, 5, 5>(a, b);
    }
    /// `a · b`, carried, as P gives it.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried<P: Leaf<Self::Part, 5, 5, 5>>(
        [a, b]: [&[Self; 5]; 2],
        _: &Constants,
        product: &mut [Self; 5],
    ) {
        *product = Self::call::<P, 5, 5, 5>(a, b);
    }
    /// `a + b` and `a − b`, carried, as S and D give them.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both<S: Leaf<Self::Part, 5, 5, 5>, D: Leaf<Self::Part, 5, 5, 5>>(
        [a, b]: [&[Self; 5]; 2],
        _: &Constants,
        sum: &mut [Self; 5],
        difference: &mut [Self; 5],
    ) {
        *sum = Self::apply::<S, 5, 5, 5>(a, b);
        *difference = Self::apply::<D, 5, 5, 5>(a, b);
    }
    /// `2a + b` and `2a − b`, carried, as S and D give them.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_of_twice<S: Leaf<Self::Part, 5, 5, 5>, D: Leaf<Self::Part, 5, 5, 5>>(
        [a, b]: [&[Self; 5]; 2],
        _: &Constants,
        sum: &mut [Self; 5],
        difference: &mut [Self; 5],
    ) {
        *sum = Self::apply::<S, 5, 5, 5>(a, b);
        *difference = Self::apply::<D, 5, 5, 5>(a, b);
    }
}

/// Eight lanes of 64 bits, or sixteen of 32.
///
/// # Safety
/// In memory it is its eight words, in order, and any words are one.
pub(crate) unsafe trait Vector: Register {
    /// What it is made of, and what a leaf is run on.
    type Part: Register;
    /// Which lanes are meant.
    type Mask: Mask;

    /// Runs a leaf on each part.
    fn apply<L: Leaf<Self::Part, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Self; A],
        b: &[Self; B],
    ) -> [Self; O];

    /// Does the same, in a function of its own where registers are few: operands come from memory
    /// there in any case, and a copy in each place would be most of the crate.
    fn call<L: Leaf<Self::Part, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Self; A],
        b: &[Self; B],
    ) -> [Self; O];

    /// The next head of each chain, as L gives it from a state as it begins and a block: it takes
    /// the block's first eight words' place. Where `low`, those of the lower lanes; the others are
    /// anything.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn link<L: Leaf<Self::Part, 16, 16, 8>>(
        state: &[Self; 16],
        block: &mut [Self; 16],
        _low: bool,
    ) {
        let head = Self::apply::<L, 16, 16, 8>(state, block);
        block[..8].copy_from_slice(&head);
    }

    /// Lanes that are 0.
    fn zeros(self) -> Self::Mask;
    /// Lanes whose top bit is set.
    fn tops(self) -> Self::Mask;
    /// The lanes whose bits are set, as a mask.
    fn mask(self, bits: u8) -> Self::Mask;
    /// `other` in the lanes of the mask, `self` elsewhere.
    fn blend(self, mask: Self::Mask, other: Self) -> Self;

    /// Writes the lanes.
    fn store(self, to: &mut [u64; 8]);
    /// The inverse of [`Machine::load_8x4`]: each lane's row goes to the first half of its tile.
    fn store_8x4(words: [Self; 4], tiles: &mut [Tile], at: [usize; 8]);
    /// The inverse of [`Machine::load_8x8`]: each lane's row goes to its tile.
    fn store_8x8(words: [Self; 8], tiles: &mut [Tile], at: [usize; 8]);
    /// The inverse of [`Machine::load_32`].
    fn store_32(words: [Self; 4]) -> [[u8; 32]; 8];
    /// The inverse of [`Machine::load_16x8`].
    fn store_16x8(words: [Self; 8], rows: &mut [[u8; 32]; 16]);
}

/// Which of eight lanes are meant.
pub(crate) trait Mask:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self>
{
    /// One bit for each lane.
    fn bits(self) -> u8;
}

impl Mask for u8 {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn bits(self) -> u8 {
        self
    }
}

/// Aligns the stack of the function that it is inlined into for registers of a type. LLVM does so
/// only for what is on the stack before registers are allocated, and this is: else those that are
/// spilled lie across cache lines, which cost signing a sixth on a Zen 4.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn align_stack<R>() {
    black_box(&MaybeUninit::<R>::uninit());
}

/// A kernel without memory of its own, from A and B words of each lane to O.
pub(crate) trait Leaf<R, const A: usize, const B: usize, const O: usize> {
    /// Must be `#[cfg_attr(not(all(test, debug_assertions)), inline(always))]`.
    fn run(a: &[R; A], b: &[R; B]) -> [R; O];
}

/// Five expressions in an array, written out: a closure may not be inlined, and limbs in a loop
/// that is not unrolled go through memory.
macro_rules! five {
    ($i:ident => $each:expr) => {
        [
            {
                const $i: usize = 0;
                $each
            },
            {
                const $i: usize = 1;
                $each
            },
            {
                const $i: usize = 2;
                $each
            },
            {
                const $i: usize = 3;
                $each
            },
            {
                const $i: usize = 4;
                $each
            },
        ]
    };
}
pub(crate) use five;
