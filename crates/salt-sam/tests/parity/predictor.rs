//! The predictor and the automatic generator against the original code, with the weights of `sam_nano`;
//! `generate_predictor.py` is the oracle.

use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use salt_sam::preprocess::network_input;
use salt_sam::weights::{Checkpoint, StoredTensor, embedded_nano, embedded_nano_bytes};
use salt_sam::{AutomaticMaskGenerator, Prompts, RgbImage, Sam, SamConfig, SamError};
use serde_json::Value;

use super::{Expected, forward, largest_difference, path};

/// Largest difference of logits and embeddings of `sam_nano`, whose values reach 16. Flex was measured to
/// differ by 2e-5, the rounding of single precision in another order.
const LOGIT: f32 = 1e-3;

/// `picture` of the generator.
fn picture(width: usize, height: usize) -> Vec<u8> {
    let mut data = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            data.extend((0..3).map(|c| ((x * 7 + y * 13 + c * 50 + x * y / 5) % 256) as u8));
        }
    }
    data
}

fn rgb(data: &[u8], width: usize, height: usize) -> RgbImage<'_> {
    RgbImage {
        width,
        height,
        data,
    }
}

fn nano(device: &Device) -> Sam {
    embedded_nano(&SamConfig::nano(), Some("thin"), device).unwrap()
}

fn bytes(expected: &Expected, key: &str) -> (Vec<u8>, usize, usize) {
    let image: Tensor<3> = expected.get(key);
    let [height, width, _] = image.dims();
    let data = image.into_data().iter::<f32>().map(|v| v as u8).collect();
    (data, width, height)
}

#[test]
fn pictures_of_any_shape_are_resized_as_pillow_does() {
    let device = Device::default();
    let expected = Expected::of("predictor.safetensors", &device);
    let sizes = expected.names("resize.");
    assert_eq!(sizes.len(), 16);
    for key in sizes {
        let numbers: Vec<usize> = key
            .split(['.', 'x'])
            .filter_map(|part| part.parse().ok())
            .collect();
        let [width, height, target] = numbers[..] else {
            panic!("{key}");
        };
        let data = picture(width, height);
        let image = rgb(&data, width, height);
        let (input, [columns, rows]) = network_input(image, target, &device).unwrap();
        let oracle: Tensor<3> = expected.get(&key);
        assert_eq!(oracle.dims(), [rows, columns, 3], "{key}");
        let shown = input.clone().slice([0..1, 0..3, 0..rows, 0..columns]);
        let shown = shown.squeeze_dim::<3>(0).permute([1, 2, 0]);
        let difference = largest_difference(shown, oracle);
        assert_eq!(difference, 0.0, "{key}");
        // What is not picture is exactly nothing after normalisation.
        let normalised = salt_sam::preprocess::normalise(input);
        let padding = normalised.slice([0..1, 0..3, rows..target, 0..target]);
        if rows < target {
            assert_eq!(padding.abs().max().into_scalar::<f32>(), 0.0, "{key}");
        }
    }
}

#[test]
fn masks_come_back_at_the_size_of_the_picture() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default();
    let expected = Expected::of("predictor.safetensors", &device);
    let sam = nano(&device);
    for key in expected.names("upscale.") {
        let Some((width, height)) = key["upscale.".len()..].split_once('x') else {
            continue;
        };
        let (width, height) = (width.parse().unwrap(), height.parse().unwrap());
        let data = picture(width, height);
        let image = sam.set_image(rgb(&data, width, height)).unwrap();
        let full = image.upscale(expected.get("upscale.low_res"));
        let difference = largest_difference(full, expected.get(&key));
        assert!(difference <= forward(), "{key}: {difference:e}");
    }
}

