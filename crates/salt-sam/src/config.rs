//! Sizes of the Segment Anything models.

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::SamError;
use crate::sam::Sam;

/// Every number that shapes a [`Sam`].
///
/// The names are the original's (`build_sam.py`, `ImageEncoderViT`, `MaskDecoder`), in the tokens
/// that the paper uses: an image of `image_size` pixels becomes a grid of
/// `image_size / patch_size` tokens a side.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SamConfig {
    /// Side of the square network input, in pixels.
    pub image_size: usize,
    /// Side of one patch, in pixels.
    pub patch_size: usize,
    /// Width of the image encoder.
    pub embed_dim: usize,
    /// Number of transformer blocks of the image encoder.
    pub depth: usize,
    /// Attention heads of the image encoder.
    pub num_heads: usize,
    /// Hidden width of the encoder's MLP over `embed_dim`.
    pub mlp_ratio: usize,
    /// Side of an attention window, in tokens.
    pub window_size: usize,
    /// Blocks that attend globally instead of in windows.
    pub global_attn_indexes: Vec<usize>,
    /// Channels of the image embedding, and width of prompts and decoder.
    pub out_chans: usize,
    /// Layers of the decoder's two-way transformer.
    pub decoder_depth: usize,
    /// Attention heads of the decoder.
    pub decoder_heads: usize,
    /// Hidden width of the decoder's MLP.
    pub decoder_mlp_dim: usize,
    /// Hidden width of the IoU head.
    pub iou_head_hidden: usize,
    /// Channels inside the mask prompt's downscaling.
    pub mask_in_chans: usize,
    /// Learned prompt tokens, one per semantic class (not part of the original).
    pub n_prompt_tokens: usize,
}

