//! The gradient of every parameter, told in three numbers each; `generate_gradients.py` is the oracle, which runs the
//! original code.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData};
use salt_sam::{MaskPrediction, Prompts, Sam};
use serde::Deserialize;

use super::decoder::{prompts, with_class_tokens};
use super::gradients::{as_pytorch, key_of, tolerance};
use super::{Expected, path, rounding, sam};

/// Frequencies of the waves that a gradient is multiplied with.
const FREQUENCIES: [f64; 2] = [0.7, 1.3];

/// Largest rounding error of a gradient that is zero or nearly so, as those of the keys' biases are: softmax does not
/// see what it adds to all. The largest norm is 180, and single precision ends 7 digits below it, TF32 sooner.
fn zero() -> f64 {
    f64::from(rounding()).mul_add(2.0, 3e-5)
}

/// A case of `gradients.json`.
#[derive(Deserialize)]
struct Case {
    loss: f64,
    /// Norm and two sums over waves.
    gradients: BTreeMap<String, [f64; 3]>,
}

fn wave(n: usize, frequency: f64) -> impl Iterator<Item = f64> {
    (0..n).map(move |i| (1.0 + frequency * i as f64).sin())
}

/// `score` of the generator.
fn score(answer: MaskPrediction) -> Tensor<1> {
    let masks = answer.low_res_masks;
    let weights = wave(masks.shape().num_elements(), FREQUENCIES[0]).map(|x| x as f32);
    let weights = TensorData::new(weights.collect::<Vec<f32>>(), masks.dims());
    let weights = Tensor::from_data(weights, &masks.device());
    (masks * weights).mean() * 100.0 + answer.iou_predictions.sum()
}

fn check(name: &str, sam: &Sam, loss: Tensor<1>, device: &Device) {
    let text = std::fs::read_to_string(path("gradients.json")).unwrap();
    let mut cases: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    let case: Case = serde_json::from_value(cases.remove(name).unwrap()).unwrap();
    let allowed = tolerance(device);
    let value = f64::from(loss.clone().into_scalar::<f32>());
    assert!((value - case.loss).abs() < f64::from(allowed), "{value}");
    let mut told = Told {
        trail: Vec::new(),
        gradients: loss.backward(),
        expected: case.gradients,
        allowed: allowed.into(),
        wrong: Vec::new(),
    };
    sam.visit(&mut told);
    assert!(told.wrong.is_empty(), "{name}: {}", told.wrong.join("\n"));
    let left: Vec<_> = told.expected.keys().collect();
    assert!(left.is_empty(), "{name}: not compared: {left:?}");
}

/// One mask and several, every kind of prompt: all 201 parameters of the original have a part in it.
#[test]
fn prompted_masks() {
    let device = Device::default().autodiff();
    let (expected, sam) = (Expected::open(&device), sam(&device));
    let embedding = sam.encode_image(expected.get("pixels"));
    let ask = |case: &str, multimask: bool| {
        let prompts = prompts(&expected, case);
        score(sam.decode(embedding.clone(), &prompts, multimask).unwrap())
    };
    let loss = ask("point_box_mask", true) + ask("two_points", false) + ask("padded_box", false);
    check("prompted", &sam, loss, &device);
}

#[test]
fn classes_and_their_tokens() {
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let sam = with_class_tokens(&expected, &device);
    let embedding = sam.encode_image(expected.get("pixels"));
    let loss = score(sam.segment_classes(embedding));
    check("classes", &sam, loss, &device);
}

/// Another size: positions are resampled, and relative positions where they are used.
#[test]
fn positions_of_another_size() {
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let sam = sam(&device).with_image_size(96).unwrap();
    let prompts = Prompts::default()
        .with_points(
            Tensor::from_data([[[12.0f32, 40.5]]], &device),
            Tensor::<2, Int>::from_data([[1]], &device),
        )
        .with_boxes(Tensor::from_data([[4.0f32, 8.0, 90.0, 60.5]], &device));
    let embedding = sam.encode_image(expected.get("px96.pixels"));
    let loss = score(sam.decode(embedding, &prompts, true).unwrap());
    check("resampled", &sam, loss, &device);
}

/// Compares the gradient of every parameter.
struct Told {
    trail: Vec<(String, String)>,
    gradients: Gradients,
    /// What was not compared yet.
    expected: BTreeMap<String, [f64; 3]>,
    allowed: f64,
    wrong: Vec<String>,
}

impl ModuleVisitor for Told {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = key_of(&self.trail);
        let gradient = param.val().grad(&self.gradients);
        // What has no part in a loss has no gradient, or zeros: PyTorch tells some that we do not compute.
        let expected = self.expected.remove(&key).unwrap_or_default();
        let values: Vec<f64> = match gradient {
            Some(gradient) => as_pytorch(&self.trail, gradient)
                .into_data()
                .iter()
                .collect(),
            None => vec![0.0],
        };
        let norm = values.iter().map(|x| x * x).sum::<f64>().sqrt();
        let over = |f: f64| {
            values
                .iter()
                .zip(wave(values.len(), f))
                .map(|(g, w)| g * w)
                .sum()
        };
        let found: [f64; 3] = [norm, over(FREQUENCIES[0]), over(FREQUENCIES[1])];
        // A wave of n values has norm sqrt(n / 2): no sum differs by more than this times the gradient's own error.
        let wave_norm = (values.len() as f64 / 2.0).sqrt().max(1.0);
        let allowed = self.allowed * expected[0] + zero();
        let mut pairs = found.iter().zip(expected).zip([1.0, wave_norm, wave_norm]);
        if !pairs.all(|((found, expected), size)| (found - expected).abs() <= allowed * size) {
            self.wrong
                .push(format!("{key}: {found:?}, expected {expected:?}"));
        }
    }
}
