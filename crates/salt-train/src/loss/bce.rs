//! Binary cross entropy on logits, one sigmoid per class.
//!
//! ```text
//! bce = 1/(C sum m) * sum_c w_c sum_pixels m * softplus(-t),   t = z (2y - 1)
//! ```
//!
//! Equal to PyTorch's `BCEWithLogitsLoss(weight = w)` over the pixels that count.

use burn::tensor::Tensor;

use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

impl LossConfig {
    /// Mean binary cross entropy over valid pixels and classes.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn bce(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let right = logits * (targets.foreground.clone() * 2.0 - 1.0);
        let per_pixel = cross_entropy(right) * targets.valid.clone();
        sum_in_order(self.weigh_pixels(per_pixel)) / (targets.n_valid * classes as f64)
    }
}

/// `-log sigmoid(t)` of the logit of the right answer, finite for logits of any size.
pub(super) fn cross_entropy(right: Tensor<4>) -> Tensor<4> {
    // softplus(-t) = max(-t, 0) + log1p(exp(-|t|))
    right.clone().neg().clamp_min(0.0) + right.abs().neg().exp().log1p()
}
