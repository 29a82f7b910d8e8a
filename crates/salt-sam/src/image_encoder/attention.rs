//! Multi-head attention with decomposed relative positions.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use salt_kernels::softmax_rows;

use crate::upscale::bilinear_matrix;

/// `softmax(q k^T / sqrt(d) + rel_h + rel_w) v` over a grid of tokens, where
/// `rel_h[(y, x), (y', x')] = q[y, x] . rel_pos_h[y - y' + S - 1]` and likewise for columns
/// (`add_decomposed_rel_pos` of the original; MViTv2, Li et al. 2022).
///
/// The bias is not added to the N x N scores: `q' = [q / sqrt(d), q.R_h, q.R_w]` and
/// `k' = [k, onehot(y'), onehot(x')]` give the same sum inside the one product `q' k'^T`.
///
/// # Shapes
/// - input and output: `[batch, height, width, channels]`
#[derive(Module, Debug)]
pub struct Attention {
    /// Fused query, key and value projection.
    pub qkv: Linear,
    /// Output projection.
    pub proj: Linear,
    /// Relative positions along rows, `[2 * side - 1, head_dim]`.
    pub rel_pos_h: Param<Tensor<2>>,
    /// Relative positions along columns, `[2 * side - 1, head_dim]`.
    pub rel_pos_w: Param<Tensor<2>>,
    num_heads: usize,
}

impl Attention {
    /// `side`: tokens a side of the window (or of the grid when attention is global).
    pub(super) fn new(dim: usize, num_heads: usize, side: usize, device: &Device) -> Self {
        let head_dim = dim / num_heads;
        let rel_pos = || Initializer::Zeros.init([2 * side - 1, head_dim], device);
        Self {
            qkv: LinearConfig::new(dim, 3 * dim).init(device),
            proj: LinearConfig::new(dim, dim).init(device),
            rel_pos_h: rel_pos(),
            rel_pos_w: rel_pos(),
            num_heads,
        }
    }

    /// See [`Attention`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, dim] = x.dims();
        let (heads, tokens) = (self.num_heads, height * width);
        let head_dim = dim / heads;
        let qkv = self
            .qkv
            .forward(x.reshape([batch * tokens, dim]))
            .reshape([batch, tokens, 3, heads, head_dim])
            .permute([2, 0, 3, 1, 4])
            .reshape([3, batch * heads, tokens, head_dim]);
        let part = |i: usize| qkv.clone().narrow(0, i, 1).squeeze_dim::<3>(0);
        let (q, k, v) = (part(0), part(1), part(2));

        let relative = self.relative_terms(q.clone(), height, width);
        let q = Tensor::cat(vec![q / (head_dim as f64).sqrt(), relative], 2);
        let positions = one_hot_positions(height, width, &k.device());
        let positions = positions.unsqueeze::<3>().expand([
            (batch * heads) as i64,
            tokens as i64,
            (height + width) as i64,
        ]);
        let k = Tensor::cat(vec![k, positions], 2);

        let attended = attend(q, k, v)
            .reshape([batch, heads, tokens, head_dim])
            .permute([0, 2, 1, 3])
            .reshape([batch * tokens, dim]);
        self.proj
            .forward(attended)
            .reshape([batch, height, width, dim])
    }

    /// `[q.R_h, q.R_w]`, shape `[batch * heads, tokens, height + width]`.
    fn relative_terms(&self, q: Tensor<3>, height: usize, width: usize) -> Tensor<3> {
        let [rows, tokens, head_dim] = q.dims();
        let grid = q.reshape([rows, height, width, head_dim]);
        let along_rows = grid
            .clone()
            .permute([1, 0, 2, 3])
            .reshape([height, rows * width, head_dim])
            .matmul(relative_table(self.rel_pos_h.val(), height))
            .reshape([height, rows, width, height])
            .permute([1, 0, 2, 3])
            .reshape([rows, tokens, height]);
        let along_columns = grid
            .permute([2, 0, 1, 3])
            .reshape([width, rows * height, head_dim])
            .matmul(relative_table(self.rel_pos_w.val(), width))
            .reshape([width, rows, height, width])
            .permute([1, 2, 0, 3])
            .reshape([rows, tokens, width]);
        Tensor::cat(vec![along_rows, along_columns], 2)
    }
}

/// `softmax(q k^T) v`.
///
/// # Shapes
/// - `q`, `k`: `[batch, tokens_q | tokens_k, d]`, already scaled; `v`: `[batch, tokens_k, d_v]`
/// - output: `[batch, tokens_q, d_v]`
pub(crate) fn attend(q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
    softmax_rows(q.matmul(k.transpose())).matmul(v)
}

/// For every query row the vectors of all key rows, transposed for a product with the queries:
/// `[side, head_dim, side]` with entry `[q, :, k] = rel_pos[q - k + side - 1]`.
///
/// A table made for another side is resampled linearly first (`get_rel_pos` of the original).
fn relative_table(rel_pos: Tensor<2>, side: usize) -> Tensor<3> {
    let device = rel_pos.device();
    let [stored, head_dim] = rel_pos.dims();
    let needed = 2 * side - 1;
    let rel_pos = if stored == needed {
        rel_pos
    } else {
        bilinear_matrix(stored, needed, &device).matmul(rel_pos)
    };
    let index: Vec<i64> = (0..side)
        .flat_map(|q| (0..side).map(move |k| (q + side - 1 - k) as i64))
        .collect();
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [side * side]), &device);
    rel_pos
        .select(0, index)
        .reshape([side, side, head_dim])
        .transpose()
}

/// `[tokens, height + width]`: the row and the column of every token, one-hot.
fn one_hot_positions(height: usize, width: usize, device: &Device) -> Tensor<2> {
    let columns = height + width;
    let mut values = vec![0f32; height * width * columns];
    for (token, row) in values.chunks_exact_mut(columns).enumerate() {
        row[token / width] = 1.0;
        row[height + token % width] = 1.0;
    }
    Tensor::from_data(TensorData::new(values, [height * width, columns]), device)
}
