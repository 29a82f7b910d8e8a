//! A whole image through the network: windows in, one map of logits at native resolution out.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use salt_data::{Canvas, ImageRgb, LabelMap, LoadedCase, View, Window, inference_inputs};
use salt_sam::{ClassPrompt, Sam, SamError, upscale_masks};

use crate::components::clean;
use crate::embedding_cache::{EmbeddingCache, Pixels};
use crate::error::TrainError;
use crate::mirror::MIRRORS;
use crate::recipe::{EvaluationPrompts, InferenceSection};

/// A model ready to segment images of any size.
#[derive(Debug)]
pub struct Segmenter {
    model: Sam,
    view: View,
    batch: usize,
    inference: InferenceSection,
    embeddings: Option<Arc<EmbeddingCache>>,
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
            inference: InferenceSection::default(),
            embeddings: None,
            device: device.clone().without_autodiff(),
        }
    }

    /// The same with test-time augmentation and cleaning as asked for.
    #[must_use]
    pub fn with_inference(self, inference: InferenceSection) -> Self {
        Self { inference, ..self }
    }

    /// The same with embeddings kept in `embeddings`, or computed every time.
    #[must_use]
    pub(crate) fn with_embeddings(self, embeddings: Option<Arc<EmbeddingCache>>) -> Self {
        Self { embeddings, ..self }
    }

    /// Logits of every class at the image's own size; with `inference.mirror` the mean over the image and its mirror
    /// images.
    ///
    /// # Shapes
    /// Row-major `[classes, height, width]`.
    ///
    /// # Errors
    /// From the view, for images it cannot cut.
    pub fn logits(&self, image: &ImageRgb) -> Result<Vec<f32>, TrainError> {
        let mut sum = self.prompted_logits(image, &[])?;
        if self.inference.mirror {
            for mirror in MIRRORS {
                let mut logits = self.prompted_logits(&mirror.image(image), &[])?;
                mirror.maps(&mut logits, image.width, image.height);
                sum.iter_mut()
                    .zip(logits)
                    .for_each(|(sum, logit)| *sum += logit);
            }
            let n = (1 + MIRRORS.len()) as f32;
            sum.iter_mut().for_each(|logit| *logit /= n);
        }
        Ok(sum)
    }

    /// With a prompt per class of an image that is one window, or with none.
    fn prompted_logits(
        &self,
        image: &ImageRgb,
        prompts: &[ClassPrompt],
    ) -> Result<Vec<f32>, TrainError> {
        let classes = self.model.n_classes();
        let mut canvas = Canvas::new(classes, image.width, image.height, &self.view)?;
        let windows = inference_inputs(image, &self.view)?;
        for group in windows.chunks(self.batch) {
            let logits = self.forward(group, prompts)?;
            let each = logits.len() / group.len();
            for (window, logits) in group.iter().zip(logits.chunks_exact(each)) {
                canvas.add(window, logits)?;
            }
        }
        Ok(canvas.finish())
    }

    /// The class of every pixel: the foreground class of the largest logit where that is
    /// positive (probability above one half), background elsewhere; components are cleaned as asked for.
    ///
    /// # Errors
    /// As [`Segmenter::logits`].
    pub fn labels(&self, image: &ImageRgb) -> Result<LabelMap, TrainError> {
        let logits = self.logits(image)?;
        Ok(self.label_map(image, &logits))
    }

    /// [`Segmenter::labels`] of a case's image, asked as `prompts` says with what its masks show.
    ///
    /// # Errors
    /// As [`Segmenter::logits`], and for prompts with a view of several windows.
    pub fn case_labels(
        &self,
        case: &LoadedCase,
        prompts: EvaluationPrompts,
    ) -> Result<LabelMap, TrainError> {
        let prompts = prompts.of_case(&case.labels, &self.view, self.model.n_classes());
        if prompts.is_empty() {
            return self.labels(&case.image);
        }
        let logits = self.prompted_logits(&case.image, &prompts)?;
        Ok(self.label_map(&case.image, &logits))
    }

    fn label_map(&self, image: &ImageRgb, logits: &[f32]) -> LabelMap {
        let mut map = LabelMap {
            width: image.width,
            height: image.height,
            classes: argmax(logits, image.width * image.height),
        };
        clean(&mut map, &self.inference);
        map
    }

    /// `[windows, classes, size, size]`, row-major.
    fn forward(&self, windows: &[Window], prompts: &[ClassPrompt]) -> Result<Vec<f32>, SamError> {
        let size = windows[0].size;
        let values: Vec<f32> = windows
            .iter()
            .flat_map(|w| w.pixels_chw.iter().copied())
            .collect();
        let dims = [windows.len(), 3, size, size];
        let embedding = match &self.embeddings {
            Some(embeddings) => {
                embeddings.embed(&self.model, Pixels { values, dims }, &self.device)
            }
            None => {
                let pixels = Tensor::from_data(TensorData::new(values, dims), &self.device);
                self.model.encode_image(pixels)
            }
        };
        let answer = if prompts.is_empty() {
            self.model.segment_classes(embedding)
        } else {
            self.model.segment_prompted(embedding, prompts)?
        };
        Ok(upscale_masks(answer.low_res_masks, [size, size])
            .into_data()
            .iter::<f32>()
            .collect())
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
