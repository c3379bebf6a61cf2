//! Chains of BLAKE3 hashes, sixteen side by side: each link hashes one block of 64 bytes, the head
//! before it and an entry, under one key (BLAKE3 paper, 2.2 and 2.3).
//!
//! Heads stay in vectors from link to link, one word of all chains in each: a link's result is the
//! next one's first half block as it stands. They go to memory only where somebody wants them.

use core::arch::x86_64::*;

use crate::{ChainJob, Lanes};

/// Chains side by side.
const CHAINS: usize = 16;

/// One word of each chain, for the eight words of a head or of an entry.
type Words = [__m512i; 8];

/// The first words of SHA-256's initial value (BLAKE3 paper, table 1).
const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// A keyed chunk of one block that is the whole of the tree (BLAKE3 paper, table 3): start and end
/// of a chunk, root, keyed.
const FLAGS: u32 = 1 | 1 << 1 | 1 << 3 | 1 << 4;

const BLOCK_BYTES: u32 = 64;

/// Extends chains, and calls `found` with i and the head after `entries[wanted[i]]`, for each i whose
/// entry is in a job's run.
///
/// # Panics
/// If a job's run is not within `entries`, or `wanted` is not in ascending order.
pub fn extend_chains<'a>(
    lanes: Lanes,
    key: &[u32; 8],
    jobs: impl IntoIterator<Item = ChainJob<'a>>,
    entries: &[[u8; 32]],
    wanted: &[u32],
    found: impl FnMut(usize, &[u8; 32]),
) {
    let Lanes(()) = lanes;
    assert!(wanted.is_sorted(), "in ascending order");
    // SAFETY: a `Lanes` is proof of the features.
    unsafe { extend(key, jobs.into_iter(), entries, wanted, found) }
}

/// Where each chain stands. Those from `active` on are idle, and hash what the first one does.
#[derive(Default)]
struct Places {
    active: usize,
    next: [usize; CHAINS],
    /// Up to where nobody asks for the chain's head: its end, or just after the next wanted entry.
    until: [usize; CHAINS],
    end: [usize; CHAINS],
    /// Index into `wanted` of the chain's next one.
    wants: [usize; CHAINS],
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn extend<'a>(
    key: &[u32; 8],
    jobs: impl Iterator<Item = ChainJob<'a>>,
    entries: &[[u8; 32]],
    wanted: &[u32],
    mut found: impl FnMut(usize, &[u8; 32]),
) {
    let key = key.map(|word| _mm512_set1_epi32(word as i32));
    let mut waiting = jobs.filter(|job| job.count > 0);
    let mut places = Places::default();
    let mut rows = [[0; 32]; CHAINS];
    loop {
        while places.active < CHAINS
            && let Some(job) = waiting.next()
        {
            rows[places.active] = *job.start;
            places.enter(&job, entries.len(), wanted);
        }
        if places.active == 0 {
            return;
        }
        let mut words = load(rows.each_ref());
        // Until a chain ends, heads stay where they are.
        loop {
            let steps = places.steps();
            words = run(&key, words, places.runs(entries, steps));
            rows = store(words);
            if places.advance(steps, wanted, &rows, &mut found) {
                break;
            }
        }
        places.leave(&mut rows);
    }
}

impl Places {
    /// # Panics
    /// If the job's run is not within so many entries.
    fn enter(&mut self, job: &ChainJob<'_>, entries: usize, wanted: &[u32]) {
        let end = job.first.checked_add(job.count);
        let end = end.filter(|&end| end <= entries);
        let chain = self.active;
        self.next[chain] = job.first;
        self.end[chain] = end.expect("a run of the entries");
        self.wants[chain] = wanted.partition_point(|&index| (index as usize) < job.first);
        self.aim(chain, wanted);
        self.active += 1;
    }

    fn aim(&mut self, chain: usize, wanted: &[u32]) {
        self.until[chain] = match wanted.get(self.wants[chain]) {
            Some(&index) => self.end[chain].min(index as usize + 1),
            None => self.end[chain],
        };
    }

    /// Links that all chains can do before somebody asks for a head.
    fn steps(&self) -> usize {
        let steps = (0..self.active).map(|chain| self.until[chain] - self.next[chain]);
        steps.min().unwrap_or(0)
    }

