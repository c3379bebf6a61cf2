//! The network between validators: how long a message takes, drawn from a seed. Nothing is lost for
//! ever: what a link loses is sent again, and what a partition holds up comes when it is over.

/// A distribution of times one way, as points of its inverse, linear in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latency(Vec<(u32, u64)>);

/// Why a latency table makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// Shares do not rise.
    #[error("its shares have to rise from 0 to 1: {got} after {before} millionths")]
    Shares {
        /// The share before, in millionths.
        before: u32,
        /// The one that is out of order.
        got: u32,
    },
    /// They do not begin at 0 and end at 1.
    #[error("its shares have to rise from 0 to 1: they go from {first} to {last} millionths")]
    Ends {
        /// The first one, in millionths.
        first: u32,
        /// The last one.
        last: u32,
    },
    /// Times fall, or one is longer than ten seconds.
    #[error("its times must not fall, nor be above ten seconds: {got} µs after {before}")]
    Times {
        /// The time before, in µs.
        before: u64,
        /// The one that is out of order.
        got: u64,
    },
}

const ALL: u32 = 1_000_000;
/// Rounds are longer by half a second each: one in which all messages of this latency arrive in
/// time comes long before an hour has passed.
const MOST_LATENCY_US: u64 = 10_000_000;

impl Latency {
    /// A table of shares, in millionths, and times, in µs: so large a share takes at most so long.
    ///
    /// # Errors
    /// A [`LatencyError`] with what is out of order.
    pub fn new(points: Vec<(u32, u64)>) -> Result<Latency, LatencyError> {
        let shares = |before, got| Err(LatencyError::Shares { before, got });
        let [first, last] = [points.first(), points.last()].map(|of| of.map_or(0, |of| of.0));
        if (first, last) != (0, ALL) {
            return Err(LatencyError::Ends { first, last });
        }
        for pair in points.windows(2) {
            let [(share, time), (next_share, next_time)] = [pair[0], pair[1]];
            if next_share <= share {
                return shares(share, next_share);
            }
            if next_time < time || next_time > MOST_LATENCY_US {
                return Err(LatencyError::Times {
                    before: time,
                    got: next_time,
                });
            }
        }
        Ok(Latency(points))
    }

    /// A wide-area network: 40 ms in the median, 90 in nine of ten cases, 600 at most. An
    /// assumption, in the range that public blockchains see between continents.
    #[must_use]
    pub fn wide_area() -> Latency {
        Latency(vec![
            (0, 5_000),
            (500_000, 40_000),
            (900_000, 90_000),
            (990_000, 150_000),
            (999_000, 300_000),
            (ALL, 600_000),
        ])
    }

    /// One data centre: 0.2 ms in the median, 5 at most. An assumption.
    #[must_use]
    pub fn data_centre() -> Latency {
        Latency(vec![
            (0, 100),
            (500_000, 200),
            (990_000, 1_000),
            (ALL, 5_000),
        ])
    }

    /// The longest time, in µs.
    #[must_use]
    pub fn longest_us(&self) -> u64 {
        self.0.last().map_or(0, |(_, time)| *time)
    }

    fn draw(&self, chance: &mut Chance) -> u64 {
        let share = chance.below(u64::from(ALL)) as u32;
        let next = self.0.partition_point(|(at, _)| *at <= share);
        let [(from, low), (to, high)] = [self.0[next - 1], self.0[next]];
        low + (high - low) * u64::from(share - from) / u64::from(to - from)
    }
}

/// Some validators that do not reach the others for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// From when, in virtual µs.
    pub from_us: u64,
    /// Until when.
    pub until_us: u64,
    /// How many: the first ones.
    pub validators: u16,
}

/// What is between validators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// How long a message takes.
    pub latency: Latency,
    /// Messages of a million that a link loses, [`MOST_LOSS_PPM`] at most. Each is sent again after
    /// 200 ms, then 400, and so on, and no later than two minutes after it was sent before.
    pub loss_ppm: u32,
    /// Partitions, in any order.
    pub partitions: Vec<Partition>,
}

impl Default for Network {
    fn default() -> Network {
        Network {
            latency: Latency::wide_area(),
            loss_ppm: 0,
            partitions: Vec::new(),
        }
    }
}

/// Of a link that loses more than every second message TCP makes no connection.
pub const MOST_LOSS_PPM: u32 = 500_000;

const RETRANSMISSION_US: u64 = 200_000;
/// Linux's `TCP_RTO_MAX`.
const MOST_RETRANSMISSION_US: u64 = 120_000_000;

impl Network {
    /// When a message arrives that leaves at `leaves_us`.
    pub(super) fn arrival(&self, leaves_us: u64, ends: [u16; 2], chance: &mut Chance) -> u64 {
        let mut at = leaves_us;
        let mut wait = RETRANSMISSION_US;
        while self.loss_ppm > 0 && chance.below(u64::from(ALL)) < u64::from(self.loss_ppm) {
            at = at.saturating_add(wait);
            wait = (wait * 2).min(MOST_RETRANSMISSION_US);
        }
        at = at.saturating_add(self.latency.draw(chance));
        // Until it is through: another partition may have begun when one is over.
        while let Some(over) = self.held_up(at, ends) {
            at = over.saturating_add(self.latency.draw(chance));
        }
        at
    }

