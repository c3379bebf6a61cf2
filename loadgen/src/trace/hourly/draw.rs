//! The random choices of a generated trace: when a payment is made, by which pair, in which
//! direction, and how large it is. One ChaCha stream, drawn in order.

use std::io::{self, Write};

use rand_chacha::{
    ChaCha12Rng,
    rand_core::{Rng, SeedableRng},
};

use super::{Skew, profile::Hour};
use crate::{
    amount::{lognormal_integer, open_unit, standard_normal},
    trace::LARGEST_AMOUNT,
};

const MS_PER_HOUR: u64 = 3_600_000;
const S_PER_HOUR: u64 = 3_600;

/// A payment within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payment {
    /// Since the start of the hour, in milliseconds.
    pub(super) offset_ms: u32,
    /// The pair's rank, from 0.
    pub(super) pair: u32,
    /// Whether the merchant pays; else the customer does.
    pub(super) by_merchant: bool,
    pub(super) amount: u64,
}

impl Payment {
    /// Writes it as a line of a trace; pair r is `C<r>` and `M<r>`, from 1.
    pub(super) fn write(&self, step: u32, out: &mut dyn Write) -> io::Result<()> {
        let seconds = u64::from(step) * S_PER_HOUR + u64::from(self.offset_ms / 1000);
        let (payer, payee) = if self.by_merchant {
            ('M', 'C')
        } else {
            ('C', 'M')
        };
        let (milliseconds, pair, amount) = (self.offset_ms % 1000, self.pair + 1, self.amount);
        writeln!(
            out,
            "{seconds}.{milliseconds:03},{payer}{pair},{payee}{pair},{amount}"
        )
    }
}

/// Draws payments, all from one seed.
pub(super) struct Draw {
    rng: ChaCha12Rng,
    pairs: PairChoice,
}

impl Draw {
    pub(super) fn new(seed: u64, pairs: PairChoice) -> Self {
        // Spelled out, so that a library's way of widening a seed cannot change a trace.
        let mut key = *b"........duet: trace from hourly.";
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self {
            rng: ChaCha12Rng::from_seed(key),
            pairs,
        }
    }

    /// Adds `count` payments of one action in one hour, in no order of time.
    pub(super) fn payments(&mut self, hour: &Hour, count: u64, payments: &mut Vec<Payment>) {
        let direction = Direction::of(&hour.action);
        let (mu, sigma) = lognormal_of_moments(hour.average, hour.deviation);
        for _ in 0..count {
            let offset_ms = below(MS_PER_HOUR, self.rng.next_u64()) as u32;
            let pair = self.pairs.choose(self.rng.next_u64());
            let by_merchant = match direction {
                Direction::ToMerchant => false,
                Direction::ToCustomer => true,
                Direction::Either => self.rng.next_u64() >> 63 == 1,
            };
            let z = standard_normal(self.rng.next_u64());
            let amount = lognormal_integer(mu, sigma, z, LARGEST_AMOUNT);
            payments.push(Payment {
                offset_ms,
                pair,
                by_merchant,
                amount,
            });
        }
    }
}

enum Direction {
    ToMerchant,
    ToCustomer,
    Either,
}

impl Direction {
    fn of(action: &str) -> Self {
        match action {
            "TRANSFER" => Self::Either,
            "CASH_IN" => Self::ToCustomer,
            _ => Self::ToMerchant,
        }
    }
}

/// Mu and sigma of the log-normal distribution with this average (above 0) and standard deviation:
/// sigma² = ln(1 + (deviation/average)²), mu = ln(average) - sigma²/2.
fn lognormal_of_moments(average: f64, deviation: f64) -> (f64, f64) {
    let relative = deviation / average;
    let variance = libm::log1p(relative * relative);
    (libm::log(average) - variance / 2.0, libm::sqrt(variance))
}

