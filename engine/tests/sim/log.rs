//! A channel's log as an outsider keeps it: entries, heads, and balances by plain addition.

use duet_engine::crypto::{Digest, link};
use duet_engine::protocol::{ChannelId, Entry, EntryBytes, Party, state_digest};

/// A log from its opening on.
#[derive(Clone)]
pub(crate) struct Log {
    channel: ChannelId,
    entries: Vec<EntryBytes>,
    /// After so many entries each.
    heads: Vec<Digest>,
}

impl Log {
    pub(crate) fn new(channel: ChannelId) -> Log {
        Log {
            channel,
            entries: Vec::new(),
            heads: vec![channel.0],
        }
    }

    pub(crate) fn version(&self) -> u64 {
        self.entries.len() as u64
    }

    pub(crate) fn extend(&mut self, entries: &[EntryBytes]) {
        for entry in entries {
            self.heads.push(link(self.head(), entry));
            self.entries.push(*entry);
        }
    }

    pub(crate) fn truncate(&mut self, version: u64) {
        self.entries.truncate(version as usize);
        self.heads.truncate(version as usize + 1);
    }

    pub(crate) fn head(&self) -> &Digest {
        &self.heads[self.entries.len()]
    }

    /// The head after so many entries, if the log is that long.
    pub(crate) fn head_at(&self, version: u64) -> Option<&Digest> {
        self.heads.get(usize::try_from(version).ok()?)
    }

    /// What is signed of the state after so many entries.
    pub(crate) fn digest_at(&self, version: u64) -> Option<Digest> {
        let head = self.head_at(version)?;
        Some(state_digest(&self.channel, head))
    }

    pub(crate) fn entries_after(&self, version: u64) -> &[EntryBytes] {
        &self.entries[version as usize..]
    }

    /// What A has after so many entries: the deposit, and what was paid since.
    pub(crate) fn balance_a(&self, version: u64, deposit_a: u64) -> i128 {
        let paid = |entry: &EntryBytes| {
            let entry = Entry::decode(entry);
            match entry.payer {
                Party::A => -i128::from(entry.amount.units()),
                Party::B => i128::from(entry.amount.units()),
            }
        };
        let entries = &self.entries[..version as usize];
        i128::from(deposit_a) + entries.iter().map(paid).sum::<i128>()
    }

    /// How many of the first entries this party has paid.
    pub(crate) fn paid_by(&self, party: Party, version: u64) -> u64 {
        let entries = self.entries[..version as usize].iter();
        entries
            .filter(|entry| Entry::decode(entry).payer == party)
            .count() as u64
    }
}
