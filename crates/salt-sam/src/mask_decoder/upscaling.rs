//! Transposed convolutions of kernel = stride = 2, as one matrix product each.

use burn::nn::Gelu;
use burn::nn::conv::{ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Device, Tensor};

use crate::layer_norm_2d::LayerNorm2d;

/// Doubles, normalises, activates, doubles, activates. A tuple with the activations in it, so that
/// the checkpoint's indices 0, 1, 3 are the module's paths.
pub type OutputUpscaling = (ConvTranspose2d, LayerNorm2d, Gelu, ConvTranspose2d, Gelu);

pub(super) fn new(dim: usize, device: &Device) -> OutputUpscaling {
    let double = |input, output| {
        ConvTranspose2dConfig::new([input, output], [2, 2])
            .with_stride([2, 2])
            .init(device)
    };
    (
        double(dim, dim / 4),
        LayerNorm2d::new(dim / 4, device),
        Gelu::new(),
        double(dim / 4, dim / 8),
        Gelu::new(),
    )
}

/// The transposed convolution: with kernel = stride no outputs overlap, so every input pixel makes
/// its own 2 x 2 outputs.
///
/// # Shapes
/// - weight: `[c_in, c_out, 2, 2]`
/// - input: `[n, c_in, h, w]`, output: `[n, c_out, 2 h, 2 w]`
pub(super) fn double(layer: &ConvTranspose2d, x: Tensor<4>) -> Tensor<4> {
    let weight = layer.weight.val();
    let [c_in, c_out, _, _] = weight.dims();
    let [n, _, h, w] = x.dims();
    let product = x
        .permute([0, 2, 3, 1])
        .reshape([n * h * w, c_in])
        .matmul(weight.reshape([c_in, c_out * 4]));
    let y = product
        .reshape([n, h, w, c_out, 2, 2])
        .permute([0, 3, 1, 4, 2, 5])
        .reshape([n, c_out, 2 * h, 2 * w]);
    match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, c_out, 1, 1]),
        None => y,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Distribution, Tolerance};

    #[test]
    fn equals_burns_transposed_convolution() {
        let device = Device::default();
        let layer = ConvTranspose2dConfig::new([5, 3], [2, 2])
            .with_stride([2, 2])
            .init(&device);
        let x = Tensor::random([2, 5, 4, 3], Distribution::Normal(0.0, 1.0), &device);
        double(&layer, x.clone())
            .into_data()
            .assert_approx_eq::<f32>(&layer.forward(x).into_data(), Tolerance::absolute(1e-5));
    }
}
