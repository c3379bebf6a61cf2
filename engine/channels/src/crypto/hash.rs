//! Domain-keyed BLAKE3: one key per kind of message, so that a digest of one kind can never stand
//! for another. Single 64-byte blocks are hashed in SIMD lanes, as many at once as the machine has.

use std::fmt;
use std::sync::LazyLock;

use duet_lanes::{Lanes, extend_chains, hash_blocks as hash_in_lanes};
use strum::VariantArray;

/// A 32-byte BLAKE3 output: a log head, a state digest, a transaction digest, an identifier.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Digest(pub [u8; 32]);

/// What a digest is of. Each kind has its own BLAKE3 key, derived from a context string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, VariantArray)]
pub enum Domain {
    /// A log head: the head before it and one log entry.
    Log,
    /// A state that a payment led to: the channel's id and a log head.
    State,
    /// A state as the last of its channel, for a cooperative close.
    Final,
    /// A Layer 1 transaction.
    Transaction,
    /// A channel's identity: all its terms.
    ChannelId,
    /// A Layer 1 block.
    Block,
    /// A Layer 1's identity: its parameters and first balances.
    Genesis,
    /// A header in the durable log: of a batch, of a segment, of the log itself.
    LogHeader,
    /// The records of one batch in the durable log.
    LogBody,
    /// An account in Layer 1's state tree.
    AccountLeaf,
    /// A channel in Layer 1's state tree.
    ChannelLeaf,
    /// An inner node of Layer 1's state tree: its two children.
    TreeNode,
    /// All of Layer 1's state.
    StateRoot,
    /// A validator's proposal of a block.
    Proposal,
    /// A validator's vote.
    Vote,
    /// The keys of all validators.
    Validators,
}

const DOMAINS: usize = Domain::VARIANTS.len();

impl Domain {
    /// Every domain, in the order of its discriminant.
    pub const ALL: [Domain; DOMAINS] = *Domain::VARIANTS.as_array().expect("its length");

    /// The context string from which BLAKE3 derives this domain's key.
    #[must_use]
    pub const fn context(self) -> &'static str {
        match self {
            Domain::Log => "duet 2026-11 log entry",
            Domain::State => "duet 2026-11 state",
            Domain::Final => "duet 2026-11 final state",
            Domain::Transaction => "duet 2026-11 layer 1 transaction",
            Domain::ChannelId => "duet 2026-11 channel id",
            Domain::Block => "duet 2026-11 layer 1 block",
            Domain::Genesis => "duet 2026-11 layer 1 genesis",
            Domain::LogHeader => "duet 2026-11 durable log header",
            Domain::LogBody => "duet 2026-11 durable log body",
            Domain::AccountLeaf => "duet 2026-12 layer 1 account",
            Domain::ChannelLeaf => "duet 2026-12 layer 1 channel",
            Domain::TreeNode => "duet 2026-12 layer 1 state tree",
            Domain::StateRoot => "duet 2026-12 layer 1 state root",
            Domain::Proposal => "duet 2026-12 layer 1 proposal",
            Domain::Vote => "duet 2026-12 layer 1 vote",
            Domain::Validators => "duet 2026-12 layer 1 validators",
        }
    }

    fn key(self) -> &'static DomainKey {
        static KEYS: LazyLock<[DomainKey; DOMAINS]> =
            LazyLock::new(|| Domain::ALL.map(|domain| DomainKey::derive(domain.context())));
        &KEYS[self as usize]
    }
}

/// A domain's key, as bytes for the ordinary hasher and as words for the lanes.
struct DomainKey {
    bytes: [u8; 32],
    words: [u32; 8],
}

impl DomainKey {
    fn derive(context: &str) -> DomainKey {
        let bytes = blake3::derive_key(context, &[]);
        let (words, []) = bytes.as_chunks::<4>() else {
            unreachable!("32 is a multiple of 4")
        };
        let words = std::array::from_fn(|i| u32::from_le_bytes(words[i]));
        DomainKey { bytes, words }
    }
}

