//! The image encoder: a ViT with windowed and global attention, and a convolutional neck
//! (`modeling/image_encoder.py` of the original; ViTDet, Li et al. 2022).

mod attention;
mod block;
mod neck;
mod parts;
mod patch_embed;

pub use attention::Attention;
pub use block::{Block, MlpBlock};
pub use neck::Neck;
pub use patch_embed::PatchEmbed;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::config::SamConfig;
use crate::upscale::upscale_masks;

/// Image to image embedding.
///
/// # Shapes
/// - input: `[batch, 3, image_size, image_size]`, normalised
/// - output: `[batch, out_chans, grid, grid]`
#[derive(Module, Debug)]
pub struct ImageEncoder {
    /// Patches to tokens.
    pub patch_embed: PatchEmbed,
    /// Absolute positions, `[1, grid, grid, embed_dim]`.
    pub pos_embed: Param<Tensor<4>>,
    /// Transformer blocks.
    pub blocks: Vec<Block>,
    /// Tokens to embedding channels.
    pub neck: Neck,
}

impl ImageEncoder {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        let grid = config.grid();
        // The original starts from zeros; a small normal breaks the symmetry when training from
        // nothing and is overwritten by every checkpoint.
        let pos_embed = Initializer::Normal {
            mean: 0.0,
            std: 0.02,
        }
        .init([1, grid, grid, config.embed_dim], device);
        let blocks = (0..config.depth)
            .map(|index| {
                let window = if config.global_attn_indexes.contains(&index) {
                    0
                } else {
                    config.window_size
                };
                Block::new(config, window, device)
            })
            .collect();
        Self {
            patch_embed: PatchEmbed::new(config, device),
            pos_embed,
            blocks,
            neck: neck::new(config.embed_dim, config.out_chans, device),
        }
    }

    /// Patches plus positions: `[batch, grid, grid, embed_dim]`.
    pub fn embed(&self, x_bchw: Tensor<4>) -> Tensor<4> {
        self.patch_embed.forward(x_bchw) + self.pos_embed.val()
    }

    /// See [`ImageEncoder`]. For pixels off the autodiff device, the parts before the first trained one are computed
    /// there too; the embedding is where the parameters are.
    pub fn forward(&self, x_bchw: Tensor<4>) -> Tensor<4> {
        let on_tape = self.pos_embed.val().is_autodiff();
        let mut x = x_bchw;
        let mut part = 0;
        if on_tape && !x.is_autodiff() {
            part = self.first_trained();
            x = (0..part)
                .fold(x, |x, part| self.forward_part_off_tape(part, x))
                .autodiff();
        }
        (part..self.parts()).fold(x, |x, part| self.forward_part(part, x))
    }

    /// The same encoder for a token grid of another side: `pos_embed` is resampled bilinearly;
    /// relative positions are resampled where they are used (see [`Attention`]).
    pub(crate) fn resize_grid(mut self, grid: usize) -> Self {
        let positions = self.pos_embed.val();
        let [_, stored, ..] = positions.dims();
        if stored != grid {
            let resampled = upscale_masks(positions.permute([0, 3, 1, 2]), [grid, grid])
                .permute([0, 2, 3, 1])
                .detach();
            // A new leaf that keeps whether the parameter is trained.
            let id = self.pos_embed.id;
            self.pos_embed = self.pos_embed.transform_for_load(resampled, id);
        }
        self
    }
}