    /// Each chain's next entries.
    fn runs<'e>(&self, entries: &'e [[u8; 32]], steps: usize) -> [&'e [[u8; 32]]; CHAINS] {
        std::array::from_fn(|chain| {
            let first = self.next[if chain < self.active { chain } else { 0 }];
            &entries[first..][..steps]
        })
    }

    /// Hands out the heads that are wanted after these links, and says whether a chain has ended.
    fn advance(
        &mut self,
        steps: usize,
        wanted: &[u32],
        rows: &[[u8; 32]; CHAINS],
        found: &mut impl FnMut(usize, &[u8; 32]),
    ) -> bool {
        let mut ended = false;
        for (chain, row) in rows.iter().enumerate().take(self.active) {
            self.next[chain] += steps;
            let next = self.next[chain];
            if next < self.until[chain] {
                continue;
            }
            // One entry may be wanted more than once.
            while wanted
                .get(self.wants[chain])
                .is_some_and(|&i| i as usize + 1 == next)
            {
                found(self.wants[chain], row);
                self.wants[chain] += 1;
            }
            self.aim(chain, wanted);
            ended |= next == self.end[chain];
        }
        ended
    }

    /// Chains that have ended make room for others.
    fn leave(&mut self, rows: &mut [[u8; 32]; CHAINS]) {
        let mut chain = 0;
        while chain < self.active {
            if self.next[chain] == self.end[chain] {
                self.active -= 1;
                let last = self.active;
                (self.next[chain], self.until[chain]) = (self.next[last], self.until[last]);
                (self.end[chain], self.wants[chain]) = (self.end[last], self.wants[last]);
                rows[chain] = rows[last];
            } else {
                chain += 1;
            }
        }
    }
}

/// Links each chain by its run, all of which are as long.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn run(key: &Words, mut heads: Words, runs: [&[[u8; 32]]; CHAINS]) -> Words {
    let steps = runs[0].len();
    assert!(runs.iter().all(|run| run.len() == steps), "as long");
    for step in 0..steps {
        // SAFETY: each run has as many entries.
        let entries = runs.map(|run| unsafe { run.get_unchecked(step) });
        heads = link(key, &heads, &load(entries));
    }
    heads
}

/// BLAKE3's G on four words of the state. A macro, and so is a round: as functions they would not be
/// inlined, and the state would go through memory.
macro_rules! quarter {
    ($state:ident[$a:literal, $b:literal, $c:literal, $d:literal], $x:expr, $y:expr) => {
        // The message first: that sum does not wait for b.
        $state[$a] = _mm512_add_epi32(_mm512_add_epi32($state[$a], $x), $state[$b]);
        $state[$d] = _mm512_ror_epi32::<16>(_mm512_xor_si512($state[$d], $state[$a]));
        $state[$c] = _mm512_add_epi32($state[$c], $state[$d]);
        $state[$b] = _mm512_ror_epi32::<12>(_mm512_xor_si512($state[$b], $state[$c]));
        $state[$a] = _mm512_add_epi32(_mm512_add_epi32($state[$a], $y), $state[$b]);
        $state[$d] = _mm512_ror_epi32::<8>(_mm512_xor_si512($state[$d], $state[$a]));
        $state[$c] = _mm512_add_epi32($state[$c], $state[$d]);
        $state[$b] = _mm512_ror_epi32::<7>(_mm512_xor_si512($state[$b], $state[$c]));
    };
}

/// A round, which takes the message's words in this order.
macro_rules! round {
    ($state:ident, $m:ident, $($i:literal)+) => {
        round!(@ $state, $($m[$i]),+)
    };
    (@ $state:ident, $m0:expr, $m1:expr, $m2:expr, $m3:expr, $m4:expr, $m5:expr, $m6:expr, $m7:expr,
     $m8:expr, $m9:expr, $m10:expr, $m11:expr, $m12:expr, $m13:expr, $m14:expr, $m15:expr) => {
        quarter!($state[0, 4, 8, 12], $m0, $m1);
        quarter!($state[1, 5, 9, 13], $m2, $m3);
        quarter!($state[2, 6, 10, 14], $m4, $m5);
        quarter!($state[3, 7, 11, 15], $m6, $m7);
        quarter!($state[0, 5, 10, 15], $m8, $m9);
        quarter!($state[1, 6, 11, 12], $m10, $m11);
        quarter!($state[2, 7, 8, 13], $m12, $m13);
        quarter!($state[3, 4, 9, 14], $m14, $m15);
    };
}

