//! Chains of BLAKE3 hashes, sixteen side by side: each link hashes one block of 64 bytes, the head
//! before it and an entry, under one key (BLAKE3 paper, 2.2 and 2.3).
//!
//! Heads stay in vectors from link to link, one word of all chains in each: a link's result is the
//! next one's first half block as it stands. They go to memory only where somebody wants them.

use crate::machine::{Leaf, Machine, Register, Vector, Work};
use crate::{ChainJob, Lanes, OnAny};

/// Chains side by side.
const CHAINS: usize = 16;

/// The first words of SHA-256's initial value (BLAKE3 paper, table 1).
const IV: [u32; 4] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a];

/// A keyed chunk of one block that is the whole of the tree (BLAKE3 paper, table 3): start and end
/// of a chunk, root, keyed.
const FLAGS: u32 = 1 | 1 << 1 | 1 << 3 | 1 << 4;

const BLOCK_BYTES: u32 = 64;

/// Extends chains, and calls `found` with i and the head after `entries[wanted[i]]`, for each i
/// whose entry is in a job's run.
///
/// # Panics
/// If a job's run is not within `entries`, or `wanted` is not in ascending order.
pub fn extend_chains<'a>(
    lanes: Lanes,
    key: &[u32; 8],
    jobs: impl IntoIterator<Item = ChainJob<'a>>,
    entries: &[[u8; 32]],
    wanted: &[u32],
    mut found: impl FnMut(usize, &[u8; 32]),
) {
    assert!(wanted.is_sorted(), "in ascending order");
    let extend = Extend {
        key,
        jobs: &mut jobs.into_iter(),
        entries,
        wanted,
        found: &mut found,
    };
    extend.on_lanes(lanes);
}

/// Hashes blocks of 64 bytes, each for itself, and calls `found` with the digests in their order.
pub fn hash_blocks(
    lanes: Lanes,
    key: &[u32; 8],
    blocks: &[[u8; 64]],
    mut found: impl FnMut(&[u8; 32]),
) {
    let blocks = Blocks {
        key,
        blocks,
        found: &mut found,
    };
    blocks.on_lanes(lanes);
}

struct Extend<'a, 'b> {
    key: &'a [u32; 8],
    jobs: &'a mut dyn Iterator<Item = ChainJob<'b>>,
    entries: &'a [[u8; 32]],
    wanted: &'a [u32],
    found: &'a mut dyn FnMut(usize, &[u8; 32]),
}

struct Blocks<'a> {
    key: &'a [u32; 8],
    blocks: &'a [[u8; 64]],
    found: &'a mut dyn FnMut(&[u8; 32]),
}

impl Extend<'_, '_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) {
        lanes.on(self);
    }
}

impl OnAny for Extend<'_, '_> {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
}

impl Blocks<'_> {
    /// Not generic, so that it is compiled in this crate, and once.
    #[inline(never)]
    fn on_lanes(self, lanes: Lanes) {
        lanes.on(self);
    }
}

impl OnAny for Blocks<'_> {
    type Out = ();

    fn on<M: Machine>(self, machine: M) {
        machine.run(self);
    }
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

impl<M: Machine> Work<M> for Extend<'_, '_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let Extend {
            key,
            jobs,
            entries,
            wanted,
            found,
        } = self;
        let key = keyed(machine, key);
        let mut places = Places::default();
        let mut rows = [[0; 32]; CHAINS];
        loop {
            while places.active < CHAINS
                && let Some(job) = jobs.next()
            {
                if job.count > 0 {
                    rows[places.active] = *job.start;
                    places.enter(&job, entries.len(), wanted);
                }
            }
            if places.active == 0 {
                return;
            }
            let mut block = [key[0]; 16];
            block[..8].copy_from_slice(&machine.load_16x8(rows.each_ref()));
            // Until a chain ends, heads stay where they are.
            loop {
                let steps = places.steps();
                let firsts = places.firsts();
                for step in 0..steps {
                    let entry = machine.load_16x8(firsts.map(|first| &entries[first + step]));
                    block[8..].copy_from_slice(&entry);
                    M::V::link::<Link>(&key, &mut block, places.active <= CHAINS / 2);
                }
                M::V::store_16x8(head_of(&block), &mut rows);
                if places.advance(steps, wanted, &rows, found) {
                    break;
                }
            }
            places.leave(&mut rows);
        }
    }
}

