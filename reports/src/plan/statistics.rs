//! The few statistics that the plan's parts share. Pure.

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

/// Where `error` is least between `low` and `high`: the best of a logarithmic grid, then halved
/// around it. `error` needs no slope, and may have more than one valley wider than the grid.
pub(super) fn minimise_log(low: f64, high: f64, error: impl Fn(f64) -> f64) -> f64 {
    const POINTS: u32 = 60;
    let at = |step: f64| low * (high / low).powf(step / f64::from(POINTS));
    let best = (0..=POINTS)
        .map(f64::from)
        .min_by(|a, b| error(at(*a)).total_cmp(&error(at(*b))))
        .unwrap_or(0.0);
    let (mut left, mut right) = ((best - 1.0).max(0.0), (best + 1.0).min(f64::from(POINTS)));
    for _ in 0..40 {
        let (a, b) = (left + (right - left) / 3.0, right - (right - left) / 3.0);
        if error(at(a)) <= error(at(b)) {
            right = b;
        } else {
            left = a;
        }
    }
    at((left + right) / 2.0)
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
