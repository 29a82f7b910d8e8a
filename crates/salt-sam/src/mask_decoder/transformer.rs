//! The two-way transformer: tokens attend to the image, the image attends back.

use burn::module::Module;
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use super::attention::DecoderAttention;
use crate::config::SamConfig;
use crate::norm::normalise;

/// How much narrower cross-attention is than the transformer (the original's default).
const CROSS_ATTENTION_DOWNSAMPLE: usize = 2;
/// Of the decoder's layer norms (PyTorch's default, as in `TwoWayAttentionBlock`).
const EPSILON: f64 = 1e-5;

/// Two-way transformer (paper, figure 14).
#[derive(Module, Debug)]
pub struct TwoWayTransformer {
    /// The layers.
    pub layers: Vec<TwoWayAttentionBlock>,
    /// Last attention from tokens to image.
    pub final_attn_token_to_image: DecoderAttention,
    /// Norm after it.
    pub norm_final_attn: LayerNorm,
}

impl TwoWayTransformer {
    pub(super) fn new(config: &SamConfig, device: &Device) -> Self {
        let (dim, heads) = (config.out_chans, config.decoder_heads);
        Self {
            layers: (0..config.decoder_depth)
                .map(|i| TwoWayAttentionBlock::new(config, i == 0, device))
                .collect(),
            final_attn_token_to_image: DecoderAttention::new(
                dim,
                heads,
                CROSS_ATTENTION_DOWNSAMPLE,
                device,
            ),
            norm_final_attn: layer_norm(dim, device),
        }
    }

    /// # Shapes
    /// - `image`: `[n, dim, h, w]`, `image_pe`: `[1, dim, h, w]`, `tokens`: `[n, tokens, dim]`
    /// - output: tokens `[n, tokens, dim]` and image `[n, h * w, dim]`
    pub fn forward(
        &self,
        image: Tensor<4>,
        image_pe: Tensor<4>,
        tokens: Tensor<3>,
    ) -> (Tensor<3>, Tensor<3>) {
        let as_tokens = |x: Tensor<4>| x.flatten::<3>(2, 3).swap_dims(1, 2);
        let image_pe = as_tokens(image_pe);
        let mut state = TwoWayState {
            tokens: tokens.clone(),
            image: as_tokens(image),
        };
        for layer in &self.layers {
            state = layer.forward(state, tokens.clone(), image_pe.clone());
        }
        let attended = self.final_attn_token_to_image.forward(
            state.tokens.clone() + tokens,
            state.image.clone() + image_pe,
            state.image.clone(),
        );
        (
            normalise(&self.norm_final_attn, state.tokens + attended, EPSILON),
            state.image,
        )
    }
}

/// Tokens `[n, tokens, dim]` and image `[n, h * w, dim]` between two layers.
#[derive(Debug)]
pub struct TwoWayState {
    /// Prompt and output tokens.
    pub tokens: Tensor<3>,
    /// Image tokens.
    pub image: Tensor<3>,
}

/// Self-attention of tokens, tokens to image, MLP, image to tokens; post-norm throughout.
#[derive(Module, Debug)]
pub struct TwoWayAttentionBlock {
    /// Tokens among themselves.
    pub self_attn: DecoderAttention,
    /// After self-attention.
    pub norm1: LayerNorm,
    /// Tokens read the image.
    pub cross_attn_token_to_image: DecoderAttention,
    /// After reading.
    pub norm2: LayerNorm,
    /// Tokens alone.
    pub mlp: DecoderMlp,
    /// After the MLP.
    pub norm3: LayerNorm,
    /// The image reads the tokens.
    pub cross_attn_image_to_token: DecoderAttention,
    /// After the image's reading.
    pub norm4: LayerNorm,
    skip_first_layer_pe: bool,
}

impl TwoWayAttentionBlock {
    fn new(config: &SamConfig, first: bool, device: &Device) -> Self {
        let (dim, heads) = (config.out_chans, config.decoder_heads);
        let attention = |downsample| DecoderAttention::new(dim, heads, downsample, device);
        let norm = || layer_norm(dim, device);
        Self {
            self_attn: attention(1),
            norm1: norm(),
            cross_attn_token_to_image: attention(CROSS_ATTENTION_DOWNSAMPLE),
            norm2: norm(),
            mlp: DecoderMlp {
                lin1: LinearConfig::new(dim, config.decoder_mlp_dim).init(device),
                lin2: LinearConfig::new(config.decoder_mlp_dim, dim).init(device),
            },
            norm3: norm(),
            cross_attn_image_to_token: attention(CROSS_ATTENTION_DOWNSAMPLE),
            norm4: norm(),
            skip_first_layer_pe: first,
        }
    }

    fn forward(&self, state: TwoWayState, token_pe: Tensor<3>, image_pe: Tensor<3>) -> TwoWayState {
        let TwoWayState { tokens, image } = state;
        let tokens = if self.skip_first_layer_pe {
            self.self_attn
                .forward(tokens.clone(), tokens.clone(), tokens)
        } else {
            let q = tokens.clone() + token_pe.clone();
            tokens.clone() + self.self_attn.forward(q.clone(), q, tokens)
        };
        let tokens = normalise(&self.norm1, tokens, EPSILON);

        let image_with_pe = image.clone() + image_pe;
        let read = self.cross_attn_token_to_image.forward(
            tokens.clone() + token_pe.clone(),
            image_with_pe.clone(),
            image.clone(),
        );
        let tokens = normalise(&self.norm2, tokens + read, EPSILON);
        let tokens = normalise(
            &self.norm3,
            tokens.clone() + self.mlp.forward(tokens),
            EPSILON,
        );

        let read = self.cross_attn_image_to_token.forward(
            image_with_pe,
            tokens.clone() + token_pe,
            tokens.clone(),
        );
        let image = normalise(&self.norm4, image + read, EPSILON);
        TwoWayState { tokens, image }
    }
}

/// Two linear layers with ReLU between.
#[derive(Module, Debug)]
pub struct DecoderMlp {
    /// `dim` to hidden.
    pub lin1: Linear,
    /// Hidden to `dim`.
    pub lin2: Linear,
}

impl DecoderMlp {
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        self.lin2.forward(relu(self.lin1.forward(x)))
    }
}

/// PyTorch's default eps, which the original keeps in the decoder.
fn layer_norm(dim: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(dim).with_epsilon(EPSILON).init(device)
}
