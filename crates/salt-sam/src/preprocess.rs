//! Pixel values to network input.

use burn::tensor::Tensor;

/// Mean of SAM's training images per channel (RGB, 0..255).
pub const PIXEL_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Standard deviation of SAM's training images per channel (RGB, 0..255).
pub const PIXEL_STD: [f32; 3] = [58.395, 57.12, 57.375];

/// Normalises RGB values: `(x - mean) / std`.
///
/// # Shapes
/// - input and output: `[batch, 3, height, width]`, input in 0..=255
pub fn normalise(pixels_bchw: Tensor<4>) -> Tensor<4> {
    let device = pixels_bchw.device();
    let mean = Tensor::<1>::from_floats(PIXEL_MEAN, &device).reshape([1, 3, 1, 1]);
    let std = Tensor::<1>::from_floats(PIXEL_STD, &device).reshape([1, 3, 1, 1]);
    (pixels_bchw - mean) / std
}