    /// Whether a partition is between these two now.
    pub(super) fn is_cut(&self, now_us: u64, ends: [u16; 2]) -> bool {
        self.held_up(now_us, ends).is_some()
    }

    /// When so much time has passed from then on, and since the last partition that began
    /// meanwhile.
    pub(super) fn undisturbed_for(&self, time_us: u64, from_us: u64) -> u64 {
        let mut over_us = from_us.saturating_add(time_us);
        loop {
            let begun = self.partitions.iter().filter(|of| of.from_us < over_us);
            let over = begun.map(|of| of.until_us.saturating_add(time_us)).max();
            match over {
                Some(later) if later > over_us => over_us = later,
                _ => return over_us,
            }
        }
    }

    /// When the partition is over that is between these two now.
    fn held_up(&self, now_us: u64, ends: [u16; 2]) -> Option<u64> {
        let between = |partition: &&Partition| {
            let inside = ends.map(|end| end < partition.validators);
            (partition.from_us..partition.until_us).contains(&now_us) && inside[0] != inside[1]
        };
        self.partitions
            .iter()
            .find(between)
            .map(|partition| partition.until_us)
    }
}

/// SplitMix64 (Steele, Lea, Flood, 2014): the simulation's only source of chance.
#[derive(Clone, Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(z ^ (z >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_that_make_no_sense_are_refused() {
        let refused = |points: &[(u32, u64)]| Latency::new(points.to_vec()).unwrap_err();
        let shares = |before, got| LatencyError::Shares { before, got };
        let ends = |first, last| LatencyError::Ends { first, last };
        assert_eq!(refused(&[]), ends(0, 0));
        assert_eq!(refused(&[(1, 5), (ALL, 6)]), ends(1, ALL));
        assert_eq!(refused(&[(0, 5), (999, 6)]), ends(0, 999));
        assert_eq!(refused(&[(0, 5), (7, 6), (7, 7), (ALL, 8)]), shares(7, 7));
        let times = |before, got| LatencyError::Times { before, got };
        assert_eq!(refused(&[(0, 5), (ALL, 4)]), times(5, 4));
        assert_eq!(refused(&[(0, 5), (ALL, 10_000_001)]), times(5, 10_000_001));
    }

    #[test]
    fn quantiles_of_many_draws_are_the_tables() {
        let (latency, mut chance) = (Latency::wide_area(), Chance(7));
        let mut drawn: Vec<u64> = (0..100_000).map(|_| latency.draw(&mut chance)).collect();
        drawn.sort_unstable();
        for (at, expected) in [(50_000, 40_000), (90_000, 90_000), (99_000, 150_000)] {
            let off = drawn[at].abs_diff(expected) * 100 / expected;
            assert!(off < 5, "{} for {expected}", drawn[at]);
        }
        assert!(drawn[99_999] <= latency.longest_us());
    }

    #[test]
    fn an_hour_counts_from_the_end_of_a_partition() {
        let partition = |from_us, until_us| Partition {
            from_us,
            until_us,
            validators: 1,
        };
        let network = Network {
            partitions: vec![partition(90, 300), partition(20, 80), partition(900, 999)],
            ..Network::default()
        };
        let ends = [0, 10, 250, 300, 850, 2_000].map(|from| network.undisturbed_for(50, from));
        assert_eq!(ends, [350, 350, 350, 350, 900, 2_050]);
    }

    #[test]
    fn what_is_lost_is_sent_again_within_two_minutes_each_time() {
        let network = Network {
            latency: Latency::data_centre(),
            loss_ppm: ALL - 1,
            ..Network::default()
        };
        // Beyond what is taken on the command line: so long that doubling would overflow.
        let (mut chance, mut longest) = (Chance(9), 0);
        for leaves in [0, 7, u64::MAX - 1] {
            for _ in 0..3 {
                let arrives = network.arrival(leaves, [0, 1], &mut chance);
                assert!(arrives >= leaves, "{arrives} before {leaves}");
                longest = longest.max(arrives - leaves);
            }
        }
        assert!(longest > 64 * MOST_RETRANSMISSION_US, "{longest}");
        let network = Network {
            loss_ppm: MOST_LOSS_PPM,
            ..network
        };
        let mut late = (0..10_000).map(|_| network.arrival(0, [0, 1], &mut chance));
        assert!(late.all(|at| at < 20 * MOST_RETRANSMISSION_US));
    }

    #[test]
    fn what_a_partition_holds_up_comes_when_it_is_over() {
        let network = Network {
            partitions: vec![
                Partition {
                    from_us: 1_000_000,
                    until_us: 2_000_000,
                    validators: 1,
                },
                Partition {
                    from_us: 2_000_000,
                    until_us: 5_000_000,
                    validators: 1,
                },
            ],
            ..Network::default()
        };
        let mut chance = Chance(1);
        let mut arrival = |leaves, ends| network.arrival(leaves, ends, &mut chance);
        assert!(arrival(1_500_000, [0, 1]) > 5_000_000);
        assert!(arrival(1_500_000, [3, 0]) > 5_000_000);
        assert!(arrival(1_500_000, [2, 1]) < 2_200_000);
        assert!(arrival(5_000_000, [0, 1]) < 5_700_000);
    }
}
