//! Gaussian noise, independent in every pixel and channel.

use super::{Strength, within};
use crate::draw_rng::DrawRng;
use crate::error::DataError;

/// `v' = clamp(v + s n, 0, 255)` with `n` normal and `s` uniform from 0 to `sigma`.
///
/// nnU-Net draws variances up to 0.1 of a picture with variance 1, in one sample of ten.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Noise {
    /// Probability that a sample gets noise.
    pub probability: f64,
    /// Largest standard deviation, grey levels of 256.
    pub sigma: f64,
}

impl Default for Noise {
    fn default() -> Self {
        Self {
            probability: 0.0,
            sigma: 12.0,
        }
    }
}

impl Noise {
    pub(super) fn check(&self) -> Result<(), DataError> {
        let expected = "from 0 to 128 grey levels";
        within("noise.sigma", self.sigma, [0.0, 128.0], expected)
    }
}

/// Adds noise to everything but padding; which values padding has skipped does not change the others.
pub(super) fn apply(pixels_chw: &mut [f32], padding: Option<&[bool]>, strength: Strength) {
    let mut rng = DrawRng::new(strength.seed, 0);
    let sigma = strength.amount as f32;
    let noisy = |value: f32, rng: &mut DrawRng| (value + sigma * rng.normal()).clamp(0.0, 255.0);
    let Some(padding) = padding else {
        for value in pixels_chw {
            *value = noisy(*value, &mut rng);
        }
        return;
    };
    for plane in pixels_chw.chunks_exact_mut(padding.len()) {
        for (value, &padded) in plane.iter_mut().zip(padding) {
            let changed = noisy(*value, &mut rng);
            if !padded {
                *value = changed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::apply;
    use crate::augment::Strength;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn mean_and_deviation_are_as_asked(seed: u64, amount in 0.5_f64..20.0) {
            let mut pixels = vec![128.0_f32; 3 * 64 * 64];
            apply(&mut pixels, None, Strength { amount, seed });
            let n = pixels.len() as f64;
            let mean = pixels.iter().map(|&v| f64::from(v) - 128.0).sum::<f64>() / n;
            let variance = pixels.iter().map(|&v| (f64::from(v) - 128.0).powi(2)).sum::<f64>() / n;
            // Five standard errors of 12288 values.
            prop_assert!(mean.abs() < 0.045 * amount, "mean {mean}");
            prop_assert!((variance.sqrt() / amount - 1.0).abs() < 0.04, "deviation {}", variance.sqrt());
        }

        #[test]
        fn padding_stays_and_the_others_do_not_depend_on_it(seed: u64, every in 2_usize..9) {
            let strength = Strength { amount: 60.0, seed };
            let padding: Vec<bool> = (0..400).map(|i| i % every == 0).collect();
            let (mut free, mut padded) = (vec![40.0_f32; 1200], vec![40.0_f32; 1200]);
            apply(&mut free, None, strength);
            apply(&mut padded, Some(&padding), strength);
            for (i, (free, padded)) in free.iter().zip(&padded).enumerate() {
                prop_assert!((0.0..=255.0).contains(padded));
                prop_assert_eq!(*padded, if padding[i % 400] { 40.0 } else { *free });
            }
        }
    }
}
