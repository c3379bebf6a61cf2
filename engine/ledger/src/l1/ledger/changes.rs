//! Tells which accounts and channels have changed, for a log that keeps each one's newest record;
//! and the ledger made of such records again.

use super::super::records::{Counts, Head, RecordKey};
use super::super::restore::RestoreError;
use super::Ledger;
use super::accounts::{AccountPlace, AccountRow, Accounts};
use super::changed::Changed;
use super::channels::{ChannelPlace, ChannelRow, Channels};
use duet_base::chunks::Gathered;

impl Ledger {
    /// Begins to note what changes, with all that there is as changed; or ceases to.
    pub(in super::super) fn track_changes(&mut self, on: bool) {
        let rooted = self.changes.as_ref().is_some_and(|of| of.rooted.is_some());
        let mut changed = Changed {
            logged: on,
            ..Changed::default()
        };
        if on {
            changed.accounts = self.accounts.places().collect();
            changed.channels = self.channels.rows().map(|(place, _)| place).collect();
        }
        changed.rooted = rooted.then_some([changed.accounts.len(), changed.channels.len()]);
        self.changes = (on || rooted).then_some(changed);
    }

    pub(in super::super) fn tracks_changes(&self) -> bool {
        self.changes.as_ref().is_some_and(|of| of.logged)
    }

    /// Begins to note what changes for [`Ledger::changes_for_root`].
    pub(in super::super) fn track_for_root(&mut self) {
        let changed = self.changes.get_or_insert_default();
        changed.rooted = Some([changed.accounts.len(), changed.channels.len()]);
    }

    /// Puts the places that have changed since the last state root into these lists, once each, in
    /// ascending order. A channel's place may be empty now.
    ///
    /// # Panics
    /// If they are not tracked.
    pub(in super::super) fn changes_for_root(
        &mut self,
        accounts: &mut Vec<u32>,
        channels: &mut Vec<u32>,
    ) {
        let changed = self.changes.as_mut().expect("changes are tracked");
        changed.for_root(accounts, channels);
    }

    /// Gives the record of each account and channel that has changed, once each, and nothing for a
    /// channel that has ended.
    pub(in super::super) fn drain_changes(&mut self, mut each: impl FnMut(u32, Option<&[u8]>)) {
        let Some(changes) = &mut self.changes else {
            return;
        };
        let mut record = Vec::new();
        changes.restart();
        changes.accounts.sort_unstable();
        changes.accounts.dedup();
        for place in changes.accounts.drain(..) {
            self.accounts.row(place).encode(&mut record);
            each(RecordKey::Account(place.0).number(), Some(&record));
        }
        changes.channels.sort_unstable();
        changes.channels.dedup();
        for place in changes.channels.drain(..) {
            let key = RecordKey::Channel(place.0).number();
            match self.channels.slot(place) {
                Some(row) => {
                    row.encode(&mut record);
                    each(key, Some(&record));
                }
                None => each(key, None),
            }
        }
    }

    /// Fills `out` with an account's record.
    ///
    /// # Panics
    /// If there is no such place.
    pub(in super::super) fn account_record(&self, place: u32, out: &mut Vec<u8>) {
        self.accounts.row(AccountPlace(place)).encode(out);
    }

    /// Fills `out` with an open channel's record.
    ///
    /// # Panics
    /// If there is none at this place.
    pub(in super::super) fn channel_record(&self, place: u32, out: &mut Vec<u8>) {
        let row = self.channels.slot(ChannelPlace(place));
        row.expect("an open channel").encode(out);
    }

    /// How many records there are.
    pub(in super::super) fn counts(&self) -> Counts {
        Counts {
            accounts: self.accounts.len(),
            channel_places: self.channels.places(),
            channels: self.channels.alive() as u32,
        }
    }

    /// The ledger of these records, if it is whole and balanced.
    pub(in super::super) fn restore(
        head: &Head,
        accounts: Gathered<AccountRow>,
        channels: Gathered<ChannelRow>,
    ) -> Result<Ledger, RestoreError> {
        let counts = head.counts;
        let (found_accounts, found_channels) = (accounts.len() as u64, channels.len() as u64);
        let missing = |records, expected: u32, got| RestoreError::Incomplete {
            records,
            expected: u64::from(expected),
            got,
        };
        let no_accounts = missing("accounts", counts.accounts, found_accounts);
        let no_channels = missing("channels", counts.channels, found_channels);
        if found_accounts != u64::from(counts.accounts) {
            return Err(no_accounts);
        }
        if found_channels != u64::from(counts.channels) {
            return Err(no_channels);
        }
        let mut ledger = Ledger {
            supply: head.supply,
            accounts: Accounts::for_about(u64::from(counts.accounts)),
            channels: Channels::new(),
            totals: head.totals,
            changes: None,
        };
        for row in accounts.finish(counts.accounts).ok_or(no_accounts)? {
            // As many as there are places, none beyond, none twice: every place has one.
            let row = row.ok_or(no_accounts)?;
            if ledger.accounts.find(&row.key).is_some() {
                return Err(RestoreError::AccountTwice { account: row.key });
            }
            ledger.accounts.push(row);
        }
        for row in channels.finish(counts.channel_places).ok_or(no_channels)? {
            if let Some(ChannelRow { id, parties, .. }) = &row {
                for party in [parties.a, parties.b] {
                    if party.0 >= counts.accounts {
                        return Err(RestoreError::UnknownParty { channel: *id });
                    }
                }
                if ledger.channels.find(id).is_some() {
                    return Err(RestoreError::ChannelTwice { channel: *id });
                }
            }
            ledger.channels.push(row);
        }
        ledger.recount().map_err(RestoreError::Imbalance)?;
        Ok(ledger)
    }
}
