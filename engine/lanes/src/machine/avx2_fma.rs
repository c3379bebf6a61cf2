//! AVX2 and FMA (x86-64-v3 without the rest): vectors of two registers, products of doubles.

use core::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::ops::{Add, BitAnd, BitOr, BitXor, Sub};
use std::sync::OnceLock;

use super::pair::{Pair, apply};
use super::table::{Limbs, MOST_TOGETHER, Multiples};
use super::tile::Tile;
use super::ymm::Ymm;
use super::{Constants, link, product};
use super::{Doubles, Leaf, Machine, Mask, Products, Register, Vector, Work, align_stack};
use crate::kernel::field::{Fma, LOW};

/// Proof that AVX2, FMA and BMI2 are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Avx2Fma(());

/// Calls what needs AVX2 and FMA, and nothing else.
macro_rules! sure {
    ($call:expr) => {
        // SAFETY: an `Avx2Fma` is only made where these instructions were found, and a `Ymm` only
        // by an `Avx2Fma` or from another `Ymm`. One or the other is at hand wherever this is used.
        unsafe { $call }
    };
}

impl Avx2Fma {
    /// Whether this processor has the instructions, and the system lets them be used.
    pub(crate) fn detect() -> Option<Avx2Fma> {
        let all = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("bmi2");
        all.then_some(Avx2Fma(()))
    }
}

macro_rules! operator {
    ($($name:ident $function:ident $intrinsic:ident)+) => {$(
        impl $name for Ymm {
            type Output = Ymm;

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn $function(self, other: Ymm) -> Ymm {
                sure!(Ymm($intrinsic(self.0, other.0)))
            }
        }
    )+};
}
operator! {
    Add add _mm256_add_epi64
    Sub sub _mm256_sub_epi64
    BitAnd bitand _mm256_and_si256
    BitOr bitor _mm256_or_si256
    BitXor bitxor _mm256_xor_si256
}

