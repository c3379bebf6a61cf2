//! AVX-512 with IFMA: a register is a vector, and multiplies integers of 52 bits.

use core::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, BitXor, Sub};
use std::sync::OnceLock;

use super::table::{Select, Words};
use super::tile::Tile;
use super::{Leaf, Machine, Multiply52, Register, Vector, Work, align_stack};
use crate::kernel::field::Ifma;

/// Proof that AVX-512 F, BW, DQ, VL and IFMA are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx512Ifma(());

/// Eight lanes of 64 bits.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Zmm(__m512i);

/// Calls intrinsics of AVX-512.
macro_rules! sure {
    ($call:expr) => {
        // SAFETY: an `Avx512Ifma` is only made where these instructions were found, and a `Zmm`
        // only by an `Avx512Ifma` or from another `Zmm`. One or the other is at hand wherever this
        // is used.
        unsafe { $call }
    };
}

impl Avx512Ifma {
    /// Whether this processor has the instructions, and the system lets them be used.
    pub(crate) fn detect() -> Option<Avx512Ifma> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512ifma");
        all.then_some(Avx512Ifma(()))
    }
}

macro_rules! operator {
    ($($name:ident $function:ident $intrinsic:ident)+) => {$(
        impl $name for Zmm {
            type Output = Zmm;

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn $function(self, other: Zmm) -> Zmm {
                sure!(Zmm($intrinsic(self.0, other.0)))
            }
        }
    )+};
}
operator! {
    Add add _mm512_add_epi64
    Sub sub _mm512_sub_epi64
    BitAnd bitand _mm512_and_si512
    BitOr bitor _mm512_or_si512
    BitXor bitxor _mm512_xor_si512
}

// Truth tables of `vpternlogq`.
const XOR: i32 = 0x96;
const CHOOSE: i32 = 0xca;
const MAJORITY: i32 = 0xe8;

