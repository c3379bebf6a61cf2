//! Least squares with coefficients that cannot be negative, for a handful of columns: costs add up,
//! none of them pays anything back. Pure.

/// The most columns of a fit.
pub(super) const COLUMNS_MAX: usize = 6;

/// What `columns` cost each, so that every `target` is met as well as relative errors allow:
/// minimises Σ ((row · x − y) / y)² over x ≥ 0.
///
/// Exact: the minimum is the unconstrained least-squares solution over some set of columns, and
/// with at most [`COLUMNS_MAX`] of them every set can be tried. A column that the rows do not vary
/// apart from others gets 0, and its cost goes to the others.
///
/// Rows whose target is not above 0 cannot have a relative error and are left out. None if no row
/// is left.
pub(super) fn non_negative(rows: &[Vec<f64>], targets: &[f64]) -> Option<Vec<f64>> {
    let scaled: Vec<Vec<f64>> = rows
        .iter()
        .zip(targets)
        .filter(|(_, target)| target.is_finite() && **target > 0.0)
        .map(|(row, target)| row.iter().map(|value| value / target).collect())
        .collect();
    let columns = scaled.first()?.len();
    assert!(columns <= COLUMNS_MAX, "{columns} columns");
    let normal = Normal::of(&scaled, columns);
    let mut best: Option<(f64, Vec<f64>)> = None;
    for set in 1_u32..1 << columns {
        let members: Vec<usize> = (0..columns).filter(|c| set >> c & 1 == 1).collect();
        let Some(solution) = normal.solve(&members) else {
            continue;
        };
        if solution.iter().any(|cost| *cost < 0.0) {
            continue;
        }
        let mut costs = vec![0.0; columns];
        for (member, cost) in members.iter().zip(&solution) {
            costs[*member] = *cost;
        }
        let error = squared_error(&scaled, &costs);
        // A larger set must be better, not equal: no cost without a reason.
        if best
            .as_ref()
            .is_none_or(|(least, _)| error < least - 1e-12 * (1.0 + least))
        {
            best = Some((error, costs));
        }
    }
    Some(best.map_or_else(|| vec![0.0; columns], |(_, costs)| costs))
}

/// The sum of products of a row and its costs.
pub(super) fn dot(row: &[f64], costs: &[f64]) -> f64 {
    row.iter()
        .zip(costs)
        .map(|(value, cost)| value * cost)
        .sum()
}

fn squared_error(scaled: &[Vec<f64>], costs: &[f64]) -> f64 {
    scaled
        .iter()
        .map(|row| (dot(row, costs) - 1.0).powi(2))
        .sum()
}

/// Aᵀ A and Aᵀ 1 of the scaled rows, whose columns are brought to length 1.
struct Normal {
    products: Vec<Vec<f64>>,
    sums: Vec<f64>,
    lengths: Vec<f64>,
}

impl Normal {
    fn of(scaled: &[Vec<f64>], columns: usize) -> Normal {
        let sum = |of: &dyn Fn(&[f64]) -> f64| scaled.iter().map(|row| of(row)).sum::<f64>();
        let lengths: Vec<f64> = (0..columns)
            .map(|c| sum(&|row| row[c] * row[c]).sqrt())
            .collect();
        let products = (0..columns)
            .map(|a| {
                (0..columns)
                    .map(|b| sum(&|row| row[a] * row[b]) / (lengths[a] * lengths[b]))
                    .collect()
            })
            .collect();
        let sums = (0..columns)
            .map(|c| sum(&|row| row[c]) / lengths[c])
            .collect();
        Normal {
            products,
            sums,
            lengths,
        }
    }

