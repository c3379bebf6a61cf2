//! Products and sums of doubles on AVX2 and FMA: their instructions, in their order, from memory to
//! memory.
//!
//! The formulas are those of `kernel::field::fma`; its tests compare the two word by word, and
//! those of the field compare both with big integers at the bounds. From those formulas the
//! compiler makes an order in which 36 words at a time wait in memory for a register. In this one
//! nine registers are enough beside one factor's limbs and two constants; the other factor's limbs
//! come from memory with each use.

use std::arch::asm;

use super::Constants;
use super::pair::Pair;
use super::ymm::Ymm;

/// `ymm$low` and `ymm$high` become the parts of `a[$i] · b[$j]`.
macro_rules! one {
    ($low:literal $high:literal = $i:literal $j:literal) => {
        concat!(
            "vmovapd ymm",
            $high,
            ", ymm",
            $i,
            "\n",
            "vfmadd132pd ymm",
            $high,
            ", ymm5, [{b} + 64 * ",
            $j,
            "]\n",
            "vsubpd ymm",
            $low,
            ", ymm6, ymm",
            $high,
            "\n",
            "vfmadd231pd ymm",
            $low,
            ", ymm",
            $i,
            ", [{b} + 64 * ",
            $j,
            "]\n",
        )
    };
}

/// `ymm$low` and `ymm$high` become those of `a[$i] · b[$j] + a[$k] · b[$m]`. Two more are used.
macro_rules! two {
    ($low:literal $high:literal ($l:literal $h:literal)
     = $i:literal $j:literal, $k:literal $m:literal) => {
        concat!(
            one!($low $h = $i $j),
            "vmovapd ymm", $high, ", ymm", $k, "\n",
            "vfmadd132pd ymm", $high, ", ymm", $h, ", [{b} + 64 * ", $m, "]\n",
            "vsubpd ymm", $l, ", ymm", $h, ", ymm", $high, "\n",
            "vfmadd231pd ymm", $l, ", ymm", $k, ", [{b} + 64 * ", $m, "]\n",
            "vaddpd ymm", $low, ", ymm", $low, ", ymm", $l, "\n",
        )
    };
}

/// `ymm$to += ymm$from`, as integers.
macro_rules! add {
    ($($to:literal += $from:literal),+) => {
        concat!($("vpaddq ymm", $to, ", ymm", $to, ", ymm", $from, "\n"),+)
    };
}

/// `ymm$column += 19 · ymm$above`, and the constant that this limb gets. Two more are used.
macro_rules! fold {
    ($column:literal += 19 * $above:literal ($x:literal $y:literal), $rest:literal) => {
        concat!(
            "vpaddq ymm",
            $x,
            ", ymm",
            $above,
            ", ymm",
            $above,
            "\n",
            "vpsllq ymm",
            $y,
            ", ymm",
            $above,
            ", 4\n",
            add!($column += $above),
            "vpaddq ymm",
            $y,
            ", ymm",
            $y,
            ", [{constants} + 32 * ",
            $rest,
            "]\n",
            add!($column += $x, $column += $y),
        )
    };
}

macro_rules! load {
    ($($to:literal = $limb:literal of $from:literal),+) => {
        concat!($("vmovapd ymm", $to, ", [{", $from, "} + 64 * ", $limb, "]\n"),+)
    };
}

macro_rules! store {
    ($($limb:literal = $from:literal),+) => {
        concat!($("vmovapd [{out} + 64 * ", $limb, "], ymm", $from, "\n"),+)
    };
}

