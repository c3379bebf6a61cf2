//! Between rows in memory (one per lane) and vectors (one word of every lane).

use core::arch::x86_64::*;

/// A row of four 64-bit words for each lane.
pub(crate) type Rows32<'a> = [&'a [u8; 32]; 8];

/// Transposes eight rows of 32 bytes: vector w holds word w of every row, little-endian.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn load_32(rows: Rows32<'_>) -> [__m512i; 4] {
    // SAFETY: each reference is to 32 readable bytes, and the load needs no alignment.
    let row = |lane: usize| unsafe { _mm256_loadu_si256(rows[lane].as_ptr().cast()) };
    transpose_half([0, 1, 2, 3].map(|lane| pair(row(lane), row(lane + 4))))
}

/// Transposes four vectors into eight rows of 32 bytes: the inverse of [`load_32`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store_32(words: [__m512i; 4]) -> [[u8; 32]; 8] {
    let mut rows = [[0; 32]; 8];
    for (pair, lane) in transpose_half_back(words).into_iter().zip(0..) {
        let low = _mm512_castsi512_si256(pair);
        let high = _mm512_extracti64x4_epi64::<1>(pair);
        // SAFETY: each row is 32 writable bytes, and the store needs no alignment.
        unsafe {
            _mm256_storeu_si256(rows[lane].as_mut_ptr().cast(), low);
            _mm256_storeu_si256(rows[lane + 4].as_mut_ptr().cast(), high);
        }
    }
    rows
}

/// Transposes eight vectors' words into eight rows of 64 bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store_64(words: [__m512i; 8]) -> [[u8; 64]; 8] {
    let mut rows = [[0; 64]; 8];
    for (row, words) in rows.iter_mut().zip(transpose(words)) {
        // SAFETY: each row is 64 writable bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(row.as_mut_ptr().cast(), words) };
    }
    rows
}

/// Transposes eight vectors' words into eight rows of eight words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store_words(words: [__m512i; 8]) -> [[u64; 8]; 8] {
    let mut rows = [[0; 8]; 8];
    for (row, words) in rows.iter_mut().zip(transpose(words)) {
        store(words, row);
    }
    rows
}

/// Loads eight consecutive words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn load(words: &[u64; 8]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

/// Stores eight consecutive words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store(words: __m512i, to: &mut [u64; 8]) {
    // SAFETY: the reference is to 64 writable bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), words) };
}

/// Loads fifteen consecutive words; the last word of the second vector is 0.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn load_15(words: &[u64; 15]) -> [__m512i; 2] {
    let (low, high) = words.as_slice().split_at(8);
    // SAFETY: the slices are of 64 and 56 readable bytes; the mask leaves the last word alone.
    unsafe {
        [
            _mm512_loadu_si512(low.as_ptr().cast()),
            _mm512_maskz_loadu_epi64(0x7f, high.as_ptr().cast()),
        ]
    }
}

/// Stores fifteen consecutive words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store_15(words: [__m512i; 2], to: &mut [u64; 15]) {
    let (low, high) = to.as_mut_slice().split_at_mut(8);
    // SAFETY: the slices are of 64 and 56 writable bytes; the mask leaves the last word alone.
    unsafe {
        _mm512_storeu_si512(low.as_mut_ptr().cast(), words[0]);
        _mm512_mask_storeu_epi64(high.as_mut_ptr().cast(), 0x7f, words[1]);
    }
}

/// Loads four consecutive words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn load_half(words: &[u64; 4]) -> __m256i {
    // SAFETY: the reference is to 32 readable bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}

/// Stores four consecutive words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn store_half(words: __m256i, to: &mut [u64; 4]) {
    // SAFETY: the reference is to 32 writable bytes, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), words) };
}

/// Two half vectors as one.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn pair(low: __m256i, high: __m256i) -> __m512i {
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

/// Row r of the result holds word r of every vector: eight by eight, its own inverse.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn transpose(rows: [__m512i; 8]) -> [__m512i; 8] {
    let [r0, r1, r2, r3, r4, r5, r6, r7] = rows;
    // Words 2i and 2i + 1 of two rows beside each other, per 128 bits.
    let (a0, a1) = (_mm512_unpacklo_epi64(r0, r1), _mm512_unpackhi_epi64(r0, r1));
    let (a2, a3) = (_mm512_unpacklo_epi64(r2, r3), _mm512_unpackhi_epi64(r2, r3));
    let (a4, a5) = (_mm512_unpacklo_epi64(r4, r5), _mm512_unpackhi_epi64(r4, r5));
    let (a6, a7) = (_mm512_unpacklo_epi64(r6, r7), _mm512_unpackhi_epi64(r6, r7));
    // 128-bit blocks 0 and 2 (or 1 and 3) of both.
    let even = |x, y| _mm512_shuffle_i64x2::<0b10_00_10_00>(x, y);
    let odd = |x, y| _mm512_shuffle_i64x2::<0b11_01_11_01>(x, y);
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
}

/// From four vectors, each row k beside row k + 4 in four words, to the four words of all rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn transpose_half(pairs: [__m512i; 4]) -> [__m512i; 4] {
    let [p0, p1, p2, p3] = pairs;
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
}

/// The inverse of [`transpose_half`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
pub(crate) fn transpose_half_back(words: [__m512i; 4]) -> [__m512i; 4] {
    let [w0, w1, w2, w3] = words;
    let low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    let (a0, a1) = (_mm512_unpacklo_epi64(w0, w1), _mm512_unpackhi_epi64(w0, w1));
    let (a2, a3) = (_mm512_unpacklo_epi64(w2, w3), _mm512_unpackhi_epi64(w2, w3));
    [
        _mm512_permutex2var_epi64(a0, low, a2),
        _mm512_permutex2var_epi64(a1, low, a3),
        _mm512_permutex2var_epi64(a0, high, a2),
        _mm512_permutex2var_epi64(a1, high, a3),
    ]
}