    /// The least-squares solution over some columns by Cholesky's decomposition; none where they do
    /// not vary apart from each other.
    fn solve(&self, members: &[usize]) -> Option<Vec<f64>> {
        /// Of a column's squared length 1, what must be its own.
        const LEAST_OWN: f64 = 1e-9;
        let size = members.len();
        let mut lower = vec![vec![0.0; size]; size];
        for i in 0..size {
            for j in 0..=i {
                let known: f64 = (0..j).map(|k| lower[i][k] * lower[j][k]).sum();
                let rest = self.products[members[i]][members[j]] - known;
                if i == j {
                    // Also catches a column of zeros, whose products are NaN.
                    if rest.is_nan() || rest <= LEAST_OWN {
                        return None;
                    }
                    lower[i][i] = rest.sqrt();
                } else {
                    lower[i][j] = rest / lower[j][j];
                }
            }
        }
        let mut solution = vec![0.0; size];
        for i in 0..size {
            let known: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
            solution[i] = (self.sums[members[i]] - known) / lower[i][i];
        }
        for i in (0..size).rev() {
            let known: f64 = (i + 1..size).map(|k| lower[k][i] * solution[k]).sum();
            solution[i] = (solution[i] - known) / lower[i][i];
        }
        for (cost, member) in solution.iter_mut().zip(members) {
            *cost /= self.lengths[*member];
        }
        Some(solution)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of 1, 1/n, x for some n and x.
    fn rows() -> Vec<Vec<f64>> {
        let mut rows = Vec::new();
        for n in [1.0, 4.0, 30.0, 500.0, 4_000.0] {
            for x in [1.0, 7.0, 11.0] {
                rows.push(vec![1.0, 1.0 / n, x]);
            }
        }
        rows
    }

    fn fit(costs: &[f64], noise: impl Fn(usize) -> f64) -> Vec<f64> {
        let rows = rows();
        let targets: Vec<f64> = rows
            .iter()
            .enumerate()
            .map(|(index, row)| dot(row, costs) * (1.0 + noise(index)))
            .collect();
        non_negative(&rows, &targets).unwrap()
    }

    #[test]
    fn known_costs_are_found() {
        let table = [
            [6.0, 170.0, 0.5],
            [6.0, 170.0, 0.0],
            [0.0, 170.0, 0.5],
            [6.0, 0.0, 0.0],
            [1e-3, 1e3, 1e-2],
        ];
        for costs in table {
            let found = fit(&costs, |_| 0.0);
            for (found, cost) in found.iter().zip(costs) {
                assert!(
                    (found - cost).abs() <= 1e-6 * cost + 1e-15,
                    "{found} {cost}"
                );
            }
        }
        let found = fit(&[6.0, 170.0, 0.5], |index| {
            [0.02, -0.02, 0.01, -0.01][index % 4]
        });
        assert!((found[1] / 170.0 - 1.0).abs() < 0.03, "{found:?}");
    }

    #[test]
    fn no_cost_is_negative_and_none_does_better() {
        // A cost that falls with x: the best that may be said is that x costs nothing.
        let rows = rows();
        let targets: Vec<f64> = rows.iter().map(|row| 20.0 - row[2]).collect();
        let found = non_negative(&rows, &targets).unwrap();
        assert!(found.iter().all(|cost| *cost >= 0.0), "{found:?}");
        assert_eq!(found[2], 0.0);
        let error = |costs: &[f64]| -> f64 {
            rows.iter()
                .zip(&targets)
                .map(|(row, target)| (dot(row, costs) / target - 1.0).powi(2))
                .sum()
        };
        for column in 0..3 {
            for step in [1e-3, -1e-3] {
                let mut moved = found.clone();
                moved[column] = (moved[column] + step).max(0.0);
                assert!(error(&moved) >= error(&found) - 1e-12, "{column} {step}");
            }
        }
    }

    #[test]
    fn what_does_not_vary_apart_is_one_cost() {
        let rows: Vec<Vec<f64>> = [1.0, 2.0, 3.0].map(|x| vec![1.0, 5.0, x, 0.0]).to_vec();
        let found = non_negative(&rows, &[3.0, 5.0, 7.0]).unwrap();
        assert!((found[0] + 5.0 * found[1] - 1.0).abs() < 1e-9, "{found:?}");
        assert!((found[2] - 2.0).abs() < 1e-9, "{found:?}");
        assert_eq!(found[3], 0.0);
    }

    #[test]
    fn rows_without_a_target_are_left_out() {
        let rows = vec![vec![1.0], vec![1.0], vec![1.0]];
        let found = non_negative(&rows, &[4.0, 0.0, f64::NAN]).unwrap();
        assert!((found[0] - 4.0).abs() < 1e-12);
        assert_eq!(non_negative(&rows, &[0.0, -1.0, f64::NAN]), None);
        assert_eq!(non_negative(&[], &[]), None);
    }
}
