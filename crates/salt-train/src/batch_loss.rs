//! The loss of one batch, from pixels to a number and its gradients.

use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use salt_data::Batch;
use salt_sam::preprocess::normalise;
use salt_sam::{ClassPrompt, Sam, upscale_masks};

use crate::embedding_cache::{EmbeddingCache, Pixels};
use crate::loss::LossConfig;
use crate::recipe::Recompute;
use crate::recomputed::recomputed;
use crate::sharded::backward;

/// How the loss of a batch is computed.
#[derive(Clone, Copy)]
pub(crate) struct BatchLoss<'a> {
    pub config: &'a LossConfig,
    pub recompute: Recompute,
    /// Where embeddings are kept; only for a model whose image encoder is not trained, and for inputs that come again
    /// in other batches. Each is computed by itself then, kept or not, so that keeping it changes nothing.
    pub embeddings: Option<&'a EmbeddingCache>,
    pub device: &'a Device,
}

impl BatchLoss<'_> {
    /// `share` of the loss of a batch, penalty included, and the gradients of that.
    ///
    /// # Panics
    /// Never for prompts of [`crate::recipe::PromptSection::draw`]: they are one for every class of every sample.
    pub(crate) fn gradients(
        &self,
        model: &Sam,
        batch: Batch,
        prompts: Option<&[ClassPrompt]>,
        share: f64,
    ) -> (f64, GradientsParams) {
        let plain = self.device.clone().without_autodiff();
        let size = [batch.size, batch.height, batch.width];
        let (labels, dims) = (batch.labels_bhw, [size[0], 3, size[1], size[2]]);
        let head = |embedding| self.head(model, embedding, &labels, size, prompts) * share;
        if let Some(embeddings) = self.embeddings {
            let values = batch.pixels_bchw;
            let embedding = embeddings.embed_each(model, &Pixels { values, dims }, self.device);
            return backward(model, head(embedding.autodiff()));
        }
        // Pixels need no gradient: what comes before the first trained parameter stays off the tape.
        let pixels = Tensor::from_data(TensorData::new(batch.pixels_bchw, dims), &plain);
        match self.recompute {
            Recompute::None => backward(model, head(model.encode_image(pixels))),
            Recompute::Blocks => recomputed(model, normalise(pixels), head),
        }
    }

    fn head(
        &self,
        model: &Sam,
        embedding: Tensor<4>,
        labels: &[u8],
        [batch, height, width]: [usize; 3],
        prompts: Option<&[ClassPrompt]>,
    ) -> Tensor<1> {
        let plain = self.device.clone().without_autodiff();
        let answer = match prompts {
            Some(prompts) => model
                .segment_prompted(embedding, prompts)
                .expect("a valid prompt per class"),
            None => model.segment_classes(embedding),
        };
        let logits = upscale_masks(answer.low_res_masks, [height, width]);
        let size = [batch, height, width];
        let targets = self.config.targets(labels, size, model.n_classes(), &plain);
        let loss = self.config.forward(logits, &targets);
        match salt_peft::penalty(model) {
            Some(penalty) => loss + penalty,
            None => loss,
        }
    }
}
