//! Half-precision values in single precision.

use burn::tensor::{DType, Tensor};

/// The values in f32, which has each of them exactly; a tensor that is no half-precision one as it is.
pub fn widened<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    if !is_half(&x) {
        return x;
    }
    #[cfg(feature = "flex")]
    if crate::flex::runs_on(&x) {
        return crate::flex::widened(x);
    }
    x.cast(DType::F32)
}

/// Whether values are stored in 16 bits.
pub(crate) fn is_half<const D: usize>(x: &Tensor<D>) -> bool {
    matches!(x.dtype(), DType::F16 | DType::BF16)
}
