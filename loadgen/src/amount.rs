//! How large a workload's payments are: amounts by a distribution, each one found from (seed,
//! session, index) alone, so that any shard computes any payment. Keeps no state and draws nothing.

mod normal;

use std::{fmt, str::FromStr};

use duet_terminal::units::parse_count;
pub(crate) use normal::{lognormal_integer, open_unit, standard_normal};

/// The largest amount that a distribution may pay: 2^40, so that even 2^23 payments of it stay
/// below 2^63.
pub const LARGEST_AMOUNT: u64 = 1 << 40;

/// The largest |mu| of a log-normal distribution: ln 2^40, beyond which nearly every amount would
/// be clamped.
const LARGEST_MU: f64 = 27.7259;
/// The largest sigma of a log-normal distribution; at 10, one amount in six is 22,000 times the
/// median.
const LARGEST_SIGMA: f64 = 10.0;

/// The distribution of payment amounts, in L1's smallest unit. Written `fixed:N`, `uniform:A-B` or
/// `lognormal:MU,SIGMA`; values read from text are checked, others by
/// [`AmountDistribution::check`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum AmountDistribution {
    /// Every payment has this amount: 1 to [`LARGEST_AMOUNT`].
    Fixed(u64),
    /// Every amount from `low` to `high`, both included, is equally likely.
    Uniform {
        /// The smallest amount, at least 1.
        low: u64,
        /// The largest amount, at most [`LARGEST_AMOUNT`].
        high: u64,
    },
    /// exp(mu + sigma·z), z standard normal, to the nearest integer within 1 to [`LARGEST_AMOUNT`].
    /// The median is exp(mu). Logarithm and exponential come from the pure-Rust `libm`, not from
    /// the platform, so that the same seed pays the same amounts everywhere.
    LogNormal {
        /// The mean of the amount's natural logarithm.
        mu: f64,
        /// The standard deviation of the amount's natural logarithm, 0 to 10.
        sigma: f64,
    },
}

impl AmountDistribution {
    /// The amount of payment `index` (from 0) in session `session` of the run with this seed.
    #[inline]
    pub fn amount(&self, seed: u64, session: u64, index: u64) -> u64 {
        match *self {
            Self::Fixed(amount) => amount,
            Self::Uniform { low, high } => {
                uniform(low, high, word(session_key(seed, session), index))
            }
            Self::LogNormal { mu, sigma } => {
                lognormal(mu, sigma, word(session_key(seed, session), index))
            }
        }
    }

    /// The amounts of payments `first_index`, `first_index + 1`, … of a session, one for each place
    /// of `amounts`: the same as [`AmountDistribution::amount`], cheaper by the batch.
    pub fn fill(&self, seed: u64, session: u64, first_index: u64, amounts: &mut [u64]) {
        let key = session_key(seed, session);
        match *self {
            Self::Fixed(amount) => amounts.fill(amount),
            Self::Uniform { low, high } => {
                for (index, amount) in (first_index..).zip(amounts) {
                    *amount = uniform(low, high, word(key, index));
                }
            }
            Self::LogNormal { mu, sigma } => {
                for (index, amount) in (first_index..).zip(amounts) {
                    *amount = lognormal(mu, sigma, word(key, index));
                }
            }
        }
    }

    /// No amount of this distribution is larger.
    pub fn largest(&self) -> u64 {
        match *self {
            Self::Fixed(amount) => amount,
            Self::Uniform { high, .. } => high,
            Self::LogNormal { mu, sigma } => {
                lognormal_integer(mu, sigma, normal::LARGEST_Z, LARGEST_AMOUNT)
            }
        }
    }

    /// No amount of this distribution is smaller.
    pub fn smallest(&self) -> u64 {
        match *self {
            Self::Fixed(amount) => amount,
            Self::Uniform { low, .. } => low,
            Self::LogNormal { mu, sigma } => {
                lognormal_integer(mu, sigma, -normal::LARGEST_Z, LARGEST_AMOUNT)
            }
        }
    }

