//! What a block commits to beside its transactions, and proofs of it.

use super::super::config::Config;
use super::super::ledger::Ledger;
use super::super::root::{AccountProof, ChannelProof, StateTrees};
use super::Chain;
use duet_base::clock::thread_cpu_ns;
use duet_channels::crypto::{Digest, PublicKey};
use duet_channels::protocol::ChannelId;

impl Config {
    /// The trees of a ledger, if blocks commit to them.
    pub(super) fn trees(&self, ledger: &mut Ledger) -> Option<Box<StateTrees>> {
        let trees = || Box::new(StateTrees::new(ledger, self.block_transactions));
        self.state_root.then(trees)
    }
}

impl Chain {
    /// The root of the state after what was executed, if blocks commit to it.
    pub(super) fn commit(&mut self) -> Option<Digest> {
        let trees = self.trees.as_mut()?;
        let start = thread_cpu_ns();
        let root = trees.update(&mut self.ledger);
        self.load.root_cpu_ns += thread_cpu_ns() - start;
        Some(root)
    }

    /// What the state after the last block, or at genesis, hashes to; none unless
    /// [`Config::state_root`].
    #[must_use]
    pub fn state_root(&self) -> Option<Digest> {
        self.trees.as_ref().map(|trees| trees.root())
    }

    /// Proves an account against [`Chain::state_root`]. None if there is no such account, or no
    /// state root.
    #[must_use]
    pub fn prove_account(&self, key: &PublicKey) -> Option<AccountProof> {
        self.trees.as_ref()?.prove_account(&self.ledger, key)
    }

    /// Proves an open channel against [`Chain::state_root`]. None if there is no such channel, or
    /// no state root.
    #[must_use]
    pub fn prove_channel(&self, id: &ChannelId) -> Option<ChannelProof> {
        self.trees.as_ref()?.prove_channel(&self.ledger, id)
    }
}
