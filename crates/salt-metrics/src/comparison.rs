//! Comparison of two methods on the same cases.

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Summary, summarize};
use crate::detectable::detectable_difference;
use crate::wilcoxon::{Wilcoxon, wilcoxon_signed_rank};

/// Level at which [`PairedComparison::detectable`] is given.
pub const ALPHA: f64 = 0.05;
/// Power at which [`PairedComparison::detectable`] is given.
pub const POWER: f64 = 0.8;

/// Everything a table says about two methods.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairedComparison {
    /// Significance and effect size. Correct `p_value` with [`crate::holm()`] over the family.
    pub wilcoxon: Wilcoxon,
    /// Mean of `a - b` with its interval.
    pub difference: Summary,
    /// Mean difference these cases would have detected at [`ALPHA`] with [`POWER`]; `None` when
    /// they are too few to detect any. See [`detectable_difference`].
    pub detectable: Option<f64>,
}

/// Compares two methods, one value per independent case and method, `a[i]` and `b[i]` of the
/// same case.
///
/// `None` when the lists differ in length, are empty, or hold a value that is not finite.
pub fn compare_paired(a: &[f64], b: &[f64], seed: u64) -> Option<PairedComparison> {
    let wilcoxon = wilcoxon_signed_rank(a, b)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let difference = summarize(&differences, seed)?;
    let detectable = detectable_difference(difference.n, difference.sd, ALPHA, POWER);
    Some(PairedComparison {
        wilcoxon,
        difference,
        detectable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clear_difference_is_seen_from_all_sides() {
        let b = [0.61, 0.72, 0.55, 0.80, 0.67, 0.70, 0.59, 0.64];
        let a = b.map(|x| x + 0.05 + 0.01 * x);
        let c = compare_paired(&a, &b, 1).unwrap();
        assert_eq!(c.wilcoxon.rank_biserial, 1.0);
        assert!(c.wilcoxon.p_value < 0.05 && c.difference.ci95[0] > 0.0);
        assert!(c.detectable.unwrap() < c.difference.mean);
    }

    #[test]
    fn unpaired_lists_are_refused() {
        assert_eq!(compare_paired(&[1.0], &[], 0), None);
        assert_eq!(compare_paired(&[], &[], 0), None);
    }
}
