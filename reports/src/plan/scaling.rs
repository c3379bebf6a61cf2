//! How throughput grows with the shards of one process: the Universal Scalability Law where enough
//! counts were measured, the measured efficiency where not. Pure.

use super::{least_squares::non_negative, statistics::on_line};

/// Shard counts that the law's two coefficients are fitted from, at least.
pub(super) const COUNTS_FOR_THE_LAW: usize = 5;

/// Throughput of p shards over that of one, by what is known of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scaling {
    /// `X(p) = p X(1) / (1 + σ (p − 1) + κ p (p − 1))` (Gunther, 1993): σ is what shards wait for
    /// each other, κ what they tell each other.
    Law {
        /// Contention, σ.
        contention: f64,
        /// Coherence, κ.
        coherence: f64,
        /// The largest count that was measured.
        shards_max: f64,
    },
    /// X(p) / (p X(1)) at the largest count that was measured, taken for every larger one.
    Measured {
        /// Count and efficiency, counts rising.
        efficiency: Vec<(f64, f64)>,
    },
    /// One count was measured: nothing is known, and shards are assumed not to hinder each other.
    Unknown {
        /// That count.
        shards: f64,
    },
}

impl Scaling {
    /// From shard counts and the throughput of each, in any order.
    pub(super) fn fit(points: &[(f64, f64)]) -> Scaling {
        let mut points: Vec<(f64, f64)> = points
            .iter()
            .copied()
            .filter(|(shards, rate)| *shards >= 1.0 && *rate > 0.0)
            .collect();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let Some(&(least, least_rate)) = points.first() else {
            return Scaling::Unknown { shards: 1.0 };
        };
        if points.len() == 1 {
            return Scaling::Unknown { shards: least };
        }
        if points.len() >= COUNTS_FOR_THE_LAW {
            // p / X(p) is linear in 1/X(1), σ/X(1) and κ/X(1).
            let rows: Vec<Vec<f64>> = points
                .iter()
                .map(|(p, _)| vec![1.0, p - 1.0, p * (p - 1.0)])
                .collect();
            let targets: Vec<f64> = points.iter().map(|(p, rate)| p / rate).collect();
            if let Some(costs) = non_negative(&rows, &targets).filter(|costs| costs[0] > 0.0) {
                return Scaling::Law {
                    contention: costs[1] / costs[0],
                    coherence: costs[2] / costs[0],
                    shards_max: points[points.len() - 1].0,
                };
            }
        }
        Scaling::Measured {
            efficiency: points
                .iter()
                .map(|(p, rate)| (*p, (rate / p) / (least_rate / least)))
                .collect(),
        }
    }

    /// `X(p) / (p X(1))`: what a shard among p does of what it does alone.
    pub(super) fn efficiency(&self, p: f64) -> f64 {
        match self {
            Scaling::Law {
                contention,
                coherence,
                ..
            } => 1.0 / (1.0 + contention * (p - 1.0) + coherence * p * (p - 1.0)),
            Scaling::Measured { efficiency } => {
                let after = efficiency.partition_point(|(count, _)| *count < p);
                match (after.checked_sub(1), efficiency.get(after)) {
                    (Some(before), Some(right)) => on_line(p, efficiency[before], *right),
                    (None, Some((_, value))) => *value,
                    (Some(last), None) => efficiency[last].1,
                    (None, None) => 1.0,
                }
            }
            Scaling::Unknown { .. } => 1.0,
        }
    }

    /// The largest count that was measured.
    pub(super) fn shards_max(&self) -> f64 {
        match self {
            Scaling::Law { shards_max, .. } => *shards_max,
            Scaling::Measured { efficiency } => efficiency.last().map_or(1.0, |(p, _)| *p),
            Scaling::Unknown { shards } => *shards,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn law(p: f64, contention: f64, coherence: f64) -> f64 {
        50e3 * p / (1.0 + contention * (p - 1.0) + coherence * p * (p - 1.0))
    }

    #[test]
    fn the_law_finds_known_coefficients() {
        let counts = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0];
        for (contention, coherence) in [(0.05, 0.0002), (0.0, 0.0), (0.1, 0.0), (0.0, 0.001)] {
            let points: Vec<(f64, f64)> = counts
                .iter()
                .map(|p| (*p, law(*p, contention, coherence)))
                .collect();
            let fitted = Scaling::fit(&points);
            let Scaling::Law {
                contention: sigma,
                coherence: kappa,
                shards_max,
            } = fitted
            else {
                panic!("{fitted:?}")
            };
            assert!((sigma - contention).abs() < 1e-6, "{sigma} {contention}");
            assert!((kappa - coherence).abs() < 1e-8, "{kappa} {coherence}");
            assert_eq!(shards_max, 32.0);
            let predicted = 64.0 * fitted.efficiency(64.0) * 50e3;
            assert!((predicted / law(64.0, contention, coherence) - 1.0).abs() < 1e-4);
        }
    }

    #[test]
    fn noise_moves_the_law_little() {
        let noise = [0.02, -0.02, 0.01, -0.01, 0.015, -0.015];
        let points: Vec<(f64, f64)> = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0]
            .iter()
            .zip(noise)
            .map(|(p, noise)| (*p, law(*p, 0.05, 0.0002) * (1.0 + noise)))
            .collect();
        let error = 64.0 * Scaling::fit(&points).efficiency(64.0) * 50e3 / law(64.0, 0.05, 0.0002);
        assert!((error - 1.0).abs() < 0.15, "{error}");
    }

    #[test]
    fn with_fewer_counts_the_measured_efficiency_stays() {
        let scaling = Scaling::fit(&[(4.0, 320.0), (1.0, 100.0), (2.0, 180.0)]);
        let table = [(1.0, 1.0), (2.0, 0.9), (3.0, 0.85), (4.0, 0.8), (64.0, 0.8)];
        for (p, efficiency) in table {
            assert!((scaling.efficiency(p) - efficiency).abs() < 1e-12, "{p}");
        }
        assert_eq!(scaling.shards_max(), 4.0);
        let alone = Scaling::fit(&[(2.0, 180.0)]);
        assert_eq!(alone, Scaling::Unknown { shards: 2.0 });
        assert_eq!(alone.efficiency(8.0), 1.0);
    }
}
