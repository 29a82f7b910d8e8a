//! Multi-head attention with decomposed relative positions.

use burn::module::{Initializer, Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use salt_kernels::{grid_attention, linear_layer};

use crate::upscale::bilinear_matrix;

/// `softmax(q k^T / sqrt(d) + rel_h + rel_w) v` over a grid of tokens, in windows or global, where
/// `rel_h[(y, x), (y', x')] = q[y, x] . rel_pos_h[y - y' + S - 1]` and likewise for columns
/// (`add_decomposed_rel_pos` of the original; MViTv2, Li et al. 2022).
///
/// The original fills windows at the edge up with zeros before the projection. A zero's projection is the
/// offset, so the tokens are projected before they are cut into windows, and what is filled up is not.
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
    /// Side of a window in tokens; 0 attends globally.
    window: usize,
}

impl Attention {
    /// `grid`: tokens a side of the grid; `window`: of a window, 0 for none.
    pub(super) fn new(
        dim: usize,
        num_heads: usize,
        grid: usize,
        window: usize,
        device: &Device,
    ) -> Self {
        let head_dim = dim / num_heads;
        let side = if window == 0 { grid } else { window };
        let rel_pos = || Initializer::Zeros.init([2 * side - 1, head_dim], device);
        Self {
            qkv: LinearConfig::new(dim, 3 * dim).init(device),
            proj: LinearConfig::new(dim, dim).init(device),
            rel_pos_h: rel_pos(),
            rel_pos_w: rel_pos(),
            num_heads,
            window,
        }
    }

    /// See [`Attention`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, dim] = x.dims();
        let tokens = batch * height * width;
        let qkv = linear_layer(&self.qkv, x.reshape([tokens, dim]));
        let window = (self.window > 0).then_some(self.window);
        let [rows, columns] = window.map_or([height, width], |side| [side, side]);
        let attended = grid_attention(
            qkv.reshape([batch, height, width, 3 * dim]),
            self.qkv.bias.as_ref().map(|bias| bias.val()),
            resampled(self.rel_pos_h.val(), rows),
            resampled(self.rel_pos_w.val(), columns),
            self.num_heads,
            window,
        );
        linear_layer(&self.proj, attended.reshape([tokens, dim]))
            .reshape([batch, height, width, dim])
    }
}

/// Relative positions for `side` tokens. A table made for another side is resampled linearly (`get_rel_pos`
/// of the original).
fn resampled(rel_pos: Tensor<2>, side: usize) -> Tensor<2> {
    let [stored, _] = rel_pos.dims();
    let needed = 2 * side - 1;
    if stored == needed {
        return rel_pos;
    }
    bilinear_matrix(stored, needed, &rel_pos.device()).matmul(rel_pos)
}
