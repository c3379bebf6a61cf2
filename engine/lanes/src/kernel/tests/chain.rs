use proptest::prelude::*;

use super::super::super::kernel::chain::{extend_chains, hash_blocks};
use crate::{ChainJob, Lanes};

const KEY: [u8; 32] = *b"a key of thirty-two plain bytes.";

fn key_words() -> [u32; 8] {
    let (words, _) = KEY.as_chunks::<4>();
    std::array::from_fn(|i| u32::from_le_bytes(words[i]))
}

/// A link, by the reference implementation.
fn link(head: &[u8; 32], entry: &[u8; 32]) -> [u8; 32] {
    *blake3::keyed_hash(&KEY, &[*head, *entry].concat()).as_bytes()
}

fn bytes(seed: u64) -> [u8; 32] {
    *blake3::hash(&seed.to_le_bytes()).as_bytes()
}

/// What is found of these jobs, in the order of `wanted`.
fn found(
    lanes: Lanes,
    jobs: &[ChainJob<'_>],
    entries: &[[u8; 32]],
    wanted: &[u32],
) -> Vec<Option<[u8; 32]>> {
    let mut heads = vec![None; wanted.len()];
    extend_chains(
        lanes,
        &key_words(),
        jobs.iter().copied(),
        entries,
        wanted,
        |i, head| {
            assert_eq!(heads[i], None, "each once");
            heads[i] = Some(*head);
        },
    );
    heads
}

proptest! {
    /// Chains of any lengths, in any number, any of whose heads are wanted, some of them twice.
    #[test]
    fn chains_equal_chains_one_at_a_time(
        counts in prop::collection::vec(0_usize..40, 0..50),
        wants in prop::collection::vec(any::<prop::sample::Index>(), 0..60),
        seed: u64,
    ) {
        // An entry between two runs belongs to neither.
        let total: usize = counts.iter().map(|count| count + 1).sum();
        let entries: Vec<[u8; 32]> = (0..total as u64).map(|i| bytes(seed ^ i)).collect();
        let starts: Vec<[u8; 32]> = (0..counts.len() as u64).map(|i| bytes(!seed ^ i)).collect();
        let mut expected = vec![None; total];
        let mut jobs = Vec::new();
        let mut first = 0;
        for (start, &count) in starts.iter().zip(&counts) {
            jobs.push(ChainJob { start, first, count });
            let mut head = *start;
            for i in first..first + count {
                head = link(&head, &entries[i]);
                expected[i] = Some(head);
            }
            first += count + 1;
        }
        let mut wanted: Vec<u32> = match total {
            0 => Vec::new(),
            _ => wants.iter().map(|want| want.index(total) as u32).collect(),
        };
        wanted.sort_unstable();
        let expect: Vec<_> = wanted.iter().map(|&i| expected[i as usize]).collect();
        for lanes in Lanes::all() {
            prop_assert_eq!(&found(lanes, &jobs, &entries, &wanted), &expect, "{:?}", lanes);
        }
        // All of them, the jobs in the other order.
        jobs.reverse();
        let all: Vec<u32> = (0..total as u32).collect();
        for lanes in Lanes::all() {
            prop_assert_eq!(&found(lanes, &jobs, &entries, &all), &expected, "{:?}", lanes);
        }
    }
}

#[test]
fn what_cannot_be_panics() {
    let lanes = Lanes::detect();
    let entries = [[2; 32]; 5];
    let start = &[0; 32];
    for (first, count, wanted) in [
        (0, 6, &[][..]),
        (5, 1, &[]),
        (usize::MAX, 2, &[]),
        (2, usize::MAX, &[]),
        (0, 5, &[3, 2]),
    ] {
        let job = ChainJob {
            start,
            first,
            count,
        };
        let run = || found(lanes, &[job], &entries, wanted);
        assert!(
            std::panic::catch_unwind(run).is_err(),
            "{first} {count} {wanted:?}"
        );
    }
}

#[test]
fn blocks_are_hashed_each_for_itself() {
    for lanes in Lanes::all() {
        for count in 0..50_u64 {
            let blocks: Vec<[u8; 64]> = (0..count)
                .map(|i| [bytes(i), bytes(!i)].concat().try_into().expect("64 bytes"))
                .collect();
            let mut digests = Vec::new();
            hash_blocks(lanes, &key_words(), &blocks, |digest| digests.push(*digest));
            let expected: Vec<[u8; 32]> = blocks
                .iter()
                .map(|block| *blake3::keyed_hash(&KEY, block).as_bytes())
                .collect();
            assert_eq!(digests, expected, "{lanes:?}");
        }
    }
}
