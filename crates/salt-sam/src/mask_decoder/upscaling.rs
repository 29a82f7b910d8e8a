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
/// - input: `[n, h, w, c_in]`, output: `[n, 2 h, 2 w, c_out]`
pub(super) fn double(layer: &ConvTranspose2d, x_bhwc: Tensor<4>) -> Tensor<4> {
    let weight = layer.weight.val();
    let [c_in, c_out, _, _] = weight.dims();
    let [n, h, w, _] = x_bhwc.dims();
    let weight = weight.permute([0, 2, 3, 1]).reshape([c_in, 4 * c_out]);
    let y = x_bhwc
        .reshape([n * h * w, c_in])
        .matmul(weight)
        .reshape([n * h, w, 2, 2 * c_out])
        .swap_dims(1, 2)
        .reshape([n, 2 * h, 2 * w, c_out]);
    match &layer.bias {
        Some(bias) => y + bias.val().reshape([1, 1, 1, c_out]),
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
        // Products and convolutions may round their factors differently.
        let allowed = (4.0 * salt_kernels::product_rounding(&device)).max(1e-5);
        double(&layer, x.clone().permute([0, 2, 3, 1]))
            .permute([0, 3, 1, 2])
            .into_data()
            .assert_approx_eq::<f32>(&layer.forward(x).into_data(), Tolerance::absolute(allowed));
    }
}
