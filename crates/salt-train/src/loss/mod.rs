//! The segmentation loss: a weighted sum of terms on logits, with ignored pixels left out.
//!
//! ```text
//! loss = sum over terms of  weight_term * term(z, y, m)
//! ```
//!
//! For class `c`, `z` is its logit, `y in {0, 1}` its target (`label == c + 1`) and `m` the validity
//! of the pixel (0 where the label is [`IGNORE_LABEL`](salt_data::IGNORE_LABEL)). Every term has a
//! file: [`focal`], [`dice`], [`bce`], [`ce`], [`tversky`], [`cldice`], [`boundary`]. A term of weight 0
//! is not computed. No probability is ever put through a logarithm, so logits of any size stay
//! finite, and whole-tensor sums have one order on every machine.
//!
//! Each term is a mean over the `C` classes, of pixels or of one fraction per class; the loss of class
//! `c` is multiplied by its weight `w_c` of `class_weights` (1 when left out) and the mean stays over
//! `C`, as in MONAI. Only [`ce`], which has one softmax for all classes, weighs pixels instead.

pub mod bce;
pub mod boundary;
pub mod ce;
mod check;
pub mod cldice;
pub mod dice;
pub mod focal;
mod overlap_sums;
mod targets;
pub mod tversky;

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

pub use targets::Targets;

/// Erosions when left out: those of the authors' code and of MONAI.
const CLDICE_ITERATIONS: usize = 3;

/// `[train.loss]`: weights and settings of the terms. What is left at its default is not written
/// into the resolved recipe, but for focal and dice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Whether dice is taken of each sample and averaged, or of the whole batch.
    #[serde(skip_serializing_if = "is_no")]
    pub dice_per_sample: bool,
    /// Factor of the binary cross entropy in the sum.
    #[serde(skip_serializing_if = "is_percent::<0>")]
    pub bce_weight: f64,
    /// Factor of the softmax cross entropy in the sum.
    #[serde(skip_serializing_if = "is_percent::<0>")]
    pub ce_weight: f64,
    /// Factor of the Tversky term in the sum.
    #[serde(skip_serializing_if = "is_percent::<0>")]
    pub tversky_weight: f64,
    /// Weight of false positives in the Tversky index.
    #[serde(skip_serializing_if = "is_percent::<30>")]
    pub tversky_alpha: f64,
    /// Weight of false negatives in the Tversky index.
    #[serde(skip_serializing_if = "is_percent::<70>")]
    pub tversky_beta: f64,
    /// Exponent of one minus the Tversky index; other than 1 is focal Tversky.
    #[serde(skip_serializing_if = "is_percent::<100>")]
    pub tversky_gamma: f64,
    /// Added to both sides of the Tversky index (pixels).
    #[serde(skip_serializing_if = "is_percent::<100>")]
    pub tversky_smooth: f64,
    /// Whether the Tversky index is taken of each sample and averaged, or of the whole batch.
    #[serde(skip_serializing_if = "is_no")]
    pub tversky_per_sample: bool,
    /// Factor of the soft clDice term in the sum.
    #[serde(skip_serializing_if = "is_percent::<0>")]
    pub cldice_weight: f64,
    /// Erosions of the soft skeleton: the radius in pixels of the widest object.
    #[serde(skip_serializing_if = "is_usual_depth")]
    pub cldice_iterations: usize,
    /// Factor of the boundary term in the sum.
    #[serde(skip_serializing_if = "is_percent::<0>")]
    pub boundary_weight: f64,
    /// A weight for each foreground class, in their order. Left out: 1 for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub class_weights: Vec<f64>,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            focal_alpha: 0.75,
            focal_gamma: 3.0,
            focal_weight: 1.0,
            dice_weight: 1.0,
            dice_smooth: 1.0,
            dice_per_sample: false,
            bce_weight: 0.0,
            ce_weight: 0.0,
            tversky_weight: 0.0,
            tversky_alpha: 0.3,
            tversky_beta: 0.7,
            tversky_gamma: 1.0,
            tversky_smooth: 1.0,
            tversky_per_sample: false,
            cldice_weight: 0.0,
            cldice_iterations: CLDICE_ITERATIONS,
            boundary_weight: 0.0,
            class_weights: Vec::new(),
        }
    }
}

