//! LayerNorm over the channels of an image.

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use salt_kernels::layer_norm;

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
        self.forward_bhwc(x_bchw.permute([0, 2, 3, 1]))
            .permute([0, 3, 1, 2])
    }

    /// The same with channels last.
    pub(crate) fn forward_bhwc(&self, x_bhwc: Tensor<4>) -> Tensor<4> {
        layer_norm(x_bhwc, self.weight.val(), self.bias.val(), self.eps)
    }
}