impl<M: Machine> Work<M> for Blocks<'_> {
    type Out = ();

    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(self, machine: M) {
        let key = keyed(machine, self.key);
        let mut rows = [[0; 32]; CHAINS];
        for blocks in self.blocks.chunks(CHAINS) {
            // The last group repeats its first block in the lanes that it has to spare.
            let row = |at: usize| {
                blocks[if at < blocks.len() { at } else { 0 }]
                    .as_chunks::<32>()
                    .0
            };
            let mut block = [key[0]; 16];
            for (half, words) in block.as_chunks_mut::<8>().0.iter_mut().enumerate() {
                *words = machine.load_16x8(std::array::from_fn(|at| &row(at)[half]));
            }
            M::V::link::<Link>(&key, &mut block, blocks.len() <= CHAINS / 2);
            M::V::store_16x8(head_of(&block), &mut rows);
            rows[..blocks.len()].iter().for_each(&mut *self.found);
        }
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

    /// Each chain's next entry.
    fn firsts(&self) -> [usize; CHAINS] {
        std::array::from_fn(|chain| self.next[if chain < self.active { chain } else { 0 }])
    }

    /// Hands out the heads that are wanted after these links, and says whether a chain has ended.
    fn advance(
        &mut self,
        steps: usize,
        wanted: &[u32],
        rows: &[[u8; 32]; CHAINS],
        found: &mut dyn FnMut(usize, &[u8; 32]),
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

/// A state as it begins: the key and what is the same for all, in every lane.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn keyed<M: Machine>(machine: M, key: &[u32; 8]) -> [M::V; 16] {
    let [i0, i1, i2, i3] = IV;
    // The counter of the only chunk is 0.
    let rest = [i0, i1, i2, i3, 0, 0, BLOCK_BYTES, FLAGS];
    let mut words = [machine.splat(0); 16];
    for (word, of) in words.iter_mut().zip(key.iter().chain(&rest)) {
        *word = word.splat32(*of);
    }
    words
}

/// A block's first half.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn head_of<V: Vector>(block: &[V; 16]) -> [V; 8] {
    let [h0, h1, h2, h3, h4, h5, h6, h7, ..] = *block;
    [h0, h1, h2, h3, h4, h5, h6, h7]
}

/// BLAKE3's G on four words of a state, with two of the message.
#[cfg_attr(not(all(test, debug_assertions)), inline(always))]
fn quarter<R: Register>(state: &mut [R; 16], [at_a, at_b, at_c, at_d]: [usize; 4], [x, y]: [R; 2]) {
    let [mut a, mut b, mut c, mut d] = [state[at_a], state[at_b], state[at_c], state[at_d]];
    // The message first: that sum does not wait for b.
    a = a.add32(x).add32(b);
    d = (d ^ a).ror32(16);
    c = c.add32(d);
    b = (b ^ c).ror32(12);
    a = a.add32(y).add32(b);
    d = (d ^ a).ror32(8);
    c = c.add32(d);
    b = (b ^ c).ror32(7);
    [state[at_a], state[at_b], state[at_c], state[at_d]] = [a, b, c, d];
}

/// A round, which takes the message's words in this order.
macro_rules! round {
    ($v:ident, $m:ident, $m0:literal $m1:literal $m2:literal $m3:literal $m4:literal $m5:literal
     $m6:literal $m7:literal $m8:literal $m9:literal $m10:literal $m11:literal $m12:literal
     $m13:literal $m14:literal $m15:literal) => {
        // Columns, then diagonals.
        quarter(&mut $v, [0, 4, 8, 12], [$m[$m0], $m[$m1]]);
        quarter(&mut $v, [1, 5, 9, 13], [$m[$m2], $m[$m3]]);
        quarter(&mut $v, [2, 6, 10, 14], [$m[$m4], $m[$m5]]);
        quarter(&mut $v, [3, 7, 11, 15], [$m[$m6], $m[$m7]]);
        quarter(&mut $v, [0, 5, 10, 15], [$m[$m8], $m[$m9]]);
        quarter(&mut $v, [1, 6, 11, 12], [$m[$m10], $m[$m11]]);
        quarter(&mut $v, [2, 7, 8, 13], [$m[$m12], $m[$m13]]);
        quarter(&mut $v, [3, 4, 9, 14], [$m[$m14], $m[$m15]]);
    };
}

/// A state as it begins, and a head with an entry, to the next head.
struct Link;

impl<R: Register> Leaf<R, 16, 16, 8> for Link {
    #[cfg_attr(not(all(test, debug_assertions)), inline(always))]
    fn run(state: &[R; 16], m: &[R; 16]) -> [R; 8] {
        let mut v = *state;
        // The message's order is permuted from round to round (BLAKE3 paper, table 2).
        round!(v, m, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
        round!(v, m, 2 6 3 10 7 0 4 13 1 11 12 5 9 14 15 8);
        round!(v, m, 3 4 10 12 13 2 7 14 6 5 9 0 11 15 8 1);
        round!(v, m, 10 7 12 9 14 3 13 15 4 0 11 2 5 8 1 6);
        round!(v, m, 12 13 9 11 15 10 14 8 7 2 5 3 0 1 6 4);
        round!(v, m, 9 14 11 5 8 12 15 1 13 3 0 10 2 6 4 7);
        round!(v, m, 11 15 5 0 1 9 8 6 14 10 2 12 3 4 7 13);
        let head = |word: usize| v[word] ^ v[word + 8];
        [
            head(0),
            head(1),
            head(2),
            head(3),
            head(4),
            head(5),
            head(6),
            head(7),
        ]
    }
}
