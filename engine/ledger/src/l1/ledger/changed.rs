//! Which accounts and channels have changed.

use super::accounts::AccountPlace;
use super::channels::ChannelPlace;

/// The places that have changed: since a log last asked for them, and of these the last ones since
/// a state root last asked. One list for both, so that a change is noted once.
#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Changed {
    pub(super) accounts: Vec<AccountPlace>,
    pub(super) channels: Vec<ChannelPlace>,
    /// Whether a log asks.
    pub(super) logged: bool,
    /// Whether a state root asks, and how many accounts and channels of the list it has had.
    pub(super) rooted: Option<[usize; 2]>,
}

impl Changed {
    pub(super) fn account(&mut self, place: AccountPlace) {
        self.accounts.push(place);
    }

    pub(super) fn channel(&mut self, place: ChannelPlace) {
        self.channels.push(place);
    }

    /// To be called when the lists are taken: a state root, if there is one, has had all of them.
    pub(super) fn restart(&mut self) {
        if let Some(had) = &mut self.rooted {
            let all = [self.accounts.len(), self.channels.len()];
            assert_eq!(*had, all, "a state root comes with every block");
            *had = [0; 2];
        }
    }

    /// Puts the places that have changed since the last state root into these lists, once each, in
    /// ascending order.
    pub(super) fn for_root(&mut self, accounts: &mut Vec<u32>, channels: &mut Vec<u32>) {
        let [seen_accounts, seen_channels] = self.rooted.expect("a state root asks");
        let new_accounts = &self.accounts[seen_accounts..];
        let new_channels = &self.channels[seen_channels..];
        accounts.clear();
        accounts.extend(new_accounts.iter().map(|place| place.0));
        channels.clear();
        channels.extend(new_channels.iter().map(|place| place.0));
        for places in [accounts, channels] {
            places.sort_unstable();
            places.dedup();
        }
        self.rooted = Some([self.accounts.len(), self.channels.len()]);
        if !self.logged {
            self.restart();
            self.accounts.clear();
            self.channels.clear();
        }
    }
}