/// Hashes a message of any length.
#[must_use]
pub fn hash(domain: Domain, message: &[u8]) -> Digest {
    Digest(*blake3::keyed_hash(&domain.key().bytes, message).as_bytes())
}

/// Hashes a message that arrives in pieces.
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Starts a digest of this domain.
    #[must_use]
    pub fn new(domain: Domain) -> Hasher {
        Hasher(blake3::Hasher::new_keyed(&domain.key().bytes))
    }

    /// Appends a piece of the message.
    pub fn update(&mut self, piece: &[u8]) -> &mut Hasher {
        self.0.update(piece);
        self
    }

    /// The digest of all pieces so far.
    #[must_use]
    pub fn finish(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
    }
}

/// Joins two 32-byte halves into the one block that [`hash_blocks`] takes.
#[must_use]
pub fn block(left: &Digest, right: &[u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&left.0);
    block[32..].copy_from_slice(right);
    block
}

/// The log head after one more entry: `H_log(head ‖ entry)`.
#[must_use]
pub fn link(head: &Digest, entry: &[u8; 32]) -> Digest {
    hash(Domain::Log, &block(head, entry))
}

/// Hashes each 64-byte block by itself, in lanes; appends one digest per block to `digests`.
///
/// Equal to [`hash`] of each block.
pub fn hash_blocks(domain: Domain, blocks: &[[u8; 64]], digests: &mut Vec<Digest>) {
    digests.reserve(blocks.len());
    // One block costs in lanes, which are mostly empty, more than it costs the library.
    if let [block] = blocks {
        digests.push(hash(domain, block));
        return;
    }
    hash_in_lanes(Lanes::detect(), &domain.key().words, blocks, |digest| {
        digests.push(Digest(*digest));
    });
}

/// One log to extend: from which head, by which run of entries.
#[derive(Clone, Copy, Debug)]
pub struct ChainJob {
    /// The log head before the first entry.
    pub start: Digest,
    /// Index of the first entry.
    pub first: usize,
    /// How many consecutive entries to append; may be 0.
    pub count: usize,
}

/// Extends many logs at once: `heads[i]` becomes the log head after `entries[wanted[i]]`.
///
/// One log is a sequential chain; the lanes run across logs, and a log that is finished makes room
/// for the next one. Heads that nobody wants never leave the lanes. Jobs' runs are disjoint.
///
/// # Panics
/// If a job's run lies outside of `entries`, `wanted` is not in ascending order, or no job has an
/// entry that is wanted.
pub fn chain(jobs: &[ChainJob], entries: &[[u8; 32]], wanted: &[u32], heads: &mut Vec<Digest>) {
    heads.clear();
    heads.resize(wanted.len(), Digest::default());
    let mut found = 0;
    let took = |i: usize, head: &[u8; 32]| {
        heads[i] = Digest(*head);
        found += 1;
    };
    let jobs = jobs.iter().map(|job| duet_lanes::ChainJob {
        start: &job.start.0,
        first: job.first,
        count: job.count,
    });
    let key = &Domain::Log.key().words;
    extend_chains(Lanes::detect(), key, jobs, entries, wanted, took);
    assert_eq!(found, wanted.len(), "a job for each entry that is wanted");
}

impl Digest {
    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn any_number_of_blocks_equals_the_plain_hasher() {
        for count in 0..=50 {
            let blocks: Vec<[u8; 64]> = (0..count)
                .map(|i| std::array::from_fn(|j| (i * 67 + j * 3) as u8))
                .collect();
            for domain in Domain::ALL {
                let key = blake3::derive_key(domain.context(), &[]);
                let plain = |block| Digest(*blake3::keyed_hash(&key, block).as_bytes());
                let plain: Vec<Digest> = blocks.iter().map(|block| plain(block)).collect();
                let mut digests = vec![Digest([7; 32])];
                hash_blocks(domain, &blocks, &mut digests);
                assert_eq!(digests[0], Digest([7; 32]), "appended");
                assert_eq!(digests[1..], plain, "{domain:?}, {count} blocks");
            }
        }
    }

