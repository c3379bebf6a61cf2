//! What a leaf of the state trees commits to: an account's row, or an open channel's.
//!
//! Keys stand in both, and no places: a leaf says by itself whose it is.

use super::super::channel::{ChannelRecord, ChannelStatus};
use super::super::dispute::DISPUTE_BYTES;
use super::super::ledger::Account;
use duet_channels::crypto::{Digest, Domain, PublicKey, block, hash, hash_blocks};
use duet_channels::protocol::{Amount, ChannelId};

/// The nonce of a key that is party to a channel and has no account.
pub(super) const NO_ACCOUNT: u64 = u64::MAX;

/// An account's leaf is `H_account` of this: `key 32 · balance 8 · nonce 8 · zeros 16`, integers
/// little-endian; the nonce is all ones if the key is only party to a channel.
pub(super) fn account_block(key: &PublicKey, account: Option<&Account>) -> [u8; 64] {
    let (balance, nonce) = account.map_or((Amount::ZERO, NO_ACCOUNT), |account| {
        (account.balance, account.nonce)
    });
    let mut block = [0; 64];
    block[..32].copy_from_slice(&key.0);
    block[32..40].copy_from_slice(&balance.units().to_le_bytes());
    block[40..48].copy_from_slice(&nonce.to_le_bytes());
    block
}

/// An account's leaf.
pub(super) fn account_leaf(key: &PublicKey, account: &Account) -> Digest {
    hash(Domain::AccountLeaf, &account_block(key, Some(account)))
}

/// A channel's row: its leaf is the head of a chain that starts at its id, each link
/// `H_channel(head ‖ entry)`. The entries, 32 bytes each, are A's key, B's key, three of the
/// dispute if there is one, its bytes padded with zeros, and last `capacity 8 · reserve 8 · A's
/// deposit 8 · window 4 · disputed 1 · zeros 3`. The last one says how many there are, so that no leaf has two
/// readings.
#[derive(Clone)]
pub(super) struct ChannelChain {
    id: Digest,
    entries: [[u8; 32]; ENTRIES],
    len: usize,
}

const DISPUTE_ENTRIES: usize = DISPUTE_BYTES.div_ceil(32);
const ENTRIES: usize = 3 + DISPUTE_ENTRIES;

impl ChannelChain {
    /// Of an empty place, whose leaf is zero: a chain without links.
    pub(super) const EMPTY: ChannelChain = ChannelChain {
        id: Digest([0; 32]),
        entries: [[0; 32]; ENTRIES],
        len: 0,
    };

    pub(super) fn of(id: &ChannelId, channel: &ChannelRecord) -> ChannelChain {
        let mut entries = [[0; 32]; ENTRIES];
        entries[0] = channel.keys.a.0;
        entries[1] = channel.keys.b.0;
        let mut len = 2;
        if let ChannelStatus::Disputed(dispute) = &channel.status {
            let mut bytes = Vec::with_capacity(DISPUTE_BYTES);
            dispute.encode(&mut bytes);
            for (entry, bytes) in entries[len..].iter_mut().zip(bytes.chunks(32)) {
                entry[..bytes.len()].copy_from_slice(bytes);
            }
            len += DISPUTE_ENTRIES;
        }
        let terms = &mut entries[len];
        let amounts = [
            channel.limits.capacity,
            channel.limits.reserve,
            channel.deposit_a,
        ];
        for (bytes, amount) in terms.chunks_mut(8).zip(amounts) {
            bytes.copy_from_slice(&amount.units().to_le_bytes());
        }
        terms[24..28].copy_from_slice(&channel.challenge_window_blocks.to_le_bytes());
        terms[28] = u8::from(len > 2);
        ChannelChain {
            id: id.0,
            entries,
            len: len + 1,
        }
    }

    /// Its leaf.
    pub(super) fn leaf(&self) -> Digest {
        let link = |head, entry| hash(Domain::ChannelLeaf, &block(&head, entry));
        self.entries[..self.len].iter().fold(self.id, link)
    }
}

/// Hashes the leaves of many channels side by side.
#[derive(Clone, Default)]
pub(super) struct ChannelLeaves {
    /// Those that have one more entry.
    rest: Vec<u32>,
    blocks: Vec<[u8; 64]>,
    digests: Vec<Digest>,
}

impl ChannelLeaves {
    /// Fills `leaves` with each chain's.
    pub(super) fn hash(&mut self, chains: &[ChannelChain], leaves: &mut Vec<Digest>) {
        leaves.clear();
        leaves.extend(chains.iter().map(|chain| chain.id));
        self.rest.clear();
        self.rest.extend(0..chains.len() as u32);
        for link in 0..ENTRIES {
            self.rest.retain(|&at| link < chains[at as usize].len);
            self.blocks.clear();
            let next = |&at: &u32| block(&leaves[at as usize], &chains[at as usize].entries[link]);
            self.blocks.extend(self.rest.iter().map(next));
            self.digests.clear();
            hash_blocks(Domain::ChannelLeaf, &self.blocks, &mut self.digests);
            for (&at, digest) in self.rest.iter().zip(&self.digests) {
                leaves[at as usize] = *digest;
            }
        }
    }
}
