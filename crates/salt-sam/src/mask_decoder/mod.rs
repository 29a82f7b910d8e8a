//! The mask decoder: two-way transformer, upscaling, hypernetworks, IoU head
//! (`modeling/mask_decoder.py`, `modeling/transformer.py`; paper, appendix A).

mod attention;
mod mlp;
mod transformer;
mod upscaling;

pub use attention::DecoderAttention;
pub use mlp::Mlp;
pub use transformer::{TwoWayAttentionBlock, TwoWayState, TwoWayTransformer};
pub use upscaling::OutputUpscaling;

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::{Device, Tensor};
use salt_kernels::gelu;

use crate::config::{NUM_MULTIMASK_OUTPUTS, SamConfig};

/// What the decoder reads for `n` prompts. The embeddings of image and prompts must already agree
/// in `n`: repeat an image embedding for every prompt of its image.
#[derive(Debug, Clone)]
pub struct DecoderInput {
    /// `[n, out_chans, grid, grid]`.
    pub image_embedding: Tensor<4>,
    /// `[1, out_chans, grid, grid]`.
    pub image_pe: Tensor<4>,
    /// `[n, tokens, out_chans]`.
    pub sparse_embeddings: Tensor<3>,
    /// `[n | 1, out_chans, grid | 1, grid | 1]`.
    pub dense_embeddings: Tensor<4>,
    /// Three masks for an ambiguous prompt instead of one.
    pub multimask_output: bool,
}

/// Embeddings to masks and their predicted quality.
#[derive(Module, Debug)]
pub struct MaskDecoder {
    /// Tokens and image attend to each other.
    pub transformer: TwoWayTransformer,
    /// Token whose output predicts the IoU of every mask, `[1, out_chans]`.
    pub iou_token: Embedding,
    /// Tokens whose outputs become masks, `[4, out_chans]`: one single, three for ambiguity.
    pub mask_tokens: Embedding,
    /// Image embedding to four times the grid.
    pub output_upscaling: OutputUpscaling,
    /// One per mask token.
    pub output_hypernetworks_mlps: Vec<Mlp>,
    /// Predicted IoU per mask.
    pub iou_prediction_head: Mlp,
}

impl MaskDecoder {
    pub(crate) fn new(config: &SamConfig, device: &Device) -> Self {
        let dim = config.out_chans;
        let masks = NUM_MULTIMASK_OUTPUTS + 1;
        Self {
            transformer: TwoWayTransformer::new(config, device),
            iou_token: EmbeddingConfig::new(1, dim).init(device),
            mask_tokens: EmbeddingConfig::new(masks, dim).init(device),
            output_upscaling: upscaling::new(dim, device),
            output_hypernetworks_mlps: (0..masks)
                .map(|_| Mlp::new([dim, dim, dim / 8], 3, device))
                .collect(),
            iou_prediction_head: Mlp::new([dim, config.iou_head_hidden, masks], 3, device),
        }
    }

    /// Low-resolution mask logits `[n, masks, 4 * grid, 4 * grid]` and predicted IoU `[n, masks]`,
    /// with `masks` = 3 for multimask output and 1 otherwise. Only the masks asked for are computed.
    pub fn forward(&self, input: DecoderInput) -> (Tensor<4>, Tensor<2>) {
        let DecoderInput {
            image_embedding,
            image_pe,
            sparse_embeddings,
            dense_embeddings,
            multimask_output,
        } = input;
        let [n, dim, height, width] = image_embedding.dims();
        let masks = NUM_MULTIMASK_OUTPUTS + 1;

        let own = Tensor::cat(
            vec![self.iou_token.weight.val(), self.mask_tokens.weight.val()],
            0,
        );
        let own = own
            .unsqueeze::<3>()
            .expand([n as i64, (masks + 1) as i64, dim as i64]);
        let tokens = Tensor::cat(vec![own, sparse_embeddings], 1);

        let (tokens, image) =
            self.transformer
                .forward(image_embedding + dense_embeddings, image_pe, tokens);
        let iou_token_out = tokens.clone().slice([0..n, 0..1]).squeeze_dim::<2>(1);

        let upscaled = self.upscale(image.reshape([n, height, width, dim]));
        let [_, rows, columns, channels] = upscaled.dims();

        let wanted = if multimask_output { 1..masks } else { 0..1 };
        let hyper: Vec<Tensor<3>> = wanted
            .clone()
            .map(|i| {
                let token = tokens
                    .clone()
                    .slice([0..n, i + 1..i + 2])
                    .squeeze_dim::<2>(1);
                self.output_hypernetworks_mlps[i]
                    .forward(token)
                    .unsqueeze_dim(1)
            })
            .collect();
        let count = hyper.len();
        let low_res = Tensor::cat(hyper, 1)
            .matmul(upscaled.reshape([n, rows * columns, channels]).transpose())
            .reshape([n, count, rows, columns]);
        let iou = self
            .iou_prediction_head
            .forward(iou_token_out)
            .slice([0..n, wanted]);
        (low_res, iou)
    }

    fn upscale(&self, image: Tensor<4>) -> Tensor<4> {
        let (first, norm, _, second, _) = &self.output_upscaling;
        let x = gelu(norm.forward_bhwc(upscaling::double(first, image)));
        gelu(upscaling::double(second, x))
    }
}
