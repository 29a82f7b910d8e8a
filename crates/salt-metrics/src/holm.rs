//! Holm's correction for testing several hypotheses at once.

/// Adjusted p-values, in the order given; reject those at most `alpha`, and the chance of any
/// false rejection among them is at most `alpha`.
///
/// ```text
/// p_(1) <= ... <= p_(m),   adjusted_(k) = max over j <= k of  min(1, (m - j + 1) p_(j))
/// ```
///
/// A NaN stays NaN and does not count as a hypothesis. Source: Holm, "A Simple Sequentially
/// Rejective Multiple Test Procedure", Scandinavian Journal of Statistics 6 (1979).
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len())
        .filter(|&i| !p_values[i].is_nan())
        .collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut largest: f64 = 0.0;
    for (k, &i) in order.iter().enumerate() {
        largest = largest.max((order.len() - k) as f64 * p_values[i]).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(p_values: &[f64], expected: &[f64]) {
        let got = holm(p_values);
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            let same = got.is_nan() && expected.is_nan() || (got - expected).abs() < 1e-15;
            assert!(same, "{got} {expected}");
        }
    }

    #[test]
    fn agrees_with_r() {
        // p.adjust(p, "holm")
        check(
            &[0.01, 0.02, 0.03, 0.04, 0.05],
            &[0.05, 0.08, 0.09, 0.09, 0.09],
        );
        check(&[0.9, 0.001, 0.6], &[1.0, 0.003, 1.0]);
        check(&[0.2], &[0.2]);
        check(&[], &[]);
    }

    #[test]
    fn undefined_tests_are_no_hypotheses() {
        check(&[0.02, f64::NAN, 0.03], &[0.04, f64::NAN, 0.04]);
    }
}
