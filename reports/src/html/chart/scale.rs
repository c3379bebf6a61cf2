//! From values to places on a chart, and the ticks between.

use super::text_width;

/// A value that an axis names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) label: String,
}

/// How values lie along an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Equal distances are equal differences.
    Linear { from: f64, to: f64 },
    /// Equal distances are equal ratios; both ends are above 0.
    Log { from: f64, to: f64 },
}

/// A scale with its ticks and what it measures.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    pub(crate) ticks: Vec<Tick>,
}

impl Scale {
    /// From 0 to a round number at or above all values, with room for at most `ticks_most` steps.
    /// Without any value, from 0 to 1.
    pub(crate) fn from_zero(values: impl Iterator<Item = f64>, ticks_most: usize) -> Self {
        let largest = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
        let largest = if largest > 0.0 { largest } else { 1.0 };
        let step = round_step(largest, ticks_most);
        let to = (largest / step - 1e-9).ceil() * step;
        Self::Linear { from: 0.0, to }
    }

    /// The values above 0 and `always`, out to the next 1, 2 or 5 of a decade.
    pub(crate) fn log_around(values: impl Iterator<Item = f64>, always: Option<f64>) -> Self {
        let values = values.filter(|value| value.is_finite() && *value > 0.0);
        let (low, high) = values
            .chain(always)
            .fold((f64::INFINITY, 0.0), |(low, high): (f64, f64), value| {
                (low.min(value), high.max(value))
            });
        if low > high {
            return Self::Log {
                from: 1.0,
                to: 10.0,
            };
        }
        let (from, mut to) = (round_down(low), round_up(high));
        if to <= from {
            to = round_up(from * 1.5);
        }
        Self::Log { from, to }
    }

    /// The values above 0 and `always`, out to powers of ten that both are among at most about
    /// `ticks_most` ticks.
    pub(crate) fn decades(
        values: impl Iterator<Item = f64>,
        always: Option<f64>,
        ticks_most: usize,
    ) -> Self {
        let (Self::Log { from, to } | Self::Linear { from, to }) = Self::log_around(values, always);
        let first = (from * (1.0 + 1e-9)).log10().floor() as i32;
        let last = (to * (1.0 - 1e-9)).log10().ceil() as i32;
        let decades = (last - first).max(1);
        let stride = (f64::from(decades) / ticks_most.max(1) as f64).ceil() as i32;
        let last = first + (decades + stride - 1) / stride * stride;
        Self::Log {
            from: 10_f64.powi(first),
            to: 10_f64.powi(last),
        }
    }

    /// Where a value lies: 0 at the start, 1 at the end. Values beyond an end lie at it.
    pub(crate) fn share(&self, value: f64) -> f64 {
        let share = match *self {
            Self::Linear { from, to } => (value - from) / (to - from),
            Self::Log { from, to } => (value / from).ln() / (to / from).ln(),
        };
        share.clamp(0.0, 1.0)
    }

    /// Round values, at most about `most` of them.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        match *self {
            Self::Linear { from, to } => {
                let step = round_step(to - from, most);
                let count = ((to - from) / step + 1e-9).floor() as usize;
                (0..=count).map(|nth| from + nth as f64 * step).collect()
            }
            Self::Log { from, to } => {
                let decades = (to / from).log10();
                let first = from.log10().floor() as i32;
                let last = to.log10().ceil() as i32;
                let (mantissas, stride): (&[f64], usize) = if decades * 3.0 <= most as f64 {
                    (&[1.0, 2.0, 5.0], 1)
                } else {
                    (&[1.0], (decades / most as f64).ceil().max(1.0) as usize)
                };
                (first..=last)
                    .step_by(stride)
                    .flat_map(|power| mantissas.iter().map(move |m| m * 10_f64.powi(power)))
                    .filter(|tick| *tick >= from * 0.999 && *tick <= to * 1.001)
                    .collect()
            }
        }
    }
}

impl Axis {
    /// An axis whose round values are shown by `show`.
    pub(crate) fn new(
        label: impl Into<String>,
        scale: Scale,
        ticks_most: usize,
        show: impl Fn(f64) -> String,
    ) -> Self {
        let tick = |value| Tick {
            value,
            label: show(value),
        };
        Self {
            label: label.into(),
            ticks: scale.ticks(ticks_most).into_iter().map(tick).collect(),
            scale,
        }
    }
}

