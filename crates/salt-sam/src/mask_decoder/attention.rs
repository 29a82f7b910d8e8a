//! Attention of the decoder, which may work at a reduced width.

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use salt_kernels::softmax_rows;

/// Multi-head attention with separate projections; the inner width is `dim / downsample`.
///
/// # Shapes
/// - `q`: `[n, tokens_q, dim]`, `k`, `v`: `[n, tokens_k, dim]`, output: `[n, tokens_q, dim]`
#[derive(Module, Debug)]
pub struct DecoderAttention {
    /// Queries, `dim` to inner.
    pub q_proj: Linear,
    /// Keys, `dim` to inner.
    pub k_proj: Linear,
    /// Values, `dim` to inner.
    pub v_proj: Linear,
    /// Inner to `dim`.
    pub out_proj: Linear,
    num_heads: usize,
}

impl DecoderAttention {
    pub(super) fn new(dim: usize, num_heads: usize, downsample: usize, device: &Device) -> Self {
        let inner = dim / downsample;
        let into = || LinearConfig::new(dim, inner).init(device);
        Self {
            q_proj: into(),
            k_proj: into(),
            v_proj: into(),
            out_proj: LinearConfig::new(inner, dim).init(device),
            num_heads,
        }
    }

    /// `[n, tokens, inner]` to `[n * heads, tokens, inner / heads]`.
    fn split_heads(&self, x: Tensor<3>) -> Tensor<3> {
        let [n, tokens, inner] = x.dims();
        let heads = self.num_heads;
        x.reshape([n, tokens, heads, inner / heads])
            .swap_dims(1, 2)
            .reshape([n * heads, tokens, inner / heads])
    }

    /// See [`DecoderAttention`].
    pub fn forward(&self, q: Tensor<3>, k: Tensor<3>, v: Tensor<3>) -> Tensor<3> {
        let [n, tokens_q, _] = q.dims();
        let q = self.split_heads(self.q_proj.forward(q));
        let k = self.split_heads(self.k_proj.forward(k));
        let v = self.split_heads(self.v_proj.forward(v));
        let [_, _, head_dim] = q.dims();
        let heads = self.num_heads;
        let scores = (q / (head_dim as f64).sqrt()).matmul(k.transpose());
        let attended = softmax_rows(scores)
            .matmul(v)
            .reshape([n, heads, tokens_q, head_dim])
            .swap_dims(1, 2)
            .reshape([n, tokens_q, heads * head_dim]);
        self.out_proj.forward(attended)
    }
}
