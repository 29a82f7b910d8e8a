//! Wilcoxon signed-rank test of paired values, two-sided.
//!
//! ```text
//! d_i = a_i - b_i, zeros dropped;  r_i = rank of |d_i|, ties share their mean rank
//! W+ = sum of r_i with d_i > 0,    W- = sum of r_i with d_i < 0
//! statistic = min(W+, W-),         rank-biserial = (W+ - W-) / (W+ + W-)
//! ```
//!
//! - **Zeros** are dropped before ranking (Wilcoxon 1945; `zero_method="wilcox"` in SciPy).
//! - **Up to 25 pairs** the p-value is exact: the share of the `2^n` sign patterns whose `W+` is
//!   at least as extreme, counted by dynamic programming. With ties the patterns are those of the
//!   tied ranks as they are (the permutation distribution), so it stays exact. Differences tie
//!   when they are equal as numbers, not when they are merely close.
//! - **Beyond** `W+` is taken as normal with mean `n (n+1) / 4` and variance
//!   `n (n+1) (2n+1) / 24 - sum (t^3 - t) / 48` over groups of `t` ties, without continuity
//!   correction (SciPy's default).
//!
//! Rank-biserial correlation: Kerby, Comprehensive Psychology 3 (2014).

use serde::{Deserialize, Serialize};
use statrs::function::erf::erfc;

use crate::percentile::percentile;

/// Largest number of non-zero pairs with an exact p-value.
pub const EXACT_UP_TO: usize = 25;

/// Outcome of [`wilcoxon_signed_rank`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wilcoxon {
    /// Two-sided; 1 when all pairs are equal.
    pub p_value: f64,
    /// The smaller of the two rank sums.
    pub statistic: f64,
    /// Pairs that differ: the ones that were ranked.
    pub n: usize,
    /// Effect size from -1 (`b` larger in every pair) to 1 (`a` larger in every pair).
    pub rank_biserial: f64,
    /// Median of `a - b` over all pairs, equal ones included.
    pub median_diff: f64,
    /// Whether `p_value` was counted exactly or comes from the normal approximation.
    pub exact: bool,
}

/// Tests whether `a - b` is distributed symmetrically around zero; `a[i]` and `b[i]` belong to
/// the same case.
///
/// `None` when the lists differ in length, are empty, or hold a value that is not finite: pair
/// up the cases that are defined for both methods first.
pub fn wilcoxon_signed_rank(a: &[f64], b: &[f64]) -> Option<Wilcoxon> {
    if a.len() != b.len() {
        return None;
    }
    let mut differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    if differences.iter().any(|d| !d.is_finite()) {
        return None;
    }
    differences.sort_unstable_by(f64::total_cmp);
    let median_diff = percentile(&differences, 50.0)?;
    differences.retain(|&d| d != 0.0);
    differences.sort_unstable_by(|x, y| x.abs().total_cmp(&y.abs()));

    let ranks = Ranks::of(&differences);
    let n = differences.len();
    let doubled_total = n * (n + 1);
    let doubled_plus: usize = differences
        .iter()
        .zip(&ranks.doubled)
        .filter(|(d, _)| **d > 0.0)
        .map(|(_, r)| r)
        .sum();
    let doubled_minus = doubled_total - doubled_plus;
    let doubled_statistic = doubled_plus.min(doubled_minus);

    let exact = n <= EXACT_UP_TO;
    let p_value = if exact {
        exact_p_value(&ranks.doubled, doubled_statistic)
    } else {
        normal_p_value(n, ranks.tie_correction, doubled_statistic as f64 / 2.0)
    };
    let rank_biserial = if n == 0 {
        0.0
    } else {
        (doubled_plus as f64 - doubled_minus as f64) / doubled_total as f64
    };
    let statistic = doubled_statistic as f64 / 2.0;
    Some(Wilcoxon {
        p_value,
        statistic,
        n,
        rank_biserial,
        median_diff,
        exact,
    })
}

/// Ranks of ascending magnitudes.
struct Ranks {
    /// Twice the ranks, because a mean rank may be a half.
    doubled: Vec<usize>,
    /// `sum (t^3 - t)` over groups of `t` equal magnitudes.
    tie_correction: f64,
}

