//! Parity with PyTorch 2.6.0 (SALT, S-SAM: the dense form of the reference code, in f64) and with
//! HF peft 0.21.2 (LoRA and its kin). The fixtures are written by `generate.py` beside this file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::activation::{relu, tanh};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use safetensors::SafeTensors;
use salt_peft::{
    AdapterConfig, Rank, Relu, attach, load_trainable_state, merge, penalty, save_adapter,
};

use crate::nets::{assert_close, floats};

/// f32 against f64 over three layers and a decomposition. The functions of GPU drivers (tanh here) are
/// allowed more error than a CPU's.
fn tolerance() -> f32 {
    let device = format!("{:?}", Device::default());
    match ["Flex", "NdArray"].iter().any(|cpu| device.contains(cpu)) {
        true => 1e-5,
        false => 1e-4,
    }
}

const LAYERS: [&str; 3] = ["conv", "fc1", "fc2"];

#[derive(Module, Debug)]
struct Net {
    conv: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl Net {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x: Tensor<2> = relu(self.conv.forward(x)).mean_dims(&[2, 3]).flatten(1, 3);
        self.fc2.forward(tanh(self.fc1.forward(x)))
    }
}

/// A tensor of a fixture file.
#[derive(Clone)]
struct Array {
    dims: Vec<usize>,
    values: Vec<f32>,
}

impl Array {
    fn data(&self) -> TensorData {
        TensorData::new(self.values.clone(), self.dims.clone())
    }
}

type Fixtures = BTreeMap<String, Array>;

fn read(name: &str) -> Fixtures {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity")
        .join(name);
    read_file(&path)
}

fn read_file(path: &std::path::Path) -> Fixtures {
    let bytes = std::fs::read(path).expect("a fixture");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let arrays = file.tensors().into_iter().map(|(name, view)| {
        let values = view
            .data()
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b));
        (
            name,
            Array {
                dims: view.shape().to_vec(),
                values: values.collect(),
            },
        )
    });
    arrays.collect()
}

fn tensor<const D: usize>(array: &Array, device: &Device) -> Tensor<D> {
    Tensor::from_data(array.data(), device)
}

fn base(fixtures: &Fixtures, device: &Device) -> Net {
    let linear = |name: &str| {
        let weight = tensor::<2>(&fixtures[&format!("base.{name}.weight")], device).transpose();
        let [d_in, d_out] = weight.dims();
        let mut linear = LinearConfig::new(d_in, d_out).init(device);
        linear.weight = Param::from_data(weight.into_data(), device);
        let bias = &fixtures[&format!("base.{name}.bias")];
        linear.bias = Some(Param::from_data(bias.data(), device));
        linear
    };
    let padding = PaddingConfig2d::Explicit(1, 1, 1, 1);
    let mut conv = Conv2dConfig::new([3, 6], [3, 3])
        .with_padding(padding)
        .init(device);
    conv.weight = Param::from_data(fixtures["base.conv.weight"].data(), device);
    conv.bias = Some(Param::from_data(fixtures["base.conv.bias"].data(), device));
    Net {
        conv,
        fc1: linear("fc1"),
        fc2: linear("fc2"),
    }
}

fn config(method: &str) -> AdapterConfig {
    let mut config = AdapterConfig::new(method.parse().expect("registered"));
    config.targets = vec!["conv|fc[12]".into()];
    config
}

fn salt(relu: Relu) -> AdapterConfig {
    let mut config = config("salt");
    config.head_rank = Some(Rank::Absolute(2));
    config.tail_rank = Some(2);
    config.relu = Some(relu);
    config
}

/// The base with the adapter attached and its factors set to the fixture's.
fn adapted(fixtures: &Fixtures, config: &AdapterConfig, factors: &Fixtures) -> Net {
    let device = Device::default().autodiff();
    let (net, _) = attach(base(fixtures, &device), config).expect("sound");
    let state = factors.iter().map(|(name, array)| {
        let (layer, field) = name.split_once('.').expect("layer.field");
        (format!("{layer}.weight.adapter.{field}"), array.data())
    });
    load_trainable_state(net, state.collect()).expect("the factors fit")
}

fn under(fixtures: &Fixtures, prefix: &str) -> Fixtures {
    let found = fixtures
        .iter()
        .filter_map(|(name, array)| Some((name.strip_prefix(prefix)?.to_string(), array.clone())));
    found.collect()
}

/// Compares the gradient of every factor.
struct Gradient<'a> {
    path: Vec<String>,
    case: &'a str,
    got: &'a Gradients,
    expected: Fixtures,
    checked: usize,
}

impl ModuleVisitor for Gradient<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if let Some((layer, field)) = path.split_once(".weight.adapter.") {
            let got = floats(param.base().grad(self.got).expect("a gradient"));
            let expected = &self.expected[&format!("{layer}.{field}")];
            assert_close(
                &got,
                &expected.values,
                tolerance(),
                &format!("{} {path}", self.case),
            );
            self.checked += 1;
        }
    }
}

fn check_gradients(net: &Net, case: &str, got: &Gradients, expected: Fixtures) {
    let count = expected.len();
    let mut visitor = Gradient {
        path: Vec::new(),
        case,
        got,
        expected,
        checked: 0,
    };
    net.visit(&mut visitor);
    assert_eq!(visitor.checked, count, "{case}: every gradient is compared");
}

