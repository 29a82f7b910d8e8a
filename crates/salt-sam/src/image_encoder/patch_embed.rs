//! Patches to tokens.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};

use crate::config::SamConfig;

/// Convolution with kernel = stride = patch size, computed as one matrix product over the patches.
///
/// # Shapes
/// - input: `[batch, 3, height, width]`, sides multiples of the patch size
/// - output: `[batch, height / patch, width / patch, embed_dim]`
#[derive(Module, Debug)]
pub struct PatchEmbed {
    /// Weight `[embed_dim, 3, patch, patch]`, bias `[embed_dim]`.
    pub proj: Conv2d,
}

impl PatchEmbed {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        let patch = config.patch_size;
        Self {
            proj: Conv2dConfig::new([3, config.embed_dim], [patch, patch])
                .with_stride([patch, patch])
                .init(device),
        }
    }

    /// See [`PatchEmbed`].
    pub fn forward(&self, x_bchw: Tensor<4>) -> Tensor<4> {
        let weight = self.proj.weight.val();
        let [embed_dim, channels, patch, _] = weight.dims();
        let [batch, _, height, width] = x_bchw.dims();
        let (rows, columns) = (height / patch, width / patch);
        let patches = x_bchw
            .reshape([batch, channels, rows, patch, columns, patch])
            .permute([0, 2, 4, 1, 3, 5])
            .reshape([batch * rows * columns, channels * patch * patch]);
        let weight = weight.reshape([embed_dim, channels * patch * patch]);
        let mut tokens = patches.matmul(weight.transpose());
        if let Some(bias) = &self.proj.bias {
            tokens = tokens + bias.val().unsqueeze();
        }
        tokens.reshape([batch, rows, columns, embed_dim])
    }
}
