//! A Poisson process of payments over the sessions that are open. When they come due depends on the
//! seed alone; where, also on which sessions are open by then.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::SchedulePosition;

/// Arrivals that are drawn one by one at the end of a schedule that was not kept up with. How many
/// more there are, and when they came due, then follows from their mean alone: a machine that is a
/// thousand times too slow must not draw for hours what it never served.
pub(super) const MOST_DRAWN_AT_END: u64 = 1 << 22;

/// The generator's words that a draw takes: each is of 64 bits.
const WORDS: u128 = 2;

/// A Poisson process, whose gaps depend on the seed alone, and not on which sessions are open.
pub(super) struct Poisson {
    gaps: ChaCha8Rng,
    slots: ChaCha8Rng,
    pub(super) mean_gap_ns: f64,
    pub(super) next_ns: f64,
    /// Slots that take arrivals, and how many each still takes.
    pub(super) accepting: Vec<(u32, u64)>,
}

impl Poisson {
    pub(super) fn new(seed: [u8; 32], mean_gap_ns: f64) -> Poisson {
        let stream = |number| {
            let mut rng = ChaCha8Rng::from_seed(seed);
            rng.set_stream(number);
            rng
        };
        let mut poisson = Poisson {
            gaps: stream(0),
            slots: stream(1),
            mean_gap_ns,
            next_ns: 0.0,
            accepting: Vec::new(),
        };
        poisson.draw_next(0.0);
        poisson
    }

    /// Goes on where it stood, at the mean of then; gives the one that it had here. None if it can
    /// have stood nowhere like that.
    pub(super) fn go_on(&mut self, at: &SchedulePosition) -> Option<f64> {
        let times = [at.next_due_ns, at.mean_gap_ns];
        // No gap is longer: -ln of the least uniform number is 37.4.
        let latest_ns = at.clock_ns as f64 + 40.0 * at.mean_gap_ns;
        if !times.iter().all(|ns| ns.is_finite() && *ns > 0.0) || at.next_due_ns > latest_ns {
            return None;
        }
        self.next_ns = at.next_due_ns;
        self.skip_to(at.arrivals);
        // The gap before the next one was drawn.
        self.gaps
            .set_word_pos((u128::from(at.arrivals) + 1) * WORDS);
        Some(std::mem::replace(&mut self.mean_gap_ns, at.mean_gap_ns))
    }

    /// The mean is another one from then on: of the wait that is left, so much the more or less is
    /// left.
    pub(super) fn change_mean(&mut self, mean_gap_ns: f64, from_ns: u64) {
        if mean_gap_ns != self.mean_gap_ns {
            let wait_ns = (self.next_ns - from_ns as f64).max(0.0);
            self.next_ns = from_ns as f64 + wait_ns * (mean_gap_ns / self.mean_gap_ns);
            self.mean_gap_ns = mean_gap_ns;
        }
    }

    /// Draws go on as after so many arrivals.
    fn skip_to(&mut self, arrivals: u64) {
        let words = u128::from(arrivals) * WORDS;
        self.gaps.set_word_pos(words);
        self.slots.set_word_pos(words);
    }

    /// What sessions can still pay, as far as it makes a difference: no further than well above
    /// what comes due up to then, beside the `waiting`.
    pub(super) fn most_left(
        &self,
        end_ns: u64,
        waiting: u64,
        payments: impl Iterator<Item = u64>,
    ) -> u64 {
        let expected = (end_ns as f64 - self.next_ns) / self.mean_gap_ns;
        let most = waiting.saturating_add(((2.0 * expected.max(0.0)) as u64).saturating_add(1000));
        let mut left = 0_u64;
        // Of so many sessions that none of them opened, more make no difference.
        for payments in payments.take(MOST_DRAWN_AT_END as usize) {
            if left >= most {
                break;
            }
            left = left.saturating_add(payments);
        }
        left
    }

    fn draw_next(&mut self, after_ns: f64) {
        self.next_ns = after_ns + exponential(&mut self.gaps) * self.mean_gap_ns;
    }

