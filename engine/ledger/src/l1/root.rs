//! The state root: one digest of all accounts and open channels, which a block's header commits to,
//! and proofs against it.
//!
//! Two trees, over the places of accounts and of channels. A block changes a few leaves of them:
//! these, and the nodes above, are hashed when the block is made, all of one height side by side.
//! No tree by keys: places are dense, so that a row takes 64 bytes of tree, and neighbours share
//! their way up. The kept crates (jmt, monotree, nomt, sparse-merkle-tree) have trees by keys, in
//! which a change costs a hash, an allocation or a look-up for each level, one after the other.

mod leaf;
mod proof;
mod tree;

use super::ledger::Ledger;
use duet_channels::crypto::{Digest, Domain, PublicKey, hash_blocks};
use duet_channels::protocol::ChannelId;
use leaf::{ChannelChain, ChannelLeaves, account_block};
pub use proof::{AccountProof, ChannelProof};
use proof::{Path, Top, state_root};
use tree::{PIECE, Tree};

/// The trees of a ledger, as of its last block.
#[derive(Clone)]
pub(super) struct StateTrees {
    /// Channels that a block opens at most.
    block_channels: u32,
    accounts: Tree,
    channels: Tree,
    root: Digest,
    changed_accounts: Vec<u32>,
    changed_channels: Vec<u32>,
    blocks: Vec<[u8; 64]>,
    chains: Vec<ChannelChain>,
    channel_leaves: ChannelLeaves,
    leaves: Vec<Digest>,
}

impl StateTrees {
    /// The trees of a ledger whose blocks open so many channels at most. It has to note what
    /// changes from here on.
    pub(super) fn new(ledger: &mut Ledger, block_channels: u32) -> StateTrees {
        let mut trees = StateTrees {
            block_channels,
            accounts: Tree::default(),
            channels: Tree::default(),
            root: Digest::default(),
            changed_accounts: Vec::new(),
            changed_channels: Vec::new(),
            blocks: Vec::new(),
            chains: Vec::new(),
            channel_leaves: ChannelLeaves::default(),
            leaves: Vec::new(),
        };
        ledger.track_for_root();
        let [accounts, channels] = ledger.places();
        trees.set_accounts(ledger, &(0..accounts).collect::<Vec<u32>>());
        trees.set_channels(ledger, &(0..channels).collect::<Vec<u32>>());
        ledger.put_lowest_first(block_channels);
        trees.root = trees.state_root();
        trees
    }

    /// Follows a block that the ledger has executed; gives the root.
    pub(super) fn update(&mut self, ledger: &mut Ledger) -> Digest {
        let mut accounts = std::mem::take(&mut self.changed_accounts);
        let mut channels = std::mem::take(&mut self.changed_channels);
        ledger.changes_for_root(&mut accounts, &mut channels);
        self.set_accounts(ledger, &accounts);
        if !channels.is_empty() {
            self.set_channels(ledger, &channels);
            // What comes next follows from what the root commits to, and from nothing before.
            ledger.put_lowest_first(self.block_channels);
        }
        self.root = self.state_root();
        (self.changed_accounts, self.changed_channels) = (accounts, channels);
        self.root
    }

    pub(super) fn root(&self) -> Digest {
        self.root
    }

    /// These accounts, in ascending order, as they are.
    fn set_accounts(&mut self, ledger: &Ledger, places: &[u32]) {
        let [accounts, _] = ledger.places();
        self.accounts.grow(accounts);
        for piece in places.chunks(PIECE) {
            self.blocks.clear();
            let rows = piece.iter().map(|&place| ledger.account_at(place));
            let blocks = rows.map(|row| account_block(&row.key, row.account()));
            self.blocks.extend(blocks);
            self.leaves.clear();
            hash_blocks(Domain::AccountLeaf, &self.blocks, &mut self.leaves);
            for (&place, leaf) in piece.iter().zip(&self.leaves) {
                self.accounts.set(place, leaf);
            }
        }
        self.accounts.rehash();
    }

    /// These channels' places, in ascending order, as they are.
    fn set_channels(&mut self, ledger: &Ledger, places: &[u32]) {
        let [_, channels] = ledger.places();
        self.channels.grow(channels);
        for piece in places.chunks(PIECE) {
            self.chains.clear();
            let rows = piece.iter().map(|&place| ledger.channel_at(place));
            let chain = |(id, channel)| ChannelChain::of(&id, &channel);
            let chains = rows.map(|row| row.map_or(ChannelChain::EMPTY, chain));
            self.chains.extend(chains);
            self.channel_leaves.hash(&self.chains, &mut self.leaves);
            for (&place, leaf) in piece.iter().zip(&self.leaves) {
                self.channels.set(place, leaf);
            }
        }
        self.channels.rehash();
    }

    fn state_root(&self) -> Digest {
        let [accounts, channels] = self.tops();
        state_root(&accounts, &channels)
    }

    fn tops(&self) -> [Top; 2] {
        [&self.accounts, &self.channels].map(|tree| Top {
            root: tree.root(),
            places: tree.places(),
        })
    }

    pub(super) fn prove_account(&self, ledger: &Ledger, key: &PublicKey) -> Option<AccountProof> {
        let place = ledger.account_place(key)?;
        let account = *ledger.account_at(place).account()?;
        let [_, channels] = self.tops();
        Some(AccountProof {
            key: *key,
            account,
            path: Path::of(&self.accounts, place),
            channels,
        })
    }

    pub(super) fn prove_channel(&self, ledger: &Ledger, id: &ChannelId) -> Option<ChannelProof> {
        let place = ledger.channel_place(id)?;
        let (id, channel) = ledger.channel_at(place)?;
        let [accounts, _] = self.tops();
        Some(ChannelProof {
            id,
            channel,
            path: Path::of(&self.channels, place),
            accounts,
        })
    }
}