/// Limbs 3 and 4 are left in registers 14 and 13, the others are stored.
macro_rules! product {
    () => {
        concat!(
            load!(0 = 0 of "a", 1 = 1 of "a", 2 = 2 of "a", 3 = 3 of "a", 4 = 4 of "a"),
            // Column 4 in 7 and 10, column 5 in 8 and 12, column 0 in 9 and 11.
            two!(7 10 (8 9) = 0 4, 1 3),
            two!(8 12 (9 11) = 2 2, 3 1),
            add!(7 += 8, 10 += 12),
            one!(8 9 = 4 0),
            add!(7 += 8, 10 += 9),
            two!(8 12 (9 11) = 1 4, 2 3),
            two!(9 14 (11 13) = 3 2, 4 1),
            add!(8 += 9, 12 += 14),
            one!(9 11 = 0 0),
            add!(10 += 8),
            fold!(9 += 19 * 10 (13 14), 2),
            store!(0 = 9),
            // Column 6 in 8 and 13, column 1 in 9 and 15.
            two!(8 13 (9 10) = 2 4, 3 3),
            one!(9 10 = 4 2),
            add!(8 += 9, 13 += 10),
            two!(9 15 (10 14) = 0 1, 1 0),
            add!(12 += 8, 9 += 11),
            fold!(9 += 19 * 12 (10 14), 3),
            store!(1 = 9),
            // Column 7 in 8 and 11, column 2 in 9 and 14.
            two!(8 11 (9 10) = 3 4, 4 3),
            two!(9 14 (10 12) = 0 2, 1 1),
            one!(10 12 = 2 0),
            add!(9 += 10, 14 += 12),
            add!(13 += 8, 9 += 15),
            fold!(9 += 19 * 13 (10 12), 4),
            store!(2 = 9),
            // Column 8 in 8 and 9, column 3 in 14 and 13.
            one!(8 9 = 4 4),
            add!(11 += 8),
            two!(8 13 (10 12) = 0 3, 1 2),
            add!(14 += 8),
            two!(8 15 (10 12) = 2 1, 3 0),
            add!(14 += 8, 13 += 15),
            fold!(14 += 19 * 11 (8 10), 5),
            add!(13 += 7),
            fold!(13 += 19 * 9 (12 15), 6),
        )
    };
}

/// Limbs with the bias, in registers, to doubles in memory. Registers 10 to 12 are used; 13 to 15
/// hold constants.
macro_rules! carry {
    ($out:literal = $l0:literal $l1:literal $l2:literal $l3:literal $l4:literal) => {
        concat!(
            "vpsrlq ymm10, ymm", $l4, ", 51\n",
            "vpmuludq ymm10, ymm10, [{constants} + 32 * 8]\n",
            carry!($out 4: $l4 += $l3, 11),
            carry!($out 3: $l3 += $l2, 12),
            carry!($out 2: $l2 += $l1, 11),
            carry!($out 1: $l1 += $l0, 12),
            "vpand ymm", $l0, ", ymm", $l0, ", ymm13\n",
            "vpaddq ymm", $l0, ", ymm", $l0, ", [{constants} + 32 * 9]\n",
            add!($l0 += 10),
            "vsubpd ymm", $l0, ", ymm", $l0, ", ymm15\n",
            "vmovapd [{", $out, "}], ymm", $l0, "\n",
        )
    };
    ($out:literal $limb:literal: $to:literal += $below:literal, $carry:literal) => {
        concat!(
            "vpsrlq ymm", $carry, ", ymm", $below, ", 51\n",
            "vpand ymm", $to, ", ymm", $to, ", ymm13\n",
            add!($to += 14, $to += $carry),
            "vsubpd ymm", $to, ", ymm", $to, ", ymm15\n",
            "vmovapd [{", $out, "} + 64 * ", $limb, "], ymm", $to, "\n",
        )
    };
    // What stays the same.
    () => {
        concat!(
            "vmovapd ymm13, [{constants} + 32 * 7]\n",
            "vmovapd ymm14, [{constants} + 32 * 10]\n",
            "vmovapd ymm15, [{constants} + 32 * 11]\n",
        )
    };
}

