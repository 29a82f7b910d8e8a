//! LayerNorm over the channels of an image.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};

/// Normalises every pixel over its channels: `y = (x - mean) / sqrt(var + eps) * weight + bias`,
/// with the biased variance, as `LayerNorm2d` of the original (`modeling/common.py`).
///
/// # Shapes
/// - input and output: `[batch, channels, height, width]`
#[derive(Module, Debug)]
pub struct LayerNorm2d {
    /// Scale per channel, `[channels]`.
    pub weight: Param<Tensor<1>>,
    /// Offset per channel, `[channels]`.
    pub bias: Param<Tensor<1>>,
    eps: f64,
}

impl LayerNorm2d {
    /// Weight one, bias zero, eps 1e-6 (the original's).
    pub fn new(channels: usize, device: &Device) -> Self {
        Self {
            weight: Initializer::Ones.init([channels], device),
            bias: Initializer::Zeros.init([channels], device),
            eps: 1e-6,
        }
    }

    /// See [`LayerNorm2d`].
    pub fn forward(&self, x_bchw: Tensor<4>) -> Tensor<4> {
        let [_, channels, _, _] = x_bchw.dims();
        let centred = x_bchw.clone() - x_bchw.mean_dim(1);
        let variance = centred.clone().powi_scalar(2).mean_dim(1);
        let normed = centred / (variance + self.eps).sqrt();
        normed * self.weight.val().reshape([1, channels, 1, 1])
            + self.bias.val().reshape([1, channels, 1, 1])
    }
}
