//! Burn's layer norm, computed by the kernel.

use burn::nn::LayerNorm;
use burn::tensor::Tensor;
use salt_kernels::layer_norm;

/// `layer.forward(x)`. The layer keeps its epsilon to itself, so the caller repeats it.
///
/// # Panics
/// When the layer has no offset; every norm of SAM has one.
pub(crate) fn normalise<const D: usize>(
    layer: &LayerNorm,
    x: Tensor<D>,
    epsilon: f64,
) -> Tensor<D> {
    let beta = layer
        .beta
        .as_ref()
        .expect("every norm of SAM has an offset");
    layer_norm(x, layer.gamma.val(), beta.val(), epsilon)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LayerNormConfig;
    use burn::tensor::{Device, Distribution, Tolerance};

    #[test]
    fn equals_the_layers_own_forward() {
        let device = Device::default();
        for epsilon in [1e-6, 1e-2] {
            let layer = LayerNormConfig::new(24).with_epsilon(epsilon).init(&device);
            // Rows of small spread, so that epsilon matters.
            let x = Tensor::<3>::random([2, 5, 24], Distribution::Normal(0.5, 0.1), &device);
            normalise(&layer, x.clone(), epsilon)
                .into_data()
                .assert_approx_eq::<f32>(&layer.forward(x).into_data(), Tolerance::absolute(1e-5));
        }
    }
}