fn is_percent<const PERCENT: u32>(value: &f64) -> bool {
    *value == f64::from(PERCENT) / 100.0
}

fn is_usual_depth(iterations: &usize) -> bool {
    *iterations == CLDICE_ITERATIONS
}

fn is_no(value: &bool) -> bool {
    !*value
}

/// A term of the sum.
type Term = fn(&LossConfig, Tensor<4>, &Targets) -> Tensor<1>;

impl LossConfig {
    /// Every term with its key and its factor. The order is that of the sum.
    fn terms(&self) -> [(&'static str, f64, Term); 7] {
        [
            ("train.loss.focal_weight", self.focal_weight, Self::focal),
            ("train.loss.dice_weight", self.dice_weight, Self::dice),
            ("train.loss.bce_weight", self.bce_weight, Self::bce),
            ("train.loss.ce_weight", self.ce_weight, Self::ce),
            (
                "train.loss.tversky_weight",
                self.tversky_weight,
                Self::tversky,
            ),
            ("train.loss.cldice_weight", self.cldice_weight, Self::cldice),
            (
                "train.loss.boundary_weight",
                self.boundary_weight,
                Self::boundary,
            ),
        ]
    }

    /// Targets of this loss from class labels (0 background, `c + 1` class `c`, 255 ignored), with
    /// distances where the boundary term asks for them.
    ///
    /// # Shapes
    /// `labels_bhw` holds `batch * height * width` entries, `size` is `[batch, height, width]`.
    ///
    /// # Panics
    /// When the number of labels is not the product of the three sizes, or a side is 0.
    pub fn targets(
        &self,
        labels_bhw: &[u8],
        size: [usize; 3],
        n_classes: usize,
        device: &Device,
    ) -> Targets {
        let mut targets = Targets::new(labels_bhw, size, n_classes, device);
        if self.boundary_weight > 0.0 {
            let distances = boundary::signed_distance_px(labels_bhw, size, n_classes, device);
            targets.signed_distance_px = Some(distances.expect("sides of at least one pixel"));
        }
        targets
    }

    /// The weighted sum of all terms whose weight is above 0.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    ///
    /// # Panics
    /// When no weight is above 0, which [`LossConfig::check`] refuses; for targets and class weights
    /// of another number of classes; for targets of a configuration without the boundary term in
    /// one with it.
    pub fn forward(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let terms = self.terms().into_iter().filter(|term| term.1 > 0.0);
        terms
            .map(|(_, weight, term)| term(self, logits.clone(), targets) * weight)
            .reduce(|sum, term| sum + term)
            .expect("a loss with a weight above 0")
    }

    /// The class weights, to be multiplied with one value per pixel and class.
    ///
    /// # Shapes
    /// - output: `[1, classes, 1, 1]`
    fn pixel_weights(&self, device: &Device) -> Tensor<4> {
        let weights: Vec<f32> = self.class_weights.iter().map(|&w| w as f32).collect();
        let classes = weights.len();
        Tensor::from_data(TensorData::new(weights, [1, classes, 1, 1]), device)
    }

    /// `x` times the weight of each class.
    ///
    /// # Shapes
    /// - `x` and output: `[batch, classes, height, width]`
    fn weigh_pixels(&self, x: Tensor<4>) -> Tensor<4> {
        if self.class_weights.is_empty() {
            return x;
        }
        let weights = self.pixel_weights(&x.device());
        x * weights
    }

    /// `x` times the weight of each class.
    ///
    /// # Shapes
    /// - `x` and output: `[fractions]`, the classes once or once for each sample
    fn weigh_fractions(&self, x: Tensor<1>) -> Tensor<1> {
        let classes = self.class_weights.len();
        if classes == 0 {
            return x;
        }
        let [fractions] = x.dims();
        let by_class = x.reshape([fractions / classes, classes, 1, 1]);
        self.weigh_pixels(by_class).reshape([fractions])
    }
}

#[cfg(test)]
mod tests {
    use salt_data::IGNORE_LABEL;

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
