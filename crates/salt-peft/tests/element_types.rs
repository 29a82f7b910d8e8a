//! Bases that are not f32: factors and sums are, the stored weight keeps its type.

use burn::tensor::quantization::QuantValue;
use burn::tensor::{DType, Device};
use salt_peft::method::Scope;
use salt_peft::{attach, merge, unload};

use crate::laws::cases;
use crate::nets::{Mlp, Net, bits};

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
    let targets = cases::<Mlp>().into_iter();
    for (case, config) in targets.filter(|(_, c)| c.method.get().scope() == Scope::Targets) {
        let (model, _) = attach(base.clone(), &config).expect("sound");
        assert_eq!(bits(model.fc1.weight.val()), stands_for, "{case}");
        let unloaded = unload(model.clone()).fc1.weight.val();
        assert_eq!(unloaded.dtype(), stored, "{case}");
        assert_eq!(bits(unloaded.dequantize()), stands_for, "{case}");
        let merged = merge(model).expect("finite").fc1.weight.val();
        assert_eq!(merged.dtype(), DType::F32, "{case}");
        assert_eq!(bits(merged), stands_for, "{case}");
    }
}