impl Register for Zmm {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat(self, word: u64) -> Zmm {
        sure!(Zmm(_mm512_set1_epi64(word as i64)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat32(self, word: u32) -> Zmm {
        sure!(Zmm(_mm512_set1_epi32(word as i32)))
    }

    // The counts are constants, so that these become shifts by an immediate operand.

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl(self, bits: u32) -> Zmm {
        sure!(Zmm(_mm512_sll_epi64(
            self.0,
            _mm_cvtsi32_si128(bits as i32)
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr(self, bits: u32) -> Zmm {
        sure!(Zmm(_mm512_srl_epi64(
            self.0,
            _mm_cvtsi32_si128(bits as i32)
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror(self, bits: u32) -> Zmm {
        sure!(Zmm(_mm512_rorv_epi64(
            self.0,
            self.splat(u64::from(bits)).0
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl_each(self, bits: Zmm) -> Zmm {
        sure!(Zmm(_mm512_sllv_epi64(self.0, bits.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr_each(self, bits: Zmm) -> Zmm {
        sure!(Zmm(_mm512_srlv_epi64(self.0, bits.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn mul32(self, other: Zmm) -> Zmm {
        sure!(Zmm(_mm512_mul_epu32(self.0, other.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn swap_bytes(self) -> Zmm {
        let (low, high) = (0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f);
        let order = sure!(_mm512_setr_epi64(
            low, high, low, high, low, high, low, high
        ));
        sure!(Zmm(_mm512_shuffle_epi8(self.0, order)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn choose(self, a: Zmm, b: Zmm) -> Zmm {
        sure!(Zmm(_mm512_ternarylogic_epi64::<CHOOSE>(self.0, a.0, b.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn majority(self, b: Zmm, c: Zmm) -> Zmm {
        sure!(Zmm(_mm512_ternarylogic_epi64::<MAJORITY>(self.0, b.0, c.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn xor3(self, b: Zmm, c: Zmm) -> Zmm {
        sure!(Zmm(_mm512_ternarylogic_epi64::<XOR>(self.0, b.0, c.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add32(self, other: Zmm) -> Zmm {
        sure!(Zmm(_mm512_add_epi32(self.0, other.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror32(self, bits: u32) -> Zmm {
        sure!(Zmm(_mm512_rorv_epi32(self.0, self.splat32(bits).0)))
    }
}

impl Multiply52 for Zmm {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add_low(self, a: Zmm, b: Zmm) -> Zmm {
        sure!(Zmm(_mm512_madd52lo_epu64(self.0, a.0, b.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add_high(self, a: Zmm, b: Zmm) -> Zmm {
        sure!(Zmm(_mm512_madd52hi_epu64(self.0, a.0, b.0)))
    }
}

// SAFETY: that is how registers lie in memory.
unsafe impl Vector for Zmm {
    type Part = Zmm;
    type Mask = u8;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn apply<L: Leaf<Zmm, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Zmm; A],
        b: &[Zmm; B],
    ) -> [Zmm; O] {
        L::run(a, b)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn call<L: Leaf<Zmm, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Zmm; A],
        b: &[Zmm; B],
    ) -> [Zmm; O] {
        L::run(a, b)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn zeros(self) -> u8 {
        sure!(_mm512_testn_epi64_mask(self.0, self.0))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn tops(self) -> u8 {
        sure!(_mm512_movepi64_mask(self.0))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn mask(self, bits: u8) -> u8 {
        bits
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn blend(self, mask: u8, other: Zmm) -> Zmm {
        sure!(Zmm(_mm512_mask_blend_epi64(mask, self.0, other.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store(self, to: &mut [u64; 8]) {
        // SAFETY: these are 64 writable bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) };
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_8x4(words: [Zmm; 4], tiles: &mut [Tile], at: [usize; 8]) {
        let pairs = transpose_half(words.map(|word| word.0));
        for (pair, lane) in pairs.into_iter().zip(0..) {
            let low = sure!(_mm512_castsi512_si256(pair));
            for (at, row) in [(at[lane], low), (at[lane + 4], above(pair))] {
                // SAFETY: a tile is 64 writable bytes, and the store needs no alignment.
                unsafe { _mm256_storeu_si256(tiles[at].0.as_mut_ptr().cast(), row) };
            }
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_8x8(words: [Zmm; 8], tiles: &mut [Tile], at: [usize; 8]) {
        let rows = transpose(words.map(|word| word.0));
        for (row, at) in rows.into_iter().zip(at) {
            Zmm(row).store(&mut tiles[at].0);
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_32(words: [Zmm; 4]) -> [[u8; 32]; 8] {
        let mut rows = [[0; 32]; 8];
        let pairs = transpose_half(words.map(|word| word.0));
        for (pair, lane) in pairs.into_iter().zip(0..) {
            // SAFETY: each row is 32 writable bytes, and the stores need no alignment.
            unsafe {
                let low = _mm512_castsi512_si256(pair);
                _mm256_storeu_si256(rows[lane].as_mut_ptr().cast(), low);
                _mm256_storeu_si256(rows[lane + 4].as_mut_ptr().cast(), above(pair));
            }
        }
        rows
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_16x8(words: [Zmm; 8], rows: &mut [[u8; 32]; 16]) {
        let [w0, w1, w2, w3, w4, w5, w6, w7] = words.map(|word| word.0);
        let halves = [
            transpose_32([w0, w1, w2, w3]),
            transpose_32([w4, w5, w6, w7]),
        ];
        for (half, fours) in halves.into_iter().enumerate() {
            for (row, four) in fours.into_iter().enumerate() {
                let parts = sure!([
                    _mm512_castsi512_si128(four),
                    _mm512_extracti32x4_epi32::<1>(four),
                    _mm512_extracti32x4_epi32::<2>(four),
                    _mm512_extracti32x4_epi32::<3>(four),
                ]);
                for (part, words) in parts.into_iter().enumerate() {
                    let to = &mut rows[row + 4 * part].as_chunks_mut::<16>().0[half];
                    // SAFETY: these are 16 writable bytes, and the store needs no alignment.
                    unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), words) };
                }
            }
        }
    }
}

impl Select for Zmm {
    type Index = (Zmm, u8);

    /// `vpermi2q` takes the low four bits of an index for itself.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn index(self) -> (Zmm, u8) {
        (
            self,
            sure!(_mm512_test_epi64_mask(self.0, self.splat(16).0)),
        )
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn select((index, upper): (Zmm, u8), table: &[u64; 32]) -> Zmm {
        let table: *const __m512i = table.as_ptr().cast();
        // SAFETY: the table is four registers long; the loads need no alignment. An index is made
        // from a vector.
        unsafe {
            let (t0, t1) = (_mm512_loadu_si512(table), _mm512_loadu_si512(table.add(1)));
            let (t2, t3) = (
                _mm512_loadu_si512(table.add(2)),
                _mm512_loadu_si512(table.add(3)),
            );
            let low = _mm512_permutex2var_epi64(t0, index.0, t1);
            let high = _mm512_permutex2var_epi64(t2, index.0, t3);
            Zmm(_mm512_mask_blend_epi64(upper, low, high))
        }
    }
}

impl Machine for Avx512Ifma {
    type V = Zmm;
    type Arithmetic = Ifma;
    type Multiples = Words;
    const OVERLAPS: bool = true;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run<W: Work<Avx512Ifma>>(self, work: W) -> W::Out {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
        #[inline(never)]
        fn door<W: Work<Avx512Ifma>>(machine: Avx512Ifma, work: W) -> W::Out {
            align_stack::<__m512i>();
            work.run(machine)
        }
        // SAFETY: `self` is proof that the instructions are there.
        unsafe { door(self, work) }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat(self, word: u64) -> Zmm {
        sure!(Zmm(_mm512_set1_epi64(word as i64)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load(self, words: &[u64; 8]) -> Zmm {
        // SAFETY: these are 64 readable bytes, and the load needs no alignment.
        unsafe { Zmm(_mm512_loadu_si512(words.as_ptr().cast())) }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_8x4(self, rows: [&[u64; 4]; 8]) -> [Zmm; 4] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.as_ptr().cast());
        // SAFETY: each row has 32 readable bytes.
        let pairs = unsafe { [pair(r0, r4), pair(r1, r5), pair(r2, r6), pair(r3, r7)] };
        transpose_half(pairs).map(Zmm)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_8x8(self, rows: [&[u64; 8]; 8]) -> [Zmm; 8] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
        let rows = [
            self.load(r0).0,
            self.load(r1).0,
            self.load(r2).0,
            self.load(r3).0,
            self.load(r4).0,
            self.load(r5).0,
            self.load(r6).0,
            self.load(r7).0,
        ];
        transpose(rows).map(Zmm)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_32(self, rows: [&[u8; 32]; 8]) -> [Zmm; 4] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.as_ptr().cast());
        // SAFETY: each row has 32 readable bytes.
        let pairs = unsafe { [pair(r0, r4), pair(r1, r5), pair(r2, r6), pair(r3, r7)] };
        transpose_half(pairs).map(Zmm)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_16x8(self, rows: [&[u8; 32]; 16]) -> [Zmm; 8] {
        let [w0, w1, w2, w3] = transpose_32([
            four(&rows, 0, 0),
            four(&rows, 1, 0),
            four(&rows, 2, 0),
            four(&rows, 3, 0),
        ]);
        let [w4, w5, w6, w7] = transpose_32([
            four(&rows, 0, 1),
            four(&rows, 1, 1),
            four(&rows, 2, 1),
            four(&rows, 3, 1),
        ]);
        [w0, w1, w2, w3, w4, w5, w6, w7].map(Zmm)
    }

    fn comb(self) -> &'static OnceLock<Vec<Words>> {
        static TABLE: OnceLock<Vec<Words>> = OnceLock::new();
        &TABLE
    }
}

/// Two rows beside each other.
///
/// # Safety
/// There is AVX-512 F, and each row points to 32 readable bytes.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
unsafe fn pair(low: *const __m256i, high: *const __m256i) -> __m512i {
    // SAFETY: the caller's promise; the loads need no alignment.
    unsafe {
        let low = _mm512_castsi256_si512(_mm256_loadu_si256(low));
        _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(high))
    }
}

/// Halves of rows r, r + 4, r + 8 and r + 12 beside each other.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn four(rows: &[&[u8; 32]; 16], row: usize, half: usize) -> __m512i {
    let part = |row: usize| rows[row].as_chunks::<16>().0[half].as_ptr().cast();
    let (p0, p1, p2, p3) = (part(row), part(row + 4), part(row + 8), part(row + 12));
    // SAFETY: each part is 16 readable bytes, and the loads need no alignment; there is AVX-512, or
    // there would be no machine to load rows.
    unsafe {
        let one = _mm512_castsi128_si512(_mm_loadu_si128(p0));
        let two = _mm512_inserti32x4::<1>(one, _mm_loadu_si128(p1));
        let three = _mm512_inserti32x4::<2>(two, _mm_loadu_si128(p2));
        _mm512_inserti32x4::<3>(three, _mm_loadu_si128(p3))
    }
}

#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn above(pair: __m512i) -> __m256i {
    sure!(_mm512_extracti64x4_epi64::<1>(pair))
}

/// 128-bit blocks 0 and 2 of both.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn even(x: __m512i, y: __m512i) -> __m512i {
    sure!(_mm512_shuffle_i64x2::<0b10_00_10_00>(x, y))
}

/// 128-bit blocks 1 and 3 of both.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn odd(x: __m512i, y: __m512i) -> __m512i {
    sure!(_mm512_shuffle_i64x2::<0b11_01_11_01>(x, y))
}

/// Row r of the result holds word r of every register: eight by eight, its own inverse.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn transpose([r0, r1, r2, r3, r4, r5, r6, r7]: [__m512i; 8]) -> [__m512i; 8] {
    sure!({
        // Words 2i and 2i + 1 of two rows beside each other, per 128 bits.
        let (a0, a1) = (_mm512_unpacklo_epi64(r0, r1), _mm512_unpackhi_epi64(r0, r1));
        let (a2, a3) = (_mm512_unpacklo_epi64(r2, r3), _mm512_unpackhi_epi64(r2, r3));
        let (a4, a5) = (_mm512_unpacklo_epi64(r4, r5), _mm512_unpackhi_epi64(r4, r5));
        let (a6, a7) = (_mm512_unpacklo_epi64(r6, r7), _mm512_unpackhi_epi64(r6, r7));
        let (b0, b4) = (even(a0, a2), odd(a0, a2));
        let (b1, b5) = (even(a1, a3), odd(a1, a3));
        let (b2, b6) = (even(a4, a6), odd(a4, a6));
        let (b3, b7) = (even(a5, a7), odd(a5, a7));
        [
            even(b0, b2),
            even(b1, b3),
            even(b4, b6),
            even(b5, b7),
            odd(b0, b2),
            odd(b1, b3),
            odd(b4, b6),
            odd(b5, b7),
        ]
    })
}

/// From four registers, each row k beside row k + 4 in four words, to the four words of all rows:
/// its own inverse.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn transpose_half([p0, p1, p2, p3]: [__m512i; 4]) -> [__m512i; 4] {
    sure!({
        let low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
        let high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
        let (a0, a1) = (_mm512_unpacklo_epi64(p0, p1), _mm512_unpackhi_epi64(p0, p1));
        let (a2, a3) = (_mm512_unpacklo_epi64(p2, p3), _mm512_unpackhi_epi64(p2, p3));
        [
            _mm512_permutex2var_epi64(a0, low, a2),
            _mm512_permutex2var_epi64(a1, low, a3),
            _mm512_permutex2var_epi64(a0, high, a2),
            _mm512_permutex2var_epi64(a1, high, a3),
        ]
    })
}

/// Four by four words of 32 bits, in each quarter: its own inverse.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn transpose_32([r0, r1, r2, r3]: [__m512i; 4]) -> [__m512i; 4] {
    sure!({
        let (a0, a1) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
        let (a2, a3) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
        [
            _mm512_unpacklo_epi64(a0, a2),
            _mm512_unpackhi_epi64(a0, a2),
            _mm512_unpacklo_epi64(a1, a3),
            _mm512_unpackhi_epi64(a1, a3),
        ]
    })
}