    #[test]
    fn domains_are_apart() {
        let digests = Domain::ALL.map(|domain| hash(domain, &[0; 64]));
        for (i, digest) in digests.iter().enumerate() {
            assert!(!digests[..i].contains(digest));
        }
    }

    #[test]
    fn a_message_in_pieces_is_the_message() {
        let message: Vec<u8> = (0..300).map(|i| i as u8).collect();
        for cut in [0, 1, 63, 64, 65, 299, 300] {
            let mut hasher = Hasher::new(Domain::Block);
            hasher.update(&message[..cut]).update(&message[cut..]);
            assert_eq!(hasher.finish(), hash(Domain::Block, &message));
        }
    }

    fn heads_of(jobs: &[ChainJob], entries: &[[u8; 32]], wanted: &[u32]) -> Vec<Digest> {
        let mut heads = vec![Digest([1; 32]); 3];
        chain(jobs, entries, wanted, &mut heads);
        heads
    }

    #[test]
    fn what_nobody_wants_is_not_given_and_what_is_wanted_twice_is_given_twice() {
        let job = |first, count| ChainJob {
            start: Digest::default(),
            first,
            count,
        };
        let jobs = [job(3, 0), job(1, 2), job(5, 0)];
        let entries = [[2; 32]; 5];
        let one = link(&Digest::default(), &[2; 32]);
        let two = link(&one, &[2; 32]);
        for (wanted, expected) in [
            (&[][..], &[][..]),
            (&[1], &[one]),
            (&[2], &[two]),
            (&[1, 1, 2, 2, 2], &[one, one, two, two, two]),
        ] {
            assert_eq!(heads_of(&jobs, &entries, wanted), expected);
        }
        for wanted in [&[0][..], &[3], &[2, 1], &[5], &[u32::MAX]] {
            let run = || heads_of(&jobs, &entries, wanted);
            assert!(std::panic::catch_unwind(run).is_err(), "{wanted:?}");
        }
    }

    #[test]
    fn a_run_outside_of_the_entries_panics() {
        for (first, count) in [(0, 6), (5, 1), (6, 1), (usize::MAX, 2), (2, usize::MAX)] {
            let job = ChainJob {
                start: Digest::default(),
                first,
                count,
            };
            let run = || heads_of(&[job], &[[2; 32]; 5], &[]);
            assert!(std::panic::catch_unwind(run).is_err(), "{first}, {count}");
        }
    }

    proptest! {
        #[test]
        fn chains_in_lanes_equal_chains_one_at_a_time(
            counts in prop::collection::vec(0usize..9, 0..96),
            share in 0_u32..9,
            seed: u8,
        ) {
            let total: usize = counts.iter().sum();
            let entries: Vec<[u8; 32]> = (0..total)
                .map(|i| std::array::from_fn(|j| (i * 31 + j) as u8 ^ seed))
                .collect();
            let mut first = 0;
            let jobs: Vec<ChainJob> = counts
                .iter()
                .enumerate()
                .map(|(i, &count)| {
                    let job = ChainJob { start: Digest([i as u8; 32]), first, count };
                    first += count;
                    job
                })
                .collect();
            let mut one_at_a_time = vec![Digest::default(); total];
            for job in &jobs {
                let mut head = job.start;
                for i in job.first..job.first + job.count {
                    head = link(&head, &entries[i]);
                    one_at_a_time[i] = head;
                }
            }
            // Some are wanted, or all.
            let wanted: Vec<u32> = (0..total as u32)
                .filter(|i| i.wrapping_mul(2_654_435_761) >> 29 < share)
                .collect();
            let expected: Vec<Digest> = wanted.iter().map(|i| one_at_a_time[*i as usize]).collect();
            let mut heads = Vec::new();
            chain(&jobs, &entries, &wanted, &mut heads);
            prop_assert_eq!(&heads, &expected);
        }
    }
}
