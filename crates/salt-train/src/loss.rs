//! Focal + dice on logits, per class, with ignored pixels left out.
//!
//! For class `c` let `z` be its logit, `y in {0, 1}` its target (`label == c + 1`) and `m` the
//! validity of the pixel (0 where the label is [`IGNORE_LABEL`]). With `t = z (2y - 1)`, the
//! logit of the right answer, and `softplus(x) = max(x, 0) + log(1 + exp(-|x|))`:
//!
//! ```text
//! focal = 1/(C sum m) * sum_c sum_pixels m * alpha_t * exp(-gamma softplus(t)) * softplus(-t)
//! dice  = 1/C * sum_c [ 1 - (2 sum m p y + s) / (sum m p + sum m y + s) ],   p = sigmoid(z)
//! loss  = focal_weight * focal + dice_weight * dice
//! ```
//!
//! `alpha_t` is `alpha` where `y = 1` and `1 - alpha` elsewhere; `softplus(-t)` is the cross
//! entropy `-log p_t` and `exp(-gamma softplus(t))` is `(1 - p_t)^gamma`, so no probability is
//! ever put through a logarithm and logits of any size stay finite. The dice sums run over the
//! whole batch, as in the reference training code, so that a tile without foreground does not
//! dominate.
//!
//! Source: Lin et al. 2017 (focal); Milletari et al. 2016 (dice); reference settings
//! `alpha = 0.75`, `gamma = 3`, smooth 1 (BMVC 2025 SALT code).

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use salt_data::IGNORE_LABEL;
use serde::{Deserialize, Serialize};

use crate::sum_in_order::sum_in_order;

/// Weights and exponents of the segmentation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Weight of a foreground pixel in the focal term; background has `1 - focal_alpha`.
    pub focal_alpha: f64,
    /// Exponent of `(1 - p_t)`: 0 is plain cross entropy.
    pub focal_gamma: f64,
    /// Factor of the focal term in the sum.
    pub focal_weight: f64,
    /// Factor of the dice term in the sum.
    pub dice_weight: f64,
    /// Added to both sides of the dice fraction (pixels).
    pub dice_smooth: f64,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            focal_alpha: 0.75,
            focal_gamma: 3.0,
            focal_weight: 1.0,
            dice_weight: 1.0,
            dice_smooth: 1.0,
        }
    }
}

/// Targets of one batch on the device.
///
/// # Shapes
/// `foreground` and `valid` are `[batch, classes, height, width]` with entries 0 or 1; `valid`
/// has one class channel that broadcasts.
#[derive(Clone, Debug)]
pub struct Targets {
    /// 1 where the pixel belongs to the class.
    pub foreground: Tensor<4>,
    /// 1 where the pixel counts.
    pub valid: Tensor<4>,
    /// Number of pixels that count, at least 1 so that it may divide.
    pub n_valid: f64,
}

impl Targets {
    /// One-hot targets from class labels (0 background, `c + 1` class `c`, 255 ignored).
    ///
    /// # Shapes
    /// `labels_bhw` holds `batch * height * width` entries.
    ///
    /// # Panics
    /// When the number of labels is not the product of the three sizes.
    pub fn new(labels_bhw: &[u8], size: [usize; 3], n_classes: usize, device: &Device) -> Self {
        let [batch, height, width] = size;
        let area = height * width;
        assert_eq!(
            labels_bhw.len(),
            batch * area,
            "labels do not fill {size:?}"
        );
        let mut foreground = vec![0f32; batch * n_classes * area];
        let mut valid = vec![1f32; batch * area];
        let mut n_valid = 0usize;
        for (i, &label) in labels_bhw.iter().enumerate() {
            if label == IGNORE_LABEL {
                valid[i] = 0.0;
                continue;
            }
            n_valid += 1;
            let class = usize::from(label);
            if (1..=n_classes).contains(&class) {
                let (sample, pixel) = (i / area, i % area);
                foreground[(sample * n_classes + class - 1) * area + pixel] = 1.0;
            }
        }
        let foreground = TensorData::new(foreground, [batch, n_classes, height, width]);
        let valid = TensorData::new(valid, [batch, 1, height, width]);
        Self {
            foreground: Tensor::from_data(foreground, device),
            valid: Tensor::from_data(valid, device),
            n_valid: n_valid.max(1) as f64,
        }
    }
}

