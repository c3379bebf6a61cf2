//! Layer 1's own clock, in virtual milliseconds: when a step's transactions arrive, and when what
//! they did is final. Block h is sealed at h intervals; a block takes what arrived before it.
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
        let pace = config.l1.pace?;
        Some(BlockTime {
            pace,
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

    /// The next step in order has nothing waiting any more, as of the block of this height; of
    /// none, of when it arrived.
    pub(super) fn done(&mut self, height: Option<u64>, arrived_ms: u64) {
        let done_ms = match height {
            Some(height) => self.at(height + u64::from(self.pace.finality_blocks)),
            None => arrived_ms,
        };
        self.last_final_ms = self.last_final_ms.max(done_ms);
        self.final_ms.push_back(self.last_final_ms);
    }

    /// When a block is sealed.
    pub(super) fn at(&self, height: u64) -> u64 {
        height.saturating_mul(self.pace.interval_ms)
    }

    /// The last block that is sealed by then.
    pub(super) fn height_at(&self, ms: u64) -> u64 {
        ms / self.pace.interval_ms
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
        time.done(Some(2), 0);
        time.done(Some(4), 0);
        assert_eq!((time.arrives(), time.most_waiting()), (6_300, 2));
        // Earlier than the one before: it is not final before that is.
        time.done(Some(3), 0);
        assert_eq!(time.arrives(), 6_300);
        assert_eq!(time.arrives(), 6_300);
        // Nothing in it.
        time.done(None, 6_500);
        assert_eq!(time.arrives(), 6_800);
        assert_eq!((time.height_at(999), time.height_at(1_000)), (0, 1));
    }
}
