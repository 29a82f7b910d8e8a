//! A small vision transformer, as plain as Burn models are written: it does not know about adapters.

use burn::module::{Module, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::{gelu, softmax};
use burn::tensor::{Device, Tensor};

use crate::digits::{CLASSES, SIZE_PX};

/// Side of a patch; divides the picture's.
const PATCH_PX: usize = 4;
/// Width of a token.
const D_MODEL: usize = 48;
/// Attention heads; divide the width.
const HEADS: usize = 4;
/// Transformer blocks.
const BLOCKS: usize = 2;

/// Patches, transformer blocks, the mean over tokens, one score a class.
#[derive(Module, Debug)]
pub struct Vit {
    patch_embed: Conv2d,
    pos_embed: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

/// Self-attention, then two linear layers; each behind a norm and added to what came in.
#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    lin1: Linear,
    lin2: Linear,
}

impl Vit {
    /// A model with random weights.
    pub fn new(device: &Device) -> Self {
        let patch_embed = Conv2dConfig::new([1, D_MODEL], [PATCH_PX; 2]).with_stride([PATCH_PX; 2]);
        let tokens = (SIZE_PX / PATCH_PX).pow(2);
        let (mean, std) = (0.0, 0.02);
        Self {
            patch_embed: patch_embed.init(device),
            pos_embed: Initializer::Normal { mean, std }.init([tokens, D_MODEL], device),
            blocks: (0..BLOCKS).map(|_| Block::new(device)).collect(),
            norm: LayerNormConfig::new(D_MODEL).init(device),
            head: LinearConfig::new(D_MODEL, CLASSES).init(device),
        }
    }

    /// Scores of the classes.
    ///
    /// # Shapes
    /// - pictures: `[batch, 1, SIZE_PX, SIZE_PX]`
    /// - output: `[batch, CLASSES]`
    pub fn forward(&self, pictures: Tensor<4>) -> Tensor<2> {
        let patches: Tensor<3> = self.patch_embed.forward(pictures).flatten(2, 3);
        let tokens = patches.swap_dims(1, 2) + self.pos_embed.val().unsqueeze();
        let tokens = self.blocks.iter().fold(tokens, |x, block| block.forward(x));
        let mean = self.norm.forward(tokens).mean_dim(1);
        self.head.forward(mean.squeeze_dim(1))
    }
}

impl Block {
    fn new(device: &Device) -> Self {
        let norm = || LayerNormConfig::new(D_MODEL).init(device);
        let linear = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        Self {
            norm1: norm(),
            qkv: linear(D_MODEL, 3 * D_MODEL),
            proj: linear(D_MODEL, D_MODEL),
            norm2: norm(),
            lin1: linear(D_MODEL, 2 * D_MODEL),
            lin2: linear(2 * D_MODEL, D_MODEL),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.clone() + self.attention(self.norm1.forward(x));
        let hidden = gelu(self.lin1.forward(self.norm2.forward(x.clone())));
        x + self.lin2.forward(hidden)
    }

    fn attention(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, tokens, d_model] = x.dims();
        let d_head = d_model / HEADS;
        let qkv = self.qkv.forward(x);
        let qkv = qkv
            .reshape([batch, tokens, 3 * HEADS, d_head])
            .swap_dims(1, 2);
        let [q, k, v] = [0, 1, 2].map(|part| qkv.clone().narrow(1, part * HEADS, HEADS));
        let weights = softmax(q.matmul(k.transpose()) / (d_head as f64).sqrt(), 3);
        let mixed = weights.matmul(v).swap_dims(1, 2);
        self.proj.forward(mixed.reshape([batch, tokens, d_model]))
    }
}
