//! Bilinear resampling as two matrix products.
//!
//! Burn's `interpolate` has a backward on flex only; a product has one everywhere, and two thin
//! products are faster than a gather. Source positions follow `align_corners = false`
//! (PyTorch's `F.interpolate`): `src = (dst + 0.5) * in / out - 0.5`, clamped at the border.

use burn::tensor::{Device, Tensor, TensorData};

/// Row `i` holds the weights by which the `input` samples make output sample `i`; each row sums to 1.
///
/// # Shapes
/// - output: `[output, input]`
pub fn bilinear_matrix(input: usize, output: usize, device: &Device) -> Tensor<2> {
    let mut values = vec![0f32; output * input];
    let ratio = input as f64 / output as f64;
    for (row, weights) in values.chunks_exact_mut(input).enumerate() {
        let source = ((row as f64 + 0.5) * ratio - 0.5).max(0.0);
        let low = (source.floor() as usize).min(input - 1);
        let high = (low + 1).min(input - 1);
        let fraction = (source - low as f64) as f32;
        weights[low] += 1.0 - fraction;
        weights[high] += fraction;
    }
    Tensor::from_data(TensorData::new(values, [output, input]), device)
}

/// Resamples maps of logits to `size = [height, width]`: `out = R_h x R_w^T`.
///
/// # Shapes
/// - `maps`: `[batch, channels, h, w]`
/// - output: `[batch, channels, height, width]`
pub fn upscale_masks(maps: Tensor<4>, size: [usize; 2]) -> Tensor<4> {
    let [batch, channels, h, w] = maps.dims();
    let [height, width] = size;
    if [h, w] == size {
        return maps;
    }
    let device = maps.device();
    let rows = bilinear_matrix(h, height, &device);
    let columns_t = bilinear_matrix(w, width, &device).transpose();
    // Columns first: one product over all rows of all maps.
    let wide = maps.reshape([batch * channels * h, w]).matmul(columns_t);
    let wide = wide.reshape([batch * channels, h, width]);
    rows.unsqueeze::<3>()
        .matmul(wide)
        .reshape([batch, channels, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Tolerance;

    #[test]
    fn doubling_a_line_matches_pytorch() {
        // torch.nn.functional.interpolate([[[[0., 1., 2., 4.]]]], size=(1, 8), mode="bilinear",
        // align_corners=False)
        let device = Device::default();
        let x = Tensor::<4>::from_data([[[[0.0f32, 1.0, 2.0, 4.0]]]], &device);
        upscale_masks(x, [1, 8])
            .into_data()
            .assert_approx_eq::<f32>(
                &TensorData::from([[[[0.0f32, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 4.0]]]]),
                Tolerance::absolute(1e-6),
            );
    }

    #[test]
    fn a_constant_stays_constant() {
        let device = Device::default();
        let x = Tensor::<4>::full([2, 3, 5, 7], 1.5, &device);
        // The weights of a pixel add up to one before a device rounds them for its products.
        let allowed = (4.0 * salt_kernels::product_rounding(&device)).max(1e-6);
        upscale_masks(x, [13, 4])
            .into_data()
            .assert_approx_eq::<f32>(
                &Tensor::<4>::full([2, 3, 13, 4], 1.5, &device).into_data(),
                Tolerance::absolute(allowed),
            );
    }
}
