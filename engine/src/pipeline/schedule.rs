//! The logical order of everything that sessions do on Layer 1: the same for any number of shards.
//!
//! A session runs in a *slot*: session i in slot i mod C, where C sessions run at once. Slots are
//! divided into tracks, and step t of the schedule concerns track t mod M: the closes of the
//! track's sessions that ended, then the opens of those that take their slots. Layer 1 seals a
//! step's blocks when every shard has passed it, while the other tracks' sessions go on.

use std::ops::Range;

/// Tracks of a schedule at least, if there are as many slots: enough that a shard rarely waits for
/// the slowest session of a track.
const LEAST_TRACKS: u64 = 8;
/// Slots in a track at most: what a step carries to Layer 1 and back, and so the memory for it,
/// does not grow with the number of channels.
const MOST_SLOTS_OF_TRACK: u64 = 4096;

/// Which sessions open and close in which step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    sessions: u64,
    concurrent: u64,
    tracks: u64,
    /// Steps after the last close.
    after: u64,
}

impl Schedule {
    /// A schedule of this many sessions, this many at once (at most all of them).
    ///
    /// # Panics
    /// If either number is zero.
    #[must_use]
    pub fn new(sessions: u64, concurrent: u64) -> Schedule {
        assert!(sessions > 0 && concurrent > 0);
        let concurrent = concurrent.min(sessions);
        let tracks = LEAST_TRACKS.max(concurrent.div_ceil(MOST_SLOTS_OF_TRACK));
        Schedule {
            sessions,
            concurrent,
            tracks: concurrent.min(tracks),
            after: 0,
        }
    }

    /// The same with another step of each track at its end: what could not close there by both
    /// parties' will is taken to a dispute.
    #[must_use]
    pub fn with_disputes_after(self) -> Schedule {
        Schedule {
            after: self.tracks,
            ..self
        }
    }

    /// Sessions in all.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Sessions that run at once.
    #[must_use]
    pub fn concurrent(&self) -> u64 {
        self.concurrent
    }

    /// Tracks: steps whose channels do not wait for each other.
    #[must_use]
    pub fn tracks(&self) -> u64 {
        self.tracks
    }

    /// Steps in all: one per generation of each track, and one more to close the last.
    #[must_use]
    pub fn steps(&self) -> u64 {
        (self.sessions.div_ceil(self.concurrent) + 1) * self.tracks + self.after
    }

    /// The track of a step.
    #[must_use]
    pub fn track(&self, step: u64) -> u64 {
        step % self.tracks
    }

    /// The slots of a track.
    #[must_use]
    pub fn slots(&self, track: u64) -> Range<u64> {
        track * self.concurrent / self.tracks..(track + 1) * self.concurrent / self.tracks
    }

    /// How many sessions run one after the other in a slot.
    #[must_use]
    pub fn sessions_of(&self, slot: u64) -> u64 {
        (self.sessions - slot).div_ceil(self.concurrent)
    }

    /// The session of a slot that has so many before it.
    #[must_use]
    pub fn session(&self, slot: u64, generation: u64) -> u64 {
        generation * self.concurrent + slot
    }

    /// How many sessions of a slot open in earlier steps than this one, of the slot's track.
    #[must_use]
    pub fn generation(&self, step: u64) -> u64 {
        step / self.tracks
    }

    /// The step in which that session opens, and the one before it closes.
    #[must_use]
    pub fn step(&self, slot: u64, generation: u64) -> u64 {
        generation * self.tracks + self.track_of(slot)
    }

    /// The track of a slot: the last one that begins at or before it.
    #[must_use]
    pub fn track_of(&self, slot: u64) -> u64 {
        ((slot + 1) * self.tracks - 1) / self.concurrent
    }

    /// The session that opens in a slot at a step, if there is one left.
    #[must_use]
    pub fn opens(&self, step: u64, slot: u64) -> Option<u64> {
        let session = self.session(slot, self.generation(step));
        (session < self.sessions).then_some(session)
    }
}

/// Which of all slots are a shard's: every one whose number is the shard's, modulo their number.
#[derive(Clone, Copy, Debug)]
pub(super) struct ShardOf {
    pub(super) index: u64,
    pub(super) shards: u64,
}

impl ShardOf {
    /// The number over all shards of the shard's slot.
    pub(super) fn number(&self, slot: u32) -> u64 {
        self.index + u64::from(slot) * self.shards
    }

    /// How many sessions of the schedule are the shard's.
    pub(super) fn sessions(&self, schedule: &Schedule) -> u64 {
        let (all, at_once) = (schedule.sessions(), schedule.concurrent());
        let slots = |below| u64::from(self.slots_below(below));
        all / at_once * slots(at_once) + slots(all % at_once)
    }

    /// How many of the first so many slots are the shard's.
    pub(super) fn slots_below(&self, number: u64) -> u32 {
        let below = (number + self.shards - 1).saturating_sub(self.index) / self.shards;
        u32::try_from(below).expect("fewer than 2^32 slots")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_opens_once_and_never_more_than_asked_at_once() {
        let all = [
            (1, 1),
            (5, 50),
            (50, 50),
            (97, 13),
            (1000, 97),
            (64, 8),
            (90_001, 45_013),
        ];
        for (sessions, concurrent) in all {
            let schedule = Schedule::new(sessions, concurrent);
            for track in 0..schedule.tracks() {
                let slots = schedule.slots(track);
                assert!(!slots.is_empty() && slots.end - slots.start <= MOST_SLOTS_OF_TRACK);
                assert!(
                    slots
                        .into_iter()
                        .all(|slot| schedule.track_of(slot) == track)
                );
            }
            let mut opened = Vec::new();
            let mut running = vec![None; schedule.concurrent() as usize];
            let mut order = Vec::new();
            for step in 0..schedule.steps() {
                for slot in schedule.slots(schedule.track(step)) {
                    if running[slot as usize].take().is_some() {
                        order.push(("close", step));
                    }
                }
                for slot in schedule.slots(schedule.track(step)) {
                    if let Some(session) = schedule.opens(step, slot) {
                        assert_eq!(running[slot as usize].replace(session), None);
                        assert_eq!(session % schedule.concurrent(), slot);
                        let generation = session / schedule.concurrent();
                        assert!(generation < schedule.sessions_of(slot));
                        assert_eq!(schedule.step(slot, generation), step);
                        opened.push(session);
                    }
                }
                assert!(running.iter().flatten().count() as u64 <= concurrent);
            }
            assert!(running.iter().all(Option::is_none), "all closed");
            assert_eq!(opened, (0..sessions).collect::<Vec<_>>(), "in order, once");
        }
    }
}
