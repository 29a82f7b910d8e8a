//! Tversky loss, and its focal form.
//!
//! ```text
//! T       = (TP + s) / (TP + alpha FP + beta FN + s)
//! tversky = 1/F * sum_f w_f (1 - T_f)^gamma
//! TP = sum m p y,   FP = sum m p (1 - y),   FN = sum m (1 - p) y,   p = sigmoid(z)
//! ```
//!
//! `alpha` weighs false positives and `beta` false negatives: `beta > alpha` favours sensitivity.
//! `alpha = beta = 1/2` with `s` is dice with a smooth of `2s`. Fractions and empty references are
//! as in [`super::dice`], `tversky_per_sample` chooses.
//!
//! Source: Salehi et al. 2017 (`alpha = 0.3`, `beta = 0.7` in section 3); Abraham and Khan 2019 for
//! the exponent, which they write `1/gamma` with `gamma = 4/3`: here `tversky_gamma = 0.75`. MONAI's
//! `TverskyLoss` is `tversky_gamma = 1` with `smooth_nr = smooth_dr = s`; it has no focal form.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;

use super::overlap_sums::Reduction;
use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

/// Misses up to here count as none: the slope of `x^gamma` is infinite at 0 for `gamma < 1`.
const NO_MISS: f64 = 1e-6;

impl LossConfig {
    /// One minus the Tversky index of each class to the power of `tversky_gamma`, averaged.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn tversky(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let reduction = Reduction::per_sample(self.tversky_per_sample);
        let probability = sigmoid(logits) * targets.valid.clone();
        let foreground = targets.foreground.clone();
        let hits = reduction.sum(probability.clone() * foreground.clone());
        let excess = reduction.sum(probability) - hits.clone();
        let misses = reduction.sum(foreground) - hits.clone();
        let [fractions] = hits.dims();
        let hits = hits + self.tversky_smooth;
        let total = hits.clone() + excess * self.tversky_alpha + misses * self.tversky_beta;
        let loss = (hits / total).neg() + 1.0;
        sum_in_order(self.weigh_fractions(power(loss, self.tversky_gamma))) / fractions as f64
    }
}

/// `x^gamma` with neither value nor slope where nothing is missed.
fn power(x: Tensor<1>, gamma: f64) -> Tensor<1> {
    if gamma == 1.0 {
        return x;
    }
    let none = x.clone().lower_equal_elem(NO_MISS);
    x.clamp_min(NO_MISS).powf_scalar(gamma).mask_fill(none, 0.0)
}
