//! Both ends of every channel that is open on Layer 1, out of a shard's stream.

use std::sync::atomic::AtomicBool;

use super::super::accounts::units;
use super::super::error::{RestoreError, RunError, SessionCounts};
use super::super::journal::{self, Note, place};
use super::super::shard::Shard;
use super::super::slot::{Channel, SlotState};
use super::super::tally::Kept;
use duet_channels::crypto::{Forged, Verifier};
use duet_channels::protocol::{
    self, ChannelId, Endpoint, Pair, Party, RecoveredClaim, Status, record_identity,
};
use duet_ledger::l1::Chain;
use duet_log::{Files, Recovered};

/// A record that waits for its peer's signatures to be verified, and its place.
struct Waiting {
    slot: u32,
    party: Party,
    note: Note,
    end: protocol::Recovered,
}

impl Shard<'_> {
    /// Brings every slot to where it was; gives the first step that is not finished in this shard.
    pub(super) fn restore(
        &mut self,
        recovered: &mut Recovered<Files>,
        chain: &Chain,
    ) -> Result<u64, RunError> {
        let first_step = self.open_sessions(chain);
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut verifier = Verifier::new(self.shared.config.backend);
        let mut refused: Option<RestoreError> = None;
        recovered.for_each(|key, _, record| {
            if refused.is_some() {
                return;
            }
            let restored = match place(key, self.slots.len()) {
                None => self.restore_tally(key, record),
                Some((slot, party)) => self
                    .restore_end(slot, party, record)
                    .map(|read| waiting.push(read)),
            };
            refused = restored.err();
            if waiting.len() >= Verifier::LARGEST_BATCH && refused.is_none() {
                refused = self.admit(&mut waiting, &mut verifier).err();
            }
        })?;
        if refused.is_none() {
            refused = self.admit(&mut waiting, &mut verifier).err();
        }
        if let Some(error) = refused {
            return Err(error.into());
        }
        self.check_ends()?;
        self.check_age()?;
        self.count_closed();
        self.resume_arrivals()?;
        Ok(first_step)
    }

    /// The schedule goes on where its clock stood. Of what had come due, what no end has drawn
    /// comes due once more; what is in flight is answered when the links are up.
    fn resume_arrivals(&mut self) -> Result<(), RestoreError> {
        let Some(schedule) = self.restoring.schedule else {
            return Ok(());
        };
        let channels = || self.slots.iter().filter_map(|slot| slot.state.open());
        let drawn = self.tally.counts.drawn + channels().map(|channel| channel.drawn).sum::<u64>();
        // One that has begun to end pays no more.
        let pays = |channel: &&Channel| {
            channel.ends.a.status() == Status::Running && channel.ends.b.status() == Status::Running
        };
        let open: Vec<u64> = channels().filter(pays).map(Channel::left).collect();
        let unopened = self.unopened();
        let workload = self.shared.workload;
        let unopened = unopened.map(|session| workload.session(session).payments);
        let settled = drawn + self.tally.counts.unserved;
        let resumed = self
            .arrivals
            .resume(schedule, settled, open.into_iter().chain(unopened));
        resumed.map_err(|problem| RestoreError::NoPlace {
            shard: self.parties.of.index,
            key: 2 * self.slots.len() as u32,
            problem,
        })
    }

    /// That the two ends of each open channel can stand where their records say: one of them at
    /// most has payments in flight, and there are none once one of them begins to end it.
    fn check_ends(&self) -> Result<(), RestoreError> {
        for (slot, held) in (0..).zip(&self.slots) {
            let SlotState::Running(channel) = &held.state else {
                continue;
            };
            let Pair { a, b } = &channel.ends;
            let flying = (a.in_flight() > 0, b.in_flight() > 0);
            let level = a.signed().version() == b.signed().version();
            let fits = match (a.status(), b.status()) {
                (Status::Running, Status::Running) => flying != (true, true),
                (Status::Finishing, Status::Finishing)
                | (Status::Running, Status::Finished)
                | (Status::Finished, Status::Running) => false,
                _ => level && flying == (false, false),
            };
            if !fits {
                return Err(RestoreError::NoPlace {
                    shard: self.parties.of.index,
                    key: journal::key(slot, Party::A),
                    problem: "its channel's two ends cannot both stand where they say",
                });
            }
        }
        Ok(())
    }

    /// That this stream and Layer 1's are what one crash can leave. A shard hears of an open or a
    /// close when that is durable in Layer 1's stream, so that Layer 1 knows of all that the shard
    /// does. A channel's finals are durable in the shard's stream before Layer 1 hears of its
    /// close, and stay there until that is counted, so that the shard knows of each close on Layer
    /// 1. Where one stream is older than what the other knows of it, this does not hold.
    fn check_age(&self) -> Result<(), RestoreError> {
        let opened: u64 = self.restoring.opened.iter().sum();
        let open = self.slots.iter().filter(|slot| slot.state.open().is_some());
        let l1 = SessionCounts {
            opened,
            closed: opened - open.count() as u64,
        };
        let closed = &self.restoring.closed;
        let agreed = closed.values().filter(|channel| is_final(channel)).count();
        let shard = SessionCounts {
            opened: self.restoring.heard,
            closed: self.tally.counts.sessions_closed + agreed as u64,
        };
        if agreed == closed.len() && shard.opened <= l1.opened && shard.closed == l1.closed {
            return Ok(());
        }
        Err(RestoreError::OtherAge {
            shard: self.parties.of.index,
            knows: shard,
            l1,
        })
    }

    /// Opens the sessions that are open on Layer 1, with ends that have signed nothing.
    fn open_sessions(&mut self, chain: &Chain) -> u64 {
        let schedule = self.shared.schedule;
        let mut first_step = schedule.steps();
        for slot in 0..self.slots.len() as u32 {
            let number = self.parties.of.number(slot);
            let sessions = schedule.sessions_of(number);
            let opener = self.parties.public_keys(slot).a;
            let nonce = chain.account(&opener).map_or(0, |account| account.nonce);
            // A slot's sessions open in order, each with the opener's next nonce of its own.
            let (mut opened, mut most) = (0, sessions);
            while opened < most {
                let middle = opened + (most - opened) / 2;
                let plan = self
                    .shared
                    .workload
                    .session(schedule.session(number, middle));
                if plan.nonce < nonce {
                    opened = middle + 1;
                } else {
                    most = middle;
                }
            }
            for generation in 0..opened {
                let plan = self
                    .shared
                    .workload
                    .session(schedule.session(number, generation));
                self.tally.counts.sessions_opened += 1;
                self.tally.counts.planned += plan.payments;
            }
            self.restoring.opened.push(opened);
            let mut next = schedule.step(number, opened);
            if let Some(newest) = opened.checked_sub(1) {
                let session = schedule.session(number, newest);
                let plan = self.shared.workload.session(session);
                let channel = self.channel(slot, session, &plan);
                if chain.channel(channel.ends.a.channel()).is_some() {
                    self.slots[slot as usize].state = SlotState::Running(channel);
                } else if opened == sessions {
                    // Nothing is left to open or close: its last step is behind it.
                    next = u64::MAX;
                }
            }
            first_step = first_step.min(next);
        }
        first_step
    }

    fn restore_tally(&mut self, key: u32, record: &[u8]) -> Result<(), RestoreError> {
        let no_place = |problem| RestoreError::NoPlace {
            shard: self.parties.of.index,
            key,
            problem,
        };
        if key as usize != 2 * self.slots.len() {
            return Err(no_place("no slot has this key"));
        }
        let kept = Kept::decode(record).ok_or(no_place(
            "its counts have another length than this version of Duet writes",
        ))?;
        let (mut tally, value_at_risk, schedule) = kept.restore();
        self.restoring.heard = tally.counts.sessions_opened;
        tally.counts.sessions_opened = self.tally.counts.sessions_opened;
        tally.counts.planned = self.tally.counts.planned;
        self.tally = tally;
        self.gauges.value_at_risk = value_at_risk;
        self.restoring.schedule = Some(schedule);
        Ok(())
    }

    /// Reads one end's record: of the session that is open in its slot, or of the one before, which
    /// Layer 1 has closed, but which the shard has not counted yet.
    fn restore_end(
        &mut self,
        slot: u32,
        party: Party,
        record: &[u8],
    ) -> Result<Waiting, RestoreError> {
        let key = journal::key(slot, party);
        let no_place = |problem| RestoreError::NoPlace {
            shard: self.parties.of.index,
            key,
            problem,
        };
        let bad = |error| RestoreError::Record {
            slot: self.parties.of.number(slot),
            party,
            error,
        };
        let (channel, me) = record_identity(record).map_err(bad)?;
        if me != party {
            return Err(no_place("it is of the other party"));
        }
        let before;
        let opened = match &self.slots[slot as usize].state {
            SlotState::Running(open) if *open.ends.a.channel() == channel => open,
            _ => {
                let found = self.opened_before(slot, &channel);
                before = found.ok_or(no_place(
                    "its channel is none of the last two that Layer 1 has opened in its slot",
                ))?;
                &before
            }
        };
        let session = opened.session;
        let windows = &mut self.payer.windows;
        let (end, note) = opened.ends[party].recorded(record, windows).map_err(bad)?;
        if !matches!(
            end.status(),
            Status::Running | Status::Finishing | Status::Finished
        ) {
            return Err(no_place("its end has stopped, and a durable run with it"));
        }
        let note = Note::decode(note).filter(|note| note.session == session);
        let note = note.ok_or(no_place("its note is none of this session's"))?;
        let made = note.drawn.checked_sub(note.refused);
        let planned = self.shared.workload.session(session).payments;
        if note.drawn > planned || made.is_none_or(|made| made < end.version()) {
            return Err(no_place("its note counts other payments than it has"));
        }
        Ok(Waiting {
            slot,
            party,
            note,
            end,
        })
    }

    /// A channel of a slot as it was opened, if it is one of its last two.
    fn opened_before(&self, slot: u32, channel: &ChannelId) -> Option<Channel> {
        let number = self.parties.of.number(slot);
        let opened = self.restoring.opened[slot as usize];
        let mut newest = (0..opened).rev().take(2).map(|generation| {
            let session = self.shared.schedule.session(number, generation);
            self.channel(slot, session, &self.shared.workload.session(session))
        });
        newest.find(|opened| opened.ends.a.channel() == channel)
    }

    /// Verifies the peers' signatures of these ends, and puts the ends where they belong: into
    /// their slot, or aside.
    fn admit(
        &mut self,
        waiting: &mut Vec<Waiting>,
        verifier: &mut Verifier,
    ) -> Result<(), RestoreError> {
        let mut claims: Vec<RecoveredClaim> =
            waiting.iter().flat_map(|read| read.end.claims()).collect();
        let mut judged = Vec::with_capacity(claims.len());
        verifier.verify(self.parties.pairs.ring(), &mut claims, &mut judged);
        let mut judged = judged.into_iter();
        for read in waiting.drain(..) {
            let claims = read.end.claims().count();
            let verified: Result<Vec<_>, Forged<RecoveredClaim>> =
                judged.by_ref().take(claims).collect();
            let verified = verified.map_err(|_| RestoreError::Forged {
                channel: *read.end.channel(),
                party: read.party,
            })?;
            let end = read.end.verified(verified);
            self.put_end(read.slot, end, &read.note);
        }
        Ok(())
    }

    fn put_end(&mut self, slot: u32, end: Endpoint, note: &Note) {
        let open = match &mut self.slots[slot as usize].state {
            SlotState::Running(channel) if channel.session == note.session => Some(channel),
            _ => None,
        };
        let channel = match open {
            Some(channel) => channel,
            None => {
                let plan = self.shared.workload.session(note.session);
                let opened = self.channel(slot, note.session, &plan);
                self.restoring.closed.entry(slot).or_insert(opened)
            }
        };
        // Of two ends, the one that has signed more knows of more payments.
        if end.signed().version() >= channel.ends[end.me().other()].signed().version() {
            channel.drawn = note.drawn;
            channel.refused = note.refused;
            channel.paid = note.paid;
        }
        let me = end.me();
        channel.ends[me] = end;
        channel.covered = channel
            .ends
            .a
            .held_version()
            .min(channel.ends.b.held_version());
    }

    /// Counts the sessions that Layer 1 closed and the shard did not come to count.
    fn count_closed(&mut self) {
        for (slot, channel) in std::mem::take(&mut self.restoring.closed) {
            let plan = self.shared.workload.session(channel.session);
            self.tally.count_ended(&channel, plan.payments);
            self.tally.counts.sessions_closed += 1;
            self.tally.counts.settled += channel.ends.a.held_version();
            self.restoring.counted.push(slot);
        }
    }

    /// Goes on at this step, with what is open.
    pub(super) fn resume(&mut self, first_step: u64, chain: &Chain, taken: &[AtomicBool]) {
        let schedule = self.shared.schedule;
        let mut running = Vec::new();
        for slot in 0..self.slots.len() as u32 {
            let number = self.parties.of.number(slot);
            let SlotState::Running(channel) = &mut self.slots[slot as usize].state else {
                continue;
            };
            let newest = self.restoring.opened[slot as usize] - 1;
            channel.early = schedule.step(number, newest) >= first_step;
            if !channel.early {
                running.push(slot);
            }
        }
        self.steps.resume(first_step, running.into_iter());
        // What these sums leave out was checked when it was paid out.
        let (config, workload) = (self.shared.config, self.shared.workload);
        let allocation = |account| units(config, workload, 0, account).unwrap_or(0);
        self.parties.begin_at(chain, workload, allocation, taken);
        self.restoring.reconnect = true;
    }
}

/// Whether both ends have signed that their channel ends where it is. The one that began to end it
/// may not know of the other's signature yet.
fn is_final(channel: &Channel) -> bool {
    let (a, b) = (&channel.ends.a, &channel.ends.b);
    let agreed = matches!(
        (a.status(), b.status()),
        (Status::Finished, Status::Finishing | Status::Finished)
            | (Status::Finishing, Status::Finished)
    );
    agreed && a.channel() == b.channel() && a.signed().version() == b.signed().version()
}