impl Ranks {
    fn of(ascending: &[f64]) -> Self {
        let mut doubled = Vec::with_capacity(ascending.len());
        let mut tie_correction = 0.0;
        for tied in ascending.chunk_by(|x, y| x.abs() == y.abs()) {
            let first = doubled.len() + 1;
            let last = doubled.len() + tied.len();
            doubled.extend(std::iter::repeat_n(first + last, tied.len()));
            let t = tied.len() as f64;
            tie_correction += t * t * t - t;
        }
        Self {
            doubled,
            tie_correction,
        }
    }
}

/// Share of sign patterns whose smaller rank sum is at most `doubled_statistic`.
fn exact_p_value(doubled_ranks: &[usize], doubled_statistic: usize) -> f64 {
    let total: usize = doubled_ranks.iter().sum();
    // ways[s]: patterns with doubled W+ equal to s; at most 2^25, exact in f64
    let mut ways = vec![0.0; total + 1];
    ways[0] = 1.0;
    for &rank in doubled_ranks {
        for sum in (rank..=total).rev() {
            ways[sum] += ways[sum - rank];
        }
    }
    let tail: f64 = ways[..=doubled_statistic].iter().sum();
    // W+ and W- have the same distribution, so both tails weigh the same.
    (2.0 * tail / 2_f64.powi(doubled_ranks.len() as i32)).min(1.0)
}

fn normal_p_value(n: usize, tie_correction: f64, statistic: f64) -> f64 {
    let n = n as f64;
    let mean = n * (n + 1.0) / 4.0;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - tie_correction / 48.0;
    let z = (mean - statistic) / variance.sqrt(); // not negative: the statistic is the smaller sum
    erfc(z / std::f64::consts::SQRT_2).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_pairs_one_way_is_the_smallest_p_value() {
        for n in 1..=EXACT_UP_TO {
            let a: Vec<f64> = (1..=n).map(|i| i as f64).collect();
            let w = wilcoxon_signed_rank(&a, &vec![0.0; n]).unwrap();
            assert_eq!(w.p_value, 2.0 * 0.5_f64.powi(n as i32));
            assert_eq!((w.statistic, w.rank_biserial, w.exact), (0.0, 1.0, true));
        }
    }

    #[test]
    fn zeros_are_dropped_but_count_in_the_median() {
        let w = wilcoxon_signed_rank(&[1.0, 2.0, 3.0, 9.0], &[1.0, 2.0, 3.0, 4.0]).unwrap();
        assert_eq!((w.n, w.p_value, w.median_diff), (1, 1.0, 0.0));
        let same = wilcoxon_signed_rank(&[1.0, 2.0], &[1.0, 2.0]).unwrap();
        assert_eq!((same.n, same.p_value, same.rank_biserial), (0, 1.0, 0.0));
    }

    #[test]
    fn unpaired_or_undefined_values_are_refused() {
        assert_eq!(wilcoxon_signed_rank(&[1.0], &[1.0, 2.0]), None);
        assert_eq!(wilcoxon_signed_rank(&[], &[]), None);
        assert_eq!(wilcoxon_signed_rank(&[f64::NAN], &[1.0]), None);
        assert_eq!(
            wilcoxon_signed_rank(&[f64::INFINITY], &[f64::INFINITY]),
            None
        );
    }

    #[test]
    fn swapping_the_methods_flips_the_effect_only() {
        let (a, b) = ([0.8, 0.7, 0.9, 0.4, 0.6], [0.7, 0.75, 0.6, 0.35, 0.2]);
        let (ab, ba) = (
            wilcoxon_signed_rank(&a, &b).unwrap(),
            wilcoxon_signed_rank(&b, &a).unwrap(),
        );
        assert_eq!((ab.p_value, ab.statistic), (ba.p_value, ba.statistic));
        assert_eq!(ab.rank_biserial, -ba.rank_biserial);
        assert_eq!(ab.median_diff, -ba.median_diff);
    }

    #[test]
    fn exact_and_normal_meet_at_the_limit() {
        let a: Vec<f64> = (1..=EXACT_UP_TO)
            .map(|i| if i % 4 == 0 { -(i as f64) } else { i as f64 })
            .collect();
        let w = wilcoxon_signed_rank(&a, &vec![0.0; a.len()]).unwrap();
        let normal = normal_p_value(w.n, 0.0, w.statistic);
        assert!(
            w.p_value < 0.05 && (w.p_value / normal - 1.0).abs() < 0.05,
            "{w:?} {normal}"
        );
    }
}
