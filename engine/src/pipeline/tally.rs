//! What one shard counts, so that a run can be checked payment by payment.

use std::collections::BTreeMap;

use super::arrivals::SchedulePosition;
use super::counts::Counts;
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

/// What of a tally outlives a restart: sums over the sessions that have closed, and of how many
/// opens the shard had heard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept([u64; 19]);

/// What one shard counted.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) rejections: BTreeMap<&'static str, u64>,
    pub(super) stopped: Vec<StoppedChannel>,
    /// A part of the run did not keep up with its schedule, before a restart; and this one.
    pub(super) late_before: bool,
    pub(super) late: bool,
    pub(super) first_submit_ns: Option<u64>,
    pub(super) last_close_ns: u64,
}

impl Tally {
    /// Counts a session that has ended politely, whatever ended it.
    pub(super) fn count_ended(&mut self, channel: &Channel, planned: u64) {
        self.count(channel, planned);
        self.counts.sessions_cut += u64::from(channel.drawn < planned);
    }

    /// Counts the payments of a channel that makes no more of those planned.
    pub(super) fn count(&mut self, channel: &Channel, planned: u64) {
        self.counts.drawn += channel.drawn;
        self.counts.refused += channel.refused;
        self.counts.covered += channel.covered;
        self.counts.received += channel.ends.a.counted() + channel.ends.b.counted();
        let poisoned = channel
            .cheat
            .as_ref()
            .map_or(0, |cheat| cheat.poisoned_payments);
        self.counts.poisoned += poisoned;
        self.counts.poisoned_signatures += u64::from(poisoned > 0);
        self.counts.lost += channel.drawn - channel.refused - channel.covered - poisoned;
        let never_drawn = planned - channel.drawn;
        if channel.is_attacked() {
            self.counts.forgone += never_drawn;
            self.counts.disputed += channel.covered;
        } else {
            self.counts.undrawn += never_drawn;
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
    /// What outlives a restart of a shard that has read its schedule up to there, `unserved`
    /// payments of it given up since this process started.
    pub(super) fn of(
        tally: &Tally,
        value_at_risk: u64,
        schedule: SchedulePosition,
        unserved: u64,
    ) -> Kept {
        let mut counts = tally.counts;
        counts.unserved += unserved;
        let [kept @ .., sessions_cut, unserved] = counts.kept();
        let mut numbers = [0; 19];
        numbers[..11].copy_from_slice(&kept);
        numbers[11..].copy_from_slice(&[
            value_at_risk,
            sessions_cut,
            unserved,
            schedule.clock_ns,
            schedule.arrivals,
            schedule.next_due_ns.to_bits(),
            schedule.mean_gap_ns.to_bits(),
            u64::from(tally.late_before || tally.late),
        ]);
        Kept(numbers)
    }

    /// The tally of a shard that goes on, the value at risk, and how far its schedule was read.
    pub(super) fn restore(&self) -> (Tally, u64, SchedulePosition) {
        let [
            kept @ ..,
            value_at_risk,
            sessions_cut,
            unserved,
            clock_ns,
            arrivals,
            next_due_bits,
            mean_gap_bits,
            late,
        ] = self.0;
        let mut counts = [0; Counts::KEPT];
        counts[..11].copy_from_slice(&kept);
        counts[11..].copy_from_slice(&[sessions_cut, unserved]);
        let tally = Tally {
            counts: Counts::of_kept(counts),
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