/// One link of every chain.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn link(key: &Words, head: &Words, entry: &Words) -> Words {
    let [h0, h1, h2, h3, h4, h5, h6, h7] = *head;
    let [e0, e1, e2, e3, e4, e5, e6, e7] = *entry;
    let m = [
        h0, h1, h2, h3, h4, h5, h6, h7, e0, e1, e2, e3, e4, e5, e6, e7,
    ];
    let [k0, k1, k2, k3, k4, k5, k6, k7] = *key;
    let [i0, i1, i2, i3] = IV.map(|word| _mm512_set1_epi32(word as i32));
    // The counter of the only chunk is 0.
    let zero = _mm512_setzero_si512();
    let length = _mm512_set1_epi32(BLOCK_BYTES as i32);
    let flags = _mm512_set1_epi32(FLAGS as i32);
    let mut v = [
        k0, k1, k2, k3, k4, k5, k6, k7, i0, i1, i2, i3, zero, zero, length, flags,
    ];
    // The message's order is permuted from round to round (BLAKE3 paper, table 2).
    round!(v, m, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    round!(v, m, 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8);
    round!(v, m, 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1);
    round!(v, m, 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6);
    round!(v, m, 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4);
    round!(v, m, 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7);
    round!(v, m, 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13);
    [
        _mm512_xor_si512(v[0], v[8]),
        _mm512_xor_si512(v[1], v[9]),
        _mm512_xor_si512(v[2], v[10]),
        _mm512_xor_si512(v[3], v[11]),
        _mm512_xor_si512(v[4], v[12]),
        _mm512_xor_si512(v[5], v[13]),
        _mm512_xor_si512(v[6], v[14]),
        _mm512_xor_si512(v[7], v[15]),
    ]
}

/// Word w of every row, in vector w.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn load(rows: [&[u8; 32]; CHAINS]) -> Words {
    let half = |row: usize, half: usize| {
        // SAFETY: each row has 32 readable bytes, of which this reads the first or the last 16; the
        // load needs no alignment.
        unsafe { _mm_loadu_si128(rows[row].as_ptr().add(16 * half).cast()) }
    };
    // Rows r, r + 4, r + 8 and r + 12 beside each other.
    let four = |row: usize, at: usize| {
        let first = _mm512_castsi128_si512(half(row, at));
        let two = _mm512_inserti32x4::<1>(first, half(row + 4, at));
        let three = _mm512_inserti32x4::<2>(two, half(row + 8, at));
        _mm512_inserti32x4::<3>(three, half(row + 12, at))
    };
    let [w0, w1, w2, w3] = transpose([0, 1, 2, 3].map(|row| four(row, 0)));
    let [w4, w5, w6, w7] = transpose([0, 1, 2, 3].map(|row| four(row, 1)));
    [w0, w1, w2, w3, w4, w5, w6, w7]
}

/// The inverse of [`load`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn store(words: Words) -> [[u8; 32]; CHAINS] {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
    let halves = [transpose([w0, w1, w2, w3]), transpose([w4, w5, w6, w7])];
    let mut rows = [[0; 32]; CHAINS];
    for (half, fours) in halves.into_iter().enumerate() {
        for (row, four) in fours.into_iter().enumerate() {
            let parts = [
                _mm512_castsi512_si128(four),
                _mm512_extracti32x4_epi32::<1>(four),
                _mm512_extracti32x4_epi32::<2>(four),
                _mm512_extracti32x4_epi32::<3>(four),
            ];
            for (part, bytes) in parts.into_iter().enumerate() {
                let to = &mut rows[row + 4 * part].as_chunks_mut::<16>().0[half];
                // SAFETY: these are 16 writable bytes, and the store needs no alignment.
                unsafe { _mm_storeu_si128(to.as_mut_ptr().cast(), bytes) };
            }
        }
    }
    rows
}

/// Four by four words, in each quarter of the vectors: its own inverse.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512ifma")]
fn transpose([r0, r1, r2, r3]: [__m512i; 4]) -> [__m512i; 4] {
    let (a0, a1) = (_mm512_unpacklo_epi32(r0, r1), _mm512_unpackhi_epi32(r0, r1));
    let (a2, a3) = (_mm512_unpacklo_epi32(r2, r3), _mm512_unpackhi_epi32(r2, r3));
    [
        _mm512_unpacklo_epi64(a0, a2),
        _mm512_unpackhi_epi64(a0, a2),
        _mm512_unpacklo_epi64(a1, a3),
        _mm512_unpackhi_epi64(a1, a3),
    ]
}
