//! Tokens to embedding channels.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};

use crate::layer_norm_2d::LayerNorm2d;

/// 1x1 convolution, norm, 3x3 convolution, norm; no biases. A tuple, so that the checkpoint's
/// keys `neck.0` to `neck.3` are the module's paths.
pub type Neck = (Conv2d, LayerNorm2d, Conv2d, LayerNorm2d);

pub(super) fn new(embed_dim: usize, out_chans: usize, device: &Device) -> Neck {
    let conv = |input, kernel: usize| {
        let pad = kernel / 2;
        Conv2dConfig::new([input, out_chans], [kernel, kernel])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_bias(false)
            .init(device)
    };
    (
        conv(embed_dim, 1),
        LayerNorm2d::new(out_chans, device),
        conv(out_chans, 3),
        LayerNorm2d::new(out_chans, device),
    )
}

/// `[batch, height, width, embed_dim]` to `[batch, out_chans, height, width]`. The 1x1 convolution
/// is one matrix product over the tokens.
pub(super) fn forward(neck: &Neck, tokens: Tensor<4>) -> Tensor<4> {
    let (project, norm_in, mix, norm_out) = neck;
    let [batch, height, width, dim] = tokens.dims();
    let weight = project.weight.val();
    let [out_chans, ..] = weight.dims();
    let x = tokens
        .reshape([batch * height * width, dim])
        .matmul(weight.reshape([out_chans, dim]).transpose())
        .reshape([batch, height, width, out_chans])
        .permute([0, 3, 1, 2]);
    norm_out.forward(mix.forward(norm_in.forward(x)))
}
