//! The loss of one batch, from pixels to a number.

use burn::tensor::{Device, Tensor, TensorData};
use salt_data::Batch;
use salt_sam::{ClassPrompt, Sam, upscale_masks};

use crate::loss::LossConfig;

/// Loss of a batch, penalty included.
///
/// # Panics
/// Never for prompts of [`crate::recipe::PromptSection::draw`]: they are one for every class of every sample.
pub(crate) fn batch_loss(
    model: &Sam,
    config: &LossConfig,
    batch: Batch,
    prompts: Option<&[ClassPrompt]>,
    device: &Device,
) -> Tensor<1> {
    let plain = device.clone().without_autodiff();
    let size = [batch.size, batch.height, batch.width];
    let pixels = TensorData::new(
        batch.pixels_bchw,
        [batch.size, 3, batch.height, batch.width],
    );
    // Pixels need no gradient: what comes before the first trained parameter stays off the tape.
    let embedding = model.encode_image(Tensor::from_data(pixels, &plain));
    let answer = match prompts {
        Some(prompts) => model
            .segment_prompted(embedding, prompts)
            .expect("a valid prompt per class"),
        None => model.segment_classes(embedding),
    };
    let masks = answer.low_res_masks;
    let logits = upscale_masks(masks, [batch.height, batch.width]);
    let targets = config.targets(&batch.labels_bhw, size, model.n_classes(), &plain);
    let loss = config.forward(logits, &targets);
    match salt_peft::penalty(model) {
        Some(penalty) => loss + penalty,
        None => loss,
    }
}
