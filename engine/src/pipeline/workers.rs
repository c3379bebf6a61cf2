//! The CPU time of rayon's workers. They set keys up before a run, verify for Layer 1 in it, and
//! look for work: what they take is read from each one's own clock, so that none of it is taken on
//! trust.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::door::Door;
use duet_base::clock::thread_cpu_ns;

/// What each worker's clock said.
pub(super) struct Workers(Vec<u64>);

/// Who holds the workers. Two who held half of them each would wait for each other for ever.
static HOLDER: Mutex<()> = Mutex::new(());

impl Workers {
    /// Reads the clocks, each on its own thread, and holds the workers until `then` is done: what
    /// it reads meanwhile is of the same moment.
    pub(super) fn read<T>(then: impl FnOnce() -> T) -> (Workers, T) {
        // A worker that holds itself would wait for itself.
        if rayon::current_thread_index().is_some() {
            return (Workers(rayon::broadcast(|_| thread_cpu_ns())), then());
        }
        let _alone = HOLDER.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = rayon::current_num_threads();
        let door = Arc::new(Door::shut(workers));
        let clocks: Arc<[AtomicU64]> = (0..workers).map(|_| AtomicU64::new(0)).collect();
        rayon::spawn_broadcast({
            let (door, clocks) = (Arc::clone(&door), Arc::clone(&clocks));
            move |worker| {
                clocks[worker.index()].store(thread_cpu_ns(), Ordering::Relaxed);
                door.leave();
            }
        });
        let opener = door.opener();
        while !door.wait(Duration::from_secs(1)) {}
        let value = then();
        drop(opener);
        let clocks = clocks.iter().map(|clock| clock.load(Ordering::Relaxed));
        (Workers(clocks.collect()), value)
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// What all of them took since, in nanoseconds.
    pub(super) fn since(&self, before: &Workers) -> u64 {
        let pairs = self.0.iter().zip(&before.0);
        pairs.map(|(now, before)| now - before).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_does_is_on_its_clock() {
        let (before, ()) = Workers::read(|| ());
        let worked: u64 = rayon::broadcast(|_| {
            let start = thread_cpu_ns();
            let mut x = 1_u64;
            for i in 0..300_000 {
                x = std::hint::black_box(x.wrapping_mul(3) ^ i);
            }
            thread_cpu_ns() - start
        })
        .into_iter()
        .sum();
        let (after, seven) = Workers::read(|| 7);
        assert!(worked > 0 && after.since(&before) >= worked);
        assert_eq!((after.count(), seven), (rayon::current_num_threads(), 7));
    }

    #[test]
    fn two_may_hold_the_workers_at_once_and_a_worker_itself_may() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        Workers::read(|| ());
                    }
                });
            }
        });
        let (workers, ()) = rayon::scope(|_| Workers::read(|| ()));
        assert_eq!(workers.count(), rayon::current_num_threads());
    }
}