impl LossConfig {
    /// The weighted sum of both terms.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn forward(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let focal = self.focal(logits.clone(), targets);
        let dice = self.dice(logits, targets);
        focal * self.focal_weight + dice * self.dice_weight
    }

    /// Mean focal loss over valid pixels and classes.
    pub fn focal(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let sign = targets.foreground.clone() * 2.0 - 1.0;
        let right = logits * sign;
        // softplus(-t) = max(-t, 0) + log1p(exp(-|t|)); softplus(t) = t + softplus(-t).
        let cross_entropy =
            right.clone().neg().clamp_min(0.0) + right.clone().abs().neg().exp().log1p();
        let modulator = ((right + cross_entropy.clone()) * -self.focal_gamma).exp();
        let alpha =
            targets.foreground.clone() * (2.0 * self.focal_alpha - 1.0) + (1.0 - self.focal_alpha);
        sum_in_order(alpha * modulator * cross_entropy * targets.valid.clone())
            / (targets.n_valid * classes as f64)
    }

    /// One minus the soft Dice of each class over the batch, averaged over classes.
    pub fn dice(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let probability = sigmoid(logits) * targets.valid.clone();
        let foreground = targets.foreground.clone();
        let overlap = per_class_sum(probability.clone() * foreground.clone());
        let total = per_class_sum(probability) + per_class_sum(foreground);
        let score = (overlap * 2.0 + self.dice_smooth) / (total + self.dice_smooth);
        sum_in_order(score.neg() + 1.0) / classes as f64
    }
}