    /// Checks the parameters; [`FromStr`] does so by itself.
    ///
    /// # Errors
    /// Names the value that is out of range and the range.
    pub fn check(&self) -> Result<(), String> {
        let too_large = |amount: u64| {
            format!("amount {amount} is too large: the largest is {LARGEST_AMOUNT} (2^40)")
        };
        match *self {
            Self::Fixed(0) => Err("amount 0 is not a payment: expected 1 or more".to_owned()),
            Self::Fixed(amount) if amount > LARGEST_AMOUNT => Err(too_large(amount)),
            Self::Uniform { low: 0, .. } => {
                Err("a lowest amount of 0 is not a payment: expected 1 or more".to_owned())
            }
            Self::Uniform { low, high } if low > high => Err(format!(
                "the lowest amount {low} is above the highest {high}"
            )),
            Self::Uniform { high, .. } if high > LARGEST_AMOUNT => Err(too_large(high)),
            // Written so that NaN is out of range too.
            Self::LogNormal { mu, .. } if !(-LARGEST_MU..=LARGEST_MU).contains(&mu) => {
                Err(format!(
                    "mu {mu} is out of range: expected -{LARGEST_MU} to {LARGEST_MU}, the logarithm of an amount"
                ))
            }
            Self::LogNormal { sigma, .. } if !(0.0..=LARGEST_SIGMA).contains(&sigma) => Err(
                format!("sigma {sigma} is out of range: expected 0 to {LARGEST_SIGMA}"),
            ),
            Self::Fixed(_) | Self::Uniform { .. } | Self::LogNormal { .. } => Ok(()),
        }
    }
}

impl FromStr for AmountDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || {
            format!(
                "'{text}' is not an amount: expected fixed:N, uniform:A-B or lognormal:MU,SIGMA, \
                 as in uniform:1-100"
            )
        };
        let (kind, parameters) = text.split_once(':').ok_or_else(unknown)?;
        let within = |reason: String| format!("'{text}': {reason}");
        let distribution = match kind {
            "fixed" => Self::Fixed(parse_count(parameters).map_err(within)?),
            "uniform" => {
                let (low, high) = parameters.split_once('-').ok_or_else(|| {
                    within("expected two amounts, as in uniform:1-100".to_owned())
                })?;
                Self::Uniform {
                    low: parse_count(low).map_err(within)?,
                    high: parse_count(high).map_err(within)?,
                }
            }
            "lognormal" => {
                let number = |text: &str| -> Result<f64, String> {
                    text.parse()
                        .map_err(|_| within(format!("'{text}' is not a number")))
                };
                let (mu, sigma) = parameters.split_once(',').ok_or_else(|| {
                    within("expected mu and sigma, as in lognormal:4.6,1.2".to_owned())
                })?;
                Self::LogNormal {
                    mu: number(mu)?,
                    sigma: number(sigma)?,
                }
            }
            _ => return Err(unknown()),
        };
        distribution.check().map_err(within)?;
        Ok(distribution)
    }
}

impl fmt::Display for AmountDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(amount) => write!(f, "fixed:{amount}"),
            Self::Uniform { low, high } => write!(f, "uniform:{low}-{high}"),
            Self::LogNormal { mu, sigma } => write!(f, "lognormal:{mu},{sigma}"),
        }
    }
}

/// By widening multiplication (Lemire 2019); with at most 2^40 outcomes its bias is below 2^-24 of
/// an outcome's own probability.
#[inline]
fn uniform(low: u64, high: u64, word: u64) -> u64 {
    let outcomes = u128::from(high - low) + 1;
    low + ((u128::from(word) * outcomes) >> 64) as u64
}

#[inline]
fn lognormal(mu: f64, sigma: f64, word: u64) -> u64 {
    lognormal_integer(mu, sigma, standard_normal(word), LARGEST_AMOUNT)
}

