//! What one shard counts, so that a run can be checked payment by payment.

use std::collections::BTreeMap;

use super::arrivals::SchedulePosition;
use super::journal::numbers;
use super::slot::Channel;

/// A channel that stopped because a rule was broken in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoppedChannel {
    /// Which session's.
    pub session: u64,
    /// The rejection, by name.
    pub rejection: &'static str,
}

impl StoppedChannel {
    /// How many are listed per shard; all are counted.
    pub const MOST: usize = 1024;
}

/// What of a tally outlives a restart: sums over the sessions that have closed, and of how many opens the
/// shard had heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept([u64; 19]);

/// What one shard counted.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) rejections: BTreeMap<&'static str, u64>,
    pub(super) stopped: Vec<StoppedChannel>,
    pub(super) sessions_opened: u64,
    pub(super) sessions_closed: u64,
    /// Payments in sessions that closed on Layer 1.
    pub(super) settled: u64,
    /// Sessions whose payout is not what the workload's own sums say.
    pub(super) payout_mismatches: u64,
    /// Sessions whose settled version is not the number of payments made.
    pub(super) count_mismatches: u64,
    /// Payments of the sessions that opened.
    pub(super) planned: u64,
    /// Of these: drawn from the workload.
    pub(super) drawn: u64,
    /// Refused by the payer's own endpoint.
    pub(super) refused: u64,
    /// Covered by a co-signed state, by the payer's count.
    pub(super) covered: u64,
    /// Covered by a verified signature of the payer, by the payee's count.
    pub(super) received: u64,
    /// Drawn, and lost with a channel that stopped.
    pub(super) lost: u64,
    /// Drawn, and sent by a cheater with a signature that does not verify.
    pub(super) poisoned: u64,
    /// How many such signatures.
    pub(super) poisoned_signatures: u64,
    /// Never drawn, because the run was cut short or the channel stopped.
    pub(super) undrawn: u64,
    /// Sessions that ended before their payments were made: by an interrupt, or by the planned end.
    pub(super) sessions_cut: u64,
    /// Payments that came due and were not served, before a restart.
    pub(super) unserved: u64,
    /// A part of the run did not keep up with its schedule, before a restart; and this one.
    pub(super) late_before: bool,
    pub(super) late: bool,
    /// Never drawn, because a party began to cheat before.
    pub(super) forgone: u64,
    /// Covered, in sessions that went to court.
    pub(super) contested: u64,
    pub(super) first_submit_ns: Option<u64>,
    pub(super) transaction_signatures: u64,
    /// Signatures made before a restart, and verified after it.
    pub(super) resent: u64,
    pub(super) last_close_ns: u64,
}

impl Tally {
    /// Counts a session that has ended politely, whatever ended it.
    pub(super) fn count_ended(&mut self, channel: &Channel, planned: u64) {
        self.count(channel, planned);
        self.sessions_cut += u64::from(channel.drawn < planned);
    }

    /// Counts the payments of a channel that makes no more of those planned.
    pub(super) fn count(&mut self, channel: &Channel, planned: u64) {
        self.drawn += channel.drawn;
        self.refused += channel.refused;
        self.covered += channel.covered;
        self.received += channel.a.counted() + channel.b.counted();
        let poisoned = channel
            .cheat
            .as_ref()
            .map_or(0, |cheat| cheat.poisoned_payments);
        self.poisoned += poisoned;
        self.poisoned_signatures += u64::from(poisoned > 0);
        self.lost += channel.drawn - channel.refused - channel.covered - poisoned;
        let never_drawn = planned - channel.drawn;
        if channel.is_attacked() {
            self.forgone += never_drawn;
            self.contested += channel.covered;
        } else {
            self.undrawn += never_drawn;
        }
    }

    /// Counts a session that got no further, by the rejection's name.
    pub(super) fn count_stop(&mut self, session: u64, name: &'static str) {
        *self.rejections.entry(name).or_default() += 1;
        if self.stopped.len() < StoppedChannel::MOST {
            self.stopped.push(StoppedChannel {
                session,
                rejection: name,
            });
        }
    }
}

impl Kept {
    /// What outlives a restart of a shard that has read its schedule up to there, `unserved` payments
    /// of it given up since this process started.
    pub(super) fn of(
        tally: &Tally,
        value_at_risk: u64,
        schedule: SchedulePosition,
        unserved: u64,
    ) -> Kept {
        Kept([
            tally.sessions_opened,
            tally.sessions_closed,
            tally.settled,
            tally.payout_mismatches,
            tally.count_mismatches,
            tally.drawn,
            tally.refused,
            tally.covered,
            tally.received,
            tally.lost,
            tally.undrawn,
            value_at_risk,
            tally.sessions_cut,
            tally.unserved + unserved,
            schedule.clock_ns,
            schedule.arrivals,
            schedule.next_due_ns.to_bits(),
            schedule.mean_gap_ns.to_bits(),
            u64::from(tally.late_before || tally.late),
        ])
    }

    /// The tally of a shard that goes on, the value at risk, and how far its schedule was read.
    pub(super) fn restore(&self) -> (Tally, u64, SchedulePosition) {
        let [
            sessions_opened,
            sessions_closed,
            settled,
            payout_mismatches,
            count_mismatches,
            drawn,
            refused,
            covered,
            received,
            lost,
            undrawn,
            value_at_risk,
            sessions_cut,
            unserved,
            clock_ns,
            arrivals,
            next_due_bits,
            mean_gap_bits,
            late,
        ] = self.0;
        let tally = Tally {
            sessions_opened,
            sessions_closed,
            settled,
            payout_mismatches,
            count_mismatches,
            drawn,
            refused,
            covered,
            received,
            lost,
            undrawn,
            sessions_cut,
            unserved,
            late_before: late != 0,
            ..Tally::default()
        };
        let schedule = SchedulePosition {
            clock_ns,
            arrivals,
            next_due_ns: f64::from_bits(next_due_bits),
            mean_gap_ns: f64::from_bits(mean_gap_bits),
        };
        (tally, value_at_risk, schedule)
    }

    /// Appends its numbers in order, little-endian.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.0.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// Reads what was kept; none if it has another length.
    pub(super) fn decode(bytes: &[u8]) -> Option<Kept> {
        numbers(bytes).map(Kept)
    }
}
