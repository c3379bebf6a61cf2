//! A link's instructions on AVX2, in their order: eight chains in sixteen registers, one word of
//! their states in each.
//!
//! The formulas are those of `kernel::chain`; the tests compare heads with the library's. All four
//! quarters of half a round go step by step, so that each step finds what it needs. A rotation
//! takes a register more than there are: word 8 gives way to it, and is in memory meanwhile.

use std::arch::asm;
use std::mem::MaybeUninit;

use super::pair::Pair;
use super::ymm::Ymm;

/// The places of the bytes that a rotation by 16 bits takes, and one by 8.
#[repr(C, align(64))]
struct Turns([[u8; 32]; 2]);

static TURNS: Turns = {
    let (mut places, mut at) = ([[0; 32]; 2], 0);
    while at < 32 {
        let (word, byte) = (at % 16 / 4 * 4, at % 4);
        places[0][at] = (word + (byte + 2) % 4) as u8;
        places[1][at] = (word + (byte + 1) % 4) as u8;
        at += 1;
    }
    Turns(places)
};

/// One instruction for each of four quarters.
macro_rules! each {
    ($name:literal: $($to:literal $with:literal),+) => {
        concat!($($name, " ymm", $to, ", ymm", $to, ", ymm", $with, "\n"),+)
    };
}

/// Adds words of the message.
macro_rules! message {
    ($($to:literal $word:literal),+) => {
        concat!($("vpaddd ymm", $to, ", ymm", $to, ", [{block} + 64 * ", $word, "]\n"),+)
    };
}

/// Rotates by bytes.
macro_rules! bytes {
    ($turn:literal: $($word:literal),+) => {
        concat!($(
            "vpshufb ymm", $word, ", ymm", $word, ", [{turns} + 32 * ", $turn, "]\n",
        )+)
    };
}

/// Rotates by any bits, while word 8 is in memory.
macro_rules! bits {
    ($down:literal $up:literal: $($word:literal),+) => {
        concat!(
            "vmovdqa [{spare}], ymm8\n",
            $(
                "vpsrld ymm8, ymm", $word, ", ", $down, "\n",
                "vpslld ymm", $word, ", ymm", $word, ", ", $up, "\n",
                "vpor ymm", $word, ", ymm", $word, ", ymm8\n",
            )+
            "vmovdqa ymm8, [{spare}]\n",
        )
    };
}

/// Half a round: BLAKE3's G on four quarters, each with two words of the message.
macro_rules! half {
    ($([$a:literal $b:literal $c:literal $d:literal] $x:literal $y:literal),+) => {
        concat!(
            message!($($a $x),+),
            each!("vpaddd": $($a $b),+),
            each!("vpxor": $($d $a),+),
            bytes!(0: $($d),+),
            each!("vpaddd": $($c $d),+),
            each!("vpxor": $($b $c),+),
            message!($($a $y),+),
            bits!(12 20: $($b),+),
            each!("vpaddd": $($a $b),+),
            each!("vpxor": $($d $a),+),
            bytes!(1: $($d),+),
            each!("vpaddd": $($c $d),+),
            each!("vpxor": $($b $c),+),
            bits!(7 25: $($b),+),
        )
    };
}

/// A round, which takes the message's words in this order.
macro_rules! round {
    ($m0:literal $m1:literal $m2:literal $m3:literal $m4:literal $m5:literal $m6:literal
     $m7:literal $m8:literal $m9:literal $m10:literal $m11:literal $m12:literal $m13:literal
     $m14:literal $m15:literal) => {
        concat!(
            half!(
                [0 4 8 12] $m0 $m1, [1 5 9 13] $m2 $m3,
                [2 6 10 14] $m4 $m5, [3 7 11 15] $m6 $m7
            ),
            half!(
                [0 5 10 15] $m8 $m9, [1 6 11 12] $m10 $m11,
                [2 7 8 13] $m12 $m13, [3 4 9 14] $m14 $m15
            ),
        )
    };
}

macro_rules! load {
    ($from:literal: $($word:literal)+) => {
        concat!($("vmovdqa ymm", $word, ", [{", $from, "} + 64 * ", $word, "]\n",)+)
    };
}

/// One of a head's words.
macro_rules! head {
    ($($word:literal $other:literal),+) => {
        concat!($(
            "vpxor ymm", $word, ", ymm", $word, ", ymm", $other, "\n",
            "vmovdqa [{block} + 64 * ", $word, "], ymm", $word, "\n",
        )+)
    };
}

/// The next heads of sixteen chains, or of the lower eight, from a state as it begins and blocks of
/// heads and entries: they take those heads' place.
///
/// # Safety
/// There is AVX2.
// No features of its own, so that the compiler copies it nowhere.
#[inline(never)]
pub(super) unsafe fn link(state: &[Pair<Ymm>; 16], block: &mut [Pair<Ymm>; 16], low: bool) {
    let registers: usize = if low { 1 } else { 2 };
    let mut spare = MaybeUninit::<Ymm>::uninit();
    // SAFETY: all is read and written within its borrow, aligned to 32 bytes. All registers that
    // change are named.
    unsafe {
        asm!(
            "2:",
            concat!(
                load!("state": 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                // The message's order is permuted from round to round (BLAKE3 paper, table 2).
                round!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15),
                round!(2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8),
                round!(3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1),
                round!(10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6),
                round!(12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4),
                round!(9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7),
                round!(11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13),
                head!(0 8, 1 9, 2 10, 3 11, 4 12, 5 13, 6 14, 7 15),
            ),
            "add {block}, 32",
            "dec {registers}",
            "jnz 2b",
            "vzeroupper",
            state = in(reg) state,
            block = inout(reg) block => _,
            spare = in(reg) spare.as_mut_ptr(),
            turns = in(reg) &TURNS,
            registers = inout(reg) registers => _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
            options(nostack),
        );
    }
}
