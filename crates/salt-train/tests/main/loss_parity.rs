//! Every term of the loss against MONAI, PyTorch and SciPy, value and gradient.
//!
//! `tests/parity/generate.py` writes the fixture in double precision. The values here are sums of up
//! to 256 numbers in single precision.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use salt_train::loss::LossConfig;
use serde::Deserialize;

/// Of the value, and of the greatest entry of the gradient, whose fixture has six digits.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct Fixture {
    size: [usize; 4],
    logits: Vec<f32>,
    labels: BTreeMap<String, Vec<u8>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    labels: String,
    config: LossConfig,
    value: f64,
    gradient: Vec<f64>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../parity/losses.json")).unwrap()
}

/// Value and gradient at the logits.
fn differentiate(
    config: &LossConfig,
    logits: &[f32],
    size: [usize; 4],
    labels: &[u8],
) -> (f64, Vec<f32>) {
    config.check().unwrap();
    let [batch, classes, height, width] = size;
    let device = Device::default();
    let targets = config.targets(labels, [batch, height, width], classes, &device);
    let data = TensorData::new(logits.to_vec(), size);
    let logits = Tensor::<4>::from_data(data, &device.autodiff()).require_grad();
    let loss = config.forward(logits.clone(), &targets);
    let gradients = loss.clone().backward();
    let gradient = logits.grad(&gradients).unwrap().into_data();
    (
        f64::from(loss.into_scalar::<f32>()),
        gradient.try_to_vec().unwrap(),
    )
}

#[test]
fn every_term_equals_those_of_monai_pytorch_and_scipy() {
    let fixture = fixture();
    for case in &fixture.cases {
        let labels = &fixture.labels[&case.labels];
        let (value, gradient) = differentiate(&case.config, &fixture.logits, fixture.size, labels);
        let expected = case.value;
        let name = &case.name;
        assert!(
            (value - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
            "{name}: {value} {expected}"
        );
        let largest = case.gradient.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
        assert!(largest > 0.0, "{name}: a gradient that could not fail");
        for (i, (ours, theirs)) in gradient.iter().zip(&case.gradient).enumerate() {
            let apart = (f64::from(*ours) - theirs).abs();
            assert!(
                apart <= TOLERANCE * largest,
                "{name}, entry {i}: {ours} {theirs}, the largest is {largest}"
            );
        }
    }
}

/// One configuration for each term, that term alone.
fn single_terms() -> Vec<LossConfig> {
    let names = [
        "focal", "dice", "bce", "ce", "tversky", "cldice", "boundary",
    ];
    let config = |name: &str| {
        let mut weights = toml::Table::new();
        weights.insert("focal_weight".into(), 0.0.into());
        weights.insert("dice_weight".into(), 0.0.into());
        weights.insert(format!("{name}_weight"), 1.0.into());
        weights.try_into().unwrap()
    };
    names.into_iter().map(config).collect()
}

#[test]
fn ignored_pixels_have_no_gradient_and_no_influence_in_any_term() {
    let fixture = fixture();
    let [_, classes, height, width] = fixture.size;
    let labels = &fixture.labels["scattered"];
    let ignored = |i: usize| {
        let (sample, pixel) = (i / (classes * height * width), i % (height * width));
        labels[sample * height * width + pixel] == 255
    };
    let mut others = fixture.logits.clone();
    for (i, logit) in others.iter_mut().enumerate() {
        *logit = if ignored(i) { 9.0 } else { *logit };
    }
    for config in single_terms() {
        let (value, gradient) = differentiate(&config, &fixture.logits, fixture.size, labels);
        for (i, g) in gradient.iter().enumerate().filter(|(i, _)| ignored(*i)) {
            assert_eq!(*g, 0.0, "{config:?}, entry {i}");
        }
        let again = differentiate(&config, &others, fixture.size, labels);
        assert_eq!((value, gradient), again, "{config:?}");
    }
}

#[test]
fn nothing_but_ignored_pixels_is_no_loss_in_any_term() {
    let fixture = fixture();
    let labels = vec![255; fixture.labels["framed"].len()];
    for config in single_terms() {
        let (value, gradient) = differentiate(&config, &fixture.logits, fixture.size, &labels);
        assert_eq!(value, 0.0, "{config:?}");
        assert!(gradient.iter().all(|g| *g == 0.0), "{config:?}");
    }
}

#[test]
fn logits_of_any_size_stay_finite_in_every_term() {
    let labels = [0, 1, 2, 0, 1, 255, 2, 2];
    let logits: Vec<f32> = (0..32)
        .map(|i| if i * 5 % 8 < 4 { 1e4 } else { -1e4 })
        .collect();
    let perfect: Vec<f32> = (0..32)
        .map(|i| {
            let (sample, class, pixel) = (i / 16, i / 4 % 2, i % 4);
            if labels[(sample * 4 + pixel) % 8] as usize == class + 1 {
                1e4
            } else {
                -1e4
            }
        })
        .collect();
    let mut configs = single_terms();
    let mut focal_tversky = configs[4].clone();
    focal_tversky.tversky_gamma = 0.5;
    configs.push(focal_tversky);
    for config in configs {
        for logits in [&logits[..16], &perfect[..16]] {
            let (value, gradient) = differentiate(&config, logits, [2, 2, 2, 2], &labels);
            assert!(value.is_finite(), "{config:?}");
            assert!(gradient.iter().all(|g| g.is_finite()), "{config:?}");
        }
    }
}

#[test]
fn weights_of_one_for_every_class_change_nothing() {
    let fixture = fixture();
    let labels = &fixture.labels["scattered"];
    for config in single_terms() {
        let weighted = LossConfig {
            class_weights: vec![1.0; 2],
            ..config.clone()
        };
        let value = |config| differentiate(config, &fixture.logits, fixture.size, labels).0;
        assert!(
            (value(&config) - value(&weighted)).abs() < 1e-6,
            "{config:?}"
        );
    }
}

#[test]
fn gradients_of_the_skeleton_are_those_of_finite_differences() {
    let fixture = fixture();
    let config = &single_terms()[5];
    let labels = &fixture.labels["scattered"];
    let (_, gradient) = differentiate(config, &fixture.logits, fixture.size, labels);
    let value = |logits: &[f32]| differentiate(config, logits, fixture.size, labels).0;
    // The logits are 6/255 apart: within a step no minimum changes its place.
    let step = 2f32.powi(-8);
    for i in (0..fixture.logits.len()).step_by(7) {
        let (mut up, mut down) = (fixture.logits.clone(), fixture.logits.clone());
        up[i] += step;
        down[i] -= step;
        let slope = (value(&up) - value(&down)) / f64::from(2.0 * step);
        assert!(
            (slope - f64::from(gradient[i])).abs() < 1e-4,
            "entry {i}: {} {slope}",
            gradient[i]
        );
    }
}
