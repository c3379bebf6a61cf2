//! The hashes of docs/audit.md with the plain `blake3` crate, and many log chains side by side. A
//! chain is sequential; sixteen of them fill the lanes of one call.

use std::sync::LazyLock;

use blake3::IncrementCounter;
use blake3::platform::Platform;

/// A 32-byte digest.
pub(super) type Digest = [u8; 32];

/// The purposes that hashes are keyed for.
pub(super) struct Keys {
    pub(super) log: Key,
    pub(super) state: Key,
    pub(super) final_state: Key,
    pub(super) transaction: Key,
    pub(super) channel_id: Key,
    pub(super) block: Key,
    pub(super) genesis: Key,
    pub(super) segment: Key,
    pub(super) manifest: Key,
    pub(super) checkpoint: Key,
    pub(super) sample: Key,
    pub(super) account: Key,
    pub(super) channel: Key,
    pub(super) node: Key,
    pub(super) root: Key,
    pub(super) vote: Key,
    pub(super) validators: Key,
}

/// All keys, derived once.
pub(super) static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys {
    log: Key::derive("duet 2026-11 log entry"),
    state: Key::derive("duet 2026-11 state"),
    final_state: Key::derive("duet 2026-11 final state"),
    transaction: Key::derive("duet 2026-11 layer 1 transaction"),
    channel_id: Key::derive("duet 2026-11 channel id"),
    block: Key::derive("duet 2026-11 layer 1 block"),
    genesis: Key::derive("duet 2026-11 layer 1 genesis"),
    segment: Key::derive("duet 2026-11 audit log"),
    manifest: Key::derive("duet 2026-11 audit manifest"),
    checkpoint: Key::derive("duet 2026-11 audit checkpoint"),
    sample: Key::derive("duet 2026-11 audit sample"),
    account: Key::derive("duet 2026-12 layer 1 account"),
    channel: Key::derive("duet 2026-12 layer 1 channel"),
    node: Key::derive("duet 2026-12 layer 1 state tree"),
    root: Key::derive("duet 2026-12 layer 1 state root"),
    vote: Key::derive("duet 2026-12 layer 1 vote"),
    validators: Key::derive("duet 2026-12 layer 1 validators"),
});

/// One purpose's key.
pub(super) struct Key([u8; 32]);

impl Key {
    fn derive(context: &str) -> Key {
        Key(blake3::derive_key(context, &[]))
    }

    /// The digest of the pieces one after the other.
    pub(super) fn hash(&self, pieces: &[&[u8]]) -> Digest {
        let mut hasher = self.hasher();
        for piece in pieces {
            hasher.update(piece);
        }
        *hasher.finalize().as_bytes()
    }

    pub(super) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }
}

/// The log head after an entry.
pub(super) fn link(head: &Digest, entry: &[u8; 32]) -> Digest {
    KEYS.log.hash(&[head, entry])
}

/// One log to extend by a run of entries.
pub(super) struct Chain {
    /// Before the first entry, and afterwards after the last.
    pub(super) head: Digest,
    /// Index of the first entry, and one past the last.
    pub(super) entries: std::ops::Range<usize>,
}

/// Blocks that one call hashes.
const LANES: usize = 16;
/// Chains in hand: two calls' worth, so that what one call stored has settled when it is loaded.
const IN_HAND: usize = 2 * LANES;

// Flags of BLAKE3's compression function (BLAKE3 paper, table 3).
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Blocks that straddle no cache line.
#[repr(align(64))]
struct Blocks([[u8; 64]; IN_HAND]);

