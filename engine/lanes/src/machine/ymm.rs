//! A register of 256 bits.

use core::arch::x86_64::__m256i;

/// Four lanes of 64 bits. Made by [`Avx2Fma`](super::Avx2Fma), or from others.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct Ymm(pub(super) __m256i);
