//! Percentile with linear interpolation, the default of NumPy and of every tool compared here.

/// The `percent`-th percentile of ascending values, or `None` of none.
///
/// `h = percent / 100 * (n - 1)`; the value is interpolated linearly between the order
/// statistics `floor(h)` and `floor(h) + 1`. (Hyndman & Fan 1996, definition 7.)
pub(crate) fn percentile(ascending: &[f64], percent: f64) -> Option<f64> {
    let last = ascending.len().checked_sub(1)?;
    let position = (percent / 100.0).clamp(0.0, 1.0) * last as f64;
    let below = position.floor() as usize;
    let low = ascending[below];
    let high = ascending[(below + 1).min(last)];
    Some(low + (high - low) * (position - below as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolates_like_numpy() {
        // numpy.percentile([1, 2, 4, 8], q) for q = 0, 25, 50, 95, 100
        for (q, expected) in [
            (0.0, 1.0),
            (25.0, 1.75),
            (50.0, 3.0),
            (95.0, 7.4),
            (100.0, 8.0),
        ] {
            let got = percentile(&[1.0, 2.0, 4.0, 8.0], q).unwrap();
            assert!((got - expected).abs() < 1e-12, "{q}: {got}");
        }
        assert_eq!(percentile(&[3.5], 95.0), Some(3.5));
        assert_eq!(percentile(&[], 95.0), None);
    }
}
