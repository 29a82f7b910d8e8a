//! Pictures to network input: the longest side to the input's size, antialiased, padded at the bottom and
//! right, normalised (`segment_anything/utils/transforms.py`, `ResizeLongestSide`; `modeling/sam.py`,
//! `preprocess`).

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::SamError;
use crate::resize::resize_rgb;

/// Mean of SAM's training images per channel (RGB, 0..255).
pub const PIXEL_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Standard deviation of SAM's training images per channel (RGB, 0..255).
pub const PIXEL_STD: [f32; 3] = [58.395, 57.12, 57.375];

/// Longest side that a picture may have, in pixels.
const MAX_SIDE: usize = 1 << 16;

/// A picture as bytes, without a library of pictures: `data` holds R, G, B of every pixel, row by row.
#[derive(Clone, Copy, Debug)]
pub struct RgbImage<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `3 * width * height` bytes.
    pub data: &'a [u8],
}

impl RgbImage<'_> {
    /// # Errors
    /// [`SamError::Image`] for an empty picture, a side above 65536 pixels and another number of bytes.
    pub(crate) fn check(&self) -> Result<(), SamError> {
        let sides = [self.width, self.height];
        if sides.iter().any(|side| !(1..=MAX_SIDE).contains(side)) {
            return Err(SamError::Image(format!(
                "expected sides from 1 to {MAX_SIDE} pixels, received {} x {}; cut or scale the picture",
                self.width, self.height
            )));
        }
        let expected = 3 * self.width * self.height;
        if self.data.len() != expected {
            return Err(SamError::Image(format!(
                "{} x {} pixels are {expected} bytes of RGB, received {}",
                self.width,
                self.height,
                self.data.len()
            )));
        }
        Ok(())
    }

    /// The part of the picture in `[x0, y0, x1, y1]`, which must lie inside.
    pub(crate) fn crop(&self, [x0, y0, x1, y1]: [usize; 4]) -> Vec<u8> {
        let row = |y: usize| &self.data[3 * (y * self.width + x0)..3 * (y * self.width + x1)];
        (y0..y1).flat_map(row).copied().collect()
    }
}

/// `[width, height]` after scaling the longest side to `target`; the other is rounded half up, and at least
/// one pixel (the original gives zero for a line of one pixel).
pub fn fit_longest_side(width: usize, height: usize, target: usize) -> [usize; 2] {
    let scale = target as f64 / width.max(height).max(1) as f64;
    [width, height].map(|side| ((side as f64 * scale + 0.5) as usize).max(1))
}

/// A picture as the input of a network with `image_size` pixels a side, and `[width, height]` of the part of
/// it that shows the picture. The padding has the colour that [`normalise`] brings to zero.
///
/// Pixels are those of Pillow's `BILINEAR`, which the original uses: antialiased, and the same bit for bit.
///
/// # Shapes
/// - output: `[1, 3, image_size, image_size]`, values 0..=255
///
/// # Errors
/// [`SamError::Image`] for a picture that is empty or not as large as it says.
pub fn network_input(
    image: RgbImage<'_>,
    image_size: usize,
    device: &Device,
) -> Result<(Tensor<4>, [usize; 2]), SamError> {
    image.check()?;
    let [width, height] = fit_longest_side(image.width, image.height, image_size);
    let resized = resize_rgb(image.data, [image.width, image.height], [width, height]);
    let pixels = resized.as_chunks::<3>().0;
    let mut values = Vec::with_capacity(3 * image_size * image_size);
    for (channel, pad) in PIXEL_MEAN.into_iter().enumerate() {
        for row in pixels.chunks_exact(width) {
            values.extend(row.iter().map(|rgb| f32::from(rgb[channel])));
            values.resize(values.len() + image_size - width, pad);
        }
        values.resize((channel + 1) * image_size * image_size, pad);
    }
    let values = TensorData::new(values, [1, 3, image_size, image_size]);
    Ok((Tensor::from_data(values, device), [width, height]))
}

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
