//! A linear layer, and the product that it is.

use burn::tensor::Tensor;

/// `x weight + bias` over rows.
///
/// Backward multiplies by the transposed weight, which Burn's product on `flex` does at two thirds of the speed of
/// any other; the kernel's does not.
///
/// # Shapes
/// - `x`: `[rows, in]`, `weight`: `[in, out]`, `bias`: `[out]`
/// - output: `[rows, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if [&x, &weight].into_iter().all(crate::flex::runs)
        && bias.as_ref().is_none_or(crate::flex::runs)
    {
        return crate::flex::linear(x, weight, bias);
    }
    burn::tensor::module::linear(x, weight, bias)
}

/// The product of two matrices, with the backward of [`linear`].
///
/// # Shapes
/// - `a`: `[n, k]`, `b`: `[k, m]`
/// - output: `[n, m]`
pub fn matmul(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::flex::runs(&a) && crate::flex::runs(&b) {
        return crate::flex::linear(a, b, None);
    }
    a.matmul(b)
}
