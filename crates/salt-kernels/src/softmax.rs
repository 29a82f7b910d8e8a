//! Softmax over rows.

use burn::tensor::Tensor;

/// `exp(x - max) / sum exp(x - max)` over the last dimension.
///
/// # Shapes
/// - input and output: `[.., columns]`
pub fn softmax_rows<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::runs(&x) {
        return crate::flex::softmax(x);
    }
    let largest = x.clone().detach().max_dim(D - 1);
    let weights = (x - largest).exp();
    let sums = weights.clone().sum_dim(D - 1);
    weights / sums
}
