//! The end of sessions: both ends sign the newest state as final, many channels in one batch.

use super::error::RunError;
use super::fault::Hop;
use super::shard::Shard;
use super::slot::{RunningEnds, SlotState};
use super::stage::Stage;
use super::waves::{Finals, strike};
use duet_channels::legs::Ends;
use duet_channels::protocol::Party;

/// What other channels pay while sessions wait to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paid {
    Nothing,
    Now,
    /// What had come due when no more did.
    Last,
}

impl Paid {
    /// Whether so many sessions, of as many slots, begin to end beside it.
    pub(super) fn lets_end(self, finishing: usize, slots: usize) -> bool {
        match self {
            Paid::Nothing => true,
            // A session that waits is a slot that does not pay. Few are worth a batch in a small
            // shard.
            Paid::Now => finishing >= (slots / 16).clamp(1, Finals::MOST),
            // No slot is wanted for another session, but what had come due waits for its answer.
            Paid::Last => false,
        }
    }
}

impl Shard<'_> {
    /// The turn's holder of every channel that has nothing left to pay signs the final.
    pub(super) fn start_finals(&mut self, finals: &mut Finals) {
        if self.line.finishing.is_empty() {
            return;
        }
        let Shard {
            slots,
            payer,
            parties,
            ..
        } = self;
        let mut ends = RunningEnds { slots, parties };
        let sessions = self.line.finishing.len().min(Finals::MOST);
        finals.starters.clear();
        payer.begin();
        for slot in self.line.finishing.drain(..sessions) {
            let holder = ends.end((slot, Party::A)).turn_holder();
            let at = (slot, holder);
            let secret = ends.secret(at);
            payer.finish(at, ends.end(at), secret);
            finals.starters.push(at);
        }
        payer.sign(&parties.pairs);
        finals.wire.clear();
        payer.send_finals(&mut ends, |at, message| finals.send(at, message));
        strike(
            &mut self.mischief.faults,
            Hop::Final,
            &mut finals.wire,
            slots,
        );
        self.clock.lap(Stage::Finish, 0);
        self.keep_senders(finals);
    }

    /// The other ends verify the finals, and answer them.
    pub(super) fn answer_finals(&mut self, finals: &mut Finals) {
        if finals.is_empty() {
            return;
        }
        let Shard {
            slots,
            payee,
            parties,
            ..
        } = self;
        let mut ends = RunningEnds { slots, parties };
        payee.begin();
        finals.hear(&mut ends, payee);
        payee.verify_finals(parties.pairs.ring());
        payee.end(&mut ends, |(slot, _), ended| {
            finals.refusals.extend(ended.err().map(|why| (slot, why)));
        });
        payee.sign(&parties.pairs);
        finals.wire.clear();
        payee.answer_finals(&mut ends, |at, message| finals.send(at, message));
        self.clock.lap(Stage::Finish, 0);
        self.keep_senders(finals);
    }

    /// The holders verify the answers: their sessions are ready to close.
    pub(super) fn complete_finals(&mut self, finals: &mut Finals) -> Result<(), RunError> {
        if finals.is_empty() {
            return Ok(());
        }
        let Shard {
            slots,
            payer,
            parties,
            ..
        } = self;
        let mut ends = RunningEnds { slots, parties };
        payer.begin();
        finals.hear(&mut ends, payer);
        payer.verify_finals(parties.pairs.ring());
        let mut ended = Vec::new();
        payer.end(&mut ends, |(slot, _), end| match end {
            Ok(()) => ended.push(slot),
            Err(rejection) => finals.refusals.push((slot, rejection)),
        });
        for slot in ended {
            let state = &mut slots[slot as usize].state;
            let SlotState::Running(channel) = std::mem::replace(state, SlotState::Vacant) else {
                unreachable!("slot {slot} ran a moment ago");
            };
            if !channel.early {
                self.steps.session_ended(slot);
            }
            *state = SlotState::Closing(channel);
        }
        for (slot, rejection) in finals.refusals.drain(..) {
            self.stop_channel(slot, rejection.name())?;
        }
        self.clock.lap(Stage::Finish, finals.starters.len());
        finals.starters.clear();
        Ok(())
    }

    /// Keeps the ends whose messages are on the wire.
    fn keep_senders(&mut self, finals: &Finals) {
        for (slot, to, _) in finals.wire.frames() {
            self.keep(slot, to.other());
        }
        self.kept();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_in_batches_beside_payments_and_after_the_last_ones() {
        // What is paid, sessions that wait to end, slots => whether they begin to.
        for (paid, finishing, slots, ends) in [
            (Paid::Nothing, 1, 100_000, true),
            (Paid::Now, 1, 10, true),
            (Paid::Now, 624, 10_000, false),
            (Paid::Now, 625, 10_000, true),
            (Paid::Now, 4095, 1_000_000, false),
            (Paid::Now, 4096, 1_000_000, true),
            (Paid::Last, 20_000, 20_000, false),
        ] {
            assert_eq!(
                paid.lets_end(finishing, slots),
                ends,
                "{paid:?} {finishing}"
            );
        }
    }
}
