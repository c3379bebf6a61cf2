//! The CPU time of rayon's workers. They set keys up before a run, verify for Layer 1 in it, and look
//! for work: what they take is read from each one's own clock, so that none of it is taken on trust.

use crate::clock::thread_cpu_ns;

/// What each worker's clock said.
pub(super) struct Workers(Vec<u64>);

impl Workers {
    /// Reads the clocks, each on its own thread. The workers wake for it.
    pub(super) fn read() -> Workers {
        Workers(rayon::broadcast(|_| thread_cpu_ns()))
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
        let before = Workers::read();
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
        let after = Workers::read();
        assert!(worked > 0 && after.since(&before) >= worked);
        assert_eq!(after.count(), rayon::current_num_threads());
    }
}