/// Extends every chain by its entries.
pub(super) fn extend(chains: &mut [Chain], entries: &[[u8; 32]]) {
    let platform = Platform::detect();
    let (key, _) = KEYS.log.0.as_chunks::<4>();
    let key: [u32; 8] = std::array::from_fn(|word| u32::from_le_bytes(key[word]));
    let mut blocks = Blocks([[0; 64]; IN_HAND]);
    let mut out = [[0_u8; 32]; LANES];
    // Of each chain in hand: which it is, and its next entry.
    let (mut which, mut next) = ([0; IN_HAND], [0; IN_HAND]);
    let (mut waiting, mut in_hand) = (0, 0);
    loop {
        while in_hand < IN_HAND && waiting < chains.len() {
            let chain = &chains[waiting];
            if !chain.entries.is_empty() {
                (which[in_hand], next[in_hand]) = (waiting, chain.entries.start);
                blocks.0[in_hand][..32].copy_from_slice(&chain.head);
                blocks.0[in_hand][32..].copy_from_slice(&entries[chain.entries.start]);
                in_hand += 1;
            }
            waiting += 1;
        }
        if in_hand == 0 {
            return;
        }
        // As many steps as no chain ends within.
        let left = |at: usize| chains[which[at]].entries.end - next[at];
        let steps = (0..in_hand).map(left).min().unwrap_or(0);
        for _ in 0..steps {
            for first in (0..in_hand).step_by(LANES) {
                let count = LANES.min(in_hand - first);
                // A call with fewer than all lanes takes longer than one with blocks to spare.
                let inputs: [&[u8; 64]; LANES] = std::array::from_fn(|lane| {
                    &blocks.0[first + if lane < count { lane } else { 0 }]
                });
                platform.hash_many(
                    &inputs,
                    &key,
                    0,
                    IncrementCounter::No,
                    KEYED_HASH,
                    CHUNK_START,
                    CHUNK_END | ROOT,
                    out.as_flattened_mut(),
                );
                for (lane, head) in out.iter().enumerate().take(count) {
                    let at = first + lane;
                    next[at] += 1;
                    blocks.0[at][..32].copy_from_slice(head);
                    if let Some(entry) = entries.get(next[at]) {
                        blocks.0[at][32..].copy_from_slice(entry);
                    }
                }
            }
        }
        let mut at = 0;
        while at < in_hand {
            let chain = &mut chains[which[at]];
            if next[at] == chain.entries.end {
                chain.head.copy_from_slice(&blocks.0[at][..32]);
                in_hand -= 1;
                blocks.0[at] = blocks.0[in_hand];
                (which[at], next[at]) = (which[in_hand], next[in_hand]);
            } else {
                at += 1;
            }
        }
    }
}

/// A digest in hexadecimal.
pub(super) fn hex(digest: &Digest) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads a digest in hexadecimal, lower case.
pub(super) fn unhex(text: &str) -> Option<Digest> {
    let valid = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != 64 || !text.bytes().all(valid) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_side_by_side_are_the_chains_one_by_one() {
        for chains in [0, 1, 15, 16, 17, 31, 32, 33, 100] {
            let mut entries = Vec::new();
            let mut jobs = Vec::new();
            let mut expected = Vec::new();
            for chain in 0..chains {
                let start = entries.len();
                let mut head = [chain as u8; 32];
                let first = head;
                for at in 0..chain * 7 % 11 {
                    let entry = std::array::from_fn(|byte| (chain * 31 + at * 5 + byte) as u8);
                    head = *blake3::keyed_hash(&KEYS.log.0, &[head, entry].concat()).as_bytes();
                    assert_eq!(head, link(&jobs_head(&expected, first, at), &entry));
                    expected.push(head);
                    entries.push(entry);
                }
                jobs.push((
                    Chain {
                        head: first,
                        entries: start..entries.len(),
                    },
                    head,
                ));
            }
            let (mut chains, heads): (Vec<Chain>, Vec<Digest>) = jobs.into_iter().unzip();
            extend(&mut chains, &entries);
            let found: Vec<Digest> = chains.iter().map(|chain| chain.head).collect();
            assert_eq!(found, heads);
        }
    }

    fn jobs_head(before: &[Digest], first: Digest, at: usize) -> Digest {
        if at == 0 {
            first
        } else {
            before[before.len() - 1]
        }
    }

    #[test]
    fn hexadecimal_is_read_as_written() {
        let digest: Digest = std::array::from_fn(|at| (at * 7) as u8);
        assert_eq!(unhex(&hex(&digest)), Some(digest));
        for text in ["", "0", &"g".repeat(64), &"A".repeat(64), &"0".repeat(66)] {
            assert_eq!(unhex(text), None, "{text}");
        }
    }
}
