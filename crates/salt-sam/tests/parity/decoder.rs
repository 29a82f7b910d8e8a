//! The prompt encoder and the mask decoder, for every kind of prompt.

use burn::tensor::{Device, Int, Tensor};
use salt_sam::weights::{Checkpoint, PROMPT_TOKENS, StoredTensor};
use salt_sam::{Prompts, Sam};

use super::{Expected, config, forward, largest_difference, path, sam};

const CASES: [&str; 8] = [
    "point",
    "two_points",
    "box",
    "point_box",
    "padded_box",
    "only_mask",
    "mask",
    "point_box_mask",
];

/// The prompts of two images. The oracle has an axis for several prompts of one image, here 1.
pub(super) fn prompts(expected: &Expected, case: &str) -> Prompts {
    let mut prompts = Prompts::default();
    if let Some(points) = expected.find::<4>(&format!("{case}.input_points")) {
        let labels: Tensor<2, Int> = expected
            .get::<3>(&format!("{case}.input_labels"))
            .squeeze_dim::<2>(1)
            .int();
        prompts = prompts.with_points(points.squeeze_dim(1), labels);
    }
    if let Some(boxes) = expected.find::<3>(&format!("{case}.input_boxes")) {
        prompts = prompts.with_boxes(boxes.squeeze_dim(1));
    }
    if let Some(mask) = expected.find::<4>(&format!("{case}.input_masks")) {
        prompts = prompts.with_mask_input(mask);
    }
    prompts
}

#[test]
fn dense_positional_encoding() {
    let device = Device::default();
    Expected::open(&device).check("image_pe", sam(&device).prompt_encoder.image_pe());
}

#[test]
fn sparse_and_dense_embeddings() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let encoder = sam(&device).prompt_encoder;
    for case in CASES {
        let (sparse, dense) = encoder.forward(&prompts(&expected, case)).unwrap();
        if case == "only_mask" {
            assert_eq!(sparse.dims(), [2, 0, 16]);
        } else {
            expected.check(&format!("{case}.sparse"), sparse);
        }
        // Without a mask both sides keep one vector: the oracle one per image, we one for all.
        let images = if case.contains("mask") { 1 } else { 2 };
        let dense = dense.repeat_dim(0, images);
        expected.check(&format!("{case}.dense"), dense);
    }
}

#[test]
fn masks_and_iou_for_every_prompt() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let sam = sam(&device);
    let embedding: Tensor<4> = expected.get("encoder.image_embedding");
    for case in CASES {
        let prompts = prompts(&expected, case);
        for (label, multimask_output) in [("single", false), ("multi", true)] {
            let prediction = sam
                .decode(embedding.clone(), &prompts, multimask_output)
                .unwrap();
            let key = |what: &str| format!("{case}.{label}.{what}");
            expected.check(&key("low_res_masks"), prediction.low_res_masks);
            expected.check(&key("iou_predictions"), prediction.iou_predictions);
        }
    }
}

#[test]
fn one_image_serves_several_prompts() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let embedding: Tensor<4> = expected.get("encoder.image_embedding");
    let prompts = prompts(&expected, "point_box");
    let oracle: Tensor<4> = expected.get("point_box.multi.low_res_masks");
    for image in 0..2 {
        let masks = sam(&device)
            .decode(embedding.clone().narrow(0, image, 1), &prompts, true)
            .unwrap()
            .low_res_masks;
        let own = masks.narrow(0, image, 1);
        let difference = largest_difference(own, oracle.clone().narrow(0, image, 1));
        assert!(difference <= forward(), "image {image}: {difference:e}");
    }
}

/// The small model with the oracle's tokens of three classes.
pub(super) fn with_class_tokens(expected: &Expected, device: &Device) -> Sam {
    let tokens: Tensor<2> = expected.get("classes.tokens");
    let [classes, dim] = tokens.dims();
    let mut checkpoint = Checkpoint::read(&path("sam_small.safetensors")).unwrap();
    let stored = StoredTensor::new(
        vec![classes, dim],
        tokens.into_data().iter::<f32>().collect(),
    );
    checkpoint.tensors.insert(PROMPT_TOKENS.to_owned(), stored);
    checkpoint
        .into_sam(&config().with_prompt_tokens(classes), None, device)
        .unwrap()
}

#[test]
fn class_tokens_are_sparse_prompts() {
    let device = Device::default();
    let expected = Expected::open(&device);
    let sam = with_class_tokens(&expected, &device);
    let prediction = sam.segment_classes(expected.get("encoder.image_embedding"));
    expected.check("classes.low_res_masks", prediction.low_res_masks);
    expected.check("classes.iou_predictions", prediction.iou_predictions);
}
