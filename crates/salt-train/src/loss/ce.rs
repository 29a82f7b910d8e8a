//! Softmax cross entropy over the background and all classes.
//!
//! The network has a logit per class and none for the background. Its logit is taken as 0: a mask
//! is drawn where the greatest logit is above 0, so 0 is what the classes compete against, and a
//! softmax is unchanged when one number is subtracted from all logits, so a background logit of
//! its own would add nothing but a redundant output. With `z_0 = 0`:
//!
//! ```text
//! log p_k = z_k - log(1 + sum_c exp(z_c)),   k = 0..C
//! ce      = sum_pixels m w_y (-log p_y) / sum_pixels m w_y
//! ```
//!
//! `y` is the label of the pixel, `w_0 = 1` and `w_c` the class weights. For one class this is the
//! binary cross entropy. Equal to PyTorch's `CrossEntropyLoss(weight = [1, w], ignore_index = 255)`
//! on the logits with a channel of zeros in front.

use burn::tensor::Tensor;

use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

impl LossConfig {
    /// Mean softmax cross entropy over valid pixels.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn ce(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        // The greatest logit, the background's included, so that no exponential overflows. It
        // cancels in the sum and therefore has no gradient.
        let top = logits.clone().detach().max_dim(1).clamp_min(0.0);
        let above = (logits.clone() - top.clone()).exp().sum_dim(1);
        let normaliser = (above + top.clone().neg().exp()).log() + top;
        let right = (logits * targets.foreground.clone()).sum_dim(1);
        let per_pixel = (normaliser - right) * targets.valid.clone();
        if self.class_weights.is_empty() {
            return sum_in_order(per_pixel) / targets.n_valid;
        }
        // Weight of a pixel: 1 + sum_c (w_c - 1) y_c.
        let excess = targets.foreground.clone() * (self.pixel_weights(&per_pixel.device()) - 1.0);
        let weights = excess.sum_dim(1) + 1.0;
        let background = targets.class_pixels[0] as f64;
        let classes = self.class_weights.iter().zip(&targets.class_pixels[1..]);
        let total = background + classes.map(|(w, &n)| w * n as f64).sum::<f64>();
        // Where no pixel has a weight the sum is 0 whatever divides it.
        sum_in_order(per_pixel * weights) / if total > 0.0 { total } else { 1.0 }
    }
}
