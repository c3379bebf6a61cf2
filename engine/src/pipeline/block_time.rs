//! Layer 1's own clock, in virtual milliseconds: when a step's transactions arrive, and when what
//! they did is final. Block h is sealed at h intervals; a block takes what arrived before it. Where
//! validators take longer than an interval to decide one, all later ones come later by as much; and
//! nobody acts on a block before the next one begins.
//!
//! The first step of each track arrives at 0, every other one when the step before it in its track
//! has been final for as long as its sessions last. Nobody pays before all sessions that shall run
//! at once are open, so that the second steps count from there. Steps arrive in their order.

use std::collections::VecDeque;

use super::config::Config;
use super::schedule::Schedule;
use duet_ledger::l1::Pace;

/// The clock.
pub(super) struct BlockTime {
    pace: Pace,
    /// By how much blocks are late by now.
    late_ms: u64,
    session_ms: u64,
    tracks: u64,
    /// Steps that have arrived.
    arrived: u64,
    arrived_ms: u64,
    /// When the steps were final that others still wait for, the first of them first.
    final_ms: VecDeque<u64>,
    last_final_ms: u64,
    /// When the first step of every track was final.
    opened_ms: u64,
}

impl BlockTime {
    /// The clock at its start, if Layer 1 has one.
    pub(super) fn of(config: &Config, schedule: &Schedule) -> Option<BlockTime> {
        let mut pace = config.l1.pace?;
        if config.validators.is_some() {
            pace.finality_blocks = pace.finality_blocks.max(1);
        }
        Some(BlockTime {
            pace,
            late_ms: 0,
            session_ms: u64::try_from(config.sending.session_time.as_millis()).unwrap_or(u64::MAX),
            tracks: schedule.tracks(),
            arrived: 0,
            arrived_ms: 0,
            final_ms: VecDeque::new(),
            last_final_ms: 0,
            opened_ms: 0,
        })
    }

    /// Steps of which so many wait for blocks that the next one cannot be known: that of a track
    /// comes after the one before it, the second of any after all first ones.
    pub(super) fn most_waiting(&self) -> u64 {
        match self.arrived == self.tracks {
            true => 1,
            false => self.tracks,
        }
    }

    /// When the next step's transactions arrive.
    ///
    /// # Panics
    /// If the step before it in its track is not final.
    pub(super) fn arrives(&mut self) -> u64 {
        if self.arrived == self.tracks {
            self.opened_ms = self.last_final_ms;
        }
        if self.arrived >= self.tracks {
            let last = self
                .final_ms
                .pop_front()
                .expect("the track's last step is final");
            let ready_ms = last.max(self.opened_ms).saturating_add(self.session_ms);
            self.arrived_ms = self.arrived_ms.max(ready_ms);
        }
        self.arrived += 1;
        self.arrived_ms
    }

    /// The next step in order has nothing waiting any more, as of this time.
    pub(super) fn done(&mut self, final_ms: u64) {
        self.last_final_ms = self.last_final_ms.max(final_ms);
        self.final_ms.push_back(self.last_final_ms);
    }

    /// When a block is sealed: the last one, or a later one.
    pub(super) fn at(&self, height: u64) -> u64 {
        let on_time_ms = height.saturating_mul(self.pace.interval_ms);
        on_time_ms.saturating_add(self.late_ms)
    }

    /// By how much blocks are late by now, in milliseconds.
    pub(super) fn late_ms(&self) -> u64 {
        self.late_ms
    }

    /// When the last block is final, which has this height.
    pub(super) fn final_at(&self, height: u64) -> u64 {
        self.at(height + u64::from(self.pace.finality_blocks))
    }

    /// The block of this height, the last one, was decided at a time: the next one begins no
    /// sooner.
    pub(super) fn decided(&mut self, height: u64, decided_ms: u64) {
        self.late_ms += decided_ms.saturating_sub(self.at(height + 1));
    }

    /// The last block that is sealed by then.
    pub(super) fn height_at(&self, ms: u64) -> u64 {
        ms.saturating_sub(self.late_ms) / self.pace.interval_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_waits_for_the_one_before_it_in_its_track() {
        let mut time = BlockTime {
            pace: Pace {
                interval_ms: 1_000,
                finality_blocks: 2,
            },
            late_ms: 0,
            session_ms: 300,
            tracks: 2,
            arrived: 0,
            arrived_ms: 0,
            final_ms: VecDeque::new(),
            last_final_ms: 0,
            opened_ms: 0,
        };
        assert_eq!((time.arrives(), time.arrives()), (0, 0));
        assert_eq!(time.most_waiting(), 1);
        // Included in blocks 2 and 4, and final with block 6.
        time.done(time.final_at(2));
        time.done(time.final_at(4));
        assert_eq!((time.arrives(), time.most_waiting()), (6_300, 2));
        // Earlier than the one before: it is not final before that is.
        time.done(time.final_at(3));
        assert_eq!(time.arrives(), 6_300);
        assert_eq!(time.arrives(), 6_300);
        // Nothing in it.
        time.done(6_500);
        assert_eq!(time.arrives(), 6_800);
        assert_eq!((time.height_at(999), time.height_at(1_000)), (0, 1));
    }

    #[test]
    fn what_is_decided_late_makes_all_that_follows_late() {
        let mut time = BlockTime {
            pace: Pace {
                interval_ms: 1_000,
                finality_blocks: 1,
            },
            late_ms: 0,
            session_ms: 0,
            tracks: 1,
            arrived: 0,
            arrived_ms: 0,
            final_ms: VecDeque::new(),
            last_final_ms: 0,
            opened_ms: 0,
        };
        time.decided(1, 1_999);
        assert_eq!(
            (time.at(2), time.final_at(2), time.height_at(2_000)),
            (2_000, 3_000, 2)
        );
        time.decided(2, 3_700);
        assert_eq!((time.at(3), time.final_at(3)), (3_700, 4_700));
        assert_eq!((time.height_at(3_699), time.height_at(3_700)), (2, 3));
    }
}