#[test]
fn a_picture_and_prompts_in_its_pixels_give_the_originals_masks() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default();
    let expected = Expected::of("predictor.safetensors", &device);
    let (data, width, height) = bytes(&expected, "predict.image");
    let sam = nano(&device);
    let image = sam.set_image(rgb(&data, width, height)).unwrap();
    let prompts = Prompts::default()
        .with_points(
            Tensor::from_data([[[30.0f32, 32.0], [70.5, 48.0], [3.0, 77.0]]], &device),
            Tensor::<2, Int>::from_data([[1, 1, 0]], &device),
        )
        .with_boxes(Tensor::from_data([[10.0f32, 8.0, 90.0, 75.0]], &device));
    let answer = sam.decode_image(&image, &prompts, true).unwrap();
    let check = |what: &str, found: Tensor<4>| {
        let expected = expected.get(&format!("predict.{what}"));
        let difference = largest_difference(found, expected);
        assert!(difference <= LOGIT, "{what}: {difference:e}");
    };
    check("embedding", image.embedding().clone());
    check("mask_logits", image.upscale(answer.low_res_masks.clone()));
    check("low_res_masks", answer.low_res_masks);
    let iou = largest_difference(
        answer.iou_predictions,
        expected.get("predict.iou_predictions"),
    );
    assert!(iou <= LOGIT, "{iou:e}");
}

/// Weights that are numbers and whose masks are none, while the predicted IoU is one.
#[test]
fn masks_that_are_no_numbers_are_an_error() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default();
    let mut checkpoint =
        Checkpoint::from_safetensors(embedded_nano_bytes(), Path::new("nano")).unwrap();
    for mask in 0..4 {
        let key = format!("mask_decoder.output_hypernetworks_mlps.{mask}.layers.2.bias");
        let shape = checkpoint.tensors[&key].shape.clone();
        let huge = StoredTensor::new(shape.clone(), vec![3e38; shape[0]]);
        checkpoint.tensors.insert(key, huge);
    }
    let sam = checkpoint.into_sam(&SamConfig::nano(), Some("thin"), &device);
    let sam = sam.unwrap();
    let data = picture(20, 10);
    let image = rgb(&data, 20, 10);
    let encoded = sam.set_image(image).unwrap();
    let prompts =
        Prompts::default().with_boxes(Tensor::from_data([[1.0f32, 1.0, 9.0, 9.0]], &device));
    for multimask in [false, true] {
        let error = sam.decode_image(&encoded, &prompts, multimask).unwrap_err();
        assert!(matches!(error, SamError::Answer), "{error}");
    }
    let generator = AutomaticMaskGenerator {
        points_per_side: 2,
        ..AutomaticMaskGenerator::default()
    };
    let error = generator.generate(&sam, image, |_, _| ControlFlow::Continue(()));
    assert!(matches!(error, Err(SamError::Answer)));
}

#[test]
fn the_automatic_generator_finds_what_the_original_finds() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default();
    let expected = Expected::of("predictor.safetensors", &device);
    let (data, width, height) = bytes(&expected, "automatic.image");
    let image = rgb(&data, width, height);
    let sam = nano(&device);
    let cases = std::fs::read_to_string(path("automatic.json")).unwrap();
    let cases: serde_json::Map<String, Value> = serde_json::from_str(&cases).unwrap();
    let generators = [
        (
            "plain",
            AutomaticMaskGenerator {
                points_per_side: 6,
                points_per_batch: 7,
                pred_iou_thresh: 0.1,
                stability_score_thresh: 0.5,
                stability_score_offset: 0.1,
                box_nms_thresh: 0.9,
                ..AutomaticMaskGenerator::default()
            },
        ),
        (
            "everything",
            AutomaticMaskGenerator {
                points_per_side: 2,
                pred_iou_thresh: 0.0,
                stability_score_thresh: 0.0,
                box_nms_thresh: 1.0,
                ..AutomaticMaskGenerator::default()
            },
        ),
    ];
    for (case, generator) in generators {
        let found = generator
            .generate(&sam, image, |_, _| ControlFlow::Continue(()))
            .unwrap();
        let masks = cases[case]["masks"].as_array().unwrap();
        assert_eq!(found.len(), masks.len(), "{case}");
        for (found, expected) in found.iter().zip(masks) {
            let number = |key: &str| expected[key].as_f64().unwrap();
            assert!((f64::from(found.predicted_iou) - number("predicted_iou")).abs() < 1e-3);
            // A pixel whose logit is nearly 0 may fall to either side.
            let slack = 2.0 + 1e-3 * number("area");
            assert!(
                (found.area as f64 - number("area")).abs() <= slack,
                "{case}: {}",
                found.area
            );
            assert_eq!(
                serde_json::json!(found.point_coords),
                expected["point_coords"],
                "{case}"
            );
        }
    }
}

