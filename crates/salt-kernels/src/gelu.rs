//! Gaussian error linear unit.

use burn::tensor::Tensor;

/// The exact GELU, `x Phi(x)` with the standard normal distribution function
/// `Phi(x) = (1 + erf(x / sqrt 2)) / 2` (Hendrycks and Gimpel 2016).
///
/// The kernel's `Phi` has a relative error below `4e-7`, also in the lower tail.
///
/// # Shapes
/// - input and output: any, the same
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::flex::runs(&x) {
        return crate::flex::gelu(x);
    }
    burn::tensor::activation::gelu(x)
}
