//! How small a difference a paired comparison could have seen.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Pairs the Wilcoxon test needs per pair of the t test, for normal differences: its asymptotic
/// relative efficiency is `3 / pi`. (Lehmann, "Nonparametrics", 1975, section 4.3.)
const T_TEST_EFFICIENCY: f64 = 3.0 / std::f64::consts::PI;

/// The mean paired difference that a two-sided Wilcoxon signed-rank test at level `alpha` finds
/// with probability `power`, given the standard deviation of the paired differences.
///
/// ```text
/// delta = (t_{1 - alpha/2, n-1} + t_{power, n-1}) sd / sqrt(n 3 / pi)
/// ```
///
/// `t` are quantiles of Student's distribution: the usual sample size formula solved for the
/// difference, within 2 % of the exact noncentral t. A table whose methods differ by less is
/// underpowered: report the number next to it. For a family of `m` comparisons pass `alpha / m`.
///
/// `None` when no result can be significant, because even all pairs going one way has
/// `p = 2^(1 - n) > alpha` (five pairs or fewer at 0.05), or when an argument is out of its range:
/// `0 < alpha < 1`, `0.5 <= power < 1`, a finite `sd >= 0`.
pub fn detectable_difference(
    n_pairs: usize,
    sd_of_differences: f64,
    alpha: f64,
    power: f64,
) -> Option<f64> {
    let in_range = alpha > 0.0
        && alpha < 1.0
        && (0.5..1.0).contains(&power)
        && sd_of_differences.is_finite()
        && sd_of_differences >= 0.0;
    let n = n_pairs as f64;
    if !in_range || n_pairs < 2 || (1.0 - n).exp2() > alpha {
        return None;
    }
    let student = StudentsT::new(0.0, 1.0, n - 1.0).ok()?;
    let quantiles = student.inverse_cdf(1.0 - alpha / 2.0) + student.inverse_cdf(power);
    Some(quantiles * sd_of_differences / (n * T_TEST_EFFICIENCY).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_pairs_detect_nothing() {
        assert_eq!(detectable_difference(5, 0.03, 0.05, 0.8), None);
        assert!(detectable_difference(6, 0.03, 0.05, 0.8).is_some());
        assert_eq!(detectable_difference(6, 0.03, 0.05 / 3.0, 0.8), None);
        assert_eq!(detectable_difference(0, 0.03, 0.05, 0.8), None);
    }

    #[test]
    fn arguments_out_of_range_are_refused() {
        for (sd, alpha, power) in [
            (f64::NAN, 0.05, 0.8),
            (-0.1, 0.05, 0.8),
            (0.1, 0.0, 0.8),
            (0.1, 1.0, 0.8),
            (0.1, f64::NAN, 0.8),
            (0.1, 0.05, 1.0),
            (0.1, 0.05, 0.3),
            (0.1, 0.05, f64::NAN),
        ] {
            assert_eq!(
                detectable_difference(20, sd, alpha, power),
                None,
                "{sd} {alpha} {power}"
            );
        }
    }

    #[test]
    fn more_cases_see_smaller_differences() {
        let at = |n| detectable_difference(n, 0.03, 0.05, 0.8).unwrap();
        assert!(at(10) > at(20) && at(20) > at(200));
        // Twenty DRIVE images with a deviation of 0.03 cannot separate methods by 0.01 Dice.
        assert!(at(20) > 0.02 && at(20) < 0.021);
        assert_eq!(detectable_difference(20, 0.0, 0.05, 0.8), Some(0.0));
    }
}
