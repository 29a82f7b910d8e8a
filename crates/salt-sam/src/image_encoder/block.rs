//! One transformer block of the encoder.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use salt_kernels::{gelu, linear_layer};

use super::attention::Attention;
use crate::config::SamConfig;
use crate::norm::normalise;

/// Of the encoder's layer norms (`ImageEncoderViT` of the original).
const EPSILON: f64 = 1e-6;

/// Pre-norm block: `x + attn(norm1(x))`, then `x + mlp(norm2(x))`.
///
/// # Shapes
/// - input and output: `[batch, height, width, embed_dim]`
#[derive(Module, Debug)]
pub struct Block {
    /// Norm before attention.
    pub norm1: LayerNorm,
    /// Attention, in windows or global.
    pub attn: Attention,
    /// Norm before the MLP.
    pub norm2: LayerNorm,
    /// The MLP.
    pub mlp: MlpBlock,
}

impl Block {
    pub(super) fn new(config: &SamConfig, window: usize, device: &Device) -> Self {
        let dim = config.embed_dim;
        let norm = || LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device);
        Self {
            norm1: norm(),
            attn: Attention::new(dim, config.num_heads, config.grid(), window, device),
            norm2: norm(),
            mlp: MlpBlock::new(dim, dim * config.mlp_ratio, device),
        }
    }

    /// See [`Block`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = x.clone() + self.attn.forward(normalise(&self.norm1, x, EPSILON));
        x.clone() + self.mlp.forward(normalise(&self.norm2, x, EPSILON))
    }
}

/// Two linear layers with the exact GELU between.
///
/// # Shapes
/// - input and output: `[batch, height, width, dim]`
#[derive(Module, Debug)]
pub struct MlpBlock {
    /// `dim` to hidden.
    pub lin1: Linear,
    /// Hidden to `dim`.
    pub lin2: Linear,
}

impl MlpBlock {
    fn new(dim: usize, hidden: usize, device: &Device) -> Self {
        Self {
            lin1: LinearConfig::new(dim, hidden).init(device),
            lin2: LinearConfig::new(hidden, dim).init(device),
        }
    }

    /// See [`MlpBlock`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let dims @ [batch, height, width, dim] = x.dims();
        // One matrix: as four dimensions, every row of the grid would be a product of its own, and a
        // gradient of the weight.
        let rows = x.reshape([batch * height * width, dim]);
        linear_layer(&self.lin2, gelu(linear_layer(&self.lin1, rows))).reshape(dims)
    }
}
