//! A whole image through the network: windows in, one map of logits at native resolution out.

use burn::tensor::{Device, Tensor, TensorData};
use salt_data::{Canvas, ImageRgb, LabelMap, View, Window, inference_inputs};
use salt_sam::{Sam, upscale_masks};

use crate::error::TrainError;

/// A model ready to segment images of any size.
#[derive(Debug)]
pub struct Segmenter {
    model: Sam,
    view: View,
    batch: usize,
    device: Device,
}

impl Segmenter {
    /// `model` must be off the autodiff device ([`burn::module::Module::valid`]); `batch` windows
    /// go through it at once.
    pub fn new(model: Sam, view: View, batch: usize, device: &Device) -> Self {
        Self {
            model,
            view,
            batch: batch.max(1),
            device: device.clone().without_autodiff(),
        }
    }

    /// Logits of every class at the image's own size.
    ///
    /// # Shapes
    /// Row-major `[classes, height, width]`.
    ///
    /// # Errors
    /// From the view, for images it cannot cut.
    pub fn logits(&self, image: &ImageRgb) -> Result<Vec<f32>, TrainError> {
        let classes = self.model.n_classes();
        let mut canvas = Canvas::new(classes, image.width, image.height, &self.view)?;
        let windows = inference_inputs(image, &self.view)?;
        for group in windows.chunks(self.batch) {
            let logits = self.forward(group);
            let each = logits.len() / group.len();
            for (window, logits) in group.iter().zip(logits.chunks_exact(each)) {
                canvas.add(window, logits)?;
            }
        }
        Ok(canvas.finish())
    }

    /// The class of every pixel: the foreground class of the largest logit where that is
    /// positive (probability above one half), background elsewhere.
    ///
    /// # Errors
    /// As [`Segmenter::logits`].
    pub fn labels(&self, image: &ImageRgb) -> Result<LabelMap, TrainError> {
        let logits = self.logits(image)?;
        Ok(LabelMap {
            width: image.width,
            height: image.height,
            classes: argmax(&logits, image.width * image.height),
        })
    }

    /// `[windows, classes, size, size]`, row-major.
    fn forward(&self, windows: &[Window]) -> Vec<f32> {
        let size = windows[0].size;
        let pixels: Vec<f32> = windows
            .iter()
            .flat_map(|w| w.pixels_chw.iter().copied())
            .collect();
        let pixels = TensorData::new(pixels, [windows.len(), 3, size, size]);
        let embedding = self
            .model
            .encode_image(Tensor::from_data(pixels, &self.device));
        let masks = self.model.segment_classes(embedding).low_res_masks;
        upscale_masks(masks, [size, size])
            .into_data()
            .iter::<f32>()
            .collect()
    }
}

fn argmax(logits: &[f32], area: usize) -> Vec<u8> {
    let mut best = vec![0f32; area];
    let mut classes = vec![0u8; area];
    for (class, map) in logits.chunks_exact(area.max(1)).enumerate() {
        for (pixel, &logit) in map.iter().enumerate() {
            if logit > best[pixel] {
                best[pixel] = logit;
                classes[pixel] = class as u8 + 1;
            }
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_positive_logit_names_the_class() {
        let logits = [
            -1.0, 2.0, 0.5, 0.0, /* class 2 */ -2.0, 1.0, 0.75, -0.5,
        ];
        assert_eq!(argmax(&logits, 4), [0, 1, 2, 0]);
        assert_eq!(argmax(&[f32::NAN, 1.0], 2), [0, 1]);
    }
}