/// Forward, gradients and merged weights of a case.
fn check(case: &str, config: &AdapterConfig, factors: &Fixtures) {
    let fixtures = read("parity.safetensors");
    let net = adapted(&fixtures, config, factors);
    let device = Device::default().autodiff();
    let output = net.forward(tensor(&fixtures["input"], &device));
    let expected = &fixtures[&format!("{case}.output")];
    assert_close(
        &floats(output.clone()),
        &expected.values,
        tolerance(),
        &format!("{case} output"),
    );

    let loss = (output * tensor(&fixtures["target"], &device)).sum();
    let gradients = loss.backward();
    check_gradients(
        &net,
        case,
        &gradients,
        under(&fixtures, &format!("{case}.grad.")),
    );

    let merged = merge(net).expect("finite");
    let weights = [
        floats(merged.conv.weight.val()),
        floats(merged.fc1.weight.val().transpose()),
        floats(merged.fc2.weight.val().transpose()),
    ];
    for (layer, got) in LAYERS.into_iter().zip(weights) {
        let expected = &fixtures[&format!("{case}.merged.{layer}")];
        assert_close(
            &got,
            &expected.values,
            tolerance(),
            &format!("{case} merged {layer}"),
        );
    }
}

#[test]
fn salt_equals_the_dense_reference_form() {
    let fixtures = read("parity.safetensors");
    for (name, relu) in [
        ("head", Relu::Head),
        ("full", Relu::Full),
        ("off", Relu::Off),
    ] {
        let case = format!("salt_{name}");
        check(
            &case,
            &salt(relu),
            &under(&fixtures, &format!("{case}.factor.")),
        );
    }
    // The variants differ here, so that each test tells its own from the others.
    let outputs =
        ["head", "full", "off"].map(|name| &fixtures[&format!("salt_{name}.output")].values);
    assert!(outputs[0] != outputs[1] && outputs[1] != outputs[2]);
}

#[test]
fn the_penalty_and_its_gradients_equal_pytorch() {
    let fixtures = read("parity.safetensors");
    let mut config = salt(Relu::Head);
    config.lambda = Some(0.25);
    let net = adapted(&fixtures, &config, &under(&fixtures, "salt_head.factor."));
    let value = penalty(&net).expect("lambda is set");
    let expected = &fixtures["penalty.value"].values;
    assert_close(&floats(value.clone()), expected, tolerance(), "penalty");
    check_gradients(
        &net,
        "penalty",
        &value.backward(),
        under(&fixtures, "penalty.grad."),
    );
}

#[test]
fn ssam_equals_pytorch() {
    let fixtures = read("parity.safetensors");
    check("ssam", &config("ssam"), &under(&fixtures, "ssam.factor."));
}

/// A method of LoRA's kin as HF peft computes it, from the very file HF peft saved; its factors.
fn check_hf(method: &str, targets: &str) -> (AdapterConfig, Fixtures, Fixtures) {
    let mut config = config(method);
    config.targets = vec![targets.into()];
    config.rank = Some(Rank::Absolute(3));
    config.alpha = Some(6.0);
    let file = read(&format!("hf_{method}.safetensors"));
    let factors: Fixtures = file
        .iter()
        .map(|(name, array)| {
            let name = name
                .strip_prefix("base_model.model.")
                .expect("peft's prefix");
            let (layer, factor) = name.split_once(".lora_").expect("a factor");
            let field = factor.strip_suffix(".weight").unwrap_or(factor);
            let field = field
                .strip_suffix("_vector")
                .unwrap_or(field)
                .to_lowercase();
            // A convolution's factors are flattened to matrices, its magnitudes to a vector.
            let dims = match (field.as_str(), array.dims.as_slice()) {
                ("magnitude", dims) => vec![dims.iter().product()],
                (_, [first, rest @ ..]) => vec![*first, rest.iter().product()],
                (_, []) => panic!("{name} is a scalar"),
            };
            let values = array.values.clone();
            (format!("{layer}.{field}"), Array { dims, values })
        })
        .collect();
    check(method, &config, &factors);
    (config, file, factors)
}

/// Written back, the file has the keys, shapes and values of HF peft's, and its configuration says
/// what HF peft's would.
fn check_hf_file(method: &str, flags: &[(&str, bool)]) {
    let (config, file, factors) = check_hf(method, "conv|fc[12]");
    let fixtures = read("parity.safetensors");
    let dir = tempfile::tempdir().expect("tmp");
    save_adapter(&adapted(&fixtures, &config, &factors), &config, dir.path()).expect("saves");
    let written = read_file(&dir.path().join("adapter_model.safetensors"));
    assert_eq!(
        written.keys().collect::<Vec<_>>(),
        file.keys().collect::<Vec<_>>()
    );
    for (name, array) in &file {
        assert_eq!(written[name].dims, array.dims, "{name}");
        assert_eq!(written[name].values, array.values, "{name}");
    }
    let text = std::fs::read_to_string(dir.path().join("adapter_config.json")).expect("written");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(json["peft_type"], "LORA");
    assert_eq!(json["r"], 3);
    assert_eq!(json["lora_alpha"], 6.0);
    for (flag, value) in flags {
        assert_eq!(json[flag], *value, "{method}: {flag}");
    }
    assert_eq!(
        json["target_modules"],
        serde_json::json!(["conv", "fc1", "fc2"])
    );
}

#[test]
fn lora_equals_hf_peft() {
    check_hf_file("lora", &[("use_rslora", false), ("use_dora", false)]);
}

#[test]
fn rslora_equals_hf_peft() {
    check_hf_file("rslora", &[("use_rslora", true), ("use_dora", false)]);
}

#[test]
fn dora_equals_hf_peft() {
    check_hf_file("dora", &[("use_rslora", false), ("use_dora", true)]);
}

/// HF peft replaces the base by its residual; kept beside the start of the factors it must act alike.
#[test]
fn pissa_and_olora_equal_hf_peft() {
    for method in ["pissa", "olora"] {
        check_hf(method, "fc[12]");
    }
}
