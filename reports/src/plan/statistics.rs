//! The few statistics that the plan's parts share, and the one solver of its equations. Pure.

/// The median; of an even number the mean of the middle two. None of nothing.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    quantile(values, 0.5)
}

/// The quantile by linear interpolation between the values around it; not finite ones are left out.
pub(super) fn quantile(values: impl IntoIterator<Item = f64>, share: f64) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = share.clamp(0.0, 1.0) * last as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}

/// The least and the largest of values that are not negative; of none a span that holds nothing.
pub(super) fn span(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let values = values.into_iter();
    values.fold((f64::INFINITY, 0.0_f64), |(least, most), value| {
        (least.min(value), most.max(value))
    })
}

/// Beyond this factor of the largest value measured, or below the least by it, a value is not "as
/// measured".
pub(super) const BEYOND: f64 = 1.1;

/// Whether a value lies clearly beyond a span.
pub(super) fn is_outside(value: f64, (least, most): (f64, f64)) -> bool {
    value > most * BEYOND || value * BEYOND < least
}

/// The values, rising, each once.
pub(super) fn distinct(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    values
}

/// On the straight line through two points, the height at `x`.
pub(super) fn on_line(x: f64, (x0, y0): (f64, f64), (x1, y1): (f64, f64)) -> f64 {
    y0 + (x - x0) / (x1 - x0) * (y1 - y0)
}

/// From where on `is_beyond` holds between `low` and `high`, by halving, to the last digits.
pub(super) fn solve(mut low: f64, mut high: f64, is_beyond: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if is_beyond(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// Where `error` is least between `low` and `high`: the best of a logarithmic grid, then where it
/// begins to rise beside it. `error` needs no slope, and may have more than one valley wider than
/// the grid.
pub(super) fn minimise_log(low: f64, high: f64, error: impl Fn(f64) -> f64) -> f64 {
    const POINTS: f64 = 60.0;
    /// Half of the width over which a slope is taken, in steps of the grid.
    const BESIDE: f64 = 1e-3;
    let at = |step: f64| low * (high / low).powf(step / POINTS);
    let best = (0..=POINTS as u32)
        .map(f64::from)
        .min_by(|a, b| error(at(*a)).total_cmp(&error(at(*b))))
        .unwrap_or(0.0);
    let rises = |step: f64| error(at(step - BESIDE)) <= error(at(step + BESIDE));
    at(solve(
        (best - 1.0).max(0.0),
        (best + 1.0).min(POINTS),
        rises,
    ))
}

/// The values that never fall and are nearest to `values` in squares: pools what falls.
pub(super) fn rising(values: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for value in values {
        pools.push((*value, 1));
        while let [.., (before, count), (last, last_count)] = pools[..]
            && before > last
        {
            pools.truncate(pools.len() - 2);
            let both = count + last_count;
            let mean = (before * count as f64 + last * last_count as f64) / both as f64;
            pools.push((mean, both));
        }
    }
    pools
        .into_iter()
        .flat_map(|(value, count)| std::iter::repeat_n(value, count))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([f64::NAN, 1.0]), Some(1.0));
        assert_eq!(median([]), None);
        assert_eq!(quantile((0..=100).map(f64::from), 0.05), Some(5.0));
    }

    #[test]
    fn the_least_is_found() {
        for least in [0.2, 1.0, 7.3, 900.0] {
            let found = minimise_log(0.1, 1e3, |x| (x / least).ln().powi(2));
            assert!((found / least - 1.0).abs() < 1e-3, "{found} {least}");
        }
    }

    #[test]
    fn what_falls_is_pooled() {
        let table: [(&[f64], &[f64]); 4] = [
            (&[], &[]),
            (&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]),
            (&[1.0, 3.0, 2.0, 4.0], &[1.0, 2.5, 2.5, 4.0]),
            (&[4.0, 3.0, 2.0], &[3.0, 3.0, 3.0]),
        ];
        for (values, expected) in table {
            assert_eq!(rising(values), expected);
        }
    }
}