/// Sets amounts apart from whatever else a run draws from the same seed.
const AMOUNT_DOMAIN: u64 = u64::from_le_bytes(*b"amounts.");
/// 2^64 over the golden ratio: SplitMix64's step.
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Where a session's random words start; different for every session of a seed.
#[inline]
fn session_key(seed: u64, session: u64) -> u64 {
    mix(mix(seed ^ AMOUNT_DOMAIN).wrapping_add(session.wrapping_mul(GOLDEN_STEP)))
}

/// The random word of a session's payment.
#[inline]
fn word(session_key: u64, index: u64) -> u64 {
    mix(session_key.wrapping_add(index.wrapping_mul(GOLDEN_STEP)))
}

/// SplitMix64's output function (Steele, Lea, Flood 2014; constants by Stafford): a bijection.
#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amounts(text: &str, seed: u64, session: u64, count: usize) -> Vec<u64> {
        let mut amounts = vec![0; count];
        text.parse::<AmountDistribution>()
            .unwrap()
            .fill(seed, session, 0, &mut amounts);
        amounts
    }

    #[test]
    fn reads_and_writes() {
        for (text, written) in [
            ("fixed:1", "fixed:1"),
            ("fixed:10k", "fixed:10000"),
            ("fixed:1099511627776", "fixed:1099511627776"),
            ("uniform:1-1k", "uniform:1-1000"),
            ("uniform:5-5", "uniform:5-5"),
            ("lognormal:4.6,1.2", "lognormal:4.6,1.2"),
            ("lognormal:-1,0", "lognormal:-1,0"),
        ] {
            let distribution: AmountDistribution = text.parse().unwrap();
            assert_eq!(distribution.to_string(), written);
        }
    }

    #[test]
    fn refuses() {
        for (text, words) in [
            ("", "expected fixed:N, uniform:A-B or lognormal:MU,SIGMA"),
            ("100", "expected fixed:N, uniform:A-B or lognormal:MU,SIGMA"),
            (
                "normal:1,2",
                "expected fixed:N, uniform:A-B or lognormal:MU,SIGMA",
            ),
            ("fixed:", "'' is not a count"),
            ("fixed:x", "'x' is not a count"),
            ("fixed:-1", "'-1' is not a count"),
            ("fixed:0", "amount 0 is not a payment"),
            ("fixed:1099511627777", "the largest is 1099511627776"),
            ("fixed:18446744073709551616", "too large a count"),
            ("uniform:5", "expected two amounts"),
            ("uniform:0-5", "a lowest amount of 0 is not a payment"),
            ("uniform:6-5", "the lowest amount 6 is above the highest 5"),
            ("uniform:1-10G000", "'10G000' is not a count"),
            ("uniform:1-1e13", "the largest is 1099511627776"),
            ("uniform:1-2-3", "'2-3' is not a count"),
            ("lognormal:1", "expected mu and sigma"),
            ("lognormal:x,1", "'x' is not a number"),
            ("lognormal:1,", "'' is not a number"),
            ("lognormal:1,2,3", "'2,3' is not a number"),
            ("lognormal:NaN,1", "mu NaN is out of range"),
            ("lognormal:28,1", "mu 28 is out of range"),
            ("lognormal:-inf,1", "mu -inf is out of range"),
            ("lognormal:1,-0.1", "sigma -0.1 is out of range"),
            ("lognormal:1,nan", "sigma NaN is out of range"),
            ("lognormal:1,11", "sigma 11 is out of range"),
        ] {
            let error = text.parse::<AmountDistribution>().unwrap_err();
            assert!(
                error.contains(words) && error.contains(text),
                "{text}: {error}"
            );
        }
    }

    /// Worked out apart from this code, with Python's integers and `statistics.NormalDist`. A
    /// change here changes every run with a seed.
    #[test]
    fn amounts_are_the_same_everywhere() {
        assert_eq!(amounts("uniform:1-1000000", 1, 0, 4), PINNED_UNIFORM);
        assert_eq!(amounts("lognormal:10,2", 1, 0, 4), PINNED_LOGNORMAL);
    }
    const PINNED_UNIFORM: [u64; 4] = [605425, 642959, 89196, 425753];
    const PINNED_LOGNORMAL: [u64; 4] = [37603, 45833, 1493, 15148];

    #[test]
    fn means_are_the_distributions_own() {
        // (distribution, mean, standard deviation); each mean within 5 standard errors.
        const COUNT: usize = 200_000;
        for (text, mean, deviation) in [
            ("fixed:7", 7.0, 0.0),
            ("uniform:1-3", 2.0, (2.0_f64 / 3.0).sqrt()),
            ("uniform:1-1M", 500_000.5, 1e6 / 12_f64.sqrt()),
            // exp(mu + sigma²/2); mean · sqrt(exp(sigma²) - 1)
            ("lognormal:8,0.5", 3_377.872, 3_377.872 * 0.532_94),
            ("lognormal:12,1", 268_337.3, 268_337.3 * 1.310_83),
        ] {
            for session in [0, 1, u64::MAX] {
                let amounts = amounts(text, 42, session, COUNT);
                let found = amounts.iter().sum::<u64>() as f64 / COUNT as f64;
                let tolerance = 5.0 * deviation / (COUNT as f64).sqrt();
                assert!(
                    (found - mean).abs() <= tolerance,
                    "{text}: {found} for {mean}±{tolerance}"
                );
            }
        }
    }

    #[test]
    fn every_outcome_of_a_narrow_uniform_is_equally_likely() {
        let mut counts = [0_u32; 10];
        for amount in amounts("uniform:1-10", 3, 9, 100_000) {
            counts[amount as usize - 1] += 1;
        }
        // Chi-squared with 9 degrees of freedom: above 33.7 once in 10,000 seeds.
        let chi_squared: f64 = counts
            .iter()
            .map(|&count| (f64::from(count) - 1e4).powi(2) / 1e4)
            .sum();
        assert!(chi_squared < 33.7, "{counts:?}");
    }

    #[test]
    fn sessions_and_seeds_differ() {
        let first = amounts("uniform:1-1M", 1, 0, 100);
        assert_ne!(first, amounts("uniform:1-1M", 2, 0, 100));
        assert_ne!(first, amounts("uniform:1-1M", 1, 1, 100));
        assert_eq!(first, amounts("uniform:1-1M", 1, 0, 100));
    }

    fn distributions() -> impl Strategy<Value = AmountDistribution> {
        prop_oneof![
            (1..=LARGEST_AMOUNT).prop_map(AmountDistribution::Fixed),
            (1..=LARGEST_AMOUNT, 1..=LARGEST_AMOUNT).prop_map(|(a, b)| {
                AmountDistribution::Uniform {
                    low: a.min(b),
                    high: a.max(b),
                }
            }),
            (-LARGEST_MU..LARGEST_MU, 0.0..LARGEST_SIGMA)
                .prop_map(|(mu, sigma)| AmountDistribution::LogNormal { mu, sigma }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(distribution in distributions()) {
            prop_assert_eq!(distribution.to_string().parse(), Ok(distribution));
        }

        #[test]
        fn fill_equals_amount_and_stays_in_range(
            distribution in distributions(),
            seed: u64,
            session: u64,
            first_index in 0..=u64::MAX - 64,
        ) {
            let mut amounts = [0; 33];
            distribution.fill(seed, session, first_index, &mut amounts);
            for (index, &amount) in (first_index..).zip(&amounts) {
                prop_assert_eq!(amount, distribution.amount(seed, session, index));
                prop_assert!(amount >= distribution.smallest());
                prop_assert!(amount <= distribution.largest());
                prop_assert!((1..=LARGEST_AMOUNT).contains(&amount));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<AmountDistribution>();
        }
    }
}
