//! Soft Dice loss.
//!
//! ```text
//! dice = 1/F * sum_f w_f [ 1 - (2 sum m p y + s) / (sum m p + sum m y + s) ],   p = sigmoid(z)
//! ```
//!
//! A fraction `f` is a class over the whole batch, as in the reference training code, so that a
//! tile without foreground does not dominate; with `dice_per_sample` it is a class of one sample,
//! as MONAI's `DiceLoss` has it by default. `F` counts the fractions, `s = dice_smooth`, `w_f` is the
//! weight of its class.
//!
//! A fraction without reference foreground is `1 - s / (sum m p + s)`: it asks for silence, the
//! more strongly the smaller `s`. It is never left out of the mean, nor is a sample whose pixels are
//! all ignored, which adds 0.
//!
//! Source: Milletari et al. 2016. MONAI's `smooth_nr` and `smooth_dr` are both `s`.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use super::overlap_sums::Reduction;
use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

impl LossConfig {
    /// One minus the soft Dice of each class, averaged over classes (and samples).
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn dice(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let reduction = Reduction::per_sample(self.dice_per_sample);
        let probability = sigmoid(logits) * targets.valid.clone();
        let foreground = targets.foreground.clone();
        let overlap = reduction.sum(probability.clone() * foreground.clone());
        let total = reduction.sum(probability) + reduction.sum(foreground);
        let [fractions] = total.dims();
        let score = (overlap * 2.0 + self.dice_smooth) / (total + self.dice_smooth);
        sum_in_order(self.weigh_fractions(score.neg() + 1.0)) / fractions as f64
    }
}
