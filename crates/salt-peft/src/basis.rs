//! A block of singular triplets on the device, laid out so that no step copies or transposes it.

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor, TensorData};
use salt_kernels::matmul;

use crate::svd::ThinSvd;
use crate::weight::WeightShape;

/// Singular triplets `from..to` of a weight, in the layout Burn stores the weight in.
///
/// The stored matrix is `sum_i s_i left_i right_i`: for a convolution `left = U`, `right = Vt`; for
/// a linear layer, which Burn stores transposed, `left = V`, `right = Ut`. Plain tensors, not
/// parameters: they follow the device, and are neither counted, trained nor saved.
#[derive(Module, Debug)]
pub(crate) struct BasisBlock {
    /// `[rows, n]`.
    left: Tensor<2>,
    /// `[n, cols]`.
    right: Tensor<2>,
    /// Singular values `[n]`, descending.
    s: Tensor<1>,
}

impl BasisBlock {
    /// The block `from..to`, or `None` when it is empty.
    pub(crate) fn new(
        svd: &ThinSvd,
        shape: &WeightShape,
        from: usize,
        to: usize,
        device: &Device,
    ) -> Option<Self> {
        if from >= to {
            return None;
        }
        let (left, right, rows, cols) = if shape.is_transposed() {
            (
                svd.v(from, to),
                svd.ut(from, to),
                shape.fan_in(),
                shape.out(),
            )
        } else {
            (
                svd.u(from, to),
                svd.vt(from, to),
                shape.out(),
                shape.fan_in(),
            )
        };
        let n = to - from;
        let values = svd.values()[from..to].to_vec();
        Some(Self {
            left: constant(left, [rows, n], device),
            right: constant(right, [n, cols], device),
            s: constant(values, [n], device),
        })
    }

    /// The singular values `[n]`.
    pub(crate) fn s(&self) -> Tensor<1> {
        self.s.clone()
    }

    /// Two factors whose product is `left diag(gain) right`: the gain `[n]` multiplies the side
    /// that is smaller.
    pub(crate) fn with_gain(&self, gain: Tensor<1>) -> (Tensor<2>, Tensor<2>) {
        let ([rows, _], [_, cols]) = (self.left.dims(), self.right.dims());
        if rows <= cols {
            (
                self.left.clone() * gain.unsqueeze_dim(0),
                self.right.clone(),
            )
        } else {
            (
                self.left.clone(),
                self.right.clone() * gain.unsqueeze_dim(1),
            )
        }
    }

    /// Two factors whose product is `left core right` for a core `C = P Q` in the orientation of
    /// the mathematics, `[n, d] [d, n]`, as one matrix where n is the smaller; `transposed` says that Burn stores the weight transposed.
    pub(crate) fn with_core(
        &self,
        p: Tensor<2>,
        q: Tensor<2>,
        transposed: bool,
    ) -> (Tensor<2>, Tensor<2>) {
        let [n, d] = p.dims();
        if n <= d {
            return self.with_dense_core(matmul(p, q), transposed);
        }
        let (p, q) = if transposed {
            (q.transpose(), p.transpose())
        } else {
            (p, q)
        };
        (matmul(self.left.clone(), p), matmul(q, self.right.clone()))
    }

    /// Two factors whose product is `left C right` for a dense core `[n, n]`.
    pub(crate) fn with_dense_core(
        &self,
        core: Tensor<2>,
        transposed: bool,
    ) -> (Tensor<2>, Tensor<2>) {
        let core = if transposed { core.transpose() } else { core };
        let ([rows, _], [_, cols]) = (self.left.dims(), self.right.dims());
        if rows <= cols {
            (matmul(self.left.clone(), core), self.right.clone())
        } else {
            (self.left.clone(), matmul(core, self.right.clone()))
        }
    }

    /// Two factors whose product is `left C right` for a core `[n, n]` given by its diagonals in
    /// the orientation of the mathematics: (offset, values), offset j - i.
    pub(crate) fn with_banded_core(
        &self,
        diagonals: impl Iterator<Item = (isize, Tensor<1>)>,
        transposed: bool,
    ) -> (Tensor<2>, Tensor<2>) {
        let [n, cols] = self.right.dims();
        let products = diagonals.map(|(offset, values)| {
            let offset = if transposed { -offset } else { offset };
            let shift = offset.unsigned_abs();
            // Row i of the product is the diagonal's entry there times row i + offset of `right`.
            let from = if offset > 0 { shift } else { 0 };
            let rows = self.right.clone().narrow(0, from, n - shift);
            let rows = rows * values.unsqueeze_dim(1);
            if shift == 0 {
                return rows;
            }
            let zeros = Tensor::zeros([shift, cols], (&rows.device(), rows.dtype()));
            let parts = if offset > 0 {
                vec![rows, zeros]
            } else {
                vec![zeros, rows]
            };
            Tensor::cat(parts, 0)
        });
        let right = products
            .reduce(|a, b| a + b)
            .expect("a band has at least its main diagonal");
        (self.left.clone(), right)
    }
}

/// An f32 tensor that is no parameter.
pub(crate) fn constant<const D: usize>(
    values: Vec<f32>,
    dims: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, dims), (device, DType::F32))
}

/// Pairs of factors as one whose product is the sum of theirs: `[a | c] [b ; d]`.
pub(crate) fn side_by_side(pairs: Vec<(Tensor<2>, Tensor<2>)>) -> Option<(Tensor<2>, Tensor<2>)> {
    let (mut lefts, mut rights): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    match lefts.len() {
        0 => None,
        1 => Some((lefts.remove(0), rights.remove(0))),
        _ => Some((Tensor::cat(lefts, 1), Tensor::cat(rights, 0))),
    }
}

/// The sum of the products of pairs, `None` without any.
pub(crate) fn sum_of_products(pairs: Vec<(Tensor<2>, Tensor<2>)>) -> Option<Tensor<2>> {
    let products = pairs.into_iter().map(|(a, b)| matmul(a, b));
    products.reduce(|sum, product| sum + product)
}