/// `ymm$sum` becomes a limb of a + b with the bias, `ymm$difference` one of a − b.
macro_rules! sum {
    ($($limb:literal: $sum:literal $difference:literal),+) => {
        concat!($(
            "vpaddq ymm", $difference, ", ymm10, [{a} + 64 * ", $limb, "]\n",
            "vmovapd ymm", $sum, ", [{b} + 64 * ", $limb, "]\n",
            sum!($sum $difference),
        )+)
    };
    ($sum:literal $difference:literal) => {
        concat!(
            "vmovapd ymm11, ymm", $difference, "\n",
            "vpsubq ymm", $difference, ", ymm", $difference, ", ymm", $sum, "\n",
            add!($sum += 11),
        )
    };
}

/// The same of 2a, of doubles.
macro_rules! sum_of_twice {
    ($($limb:literal: $sum:literal $difference:literal),+) => {
        concat!($(
            "vaddpd ymm", $difference, ", ymm15, [{a} + 64 * ", $limb, "]\n",
            "vmovapd ymm", $sum, ", [{b} + 64 * ", $limb, "]\n",
            add!($difference += $difference, $difference += 10),
            sum!($sum $difference),
        )+)
    };
}

/// A function from a and b, for the lower four lanes and then the upper ones. Its constants are in
/// the order of [`Constants`].
macro_rules! of_halves {
    ($(#[$doc:meta])* $name:ident($($out:ident),+): $begin:expr, $half:expr) => {
        $(#[$doc])*
        ///
        /// # Safety
        /// There are AVX2 and FMA.
        // No features of its own, so that the compiler copies it nowhere.
        #[inline(never)]
        pub(super) unsafe fn $name(
            a: &[Pair<Ymm>; 5],
            b: &[Pair<Ymm>; 5],
            constants: &Constants,
            $($out: &mut [Pair<Ymm>; 5],)+
        ) {
            // SAFETY: all is read and written within its borrow, aligned to 32 bytes. All registers
            // that change are named.
            unsafe {
                asm!(
                    $begin,
                    "2:",
                    $half,
                    "add {a}, 32",
                    "add {b}, 32",
                    concat!($("add {", stringify!($out), "}, 32\n",)+),
                    "dec {halves:e}",
                    "jnz 2b",
                    "vzeroupper",
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    $($out = inout(reg) $out => _,)+
                    constants = in(reg) constants,
                    halves = inout(reg) 2 => _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                    out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                    out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                    options(nostack),
                );
            }
        }
    };
}

/// The constants that a product begins with.
macro_rules! product_constants {
    () => {
        "vmovapd ymm5, [{constants}]\nvmovapd ymm6, [{constants} + 32]\n"
    };
}

of_halves! {
    /// `a · b`, wide.
    multiply(out): product_constants!(), concat!(product!(), store!(3 = 14, 4 = 13))
}
of_halves! {
    /// `a · b`, carried.
    multiply_carried(out): product_constants!(), concat!(
        product!(),
        load!(0 = 0 of "out", 1 = 1 of "out", 2 = 2 of "out"),
        "vmovapd ymm3, ymm14\nvmovapd ymm4, ymm13\n",
        carry!(),
        carry!("out" = 0 1 2 3 4),
    )
}
of_halves! {
    /// `a + b` and `a − b`, carried.
    both(out, difference): carry!(), concat!(
        "vmovapd ymm10, [{constants}]\n",
        sum!(0: 0 5, 1: 1 6, 2: 2 7, 3: 3 8, 4: 4 9),
        carry!("out" = 0 1 2 3 4),
        carry!("difference" = 5 6 7 8 9),
    )
}
of_halves! {
    /// `2a + b` and `2a − b`, carried: `a` is of doubles.
    both_of_twice(out, difference): carry!(), concat!(
        "vmovapd ymm10, [{constants} + 32]\n",
        sum_of_twice!(0: 0 5, 1: 1 6, 2: 2 7, 3: 3 8, 4: 4 9),
        carry!("out" = 0 1 2 3 4),
        carry!("difference" = 5 6 7 8 9),
    )
}
