//! Layer normalisation.

use burn::tensor::Tensor;

/// `(x - mean) / sqrt(var + eps) * gamma + beta`, mean and (biased) variance over the last
/// dimension (Ba et al. 2016).
///
/// # Shapes
/// - `x` and output: `[.., channels]`; `gamma`, `beta`: `[channels]`
///
/// # Panics
/// When the sizes do not agree.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    epsilon: f64,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::runs(&x) && crate::flex::runs(&gamma) && crate::flex::runs(&beta) {
        return crate::flex::layer_norm(x, gamma, beta, epsilon);
    }
    burn::tensor::module::layer_norm(x, gamma, Some(beta), epsilon)
}