    /// A slot for an arrival, and whether it is the last one of the slot's session; none if no
    /// session takes any.
    pub(super) fn slot(&mut self) -> Option<(u32, bool)> {
        if self.accepting.is_empty() {
            return None;
        }
        let at = below(&mut self.slots, self.accepting.len());
        let (slot, left) = &mut self.accepting[at];
        *left -= 1;
        let (slot, last) = (*slot, *left == 0);
        if last {
            self.accepting.swap_remove(at);
        }
        Some((slot, last))
    }

    /// The next arrival, if it is due by then: when, at which slot, and whether it is the slot's
    /// last.
    pub(super) fn next(&mut self, by_ns: u64) -> Option<(u64, u32, bool)> {
        let due_ns = self.next_ns;
        if due_ns > by_ns as f64 {
            return None;
        }
        let (slot, last) = self.slot()?;
        self.draw_next(due_ns);
        Some((due_ns as u64, slot, last))
    }

    /// Reads the arrivals that are left up to the end, `most` of them at most, without slots: gives
    /// how many those are, and to `arrived` how many came due between which times.
    pub(super) fn rest(
        &mut self,
        end_ns: u64,
        most: u64,
        mut arrived: impl FnMut(u64, u64, u64),
    ) -> u64 {
        const SLICES: u64 = 10_000;
        let mut drawn = 0;
        while drawn < most.min(MOST_DRAWN_AT_END) && self.next_ns <= end_ns as f64 {
            let due_ns = self.next_ns as u64;
            arrived(1, due_ns, due_ns);
            drawn += 1;
            self.draw_next(self.next_ns);
        }
        let (from_ns, span_ns) = (self.next_ns, end_ns as f64 - self.next_ns);
        if span_ns <= 0.0 {
            return drawn;
        }
        let rest = (most - drawn).min((span_ns / self.mean_gap_ns) as u64);
        // The slices of the time in which those would come that there are.
        let span_ns = span_ns.min(rest as f64 * self.mean_gap_ns);
        let edge = |slice: u64| (u128::from(rest) * u128::from(slice) / u128::from(SLICES)) as u64;
        for slice in 0..SLICES {
            let at_ns = |edge: u64| (from_ns + span_ns * edge as f64 / SLICES as f64) as u64;
            let count = edge(slice + 1) - edge(slice);
            if count > 0 {
                arrived(count, at_ns(slice), at_ns(slice + 1));
            }
        }
        // One that comes after all of them, whenever the last one did: where nothing is left to
        // pay, none of those that were drawn for this time comes due in it.
        self.skip_to(self.read() + rest);
        self.draw_next(end_ns as f64);
        drawn + rest
    }

    /// Arrivals read: each took a gap, and the next one's is drawn.
    fn read(&self) -> u64 {
        (self.gaps.get_word_pos() / WORDS) as u64 - 1
    }
}

/// A draw from the exponential distribution of mean 1, by inversion.
fn exponential(rng: &mut ChaCha8Rng) -> f64 {
    // 53 random bits, shifted off zero so that the logarithm is finite.
    let uniform = ((rng.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
    -uniform.ln()
}

/// A uniform index below `bound`, by a widening multiplication.
fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponential_gaps_have_mean_one() {
        let mut rng = ChaCha8Rng::from_seed([7; 32]);
        let draws = 100_000;
        let mean = (0..draws).map(|_| exponential(&mut rng)).sum::<f64>() / f64::from(draws);
        // The mean's standard deviation is 1/√100,000 ≈ 0.003; five of them.
        assert!((mean - 1.0).abs() < 0.016, "{mean}");
    }

    #[test]
    fn indices_cover_their_range() {
        let mut rng = ChaCha8Rng::from_seed([1; 32]);
        let mut seen = [0; 7];
        (0..7000).for_each(|_| seen[below(&mut rng, 7)] += 1);
        assert!(
            seen.iter().all(|&count| (800..1200).contains(&count)),
            "{seen:?}"
        );
    }
}
