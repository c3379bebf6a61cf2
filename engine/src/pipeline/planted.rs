//! A slowdown that is there on purpose, so that a regression gate can be tried on it. Does nothing
//! useful, and never runs unless a run asks for it.

use super::stage::{Stage, StageClock};
use duet_base::clock::thread_cpu_ns;

/// Work between two readings of the clock: a reading is a system call, and all of them would be
/// the kernel's time.
const ROUNDS: u64 = 256;

/// What a shard burns beside its waves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planted {
    /// Of the waves' own CPU time.
    share: f64,
}

impl Planted {
    /// None for a share of nothing.
    pub(super) fn new(share: f64) -> Option<Planted> {
        assert!((0.0..=1.0).contains(&share), "a share: {share}");
        (share > 0.0).then_some(Planted { share })
    }

    /// Burns what is owed for the waves so far. What one wave burns too much or is billed too late,
    /// the next one burns less or more: over a run the share is exact but for the last wave.
    pub(super) fn burn(self, clock: &mut StageClock) {
        let worked_ns = clock.waves_ns() as f64 * self.share;
        let burnt_ns = clock.costs()[Stage::PlantedSlowdown as usize].cpu_ns as f64;
        let owed_ns = (worked_ns - burnt_ns).max(0.0) as u64;
        let until_ns = thread_cpu_ns() + owed_ns;
        let mut x = owed_ns | 1;
        while thread_cpu_ns() < until_ns {
            for round in 0..ROUNDS {
                x = std::hint::black_box(x.wrapping_mul(x) ^ round);
            }
        }
        clock.lap(Stage::PlantedSlowdown, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() {
        let mut x = 1_u64;
        for i in 0..3_000_000 {
            x = std::hint::black_box(x.wrapping_mul(3) ^ i);
        }
    }

    #[test]
    fn the_share_of_the_waves_own_time_is_burnt_and_no_other() {
        for share in [0.02, 0.1, 0.5] {
            let mut clock = StageClock::from_now();
            for _ in 0..5 {
                work();
                clock.lap(Stage::PayeeVerify, 1);
                work();
                clock.lap(Stage::Transact, 1);
                Planted::new(share).unwrap().burn(&mut clock);
            }
            let costs = clock.costs();
            let (verify, planted) = (
                costs[Stage::PayeeVerify as usize],
                costs[Stage::PlantedSlowdown as usize],
            );
            let burnt = planted.cpu_ns as f64 / verify.cpu_ns as f64;
            // A reading of the clock and its rounds too much, which takes 1 µs, and more on a busy
            // machine.
            assert!(
                (share..share * 1.2).contains(&burnt),
                "{burnt} of {share} asked for"
            );
            assert_eq!(planted.items, 5);
        }
    }

    #[test]
    fn no_share_is_no_slowdown() {
        assert!(Planted::new(0.0).is_none());
    }
}
