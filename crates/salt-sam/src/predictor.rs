//! One image, many prompts (`segment_anything/predictor.py`): the image is encoded once, prompts are given
//! in its own pixels, and masks come back at its own size.

use burn::tensor::{Device, Tensor, TensorData};

use crate::error::SamError;
use crate::preprocess::{RgbImage, network_input};
use crate::prompt_encoder::Prompts;
use crate::sam::{MaskPrediction, Sam};
use crate::upscale::upscale_masks;

/// An image that a [`Sam`] has seen. Cheap to clone.
#[derive(Clone, Debug)]
pub struct EncodedImage {
    embedding: Tensor<4>,
    /// `[width, height]` of the image.
    original: [usize; 2],
    /// `[width, height]` of the part of the network's input that shows it.
    shown: [usize; 2],
    image_size: usize,
}

impl Sam {
    /// Encodes an image for any number of [`Sam::decode_image`].
    ///
    /// # Errors
    /// [`SamError::Image`] for a picture that is empty or not as large as it says.
    pub fn set_image(&self, image: RgbImage<'_>) -> Result<EncodedImage, SamError> {
        let image_size = self.image_size();
        let device = self.prompt_tokens.lazy_device();
        let (pixels, shown) = network_input(image, image_size, &device)?;
        Ok(EncodedImage {
            embedding: self.encode_image(pixels),
            original: [image.width, image.height],
            shown,
            image_size,
        })
    }

    /// Masks for prompts in pixels of the image itself (x to the right, y down), at low resolution;
    /// [`EncodedImage::upscale`] brings them to its size.
    ///
    /// # Shapes
    /// - output: as [`Sam::decode`]
    ///
    /// # Errors
    /// [`SamError::Prompt`] as [`Prompts::validate`], and for a point or a corner outside of the image.
    /// [`SamError::Answer`] when the model answers with NaN or infinity, in masks or predicted IoU.
    pub fn decode_image(
        &self,
        image: &EncodedImage,
        prompts: &Prompts,
        multimask_output: bool,
    ) -> Result<MaskPrediction, SamError> {
        let n = prompts.validate(4 * self.grid())?;
        prompts.check_inside(image.original)?;
        let answer = self.decode_valid(
            image.embedding.clone(),
            &image.to_input(prompts),
            n,
            multimask_output,
        )?;
        match answer.is_finite() {
            true => Ok(answer),
            false => Err(SamError::Answer),
        }
    }
}

impl EncodedImage {
    /// The image embedding, `[1, out_chans, grid, grid]`.
    pub fn embedding(&self) -> &Tensor<4> {
        &self.embedding
    }

    /// `[width, height]` of the image in pixels.
    pub fn size_px(&self) -> [usize; 2] {
        self.original
    }

    /// Low-resolution logits at the image's own size (`Sam.postprocess_masks`): to the input's size, the
    /// padding cut off, to the image's size; bilinear both times, not antialiased. Above 0 is the object.
    ///
    /// # Shapes
    /// - `low_res_masks`: `[n, masks, 4 * grid, 4 * grid]`
    /// - output: `[n, masks, height, width]`
    pub fn upscale(&self, low_res_masks: Tensor<4>) -> Tensor<4> {
        let [n, masks, ..] = low_res_masks.dims();
        let [width, height] = self.shown;
        let square = upscale_masks(low_res_masks, [self.image_size; 2]);
        let shown = square.slice([0..n, 0..masks, 0..height, 0..width]);
        let [width, height] = self.original;
        upscale_masks(shown, [height, width])
    }

    /// The same prompts in pixels of the network's input (`ResizeLongestSide.apply_coords`).
    fn to_input(&self, prompts: &Prompts) -> Prompts {
        let [x, y] =
            [0, 1].map(|axis| (self.shown[axis] as f64 / self.original[axis] as f64) as f32);
        let scale = |device: &Device| Tensor::<1>::from_data(TensorData::from([x, y]), device);
        let mut scaled = prompts.clone();
        if let Some((coords, labels)) = &prompts.points {
            let scale = scale(&coords.device()).reshape([1, 1, 2]);
            scaled.points = Some((coords.clone() * scale, labels.clone()));
        }
        if let Some(boxes) = &prompts.boxes {
            let scale = scale(&boxes.device());
            let scale = Tensor::cat(vec![scale.clone(), scale], 0).reshape([1, 4]);
            scaled.boxes = Some(boxes.clone() * scale);
        }
        scaled
    }
}