/// Sum over batch, height and width: `[b, c, h, w] -> [c]`.
fn per_class_sum(x: Tensor<4>) -> Tensor<1> {
    let [_, classes, _, _] = x.dims();
    x.sum_dim(0).sum_dim(2).sum_dim(3).reshape([classes])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device() -> Device {
        Device::default().autodiff()
    }

    fn value(t: Tensor<1>) -> f64 {
        f64::from(t.into_scalar::<f32>())
    }

    /// Both terms computed term by term in f64 from probabilities, the textbook way.
    fn textbook(config: &LossConfig, logits: &[f32], labels: &[u8], classes: usize) -> (f64, f64) {
        let area = labels.len();
        let (mut focal, mut n) = (0.0, 0usize);
        let mut dice = 0.0;
        for c in 0..classes {
            let (mut overlap, mut total) = (0.0, 0.0);
            for (i, &label) in labels.iter().enumerate() {
                if label == IGNORE_LABEL {
                    continue;
                }
                let p = 1.0 / (1.0 + (-f64::from(logits[c * area + i])).exp());
                let y = usize::from(label) == c + 1;
                let (pt, alpha) = if y {
                    (p, config.focal_alpha)
                } else {
                    (1.0 - p, 1.0 - config.focal_alpha)
                };
                focal -= alpha * (1.0 - pt).powf(config.focal_gamma) * pt.ln();
                n += 1;
                overlap += if y { p } else { 0.0 };
                total += p + if y { 1.0 } else { 0.0 };
            }
            dice += 1.0 - (2.0 * overlap + config.dice_smooth) / (total + config.dice_smooth);
        }
        (focal / n as f64, dice / classes as f64)
    }

    fn case() -> (Vec<f32>, Vec<u8>) {
        let logits = (0..12).map(|i| ((i * 7 % 12) as f32 - 5.5) * 0.6).collect();
        (logits, vec![0, 1, 2, 255, 1, 0])
    }

    #[test]
    fn matches_the_textbook_formula_on_two_classes_with_ignored_pixels() {
        let (logits, labels) = case();
        for config in [
            LossConfig::default(),
            LossConfig {
                focal_gamma: 0.0,
                focal_alpha: 0.5,
                ..LossConfig::default()
            },
        ] {
            let targets = Targets::new(&labels, [1, 2, 3], 2, &device());
            let z =
                Tensor::<4>::from_data(TensorData::new(logits.clone(), [1, 2, 2, 3]), &device());
            let (focal, dice) = textbook(&config, &logits, &labels, 2);
            assert!((value(config.focal(z.clone(), &targets)) - focal).abs() < 1e-6);
            assert!((value(config.dice(z.clone(), &targets)) - dice).abs() < 1e-6);
            let sum = focal * config.focal_weight + dice * config.dice_weight;
            assert!((value(config.forward(z, &targets)) - sum).abs() < 1e-6);
        }
    }

    #[test]
    fn gradient_equals_finite_differences_of_the_textbook_formula() {
        let (logits, labels) = case();
        let config = LossConfig {
            focal_weight: 20.0,
            ..LossConfig::default()
        };
        let targets = Targets::new(&labels, [1, 2, 3], 2, &device());
        let z = Tensor::<4>::from_data(TensorData::new(logits.clone(), [1, 2, 2, 3]), &device())
            .require_grad();
        let grads = config.forward(z.clone(), &targets).backward();
        let grad: Vec<f32> = z
            .grad(&grads)
            .map(|g| g.into_data().try_to_vec().unwrap_or_default())
            .unwrap_or_default();
        let total = |values: &[f32]| {
            let (focal, dice) = textbook(&config, values, &labels, 2);
            focal * config.focal_weight + dice * config.dice_weight
        };
        for i in 0..logits.len() {
            // Steps of a quarter are exact in f32 arithmetic of these inputs; the oracle is f64.
            let step = 2f32.powi(-10);
            let (mut up, mut down) = (logits.clone(), logits.clone());
            up[i] += step;
            down[i] -= step;
            let expected = (total(&up) - total(&down)) / f64::from(up[i] - down[i]);
            assert!(
                (f64::from(grad[i]) - expected).abs() < 1e-5,
                "{i}: {} {expected}",
                grad[i]
            );
        }
        assert_eq!(
            (grad[3], grad[9]),
            (0.0, 0.0),
            "ignored pixels have no gradient"
        );
    }

    #[test]
    fn logits_of_any_size_stay_finite_with_gradient() {
        let targets = Targets::new(&[0, 1, 1, 0], [1, 2, 2], 1, &device());
        let z = Tensor::<4>::from_data([[[[1e4f32, -1e4], [1e4, -1e4]]]], &device()).require_grad();
        let loss = LossConfig::default().forward(z.clone(), &targets);
        let grads = loss.clone().backward();
        let grad: Vec<f32> = z
            .grad(&grads)
            .map(|g| g.into_data().try_to_vec().unwrap_or_default())
            .unwrap_or_default();
        assert!(value(loss).is_finite());
        assert!(
            grad.len() == 4 && grad.iter().all(|g| g.is_finite()),
            "{grad:?}"
        );
    }

    #[test]
    fn perfect_and_blank_predictions_have_known_values() {
        let config = LossConfig::default();
        let targets = Targets::new(&[1, 1, 0, 0], [1, 2, 2], 1, &device());
        let perfect = Tensor::<4>::from_data([[[[40f32, 40.0], [-40.0, -40.0]]]], &device());
        assert!(value(config.forward(perfect, &targets)).abs() < 1e-6);
        // All ignored: nothing to learn, nothing to divide by.
        let nothing = Targets::new(&[255; 4], [1, 2, 2], 1, &device());
        let z = Tensor::<4>::from_data([[[[1f32, 2.0], [3.0, 4.0]]]], &device());
        assert_eq!(value(config.forward(z, &nothing)), 0.0);
    }
}
