//! One transformer block of the encoder.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};
use salt_kernels::gelu;

use super::attention::Attention;
use super::window::{partition, unpartition};
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
    /// Side of a window in tokens; 0 attends globally.
    window: usize,
}

impl Block {
    pub(super) fn new(config: &SamConfig, window: usize, device: &Device) -> Self {
        let dim = config.embed_dim;
        let side = if window == 0 { config.grid() } else { window };
        let norm = || LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device);
        Self {
            norm1: norm(),
            attn: Attention::new(dim, config.num_heads, side, device),
            norm2: norm(),
            mlp: MlpBlock::new(dim, dim * config.mlp_ratio, device),
            window,
        }
    }

    /// See [`Block`].
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [_, height, width, _] = x.dims();
        let normed = normalise(&self.norm1, x.clone(), EPSILON);
        let attended = if self.window == 0 {
            self.attn.forward(normed)
        } else {
            let (windows, padded) = partition(normed, self.window);
            unpartition(self.attn.forward(windows), padded, [height, width])
        };
        let x = x + attended;
        x.clone() + self.mlp.forward(normalise(&self.norm2, x, EPSILON))
    }
}

/// Two linear layers with the exact GELU between.
///
/// # Shapes
/// - input and output: `[.., dim]`
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
        self.lin2.forward(gelu(self.lin1.forward(x)))
    }
}
