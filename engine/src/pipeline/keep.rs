//! What a durable run does beside its waves: what a leg signed is put, committed, and waited for.

use super::beginning::Logged;
use super::journal::{CLOCK_KEPT_EVERY_NS, LEAST_REFRESHED, place};
use super::shard::Shard;
use super::stage::Stage;
use super::tally::Kept;
use duet_channels::protocol::Party;
use duet_log::{LogError, Sequence};

impl Shard<'_> {
    /// Puts one end of the slot's channel, if the run is durable.
    pub(super) fn keep(&mut self, slot: u32, party: Party) {
        if let Some(journal) = &mut self.journal
            && let Some(channel) = self.slots[slot as usize].state.open()
        {
            journal.keep(slot, party, channel);
        }
    }

    /// What was done since the last lap was making records.
    pub(super) fn kept(&mut self) {
        if self.journal.is_some() {
            self.clock.lap(Stage::Log, 0);
        }
    }

    /// Waits until a commit is durable.
    pub(super) fn await_durable(&mut self, sequence: Sequence) -> Result<(), LogError> {
        self.clock.lap(Stage::Wait, 0);
        if let Some(journal) = &self.journal {
            assert!(sequence <= journal.committed, "it was committed");
            journal.log.stream.wait(sequence)?;
        }
        self.clock.lap(Stage::Wait, 1);
        Ok(())
    }

    /// Keeps what is left to keep, and ends the stream's thread.
    pub(super) fn close_journal(&mut self) -> Result<Option<Logged>, LogError> {
        if self.journal.is_none() {
            return Ok(None);
        }
        let sequence = self.commit()?;
        self.await_durable(sequence)?;
        let journal = self.journal.take().expect("it is there");
        journal.log.close().map(Some)
    }

    /// Commits what was put, unless a commit is on its way: then that is left for later.
    pub(super) fn commit_if_idle(&mut self) -> Result<(), LogError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        let has_clock = self.shared.config.duration.is_some() || !self.arrivals.is_closed_loop();
        if has_clock && self.arrivals.has_started() && !self.ending.draining {
            let clock_ns = self.arrivals.position_ns(self.shared.now_ns());
            journal.changed |= clock_ns >= journal.clock_ns + CLOCK_KEPT_EVERY_NS;
        }
        if journal.changed && journal.log.stream.durable()? >= journal.committed {
            self.commit()?;
        }
        Ok(())
    }

    /// Commits what was put; waits for the commit before, if that is on its way. Gives the commit
    /// that has all that was put so far.
    pub(super) fn commit(&mut self) -> Result<Sequence, LogError> {
        let Some(journal) = &mut self.journal else {
            return Ok(0);
        };
        if !journal.changed {
            return Ok(journal.committed);
        }
        let mut stale = std::mem::take(&mut journal.stale);
        let most = journal.log.stream.batch().len().max(LEAST_REFRESHED);
        journal.log.stream.to_refresh(most, &mut stale);
        // The shard's own record is put in any case.
        let ends = stale
            .drain(..)
            .filter_map(|key| place(key, self.slots.len()));
        for (slot, party) in ends {
            let channel = self.slots[slot as usize].state.open();
            journal.keep(
                slot,
                party,
                channel.expect("a record is of an open channel"),
            );
        }
        journal.stale = stale;
        journal.record.clear();
        let schedule = self.arrivals.position(self.shared.now_ns());
        let offered = self.arrivals.offered();
        let unserved = offered.unserved + offered.unserved_before;
        Kept::of(&self.tally, self.gauges.value_at_risk, schedule, unserved)
            .encode(&mut journal.record);
        let key = 2 * self.slots.len() as u32;
        journal.log.stream.put(key, &journal.record);
        journal.committed = journal.log.stream.commit()?;
        journal.changed = false;
        journal.clock_ns = schedule.clock_ns;
        let committed = journal.committed;
        self.kept();
        Ok(committed)
    }
}
