//! Two layouts of one weight, and the only place where they meet.
//!
//! Burn stores a linear weight as `[in, out]`; PyTorch, the mathematics and the adapter files say
//! `[out, in]`. A convolution is `[out, in/g, kh, kw]` in both, read as the matrix
//! `[out, in/g*kh*kw]`. A transposed convolution is `[in, out/g, kh, kw]` in both; every pixel goes
//! through it like through a linear layer from `in` channels to a patch of `out/g*kh*kw` values, and it
//! is read as that layer's matrix `[out/g*kh*kw, in]`.

use burn::tensor::{DType, Tensor};

/// What kind of layer a weight belongs to, and with it how its values are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[out, in]` in PyTorch, `[in, out]` in Burn.
    Linear,
    /// `[out, in/g, kh, kw]` in both.
    Conv,
    /// `[in, out/g, kh, kw]` in both.
    ConvTranspose,
}

/// The shape of a weight and the path of the module that owns it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightShape {
    /// Path of the module, without `.weight`; of some rows of a weight, with their name in brackets.
    pub path: String,
    /// In PyTorch's order, see [`Layout`].
    pub dims: Vec<usize>,
    /// The kind of layer.
    pub layout: Layout,
}

impl WeightShape {
    /// The weight of a linear layer `[out, in]` or of a convolution `[out, in/g, kh, kw]`.
    pub fn new(path: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        let dims = dims.into();
        let layout = match dims.len() {
            2 => Layout::Linear,
            _ => Layout::Conv,
        };
        Self {
            path: path.into(),
            dims,
            layout,
        }
    }

    /// The weight of a transposed convolution `[in, out/g, kh, kw]`.
    pub fn conv_transpose(path: impl Into<String>, dims: impl Into<Vec<usize>>) -> Self {
        Self {
            path: path.into(),
            dims: dims.into(),
            layout: Layout::ConvTranspose,
        }
    }

    /// Rows of the matrix: output features.
    pub fn out(&self) -> usize {
        match self.layout {
            Layout::ConvTranspose => self.rest(),
            Layout::Linear | Layout::Conv => self.first(),
        }
    }

    /// Columns of the matrix: inputs that one output feature sees.
    pub fn fan_in(&self) -> usize {
        match self.layout {
            Layout::ConvTranspose => self.first(),
            Layout::Linear | Layout::Conv => self.rest(),
        }
    }

    fn first(&self) -> usize {
        self.dims.first().copied().unwrap_or(0)
    }

    fn rest(&self) -> usize {
        self.dims.iter().skip(1).product()
    }

    /// k, the smaller side of the matrix: number of singular values and largest rank.
    pub fn k(&self) -> usize {
        self.out().min(self.fan_in())
    }

    /// The matrix as Burn stores it: `[in, out]` for a linear layer, `[out, in/g*kh*kw]` for a
    /// convolution, `[in, out/g*kh*kw]` for a transposed one.
    pub fn stored(&self) -> [usize; 2] {
        if self.is_transposed() {
            [self.fan_in(), self.out()]
        } else {
            [self.out(), self.fan_in()]
        }
    }

    /// Where Burn keeps entry (row, col) of the matrix `[out, in]`.
    pub fn stored_index(&self, row: usize, col: usize) -> usize {
        if self.is_transposed() {
            col * self.out() + row
        } else {
            row * self.fan_in() + col
        }
    }

    /// Whether Burn stores the matrix transposed (all but convolutions).
    pub fn is_transposed(&self) -> bool {
        self.layout != Layout::Conv
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

/// `[first, rest]`.
pub(crate) fn as_matrix<const D: usize>(weight: Tensor<D>) -> Tensor<2> {
    let dims = weight.dims();
    let rows = dims[0];
    weight.reshape([rows, dims.iter().product::<usize>() / rows.max(1)])
}

/// The effective value of a weight: itself plus an update, which `negated` gives with its sign
/// turned, from the weight as a matrix in its own layout.
///
/// `W - (-delta)` and `W + delta` differ in one case: a zero update. `x - (+0)` is `x` for every
/// x, while `-0 + (+0)` is `+0`; so an adapter that changes nothing leaves every bit as it was.
/// A matrix product of zeros may be either zero; adding +0 makes it +0.
///
/// A half-precision weight is widened to f32, where the factors are, and the sum rounded once; a
/// quantised one gives its f32 values.
///
/// # Shapes
/// - base, output: any, read as the matrix `[first, rest]`
pub(crate) fn updated<const D: usize>(
    base: Tensor<D>,
    negated: impl FnOnce(Tensor<2>) -> Tensor<2>,
) -> Tensor<D> {
    let stored = base.dtype();
    let base = match stored {
        DType::F16 | DType::BF16 => base.cast(DType::F32),
        DType::QFloat(_) => base.dequantize().cast(DType::F32),
        _ => base,
    };
    let dims = base.dims();
    let matrix = as_matrix(base.clone());
    // Element-wise operations do not promote: a base in f64 meets the update in its own type.
    let negated = negated(matrix).add_scalar(0.0).cast(base.dtype());
    let sum = base.sub(negated.reshape(dims));
    match stored {
        DType::F16 | DType::BF16 => sum.cast(stored),
        _ => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides() {
        let conv = WeightShape::new("c", [8, 4, 3, 3]);
        assert_eq!((conv.out(), conv.fan_in(), conv.k()), (8, 36, 8));
        assert!(!conv.is_transposed());
        let up = WeightShape::conv_transpose("u", [8, 4, 2, 2]);
        assert_eq!((up.out(), up.fan_in(), up.k()), (16, 8, 8));
        assert_eq!((up.stored(), up.stored_index(1, 2)), ([8, 16], 33));
        assert!(up.is_transposed());
        let linear = WeightShape::new("l", [2, 5]);
        assert_eq!((linear.out(), linear.fan_in(), linear.k()), (2, 5, 2));
        assert!(linear.is_transposed());
        assert_eq!((conv.stored(), linear.stored()), ([8, 36], [5, 2]));
        assert_eq!(
            (conv.stored_index(1, 2), linear.stored_index(1, 2)),
            (38, 5)
        );
    }

    #[test]
    fn transposing() {
        assert_eq!(transpose(&[1, 2, 3, 4, 5, 6], 2, 3), vec![1, 4, 2, 5, 3, 6]);
        assert_eq!(torch_dims(&[2, 3], true), vec![3, 2]);
        assert_eq!(torch_dims(&[2, 3], false), vec![2, 3]);
        assert_eq!(torch_dims(&[4, 2, 3, 3], true), vec![4, 2, 3, 3]);
    }
}
