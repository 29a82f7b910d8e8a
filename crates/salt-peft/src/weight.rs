//! Two layouts of one weight, and the only place where they meet.
//!
//! Burn stores a linear weight as `[in, out]`; PyTorch, the mathematics and the adapter files say
//! `[out, in]`. A convolution is `[out, in/g, kh, kw]` in both, read as the matrix
//! `[out, in/g*kh*kw]`.

use burn::tensor::Tensor;

/// The shape of a weight and the path of the module that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// Path of the module, without `.weight`.
    pub path: String,
    /// `[out, in]` or `[out, in/g, kh, kw]`.
    pub dims: Vec<usize>,
}

impl WeightShape {
    /// A weight by its PyTorch dimensions.
    pub fn new(path: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        Self {
            path: path.into(),
            dims: dims.into(),
        }
    }

    /// Rows of the matrix: output features.
    pub fn out(&self) -> usize {
        self.dims.first().copied().unwrap_or(0)
    }

    /// Columns of the matrix: inputs that one output feature sees.
    pub fn fan_in(&self) -> usize {
        self.dims.iter().skip(1).product()
    }

    /// k, the smaller side of the matrix: number of singular values and largest rank.
    pub fn k(&self) -> usize {
        self.out().min(self.fan_in())
    }

    /// Whether Burn stores the matrix transposed (a linear layer).
    pub fn is_transposed(&self) -> bool {
        self.dims.len() == 2
    }
}

/// The shape in Burn's order as PyTorch's, for a parameter whose matrix Burn stores transposed.
pub(crate) fn torch_dims(burn_dims: &[usize], is_linear: bool) -> Vec<usize> {
    match burn_dims {
        [rows, cols] if is_linear => vec![*cols, *rows],
        _ => burn_dims.to_vec(),
    }
}

/// The transpose of a row-major `[rows, cols]` matrix.
pub(crate) fn transpose<T: Copy>(values: &[T], rows: usize, cols: usize) -> Vec<T> {
    let mut out = Vec::with_capacity(values.len());
    for col in 0..cols {
        out.extend((0..rows).map(|row| values[row * cols + col]));
    }
    out
}

/// Adds an update to a weight, given the update *negated* and in the weight's own layout.
///
/// `W - (-delta)` and `W + delta` differ in one case: a zero update. `x - (+0)` is `x` for every
/// x, while `-0 + (+0)` is `+0`; so an adapter that changes nothing leaves every bit as it was.
/// A matrix product of zeros may be either zero; adding +0 makes it +0.
///
/// # Shapes
/// - base: any
/// - negated: `[rows, cols]` with as many elements as base
pub(crate) fn add_update<const D: usize>(base: Tensor<D>, negated: Tensor<2>) -> Tensor<D> {
    // Element-wise operations do not promote: an f32 update meets a half-precision base in its type.
    let negated = negated
        .add_scalar(0.0)
        .cast(base.dtype())
        .reshape(base.shape());
    base.sub(negated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        let conv = WeightShape::new("c", [8, 4, 3, 3]);
        assert_eq!((conv.out(), conv.fan_in(), conv.k()), (8, 36, 8));
        assert!(!conv.is_transposed());
        let linear = WeightShape::new("l", [2, 5]);
        assert_eq!((linear.out(), linear.fan_in(), linear.k()), (2, 5, 2));
        assert!(linear.is_transposed());
    }

    #[test]
    fn transposing() {
        assert_eq!(transpose(&[1, 2, 3, 4, 5, 6], 2, 3), vec![1, 4, 2, 5, 3, 6]);
        assert_eq!(torch_dims(&[2, 3], true), vec![3, 2]);
        assert_eq!(torch_dims(&[2, 3], false), vec![2, 3]);
        assert_eq!(torch_dims(&[4, 2, 3, 3], true), vec![4, 2, 3, 3]);
    }
}