impl Axis {
    /// Where the labels of a horizontal axis stand in a chart of this width: as many as have room,
    /// and none beyond an edge. Ticks are at `x`.
    pub(crate) fn labels(&self, width: f64, x: impl Fn(f64) -> f64) -> Vec<(f64, &str)> {
        let mut free_from = f64::NEG_INFINITY;
        let mut labels = Vec::new();
        for tick in &self.ticks {
            let half = text_width(&tick.label) / 2.0;
            let x = x(tick.value).max(half).min(width - half);
            if x - half >= free_from {
                labels.push((x, tick.label.as_str()));
                free_from = x + half + 6.0;
            }
        }
        labels
    }
}

/// The smallest 1, 2 or 5 times a power of ten of which at most `most` make up `length`.
fn round_step(length: f64, most: usize) -> f64 {
    let least = length / most.max(1) as f64;
    round_up(least * (1.0 - 1e-9))
}

fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .find(|m| m * decade >= value * (1.0 - 1e-9));
    round.unwrap_or(10.0) * decade
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let round = [5.0, 2.0, 1.0]
        .into_iter()
        .find(|m| m * decade <= value * (1.0 + 1e-9));
    round.unwrap_or(1.0) * decade
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: &[f64], expected: &[f64]) -> bool {
        let pairs = found.iter().zip(expected);
        found.len() == expected.len()
            && pairs
                .into_iter()
                .all(|(f, e)| (f - e).abs() <= e.abs() * 1e-9)
    }

    #[test]
    fn linear_scales_end_at_a_round_number_and_so_do_their_ticks() {
        let table: [(&[f64], f64, &[f64]); 5] = [
            (&[7.0, 93.0], 100.0, &[0.0, 20.0, 40.0, 60.0, 80.0, 100.0]),
            (&[12_028_056.0], 15e6, &[0.0, 5e6, 10e6, 15e6]),
            (&[0.3], 0.3, &[0.0, 0.1, 0.2, 0.3]),
            (&[], 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
            (&[f64::NAN, 0.0], 1.0, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        ];
        for (values, to, ticks) in table {
            let scale = Scale::from_zero(values.iter().copied(), 5);
            let found = scale.ticks(5);
            assert!(near(&found, ticks), "{values:?}: {found:?}");
            assert!(
                (scale.share(to) - 1.0).abs() < 1e-9,
                "{values:?}: {scale:?}"
            );
            assert_eq!(scale.share(0.0), 0.0);
        }
    }

    #[test]
    fn log_scales_hold_their_values_between_round_ones() {
        let table: [(&[f64], Option<f64>, &[f64]); 5] = [
            (&[0.667, 5_000.0], Some(1.0), &[1.0, 10.0, 100.0, 1_000.0]),
            (&[3e6, 9e6], None, &[2e6, 5e6, 1e7]),
            (&[5.0], None, &[5.0, 10.0]),
            (&[0.0, f64::NAN], None, &[1.0, 2.0, 5.0, 10.0]),
            (&[1.0, 1e12], None, &[1.0, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12]),
        ];
        for (values, always, ticks) in table {
            let scale = Scale::log_around(values.iter().copied(), always);
            let found = scale.ticks(6);
            assert!(near(&found, ticks), "{values:?}: {found:?} of {scale:?}");
            for value in values.iter().filter(|v| **v > 0.0) {
                let share = scale.share(*value);
                assert!((0.0..=1.0).contains(&share), "{value} of {scale:?}");
            }
        }
    }

    #[test]
    fn decades_have_a_tick_at_both_ends() {
        let table: [(&[f64], Option<f64>, &[f64]); 4] = [
            (&[1.0, 1e6], None, &[1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6]),
            (&[0.5, 5e5], Some(1.0), &[0.1, 1e1, 1e3, 1e5, 1e7]),
            (&[3.0], Some(1.0), &[1.0, 2.0, 5.0, 10.0]),
            (&[], None, &[1.0, 2.0, 5.0, 10.0]),
        ];
        for (values, always, ticks) in table {
            let scale = Scale::decades(values.iter().copied(), always, 6);
            let found = scale.ticks(6);
            assert!(near(&found, ticks), "{values:?}: {found:?} of {scale:?}");
        }
    }
}
