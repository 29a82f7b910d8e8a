//! Bases that are not f32: factors and sums are, the stored weight keeps its type.

use burn::tensor::quantization::QuantValue;
use burn::tensor::{DType, Device, TensorData};
use salt_peft::method::Scope;
use salt_peft::{
    AdapterConfig, attach, load_trainable_state, merge_with_report, trainable_state, unload,
};

use crate::laws::cases;
use crate::nets::{Mlp, Net, bits, floats};

/// The cases that attach factors.
fn targeting() -> impl Iterator<Item = (String, AdapterConfig)> {
    let cases = cases::<Mlp>().into_iter();
    cases.filter(|(_, config)| config.method.get().scope() == Scope::Targets)
}

/// A half-precision base stays in half precision, and unchanged until something is trained.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_half_precision_base_keeps_its_type() {
    let device = Device::default();
    if !device.supports_dtype(DType::F16) {
        eprintln!("skipped: {device:?} has no 16-bit floats");
        return;
    }
    let mut base = Mlp::new(1, &device);
    for layer in [&mut base.fc1].into_iter().chain(&mut base.blocks) {
        layer.weight = layer.weight.clone().map(|weight| weight.cast(DType::F16));
    }
    for (case, config) in cases::<Mlp>() {
        let (model, _) = attach(base.clone(), &config).expect("sound");
        let (weight, expected) = (model.fc1.weight.val(), base.fc1.weight.val());
        assert_eq!(weight.dtype(), DType::F16, "{case}");
        assert_eq!(bits(weight), bits(expected), "{case}");
    }
}

/// Merging rounds once, to the nearest value of the weight's type, and says by how much.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn merging_reports_what_rounding_cost() {
    let device = Device::default();
    let half = device.supports_dtype(DType::F16);
    if !half {
        eprintln!("half precision is skipped: {device:?} has no 16-bit floats");
    }
    for stored in [Some(DType::F32), half.then_some(DType::F16)]
        .into_iter()
        .flatten()
    {
        let mut base = Mlp::new(1, &device);
        base.fc1.weight = base.fc1.weight.clone().map(|weight| weight.cast(stored));
        for (case, config) in targeting() {
            let (model, _) = attach(base.clone(), &config).expect("sound");
            let mut state = trainable_state(&model).expect("readable");
            for data in state.values_mut() {
                let values = data.iter::<f32>().enumerate();
                let values: Vec<f32> = values.map(|(i, x)| x + 0.1 * (i as f32).sin()).collect();
                *data = TensorData::new(values, data.shape().clone());
            }
            let model = load_trainable_state(model, state).expect("fits");
            let (merged, report) = merge_with_report(model).expect("finite");
            let weight = merged.fc1.weight.val();
            assert_eq!(weight.dtype(), stored, "{case}");
            let largest = floats(weight)
                .into_iter()
                .fold(0.0, |max: f32, x| max.max(x.abs()));
            // f32: the same sum, up to the order in which another kernel took it. f16 keeps 11 bits.
            let lost = report.differences["fc1.weight"] / largest;
            match stored {
                DType::F32 => assert!(lost <= 1e-6, "{case}: {lost}"),
                _ => assert!((1e-6..=1.0 / 2048.0).contains(&lost), "{case}: {lost}"),
            }
        }
    }
}

/// A quantised base stays quantised; adapters see the values it stands for, in f32.
#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_quantised_base_is_adapted_in_f32() {
    let device = Device::default();
    if !format!("{device:?}").contains("Flex") {
        eprintln!("skipped: quantisation is tested on flex");
        return;
    }
    let scheme = device.settings().quantization.scheme;
    let scheme = scheme.with_value(QuantValue::Q8S);
    let mut base = Mlp::new(1, &device);
    for layer in [&mut base.fc1].into_iter().chain(&mut base.blocks) {
        layer.weight = (layer.weight.clone()).map(|weight| weight.quantize_dynamic(&scheme));
    }
    let stored = base.fc1.weight.val().dtype();
    assert!(matches!(stored, DType::QFloat(_)), "{stored:?}");
    let stands_for = bits(base.fc1.weight.val().dequantize());
    for (case, config) in targeting() {
        let (model, _) = attach(base.clone(), &config).expect("sound");
        assert_eq!(bits(model.fc1.weight.val()), stands_for, "{case}");
        let unloaded = unload(model.clone()).fc1.weight.val();
        assert_eq!(unloaded.dtype(), stored, "{case}");
        assert_eq!(bits(unloaded.dequantize()), stands_for, "{case}");
        let (merged, report) = merge_with_report(model).expect("finite");
        assert_eq!(merged.fc1.weight.val().dtype(), DType::F32, "{case}");
        assert_eq!(bits(merged.fc1.weight.val()), stands_for, "{case}");
        assert_eq!(report.largest(), 0.0, "{case}");
    }
}
