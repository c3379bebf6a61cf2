//! When a stage looks at its pairs, and how sure it has to be then. Pure.
//!
//! Somebody who looks often enough sees anything. So each look has an error of its own, and all of
//! a stage's looks together have [`ERROR`], however many there are: the k-th one has
//! `ERROR / (k (k + 1))`, a series that sums to 1 (error spending; the bound is Bonferroni's, so
//! that nothing is asked of how looks hang together).

/// The probability that any of a stage's intervals misses the truth, at most.
pub const ERROR: f64 = 0.05;

/// Pairs before the first look of the first stage.
pub const FIRST_PAIRS: usize = 12;

/// Looks come at multiples of this: three rotations of the schedule and their mirror images.
const WHOLE_ROUND_PAIRS: usize = 6;

/// Pairs that a stage makes at most, whatever the budget: its intervals take time and memory that
/// grow with the square and more, and noise that so many cannot settle is no business of theirs.
pub const MOST_PAIRS: usize = 1000;

/// A stage's looks, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    number: u32,
    next_pairs: usize,
}

impl Looks {
    /// The first stage's.
    #[must_use]
    pub fn of_first_stage() -> Self {
        Self {
            number: 1,
            next_pairs: FIRST_PAIRS,
        }
    }

    /// The second stage's: its first look is at twice as many pairs as the first stage had, or at
    /// as many as the rest of the budget pays for, if those are fewer; at [`FIRST_PAIRS`] at least.
    /// What decides it is known before the stage begins.
    #[must_use]
    pub fn of_second_stage(earlier_pairs: usize, payable_pairs: usize) -> Self {
        let twice = (2 * earlier_pairs).next_multiple_of(WHOLE_ROUND_PAIRS);
        let payable = payable_pairs / WHOLE_ROUND_PAIRS * WHOLE_ROUND_PAIRS;
        Self {
            number: 1,
            next_pairs: twice.min(payable).clamp(FIRST_PAIRS, MOST_PAIRS),
        }
    }

    /// How many pairs the stage has when it looks next.
    #[must_use]
    pub fn next_pairs(&self) -> usize {
        self.next_pairs
    }

    /// The error of the next look, which is then over: half as many pairs again until the one after
    /// it.
    pub fn take(&mut self) -> f64 {
        let error = ERROR / f64::from(self.number * (self.number + 1));
        self.number += 1;
        let more = self.next_pairs + self.next_pairs / 2;
        self.next_pairs = more.next_multiple_of(WHOLE_ROUND_PAIRS).min(MOST_PAIRS);
        error
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_at_whole_rounds() {
        let pairs_of = |mut looks: Looks| {
            let pairs: Vec<usize> = (0..6)
                .map(|_| {
                    let pairs = looks.next_pairs();
                    looks.take();
                    pairs
                })
                .collect();
            pairs
        };
        let second = |earlier, payable| pairs_of(Looks::of_second_stage(earlier, payable));
        assert_eq!(pairs_of(Looks::of_first_stage()), [12, 18, 30, 48, 72, 108]);
        assert_eq!(second(12, 9999), [24, 36, 54, 84, 126, 192]);
        assert_eq!(second(20, 9999), [42, 66, 102, 156, 234, 354]);
        assert_eq!(second(1500, 9999), [MOST_PAIRS; 6]);
        assert_eq!(second(100, 65), [60, 90, 138, 210, 318, 480]);
        assert_eq!(second(100, 3), [12, 18, 30, 48, 72, 108]);
    }

    #[test]
    fn all_looks_together_have_the_error_of_one_and_the_first_most_of_it() {
        let mut looks = Looks::of_first_stage();
        let errors: Vec<f64> = (0..10_000).map(|_| looks.take()).collect();
        assert!((errors[0] - ERROR / 2.0).abs() < 1e-12);
        let sum: f64 = errors.iter().sum();
        assert!(sum < ERROR && sum > 0.9998 * ERROR, "{sum}");
    }
}
