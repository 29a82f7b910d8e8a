//! Gradients of one scalar through encoder, prompts and decoder, value by value.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use safetensors::SafeTensors;
use salt_sam::Sam;

use super::decoder::prompts;
use super::{Expected, largest_difference, rounding, sam};

/// Largest difference over the largest entry of the oracle's gradient.
///
/// Flex differentiates the exact GELU; 3e-6 was measured. The other backends of Burn 0.22 use the derivative of its
/// tanh approximation (`gelu_backward` of burn-backend); the oracle with that derivative in place of
/// its own differs by up to 1.6e-3 on these fixtures. Products that round their factors to TF32 moved gradients by
/// up to 2e-2.
pub(super) fn tolerance(device: &Device) -> f32 {
    let stated: f32 = if format!("{device:?}").contains("Flex") {
        1e-4
    } else {
        3e-3
    };
    stated.max(60.0 * rounding())
}

/// The loss of generate.py.
pub(super) fn loss(sam: &Sam, expected: &Expected) -> Tensor<1> {
    let embedding = sam.encode_image(expected.get("pixels"));
    let prediction = sam
        .decode(embedding, &prompts(expected, "point_box_mask"), true)
        .unwrap();
    (prediction.low_res_masks * expected.get("loss.weights")).mean() * 100.0
        + prediction.iou_predictions.sum()
}

#[test]
fn some_gradients_are_pytorchs_value_by_value() {
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let sam = sam(&device);
    let loss = loss(&sam, &expected);
    expected.check("loss.value", loss.clone());

    let mut compare = Compare {
        trail: Vec::new(),
        gradients: loss.backward(),
        expected: &expected,
        allowed: tolerance(&device),
        compared: 0,
    };
    sam.visit(&mut compare);
    let file = SafeTensors::deserialize(&expected.bytes).unwrap();
    let stored = file
        .names()
        .iter()
        .filter(|n| n.starts_with("grad."))
        .count();
    assert_eq!(compare.compared, stored, "every stored gradient compared");

    // A buffer of the original, not a parameter.
    let matrix = &sam
        .prompt_encoder
        .pe_layer
        .positional_encoding_gaussian_matrix;
    assert!(matrix.val().grad(&compare.gradients).is_none());
}

/// Compares the gradient of every parameter that the fixture has one for.
struct Compare<'a> {
    trail: Vec<(String, String)>,
    gradients: Gradients,
    expected: &'a Expected,
    allowed: f32,
    compared: usize,
}

impl ModuleVisitor for Compare<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let key = key_of(&self.trail);
        let Some(oracle) = self.expected.find::<D>(&format!("grad.{key}")) else {
            return;
        };
        let gradient = param
            .val()
            .grad(&self.gradients)
            .unwrap_or_else(|| panic!("no gradient for {key}"));
        let gradient = as_pytorch(&self.trail, gradient);
        assert_eq!(gradient.dims(), oracle.dims(), "{key}: shape");
        let largest = oracle.clone().abs().max().into_scalar::<f32>();
        let difference = largest_difference(gradient, oracle) / largest;
        assert!(
            difference <= self.allowed,
            "gradient of {key}: differs by {difference:e} of its largest entry, allowed {:e}",
            self.allowed
        );
        self.compared += 1;
    }
}

/// The original's name of the parameter that a visitor stands at.
pub(super) fn key_of(trail: &[(String, String)]) -> String {
    let names: Vec<&str> = trail.iter().map(|(name, _)| name.as_str()).collect();
    let key = names.join(".");
    key.replace("gamma", "weight").replace("beta", "bias")
}

/// A gradient as PyTorch has it: Burn keeps the matrices of linear layers transposed.
pub(super) fn as_pytorch<const D: usize>(
    trail: &[(String, String)],
    gradient: Tensor<D>,
) -> Tensor<D> {
    match trail.last() {
        Some((name, container)) if container == "Struct:Linear" && name == "weight" => {
            gradient.swap_dims(0, 1)
        }
        _ => gradient,
    }
}
