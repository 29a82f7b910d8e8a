//! Focal loss, one sigmoid per class.
//!
//! ```text
//! focal = 1/(C sum m) * sum_c w_c sum_pixels m * alpha_t * exp(-gamma softplus(t)) * softplus(-t)
//! ```
//!
//! `t = z (2y - 1)` is the logit of the right answer; `alpha_t` is `focal_alpha` where `y = 1` and
//! `1 - focal_alpha` elsewhere; `softplus(-t)` is the cross entropy `-log p_t` and
//! `exp(-gamma softplus(t))` is `(1 - p_t)^gamma`. Source: Lin et al. 2017; the reference settings
//! `alpha = 0.75`, `gamma = 3` are those of the BMVC 2025 SALT code.

use burn::tensor::Tensor;

use super::bce::cross_entropy;
use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

impl LossConfig {
    /// Mean focal loss over valid pixels and classes.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn focal(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let sign = targets.foreground.clone() * 2.0 - 1.0;
        let right = logits * sign;
        let cross_entropy = cross_entropy(right.clone());
        // softplus(t) = t + softplus(-t)
        let modulator = ((right + cross_entropy.clone()) * -self.focal_gamma).exp();
        let alpha =
            targets.foreground.clone() * (2.0 * self.focal_alpha - 1.0) + (1.0 - self.focal_alpha);
        let per_pixel = alpha * modulator * cross_entropy * targets.valid.clone();
        sum_in_order(self.weigh_pixels(per_pixel)) / (targets.n_valid * classes as f64)
    }
}