#[test]
fn prompts_and_pictures_without_a_meaning_are_refused() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default();
    let sam = nano(&device);
    let data = picture(20, 10);
    let image = rgb(&data, 20, 10);
    let encoded = sam.set_image(image).unwrap();
    let refused = |prompts: Prompts, word: &str| {
        let error = sam.decode_image(&encoded, &prompts, false).unwrap_err();
        let message = error.to_string();
        let is_prompt = matches!(error, SamError::Prompt(_));
        assert!(is_prompt && message.contains(word), "{word}: {message}");
    };
    let point = |x: f32, y: f32, label: i32| {
        Prompts::default().with_points(
            Tensor::from_data([[[x, y]]], &device),
            Tensor::<2, Int>::from_data([[label]], &device),
        )
    };
    let bounds =
        |corners: [f32; 4]| Prompts::default().with_boxes(Tensor::from_data([corners], &device));
    refused(Prompts::default(), "at least one");
    refused(point(20.0, 5.0, 1), "outside");
    refused(point(5.0, 10.5, 0), "outside");
    refused(point(-0.1, 5.0, 1), "outside");
    refused(point(5.0, 5.0, 4), "label");
    refused(point(5.0, 5.0, -2), "label");
    refused(point(f32::NAN, 5.0, 1), "finite");
    refused(point(5.0, f32::INFINITY, 1), "finite");
    refused(bounds([5.0, 1.0, 4.0, 2.0]), "x0 < x1");
    refused(bounds([1.0, 2.0, 4.0, 2.0]), "y0 < y1");
    refused(bounds([1.0, f32::NAN, 4.0, 2.0]), "x0 < x1");
    refused(bounds([1.0, 1.0, 21.0, 2.0]), "outside");
    let none = Tensor::<1>::zeros([2], &device)
        .reshape([1, 1, 2])
        .slice([0..0, 0..1, 0..2]);
    let labels = Tensor::<2, Int>::zeros([1, 1], &device).slice([0..0, 0..1]);
    refused(Prompts::default().with_points(none, labels), "at least one");
    let mask = Tensor::<4>::full([1, 1, 64, 64], f32::NAN, &device);
    refused(Prompts::default().with_mask_input(mask), "NaN");
    let mask = Tensor::<4>::zeros([1, 1, 32, 64], &device);
    refused(
        Prompts::default().with_mask_input(mask),
        "mask_input must be",
    );
    // A filler and the far corner of a box are no points of the image.
    sam.decode_image(&encoded, &point(900.0, -4.0, -1), false)
        .unwrap();
    sam.decode_image(&encoded, &bounds([0.0, 0.0, 20.0, 10.0]), false)
        .unwrap();

    for (width, height, bytes) in [
        (0, 10, 0),
        (10, 0, 0),
        (2, 2, 11),
        (2, 2, 13),
        (1 << 40, 1 << 40, 3),
    ] {
        let data = vec![0; bytes];
        let image = rgb(&data, width, height);
        let error = sam.set_image(image).unwrap_err();
        assert!(matches!(error, SamError::Image(_)), "{error}");
    }
}
