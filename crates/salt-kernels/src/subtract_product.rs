//! A matrix less a product, in one pass.

use burn::tensor::Tensor;

/// `base - a b`.
///
/// A factor of zeros leaves every bit of the base as it is.
///
/// # Shapes
/// - `base`, output: `[n, m]`, `a`: `[n, k]`, `b`: `[k, m]`
pub fn subtract_product(base: Tensor<2>, a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if [&base, &a, &b].into_iter().all(crate::flex::runs) {
        return crate::flex::subtract_product(base, a, b);
    }
    // A product of zeros may be either zero; adding +0 makes it +0.
    base - a.matmul(b).add_scalar(0.0)
}
