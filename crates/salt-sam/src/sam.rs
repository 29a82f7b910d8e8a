//! The whole model, and its prompt-free use.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

use crate::config::SamConfig;
use crate::error::SamError;
use crate::image_encoder::ImageEncoder;
use crate::mask_decoder::{DecoderInput, MaskDecoder};
use crate::preprocess::normalise;
use crate::prompt_encoder::{PromptEncoder, Prompts};

/// Masks and their predicted quality.
#[derive(Debug, Clone)]
pub struct MaskPrediction {
    /// Mask logits at four times the token grid, `[n, masks, low_res, low_res]`; positive means
    /// foreground.
    pub low_res_masks: Tensor<4>,
    /// Predicted IoU of every mask, `[n, masks]`.
    pub iou_predictions: Tensor<2>,
}

/// Segment Anything.
///
/// Beyond the original it holds one learned prompt token per semantic class: given as a sparse
/// prompt, it asks the decoder for "every pixel of this class" without a point or a box.
#[derive(Module, Debug)]
pub struct Sam {
    /// Image to embedding.
    pub image_encoder: ImageEncoder,
    /// Prompts to embeddings.
    pub prompt_encoder: PromptEncoder,
    /// Embeddings to masks.
    pub mask_decoder: MaskDecoder,
    /// One learned prompt per class, `[classes, out_chans]`.
    pub prompt_tokens: Param<Tensor<2>>,
    patch_size: usize,
}

impl Sam {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        Self {
            image_encoder: ImageEncoder::new(config, device),
            prompt_encoder: PromptEncoder::new(config, device),
            mask_decoder: MaskDecoder::new(config, device),
            prompt_tokens: Initializer::Normal {
                mean: 0.0,
                std: 1.0,
            }
            .init([config.n_prompt_tokens, config.out_chans], device),
            patch_size: config.patch_size,
        }
    }

    /// The same model for another square input: positions are resampled, nothing else changes.
    ///
    /// # Errors
    /// [`SamError::Config`] unless `image_size` is a positive multiple of the patch size.
    pub fn with_image_size(mut self, image_size: usize) -> Result<Self, SamError> {
        if image_size == 0 || !image_size.is_multiple_of(self.patch_size) {
            return Err(SamError::Config(format!(
                "image_size must be a positive multiple of the patch size {}, received {image_size}",
                self.patch_size
            )));
        }
        let grid = image_size / self.patch_size;
        self.image_encoder = self.image_encoder.resize_grid(grid);
        self.prompt_encoder = self.prompt_encoder.resize_grid(image_size, grid);
        Ok(self)
    }

    /// Side of the square network input, in pixels.
    pub fn image_size(&self) -> usize {
        self.grid() * self.patch_size
    }

    /// Side of the token grid, in tokens.
    pub fn grid(&self) -> usize {
        let [_, grid, _, _] = self.image_encoder.pos_embed.lazy_shape().dims();
        grid
    }

    /// Number of learned prompt tokens.
    pub fn n_classes(&self) -> usize {
        let [classes, _] = self.prompt_tokens.lazy_shape().dims();
        classes
    }

    /// Normalises RGB pixels and encodes them.
    ///
    /// # Shapes
    /// - `pixels_bchw`: `[batch, 3, image_size, image_size]`, values 0..=255
    /// - output: `[batch, out_chans, grid, grid]`
    ///
    /// # Panics
    /// When the input has another size.
    pub fn encode_image(&self, pixels_bchw: Tensor<4>) -> Tensor<4> {
        self.image_encoder.forward(normalise(pixels_bchw))
    }

    /// Masks for prompts. Prompt `i` looks at image embedding `i`: repeat an embedding for every
    /// prompt of its image ([`repeat_interleave`]).
    ///
    /// # Shapes
    /// - `image_embedding`: `[n, out_chans, grid, grid]`, or `[1, ..]` shared by all prompts
    /// - output: `[n, masks, 4 * grid, 4 * grid]` with 3 masks for `multimask_output`, else 1
    ///
    /// # Errors
    /// [`SamError::Prompt`] for empty or inconsistent prompts.
    pub fn decode(
        &self,
        image_embedding: Tensor<4>,
        prompts: &Prompts,
        multimask_output: bool,
    ) -> Result<MaskPrediction, SamError> {
        let (sparse_embeddings, dense_embeddings) = self.prompt_encoder.forward(prompts)?;
        let [n, _, _] = sparse_embeddings.dims();
        let [images, ..] = image_embedding.dims();
        let image_embedding = if images == 1 && n > 1 {
            repeat_interleave(image_embedding, n)
        } else if images == n {
            image_embedding
        } else {
            return Err(SamError::Prompt(format!(
                "{n} prompts need {n} image embeddings or a single one, received {images}"
            )));
        };
        Ok(self.predict(
            image_embedding,
            sparse_embeddings,
            dense_embeddings,
            multimask_output,
        ))
    }

    /// One mask per class token for every image: semantic segmentation without prompts.
    ///
    /// # Shapes
    /// - `image_embedding`: `[batch, out_chans, grid, grid]`
    /// - output: masks `[batch, classes, 4 * grid, 4 * grid]`, IoU `[batch, classes]`
    pub fn segment_classes(&self, image_embedding: Tensor<4>) -> MaskPrediction {
        self.segment_tokens(image_embedding, self.prompt_tokens.val())
    }

    /// As [`Sam::segment_classes`], for the given prompt tokens `[classes, out_chans]`.
    pub fn segment_tokens(&self, image_embedding: Tensor<4>, tokens: Tensor<2>) -> MaskPrediction {
        let [classes, dim] = tokens.dims();
        let [batch, ..] = image_embedding.dims();
        let sparse = tokens
            .reshape([1, classes, 1, dim])
            .expand([batch as i64, classes as i64, 1, dim as i64])
            .reshape([batch * classes, 1, dim]);
        let MaskPrediction {
            low_res_masks,
            iou_predictions,
        } = self.predict(
            repeat_interleave(image_embedding, classes),
            sparse,
            self.prompt_encoder.no_mask(),
            false,
        );
        let [_, _, height, width] = low_res_masks.dims();
        MaskPrediction {
            low_res_masks: low_res_masks.reshape([batch, classes, height, width]),
            iou_predictions: iou_predictions.reshape([batch, classes]),
        }
    }

    fn predict(
        &self,
        image_embedding: Tensor<4>,
        sparse_embeddings: Tensor<3>,
        dense_embeddings: Tensor<4>,
        multimask_output: bool,
    ) -> MaskPrediction {
        let (low_res_masks, iou_predictions) = self.mask_decoder.forward(DecoderInput {
            image_embedding,
            image_pe: self.prompt_encoder.image_pe(),
            sparse_embeddings,
            dense_embeddings,
            multimask_output,
        });
        MaskPrediction {
            low_res_masks,
            iou_predictions,
        }
    }
}

/// Every image `times` in a row: `[b, ..]` to `[b * times, ..]`, as `torch.repeat_interleave`.
pub fn repeat_interleave(images: Tensor<4>, times: usize) -> Tensor<4> {
    if times == 1 {
        return images;
    }
    let [batch, channels, height, width] = images.dims();
    images
        .reshape([batch, 1, channels, height, width])
        .expand([
            batch as i64,
            times as i64,
            channels as i64,
            height as i64,
            width as i64,
        ])
        .reshape([batch * times, channels, height, width])
}