impl Ymm {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn doubles(self) -> __m256d {
        sure!(_mm256_castsi256_pd(self.0))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn of_doubles(doubles: __m256d) -> Ymm {
        sure!(Ymm(_mm256_castpd_si256(doubles)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn blended(self, mask: Ymm, other: Ymm) -> Ymm {
        let (a, b, mask) = (self.doubles(), other.doubles(), mask.doubles());
        sure!(Ymm::of_doubles(_mm256_blendv_pd(a, b, mask)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn tops(self) -> u8 {
        sure!(_mm256_movemask_pd(self.doubles())) as u8
    }

    /// Bytes chosen by their places, the same in both halves.
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn bytes(self, low: u64, high: u64) -> Ymm {
        let (low, high) = (low as i64, high as i64);
        sure!(Ymm(_mm256_shuffle_epi8(
            self.0,
            _mm256_setr_epi64x(low, high, low, high)
        )))
    }
}

impl Register for Ymm {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat(self, word: u64) -> Ymm {
        sure!(Ymm(_mm256_set1_epi64x(word as i64)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat32(self, word: u32) -> Ymm {
        sure!(Ymm(_mm256_set1_epi32(word as i32)))
    }

    // The counts are constants, so that these become shifts by an immediate operand.

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl(self, bits: u32) -> Ymm {
        sure!(Ymm(_mm256_sll_epi64(
            self.0,
            _mm_cvtsi32_si128(bits as i32)
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr(self, bits: u32) -> Ymm {
        sure!(Ymm(_mm256_srl_epi64(
            self.0,
            _mm_cvtsi32_si128(bits as i32)
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror(self, bits: u32) -> Ymm {
        match bits {
            8 => self.bytes(0x0007_0605_0403_0201, 0x080f_0e0d_0c0b_0a09),
            _ => self.shr(bits) | self.shl(64 - bits),
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shl_each(self, bits: Ymm) -> Ymm {
        sure!(Ymm(_mm256_sllv_epi64(self.0, bits.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn shr_each(self, bits: Ymm) -> Ymm {
        sure!(Ymm(_mm256_srlv_epi64(self.0, bits.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn mul32(self, other: Ymm) -> Ymm {
        sure!(Ymm(_mm256_mul_epu32(self.0, other.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn swap_bytes(self) -> Ymm {
        self.bytes(0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn choose(self, a: Ymm, b: Ymm) -> Ymm {
        b ^ (self & (a ^ b))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn majority(self, b: Ymm, c: Ymm) -> Ymm {
        b ^ ((self ^ b) & (b ^ c))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn xor3(self, b: Ymm, c: Ymm) -> Ymm {
        self ^ b ^ c
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn add32(self, other: Ymm) -> Ymm {
        sure!(Ymm(_mm256_add_epi32(self.0, other.0)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn ror32(self, bits: u32) -> Ymm {
        sure!(Ymm(_mm256_or_si256(
            _mm256_srl_epi32(self.0, _mm_cvtsi32_si128(bits as i32)),
            _mm256_sll_epi32(self.0, _mm_cvtsi32_si128(32 - bits as i32)),
        )))
    }
}

impl Doubles for Ymm {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fused(self, b: Ymm, c: Ymm) -> Ymm {
        let (a, b, c) = (self.doubles(), b.doubles(), c.doubles());
        sure!(Ymm::of_doubles(_mm256_fmadd_pd(a, b, c)))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fadd(self, other: Ymm) -> Ymm {
        sure!(Ymm::of_doubles(_mm256_add_pd(
            self.doubles(),
            other.doubles()
        )))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn fsub(self, other: Ymm) -> Ymm {
        sure!(Ymm::of_doubles(_mm256_sub_pd(
            self.doubles(),
            other.doubles()
        )))
    }
}

/// Lanes whose top bit is set are meant; what the other bits are does not matter.
impl Mask for Pair<Ymm> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn bits(self) -> u8 {
        self.0.tops() | self.1.tops() << 4
    }
}

// SAFETY: that is how registers lie in memory.
unsafe impl Vector for Pair<Ymm> {
    type Part = Ymm;
    type Mask = Pair<Ymm>;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn apply<L: Leaf<Ymm, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Pair<Ymm>; A],
        b: &[Pair<Ymm>; B],
    ) -> [Pair<Ymm>; O] {
        apply::<Ymm, L, A, B, O>(a, b)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn call<L: Leaf<Ymm, A, B, O>, const A: usize, const B: usize, const O: usize>(
        a: &[Pair<Ymm>; A],
        b: &[Pair<Ymm>; B],
    ) -> [Pair<Ymm>; O] {
        /// One register of each pair: the lower one, or the upper one, `part` 1.
        #[target_feature(enable = "avx2,fma,bmi2")]
        fn door<L: Leaf<Ymm, A, B, O>, const A: usize, const B: usize, const O: usize>(
            a: &[[Ymm; 2]; A],
            b: &[[Ymm; 2]; B],
            out: &mut [[MaybeUninit<Ymm>; 2]; O],
            part: usize,
        ) {
            align_stack::<Ymm>();
            let a = std::array::from_fn(|at| a[at][part]);
            let b = std::array::from_fn(|at| b[at][part]);
            let done: [Ymm; O] = L::run(&a, &b);
            for (out, done) in out.iter_mut().zip(done) {
                out[part].write(done);
            }
        }

        // One half after the other, which need not wait for each other: fewer registers are
        // spilled. The compiler heeds `inline(never)` only where there are no features (rustc
        // 1.95), and copies nothing that has them into a function that has none.
        #[inline(never)]
        fn apart<L: Leaf<Ymm, A, B, O>, const A: usize, const B: usize, const O: usize>(
            a: &[[Ymm; 2]; A],
            b: &[[Ymm; 2]; B],
            out: &mut [[MaybeUninit<Ymm>; 2]; O],
        ) {
            sure!(door::<L, A, B, O>(a, b, out, 0));
            sure!(door::<L, A, B, O>(a, b, out, 1));
        }
        let mut out = [[MaybeUninit::uninit(); 2]; O];
        apart::<L, A, B, O>(Pair::parts(a), Pair::parts(b), &mut out);
        // SAFETY: both parts of each were written.
        out.map(|[low, high]| unsafe { Pair(low.assume_init(), high.assume_init()) })
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn link<L: Leaf<Ymm, 16, 16, 8>>(
        state: &[Pair<Ymm>; 16],
        block: &mut [Pair<Ymm>; 16],
        low: bool,
    ) {
        sure!(link::link(state, block, low));
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn zeros(self) -> Pair<Ymm> {
        let zero = self.0.splat(0).0;
        sure!(Pair(
            Ymm(_mm256_cmpeq_epi64(self.0.0, zero)),
            Ymm(_mm256_cmpeq_epi64(self.1.0, zero))
        ))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn tops(self) -> Pair<Ymm> {
        self
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn mask(self, bits: u8) -> Pair<Ymm> {
        // Each lane's bit goes to the top.
        let bits = self.0.splat(u64::from(bits));
        sure!(Pair(
            bits.shl_each(Ymm(_mm256_setr_epi64x(63, 62, 61, 60))),
            bits.shl_each(Ymm(_mm256_setr_epi64x(59, 58, 57, 56)))
        ))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn blend(self, mask: Pair<Ymm>, other: Pair<Ymm>) -> Pair<Ymm> {
        Pair(
            self.0.blended(mask.0, other.0),
            self.1.blended(mask.1, other.1),
        )
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store(self, to: &mut [u64; 8]) {
        let to: *mut __m256i = to.as_mut_ptr().cast();
        // SAFETY: these are 64 writable bytes, and the stores need no alignment.
        unsafe {
            _mm256_storeu_si256(to, self.0.0);
            _mm256_storeu_si256(to.add(1), self.1.0);
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_8x4(words: [Pair<Ymm>; 4], tiles: &mut [Tile], at: [usize; 8]) {
        store_halves(words, tiles, at, 0);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_8x8(words: [Pair<Ymm>; 8], tiles: &mut [Tile], at: [usize; 8]) {
        let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
        store_halves([w0, w1, w2, w3], tiles, at, 0);
        store_halves([w4, w5, w6, w7], tiles, at, 1);
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_32(words: [Pair<Ymm>; 4]) -> [[u8; 32]; 8] {
        let mut rows = [[0; 32]; 8];
        let quarters = [
            transposed_4x4(words.map(|word| word.0)),
            transposed_4x4(words.map(|word| word.1)),
        ];
        for (row, halves) in rows.iter_mut().zip(quarters.as_flattened()) {
            for (to, half) in row.as_chunks_mut::<16>().0.iter_mut().zip(halves) {
                // SAFETY: these are 16 writable bytes, and the store needs no alignment.
                unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), *half) };
            }
        }
        rows
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn store_16x8(words: [Pair<Ymm>; 8], rows: &mut [[u8; 32]; 16]) {
        let (low, high) = rows.split_at_mut(8);
        store_8x8_of_32(words.map(|word| word.0), low);
        store_8x8_of_32(words.map(|word| word.1), high);
    }
}

impl Products for Pair<Ymm> {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply<P: Leaf<Ymm, 5, 5, 5>>(
        [a, b]: [&[Pair<Ymm>; 5]; 2],
        constants: &Constants,
        product: &mut [Pair<Ymm>; 5],
    ) {
        sure!(product::multiply(a, b, constants, product));
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn multiply_carried<P: Leaf<Ymm, 5, 5, 5>>(
        [a, b]: [&[Pair<Ymm>; 5]; 2],
        constants: &Constants,
        product: &mut [Pair<Ymm>; 5],
    ) {
        sure!(product::multiply_carried(a, b, constants, product));
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both<S: Leaf<Ymm, 5, 5, 5>, D: Leaf<Ymm, 5, 5, 5>>(
        [a, b]: [&[Pair<Ymm>; 5]; 2],
        constants: &Constants,
        sum: &mut [Pair<Ymm>; 5],
        difference: &mut [Pair<Ymm>; 5],
    ) {
        sure!(product::both(a, b, constants, sum, difference));
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn both_of_twice<S: Leaf<Ymm, 5, 5, 5>, D: Leaf<Ymm, 5, 5, 5>>(
        [a, b]: [&[Pair<Ymm>; 5]; 2],
        constants: &Constants,
        sum: &mut [Pair<Ymm>; 5],
        difference: &mut [Pair<Ymm>; 5],
    ) {
        sure!(product::both_of_twice(a, b, constants, sum, difference));
    }
}

/// Bits of a digit of the comb.
const DIGIT: u32 = 7;
/// A digit's multiples, in sixteens.
const SIXTEENS: usize = (1 << (DIGIT - 1)) / 16;
/// Bytes of a limb that differ: the eighth is [`EXPONENT`] in all.
const BYTES: usize = 7;
/// The top byte of doubles from 2^52 to 2^53.
const EXPONENT: u8 = 0x43;

/// A digit's multiples byte by byte: each limb's lowest bytes, then its second ones, and so on, as
/// doubles with 1.5 · 2^52 added. `vpshufb` selects 32 bytes at a time, one for each lane of four
/// groups; sixteen bytes are a table.
#[repr(C, align(64))]
pub(crate) struct Bytes([[[[u8; 16]; SIXTEENS]; BYTES]; 15]);

impl Multiples<Pair<Ymm>, Fma> for Bytes {
    const BITS: u32 = DIGIT;
    const TOGETHER: usize = MOST_TOGETHER;

    fn new(multiples: &[Limbs<u64>]) -> Bytes {
        let mut all = Bytes([[[[0; 16]; SIXTEENS]; BYTES]; 15]);
        for (at, limbs) in multiples.iter().enumerate() {
            for (to, limb) in all.0.iter_mut().zip(limbs) {
                let biased = f64::from_bits(*limb) + f64::from_bits(LOW);
                let bytes = biased.to_bits().to_le_bytes();
                assert_eq!(bytes[BYTES], EXPONENT, "a limb is below 2^51");
                for (to, byte) in to.iter_mut().zip(bytes) {
                    to[at / 16][at % 16] = byte;
                }
            }
        }
        all
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn select(
        &self,
        places: &[Pair<Ymm>; MOST_TOGETHER],
        negative: &[Pair<Ymm>; MOST_TOGETHER],
        selected: &mut [Limbs<Pair<Ymm>>; MOST_TOGETHER],
    ) {
        let places = in_sixteens(places);
        let [plus, minus, t2d] = [&self.0[..5], &self.0[5..10], &self.0[10..]];
        for limb in 0..5 {
            let (plus, minus) = (limbs(&places, &plus[limb]), limbs(&places, &minus[limb]));
            for (group, selected) in selected.iter_mut().enumerate() {
                selected[limb] = plus[group].blend(negative[group], minus[group]);
                selected[5 + limb] = minus[group].blend(negative[group], plus[group]);
            }
            let t2d = limbs(&places, &t2d[limb]);
            for (group, selected) in selected.iter_mut().enumerate() {
                let sign = negative[group] & negative[group].splat(1 << 63);
                selected[10 + limb] = t2d[group] ^ sign;
            }
        }
    }
}

/// One limb of four groups' lanes.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn limbs(
    places: &[Ymm; SIXTEENS],
    tables: &[[[u8; 16]; SIXTEENS]; BYTES],
) -> [Pair<Ymm>; MOST_TOGETHER] {
    let low = places[0].splat(LOW);
    let exponent = places[0].splat(u64::from_le_bytes([EXPONENT; 8]));
    let [b0, b1, b2, b3, b4, b5, b6] = tables;
    let [w0, w1, w2, w3, w4, w5, w6, w7] = words_of([
        select_bytes(places, b0),
        select_bytes(places, b1),
        select_bytes(places, b2),
        select_bytes(places, b3),
        select_bytes(places, b4),
        select_bytes(places, b5),
        select_bytes(places, b6),
        exponent,
    ]);
    [
        Pair(w0.fsub(low), w1.fsub(low)),
        Pair(w2.fsub(low), w3.fsub(low)),
        Pair(w4.fsub(low), w5.fsub(low)),
        Pair(w6.fsub(low), w7.fsub(low)),
    ]
}

/// The places of 32 lanes as bytes, for each sixteen multiples: the top bit is set where the place
/// is not among them, which makes `vpshufb` give zero. A register's lanes are at bytes 2r, 2r + 1,
/// 2r + 16 and 2r + 17, where [`words_of`] takes them from.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn in_sixteens(places: &[Pair<Ymm>; MOST_TOGETHER]) -> [Ymm; SIXTEENS] {
    let one = places[0].0;
    let mask = one.splat((1 << (DIGIT - 1)) - 1);
    let mut bytes = one.splat(0);
    for (group, place) in (0..).zip(places) {
        bytes = bytes | (place.0 & mask).shl(16 * group) | (place.1 & mask).shl(16 * group + 8);
    }
    let bytes = bytes.bytes(0x0b03_0a02_0901_0800, 0x0f07_0e06_0d05_0c04);
    let mut sixteens = [one; SIXTEENS];
    for (sixteen, to) in (0..).zip(&mut sixteens) {
        let others = bytes ^ one.splat(u64::from_le_bytes([sixteen << 4; 8]));
        let over = one.splat(u64::from_le_bytes([0x70; 8]));
        *to = sure!(Ymm(_mm256_add_epi8(others.0, over.0)));
    }
    sixteens
}

/// One byte for each lane.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn select_bytes(places: &[Ymm; SIXTEENS], tables: &[[u8; 16]; SIXTEENS]) -> Ymm {
    let mut selected = places[0].splat(0);
    for (places, table) in places.iter().zip(tables) {
        // SAFETY: these are sixteen readable bytes, and the load needs no alignment.
        let table = unsafe { _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast())) };
        selected = selected | sure!(Ymm(_mm256_shuffle_epi8(table, places.0)));
    }
    selected
}

/// Words from their bytes, the lowest first.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn words_of(bytes: [Ymm; 8]) -> [Ymm; 8] {
    let [b0, b1, b2, b3, b4, b5, b6, b7] = bytes.map(|bytes| bytes.0);
    sure!({
        let (l01, h01) = (_mm256_unpacklo_epi8(b0, b1), _mm256_unpackhi_epi8(b0, b1));
        let (l23, h23) = (_mm256_unpacklo_epi8(b2, b3), _mm256_unpackhi_epi8(b2, b3));
        let (l45, h45) = (_mm256_unpacklo_epi8(b4, b5), _mm256_unpackhi_epi8(b4, b5));
        let (l67, h67) = (_mm256_unpacklo_epi8(b6, b7), _mm256_unpackhi_epi8(b6, b7));
        let low = [
            _mm256_unpacklo_epi16(l01, l23),
            _mm256_unpackhi_epi16(l01, l23),
            _mm256_unpacklo_epi16(h01, h23),
            _mm256_unpackhi_epi16(h01, h23),
        ];
        let high = [
            _mm256_unpacklo_epi16(l45, l67),
            _mm256_unpackhi_epi16(l45, l67),
            _mm256_unpacklo_epi16(h45, h67),
            _mm256_unpackhi_epi16(h45, h67),
        ];
        [
            Ymm(_mm256_unpacklo_epi32(low[0], high[0])),
            Ymm(_mm256_unpackhi_epi32(low[0], high[0])),
            Ymm(_mm256_unpacklo_epi32(low[1], high[1])),
            Ymm(_mm256_unpackhi_epi32(low[1], high[1])),
            Ymm(_mm256_unpacklo_epi32(low[2], high[2])),
            Ymm(_mm256_unpackhi_epi32(low[2], high[2])),
            Ymm(_mm256_unpacklo_epi32(low[3], high[3])),
            Ymm(_mm256_unpackhi_epi32(low[3], high[3])),
        ]
    })
}

impl Machine for Avx2Fma {
    type V = Pair<Ymm>;
    type Arithmetic = Fma;
    type Multiples = Bytes;
    const OVERLAPS: bool = false;

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run<W: Work<Avx2Fma>>(self, work: W) -> W::Out {
        #[target_feature(enable = "avx2,fma,bmi2")]
        #[inline(never)]
        fn door<W: Work<Avx2Fma>>(machine: Avx2Fma, work: W) -> W::Out {
            align_stack::<Ymm>();
            work.run(machine)
        }
        // SAFETY: `self` is proof that the instructions are there.
        unsafe { door(self, work) }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn splat(self, word: u64) -> Pair<Ymm> {
        let one = sure!(Ymm(_mm256_set1_epi64x(word as i64)));
        Pair(one, one)
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load(self, words: &[u64; 8]) -> Pair<Ymm> {
        let words: *const __m256i = words.as_ptr().cast();
        // SAFETY: these are 64 readable bytes, and the loads need no alignment.
        unsafe {
            Pair(
                Ymm(_mm256_loadu_si256(words)),
                Ymm(_mm256_loadu_si256(words.add(1))),
            )
        }
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_8x4(self, rows: [&[u64; 4]; 8]) -> [Pair<Ymm>; 4] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.as_ptr().cast());
        // SAFETY: each row has 32 readable bytes.
        let [low, high] = unsafe { [load_4x4([r0, r1, r2, r3]), load_4x4([r4, r5, r6, r7])] };
        std::array::from_fn(|word| Pair(low[word], high[word]))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_8x8(self, rows: [&[u64; 8]; 8]) -> [Pair<Ymm>; 8] {
        let [w0, w1, w2, w3] = self.load_8x4(rows.map(|row| &row.as_chunks::<4>().0[0]));
        let [w4, w5, w6, w7] = self.load_8x4(rows.map(|row| &row.as_chunks::<4>().0[1]));
        [w0, w1, w2, w3, w4, w5, w6, w7]
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_32(self, rows: [&[u8; 32]; 8]) -> [Pair<Ymm>; 4] {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = rows.map(|row| row.as_ptr().cast());
        // SAFETY: each row has 32 readable bytes.
        let [low, high] = unsafe { [load_4x4([r0, r1, r2, r3]), load_4x4([r4, r5, r6, r7])] };
        std::array::from_fn(|word| Pair(low[word], high[word]))
    }

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn load_16x8(self, rows: [&[u8; 32]; 16]) -> [Pair<Ymm>; 8] {
        let (low, high) = (load_8x8_of_32(&rows[..8]), load_8x8_of_32(&rows[8..]));
        std::array::from_fn(|word| Pair(low[word], high[word]))
    }

    fn comb(self) -> &'static OnceLock<Vec<Bytes>> {
        static TABLE: OnceLock<Vec<Bytes>> = OnceLock::new();
        &TABLE
    }
}

/// Writes four words of each lane to one half of its tile.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn store_halves(words: [Pair<Ymm>; 4], tiles: &mut [Tile], at: [usize; 8], half: usize) {
    let quarters = [
        transposed_4x4(words.map(|word| word.0)),
        transposed_4x4(words.map(|word| word.1)),
    ];
    for (at, [low, high]) in at.into_iter().zip(quarters.as_flattened()) {
        let to: *mut __m128i = tiles[at].0.as_chunks_mut::<4>().0[half].as_mut_ptr().cast();
        // SAFETY: these are 32 writable bytes, and the stores need no alignment.
        unsafe {
            _mm_storeu_si128(to, *low);
            _mm_storeu_si128(to.add(1), *high);
        }
    }
}

/// Word w of four rows, in register w.
///
/// # Safety
/// There is AVX2, and each row points to 32 readable bytes.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
unsafe fn load_4x4(rows: [*const __m128i; 4]) -> [Ymm; 4] {
    // SAFETY: the caller's promise.
    unsafe {
        let [r0, r1, r2, r3] = rows;
        // Half a row, and the same half of the row after the next.
        let (a0, a1) = (beside(r0, r2), beside(r1, r3));
        let (b0, b1) = (beside(r0.add(1), r2.add(1)), beside(r1.add(1), r3.add(1)));
        [
            Ymm(_mm256_unpacklo_epi64(a0, a1)),
            Ymm(_mm256_unpackhi_epi64(a0, a1)),
            Ymm(_mm256_unpacklo_epi64(b0, b1)),
            Ymm(_mm256_unpackhi_epi64(b0, b1)),
        ]
    }
}

/// Two half registers.
///
/// # Safety
/// There is AVX2, and both point to 16 readable bytes.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
unsafe fn beside(low: *const __m128i, high: *const __m128i) -> __m256i {
    // SAFETY: the caller's promise; the loads need no alignment.
    unsafe {
        let low = _mm256_castsi128_si256(_mm_loadu_si128(low));
        _mm256_inserti128_si256::<1>(low, _mm_loadu_si128(high))
    }
}

/// The inverse of [`load_4x4`]: four rows, in two halves each.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn transposed_4x4([w0, w1, w2, w3]: [Ymm; 4]) -> [[__m128i; 2]; 4] {
    sure!({
        let (a0, a1) = (
            _mm256_unpacklo_epi64(w0.0, w1.0),
            _mm256_unpackhi_epi64(w0.0, w1.0),
        );
        let (b0, b1) = (
            _mm256_unpacklo_epi64(w2.0, w3.0),
            _mm256_unpackhi_epi64(w2.0, w3.0),
        );
        [
            [_mm256_castsi256_si128(a0), _mm256_castsi256_si128(b0)],
            [_mm256_castsi256_si128(a1), _mm256_castsi256_si128(b1)],
            [
                _mm256_extracti128_si256::<1>(a0),
                _mm256_extracti128_si256::<1>(b0),
            ],
            [
                _mm256_extracti128_si256::<1>(a1),
                _mm256_extracti128_si256::<1>(b1),
            ],
        ]
    })
}

/// Four by four words of 32 bits, in each half: its own inverse.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn transpose_32([r0, r1, r2, r3]: [__m256i; 4]) -> [__m256i; 4] {
    sure!({
        let (a0, a1) = (_mm256_unpacklo_epi32(r0, r1), _mm256_unpackhi_epi32(r0, r1));
        let (a2, a3) = (_mm256_unpacklo_epi32(r2, r3), _mm256_unpackhi_epi32(r2, r3));
        [
            _mm256_unpacklo_epi64(a0, a2),
            _mm256_unpackhi_epi64(a0, a2),
            _mm256_unpacklo_epi64(a1, a3),
            _mm256_unpackhi_epi64(a1, a3),
        ]
    })
}

/// Word w of eight rows, in register w.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn load_8x8_of_32(rows: &[&[u8; 32]]) -> [Ymm; 8] {
    let [w0, w1, w2, w3] = transpose_32([
        two(rows, 0, 0),
        two(rows, 1, 0),
        two(rows, 2, 0),
        two(rows, 3, 0),
    ]);
    let [w4, w5, w6, w7] = transpose_32([
        two(rows, 0, 1),
        two(rows, 1, 1),
        two(rows, 2, 1),
        two(rows, 3, 1),
    ]);
    [w0, w1, w2, w3, w4, w5, w6, w7].map(Ymm)
}

/// Halves of rows r and r + 4 beside each other.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn two(rows: &[&[u8; 32]], row: usize, half: usize) -> __m256i {
    let part = |row: usize| rows[row].as_chunks::<16>().0[half].as_ptr().cast();
    // SAFETY: each part is 16 readable bytes; there is AVX2, or there would be no machine to load
    // rows.
    unsafe { beside(part(row), part(row + 4)) }
}

/// The inverse of [`load_8x8_of_32`].
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn store_8x8_of_32(words: [Ymm; 8], rows: &mut [[u8; 32]]) {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = words.map(|word| word.0);
    let fours = [
        transpose_32([w0, w1, w2, w3]),
        transpose_32([w4, w5, w6, w7]),
    ];
    for (half, four) in fours.into_iter().enumerate() {
        for (row, pair) in four.into_iter().enumerate() {
            let parts = sure!([
                _mm256_castsi256_si128(pair),
                _mm256_extracti128_si256::<1>(pair)
            ]);
            for (part, words) in parts.into_iter().enumerate() {
                let to = &mut rows[row + 4 * part].as_chunks_mut::<16>().0[half];
                // SAFETY: these are 16 writable bytes, and the store needs no alignment.
                unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), words) };
            }
        }
    }
}
