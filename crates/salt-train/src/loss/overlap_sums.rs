//! Sums of pixels per class: what the overlap terms (dice, Tversky, clDice) are fractions of.

use burn::tensor::Tensor;

/// Over which pixels a fraction is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reduction {
    /// One fraction per class, over the whole batch.
    Batch,
    /// One fraction per sample and class.
    Sample,
}

impl Reduction {
    pub(super) fn per_sample(per_sample: bool) -> Self {
        if per_sample {
            Self::Sample
        } else {
            Self::Batch
        }
    }

    /// Sums of the pixels that a fraction is taken over.
    ///
    /// # Shapes
    /// - `x`: `[batch, classes, height, width]`
    /// - output: `[classes]`, or `[batch * classes]` per sample
    pub(super) fn sum(self, x: Tensor<4>) -> Tensor<1> {
        let [batch, classes, _, _] = x.dims();
        match self {
            Self::Batch => x.sum_dim(0).sum_dim(2).sum_dim(3).reshape([classes]),
            Self::Sample => x.sum_dim(2).sum_dim(3).reshape([batch * classes]),
        }
    }
}