/// A model's name and the constructor of its configuration.
pub type ModelEntry = (&'static str, fn() -> SamConfig);

/// The registry of models. A new model is one line here.
pub const MODELS: &[ModelEntry] = &[
    ("sam_nano", SamConfig::nano),
    ("sam_vit_b", SamConfig::vit_b),
    ("sam_vit_l", SamConfig::vit_l),
    ("sam_vit_h", SamConfig::vit_h),
];

/// Most tokens a side: global attention of one image and head then has 4 G scores of 4 bytes, which no
/// machine that this is meant for holds.
const MAX_GRID: usize = 256;

/// Masks that the decoder predicts for an ambiguous prompt, besides the single one
/// (paper, section 3: whole, part, subpart).
pub const NUM_MULTIMASK_OUTPUTS: usize = 3;

impl SamConfig {
    fn original(embed_dim: usize, depth: usize, num_heads: usize, global: [usize; 4]) -> Self {
        Self {
            image_size: 1024,
            patch_size: 16,
            embed_dim,
            depth,
            num_heads,
            mlp_ratio: 4,
            window_size: 14,
            global_attn_indexes: global.to_vec(),
            out_chans: 256,
            decoder_depth: 2,
            decoder_heads: 8,
            decoder_mlp_dim: 2048,
            iou_head_hidden: 256,
            mask_in_chans: 16,
            n_prompt_tokens: 1,
        }
    }

    /// SAM ViT-B (93.7 M parameters at 1024 px).
    pub fn vit_b() -> Self {
        Self::original(768, 12, 12, [2, 5, 8, 11])
    }

    /// SAM ViT-L.
    pub fn vit_l() -> Self {
        Self::original(1024, 24, 16, [5, 11, 17, 23])
    }

    /// SAM ViT-H.
    pub fn vit_h() -> Self {
        Self::original(1280, 32, 16, [7, 15, 23, 31])
    }

    /// The small model of this project: the same architecture for 128-pixel tiles.
    ///
    /// Patch 8 gives masks of stride 2, half the original's 4: vessels are one to ten pixels wide.
    /// 256 tokens, width 192 and 6 blocks are what two CPU cores can pretrain in hours.
    pub fn nano() -> Self {
        Self {
            image_size: 128,
            patch_size: 8,
            embed_dim: 192,
            depth: 6,
            num_heads: 3,
            mlp_ratio: 4,
            window_size: 8,
            global_attn_indexes: vec![2, 5],
            out_chans: 128,
            decoder_depth: 2,
            decoder_heads: 4,
            decoder_mlp_dim: 256,
            iou_head_hidden: 128,
            mask_in_chans: 16,
            n_prompt_tokens: 1,
        }
    }

    /// The configuration of a registered model.
    ///
    /// # Errors
    /// [`SamError::UnknownModel`] names the registered ones.
    pub fn by_name(name: &str) -> Result<Self, SamError> {
        MODELS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, config)| config())
            .ok_or_else(|| SamError::UnknownModel {
                name: name.to_owned(),
                known: MODELS
                    .iter()
                    .map(|(known, _)| *known)
                    .collect::<Vec<_>>()
                    .join(", "),
            })
    }

    /// The same model for another input size.
    pub fn with_image_size(mut self, image_size: usize) -> Self {
        self.image_size = image_size;
        self
    }

    /// The same model with `n` learned prompt tokens.
    pub fn with_prompt_tokens(mut self, n: usize) -> Self {
        self.n_prompt_tokens = n;
        self
    }

    /// Side of the token grid, in tokens.
    pub fn grid(&self) -> usize {
        self.image_size / self.patch_size
    }

    /// Side of the low-resolution masks, in pixels: four times the token grid.
    pub fn low_res_size(&self) -> usize {
        4 * self.grid()
    }

    /// Checks that the numbers fit together.
    ///
    /// # Errors
    /// [`SamError::Config`] names the first that does not.
    pub fn validate(&self) -> Result<(), SamError> {
        let fail = |message: String| Err(SamError::Config(message));
        // The upper ends are far above any published model: they turn a slip of the keyboard into a
        // message instead of an allocation that takes the process down.
        let ranges = [
            ("image_size", self.image_size, 8192),
            ("patch_size", self.patch_size, 512),
            ("embed_dim", self.embed_dim, 8192),
            ("depth", self.depth, 256),
            ("num_heads", self.num_heads, 512),
            ("mlp_ratio", self.mlp_ratio, 32),
            ("window_size", self.window_size, 1024),
            ("out_chans", self.out_chans, 8192),
            ("decoder_depth", self.decoder_depth, 64),
            ("decoder_heads", self.decoder_heads, 512),
            ("decoder_mlp_dim", self.decoder_mlp_dim, 65536),
            ("iou_head_hidden", self.iou_head_hidden, 65536),
            ("mask_in_chans", self.mask_in_chans, 4096),
            ("n_prompt_tokens", self.n_prompt_tokens, 4096),
        ];
        for (name, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return fail(format!("{name} must be from 1 to {most}, received {value}"));
            }
        }
        if !self.image_size.is_multiple_of(self.patch_size) {
            return fail(format!(
                "image_size must be a multiple of the patch size {}, received {}",
                self.patch_size, self.image_size
            ));
        }
        if self.grid() > MAX_GRID {
            return fail(format!(
                "image_size {} gives {} tokens a side with patches of {}, at most {MAX_GRID} are supported; choose a smaller image_size",
                self.image_size,
                self.grid(),
                self.patch_size
            ));
        }
        if !self.embed_dim.is_multiple_of(self.num_heads) {
            return fail(format!(
                "embed_dim {} must be a multiple of num_heads {}",
                self.embed_dim, self.num_heads
            ));
        }
        // The decoder's attention halves its width before it splits heads; upscaling divides by 8.
        if !self.out_chans.is_multiple_of(2 * self.decoder_heads)
            || !self.out_chans.is_multiple_of(8)
        {
            return fail(format!(
                "out_chans {} must be a multiple of 8 and of twice decoder_heads {}",
                self.out_chans, self.decoder_heads
            ));
        }
        if !self.mask_in_chans.is_multiple_of(4) {
            return fail(format!(
                "mask_in_chans must be a multiple of 4, received {}",
                self.mask_in_chans
            ));
        }
        if let Some(index) = self.global_attn_indexes.iter().find(|i| **i >= self.depth) {
            return fail(format!(
                "global_attn_indexes names block {index}, the encoder has {}",
                self.depth
            ));
        }
        Ok(())
    }

    /// A model with random weights drawn from the device's stream (`device.seed(..)`).
    ///
    /// # Errors
    /// As [`SamConfig::validate`].
    pub fn init(&self, device: &Device) -> Result<Sam, SamError> {
        self.validate()?;
        Ok(Sam::new(self, device))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_registered_model_is_valid() {
        for (name, config) in MODELS {
            config()
                .validate()
                .unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(SamConfig::by_name(name).unwrap(), config());
        }
    }

    #[test]
    fn an_unknown_model_names_the_known_ones() {
        let error = SamConfig::by_name("sam_vit_x").unwrap_err().to_string();
        assert!(
            error.contains("sam_vit_x") && error.contains("sam_nano"),
            "{error}"
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        let check = |change: fn(&mut SamConfig), word: &str| {
            let mut config = SamConfig::nano();
            change(&mut config);
            let error = config.validate().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        check(|c| c.image_size = 100, "image_size");
        check(|c| c.num_heads = 5, "num_heads");
        check(|c| c.decoder_heads = 3, "decoder_heads");
        check(|c| c.global_attn_indexes = vec![6], "global_attn_indexes");
        check(|c| c.n_prompt_tokens = 0, "n_prompt_tokens");
        check(|c| c.mlp_ratio = 0, "mlp_ratio");
        check(|c| c.iou_head_hidden = 0, "iou_head_hidden");
        check(|c| c.image_size = usize::MAX / 8 * 8, "image_size");
        check(|c| c.window_size = usize::MAX, "window_size");
    }
}
