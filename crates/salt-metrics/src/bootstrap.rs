//! Mean, deviation and a 95 % bootstrap interval of the mean over cases.
//!
//! The interval is Efron's BCa (bias-corrected and accelerated) bootstrap. With `t*` the means of
//! [`RESAMPLES`] resamples, `t` the mean, `z` normal quantiles and `Phi` the normal distribution:
//!
//! ```text
//! z0 = Phi^-1( #(t* < t) / R + #(t* = t) / 2R )                   bias correction
//! a  = sum (x - t)^3 / ( 6 (sum (x - t)^2)^1.5 )                  acceleration, jackknife of a mean
//! bounds = quantiles of t* at  Phi( z0 + (z0 + z) / (1 - a (z0 + z)) ),  z = z_0.025, z_0.975
//! ```
//!
//! Efron & Tibshirani, "An Introduction to the Bootstrap", 1993, section 14.3. Resample whole
//! patients, not slices: see [`crate::group_means`]. The mean is the only statistic offered,
//! because bootstrap intervals of medians of metrics cover badly.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::percentile::percentile;

/// Number of bootstrap resamples.
pub const RESAMPLES: usize = 9_999;

/// Mean of a metric over cases, with its spread and uncertainty.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Cases that entered.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (`n - 1` in the denominator); 0 for a single case.
    pub sd: f64,
    /// 95 % BCa bootstrap interval of the mean; both ends are the mean for a single case.
    pub ci95: [f64; 2],
}

/// Summarizes one value per independent case. The same values and seed give the same bits.
///
/// `None` when there is no value or one is not finite: leave undefined cases out and count them
/// (see [`crate::summarize_cases`]).
pub fn summarize(values: &[f64], seed: u64) -> Option<Summary> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let n = values.len();
    let mean = mean(values);
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let sd = if n > 1 {
        (squares / (n - 1) as f64).sqrt()
    } else {
        0.0
    };
    let constant = values.iter().all(|x| *x == values[0]);
    let ci95 = if constant {
        [values[0]; 2]
    } else {
        let cubes: f64 = values.iter().map(|x| (x - mean).powi(3)).sum();
        bca_interval(
            &resampled_means(values, seed),
            mean,
            cubes / (6.0 * squares.powf(1.5)),
        )
    };
    Some(Summary { n, mean, sd, ci95 })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Means of [`RESAMPLES`] resamples, ascending.
fn resampled_means(values: &[f64], seed: u64) -> Vec<f64> {
    // The key is written out, and indices are drawn below, so that the stream depends on nothing
    // but ChaCha8, whatever the version of the rand crates.
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = ChaCha8Rng::from_seed(key);
    let n = values.len();
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let total: f64 = (0..n)
                .map(|_| {
                    // multiply-shift: uniform up to n / 2^64
                    let index = (u128::from(rng.next_u64()) * n as u128) >> 64;
                    values[index as usize]
                })
                .sum();
            total / n as f64
        })
        .collect();
    means.sort_unstable_by(f64::total_cmp);
    means
}

fn bca_interval(ascending: &[f64], mean: f64, acceleration: f64) -> [f64; 2] {
    let below = ascending.partition_point(|&t| t < mean);
    let up_to = ascending.partition_point(|&t| t <= mean);
    let share = (below + up_to) as f64 / (2 * ascending.len()) as f64;
    let normal = Normal::standard();
    let z0 = normal.inverse_cdf(share);
    [0.025, 0.975].map(|level| {
        let z = z0 + normal.inverse_cdf(level);
        let adjusted = normal.cdf(z0 + z / (1.0 - acceleration * z));
        // All resampled means on one side of the mean make z0 infinite: plain percentile then.
        let at = if adjusted.is_finite() {
            adjusted
        } else {
            level
        };
        percentile(ascending, 100.0 * at).unwrap_or(mean)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_by_hand() {
        let s = summarize(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0], 0).unwrap();
        assert_eq!((s.n, s.mean), (8, 5.0));
        assert!((s.sd - (32.0_f64 / 7.0).sqrt()).abs() < 1e-15);
        assert!(s.ci95[0] < 5.0 && 5.0 < s.ci95[1]);
    }

    #[test]
    fn degenerate_samples() {
        assert_eq!(summarize(&[], 0), None);
        assert_eq!(summarize(&[0.5, f64::NAN], 0), None);
        assert_eq!(summarize(&[0.5, f64::INFINITY], 0), None);
        let point = |n| {
            Some(Summary {
                n,
                mean: 0.75,
                sd: 0.0,
                ci95: [0.75; 2],
            })
        };
        assert_eq!(summarize(&[0.75], 0), point(1));
        assert_eq!(summarize(&[0.75; 5], 0), point(5));
    }

    #[test]
    fn the_seed_decides_the_interval() {
        let values = [0.71, 0.64, 0.83, 0.42, 0.9, 0.77];
        assert_eq!(summarize(&values, 7), summarize(&values, 7));
        assert_ne!(
            summarize(&values, 7).unwrap().ci95,
            summarize(&values, 8).unwrap().ci95
        );
    }

    #[test]
    fn the_interval_leans_towards_the_long_tail() {
        let values = [1.0, 1.0, 1.1, 1.2, 1.3, 1.5, 1.8, 2.5, 4.0, 9.0];
        let s = summarize(&values, 3).unwrap();
        assert!(s.ci95[1] - s.mean > 1.5 * (s.mean - s.ci95[0]), "{s:?}");
    }
}
