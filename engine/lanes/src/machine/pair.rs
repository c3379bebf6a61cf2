//! Two registers as one of twice as many lanes.

use std::ops::{Add, BitAnd, BitOr, BitXor, Sub};

use super::{Doubles, Leaf, Register};

/// The lower lanes and the upper ones.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Pair<R>(pub(super) R, pub(super) R);

impl<R> Pair<R> {
    /// The two of each.
    pub(super) fn parts<const N: usize>(pairs: &[Pair<R>; N]) -> &[[R; 2]; N] {
        // SAFETY: the two fields of a pair lie as an array's two elements do.
        unsafe { &*std::ptr::from_ref(pairs).cast() }
    }
}

/// Runs a leaf on the lower registers, and then on the upper ones.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
pub(super) fn apply<R, L, const A: usize, const B: usize, const O: usize>(
    a: &[Pair<R>; A],
    b: &[Pair<R>; B],
) -> [Pair<R>; O]
where
    R: Register,
    L: Leaf<R, A, B, O>,
{
    let low = L::run(&a.map(|pair| pair.0), &b.map(|pair| pair.0));
    let high = L::run(&a.map(|pair| pair.1), &b.map(|pair| pair.1));
    std::array::from_fn(|at| Pair(low[at], high[at]))
}

macro_rules! operator {
    ($($name:ident $function:ident)+) => {$(
        impl<R: Copy + $name<Output = R>> $name for Pair<R> {
            type Output = Pair<R>;

            #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
            fn $function(self, other: Pair<R>) -> Pair<R> {
                Pair(self.0.$function(other.0), self.1.$function(other.1))
            }
        }
    )+};
}
operator! { Add add Sub sub BitAnd bitand BitOr bitor BitXor bitxor }

/// Methods that do to a pair what they do to each of its registers.
macro_rules! both {
    ($($name:ident($($pair:ident),*; $($same:ident: $type:ty),*);)+) => {$(
        #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
        fn $name(self $(, $pair: Pair<R>)* $(, $same: $type)*) -> Pair<R> {
            Pair(
                self.0.$name($($pair.0,)* $($same),*),
                self.1.$name($($pair.1,)* $($same),*),
            )
        }
    )+};
}

impl<R: Register> Register for Pair<R> {
    both! {
        splat(; word: u64);
        splat32(; word: u32);
        shl(; bits: u32);
        shr(; bits: u32);
        ror(; bits: u32);
        shl_each(bits;);
        shr_each(bits;);
        mul32(other;);
        swap_bytes(;);
        choose(a, b;);
        majority(b, c;);
        xor3(b, c;);
        add32(other;);
        ror32(; bits: u32);
    }
}

impl<R: Doubles> Doubles for Pair<R> {
    both! {
        fused(b, c;);
        fadd(other;);
        fsub(other;);
    }
}