/// An integer from 0 to `bound` - 1, by widening multiplication.
fn below(bound: u64, word: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

/// Chooses pairs, the first ranks more often if so asked.
pub(super) enum PairChoice {
    Uniform {
        pairs: u64,
    },
    /// The sums of the weights up to and with each rank.
    Weighted {
        sums: Vec<f64>,
    },
}

impl PairChoice {
    /// For 1 to 2^32 pairs.
    pub(super) fn new(pairs: u64, skew: Skew) -> Self {
        match skew {
            Skew::Uniform => Self::Uniform { pairs },
            Skew::Zipf(exponent) => {
                let mut sum = 0.0;
                let weights = (1..=pairs).map(|rank| libm::pow(rank as f64, -exponent));
                let sums = weights.map(|weight| {
                    sum += weight;
                    sum
                });
                Self::Weighted {
                    sums: sums.collect(),
                }
            }
        }
    }

    /// A rank from 0.
    fn choose(&self, word: u64) -> u32 {
        match self {
            Self::Uniform { pairs } => below(*pairs, word) as u32,
            Self::Weighted { sums } => {
                let last = sums.len() - 1;
                let point = open_unit(word) * sums[last];
                // Rounding may take the point to the very end.
                sums.partition_point(|&sum| sum <= point).min(last) as u32
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_hours_average_and_deviation() {
        for (average, deviation) in [(7401.2, 6500.0), (15.0, 40.0), (154_000.0, 0.0), (1.0, 0.0)] {
            let hour = Hour {
                action: "PAYMENT".to_owned(),
                line: 2,
                step: 0,
                operations: 1,
                average,
                deviation,
            };
            let mut payments = Vec::new();
            Draw::new(5, PairChoice::new(10, Skew::Uniform)).payments(
                &hour,
                200_000,
                &mut payments,
            );
            let count = payments.len() as f64;
            let found = payments.iter().map(|p| p.amount as f64).sum::<f64>() / count;
            let square = payments
                .iter()
                .map(|p| (p.amount as f64 - found).powi(2))
                .sum::<f64>()
                / count;
            // Whole numbers of at least 1 are what shifts the average of (15, 40) a little.
            let tolerance = 0.5 + 5.0 * deviation / count.sqrt();
            assert!((found - average).abs() < tolerance, "{average}: {found}");
            assert!(
                (square.sqrt() - deviation).abs() <= 0.5 + 0.1 * deviation,
                "{deviation}"
            );
        }
    }

    #[test]
    fn zipf_ranks_have_their_weights() {
        let mut draw = Draw::new(1, PairChoice::new(3, Skew::Zipf(1.0)));
        let mut counts = [0_u32; 3];
        for _ in 0..110_000 {
            counts[draw.pairs.choose(draw.rng.next_u64()) as usize] += 1;
        }
        // Weights 1, 1/2, 1/3 are 6, 3 and 2 elevenths.
        for (count, expected) in counts.into_iter().zip([60_000_u32, 30_000, 20_000]) {
            assert!(count.abs_diff(expected) < 800, "{counts:?}");
        }
        assert_eq!(PairChoice::new(3, Skew::Zipf(1.0)).choose(u64::MAX), 2);
        assert_eq!(PairChoice::new(3, Skew::Zipf(1.0)).choose(0), 0);
        assert_eq!(PairChoice::new(3, Skew::Uniform).choose(u64::MAX), 2);
    }

    #[test]
    fn directions_follow_the_action() {
        for (action, share) in [
            ("PAYMENT", 0.0),
            ("DEBIT", 0.0),
            ("CASH_OUT", 0.0),
            ("CASH_IN", 1.0),
            ("TRANSFER", 0.5),
        ] {
            let hour = Hour {
                action: action.to_owned(),
                line: 2,
                step: 0,
                operations: 1,
                average: 5.0,
                deviation: 1.0,
            };
            let mut payments = Vec::new();
            Draw::new(5, PairChoice::new(10, Skew::Uniform)).payments(&hour, 10_000, &mut payments);
            let by_merchant = payments.iter().filter(|p| p.by_merchant).count() as f64;
            assert!(
                (by_merchant / 10_000.0 - share).abs() < 0.03,
                "{action}: {by_merchant}"
            );
        }
    }
}
