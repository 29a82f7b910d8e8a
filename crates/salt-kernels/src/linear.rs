//! A linear layer, and the product that it is.

use burn::tensor::{DType, Tensor};

use crate::widened;

/// `x weight + bias` over rows.
///
/// A weight in half precision beside rows in f32 is widened: the sum is that of f32, and on `flex` the tape keeps the
/// weight as it is stored.
///
/// Backward multiplies by the transposed weight, which Burn's product on `flex` does at two thirds of the speed of
/// any other; the kernel's does not.
///
/// # Shapes
/// - `x`: `[rows, in]`, `weight`: `[in, out]`, `bias`: `[out]`
/// - output: `[rows, out]`
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::flex::multiplies(&x, &weight) && bias.as_ref().is_none_or(crate::flex::runs) {
        return crate::flex::linear(x, weight, bias);
    }
    let weight = as_wide_as(&x, weight);
    burn::tensor::module::linear(x, weight, bias)
}

/// The product of two matrices, with the backward of [`linear`]; `b` may be a weight in half precision as there.
///
/// # Shapes
/// - `a`: `[n, k]`, `b`: `[k, m]`
/// - output: `[n, m]`
pub fn matmul(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::flex::multiplies(&a, &b) {
        return crate::flex::linear(a, b, None);
    }
    let b = as_wide_as(&a, b);
    a.matmul(b)
}

fn as_wide_as(x: &Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    match x.dtype() {
        DType::F32 => widened(weight),
        _ => weight,
    }
}
