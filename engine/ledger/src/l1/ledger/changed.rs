//! Which accounts and channels have changed.

use super::accounts::AccountPlace;
use super::channels::ChannelPlace;

/// The places that have changed since they were last asked for.
#[derive(Default)]
#[cfg_attr(test, derive(Clone, Debug))]
pub(super) struct Changed {
    pub(super) accounts: Vec<AccountPlace>,
    pub(super) channels: Vec<ChannelPlace>,
}

impl Changed {
    pub(super) fn account(&mut self, place: AccountPlace) {
        self.accounts.push(place);
    }

    pub(super) fn channel(&mut self, place: ChannelPlace) {
        self.channels.push(place);
    }
}
