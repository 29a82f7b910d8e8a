//! Gradients of one scalar through encoder, prompts and decoder.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use safetensors::SafeTensors;
use salt_sam::Sam;

use super::decoder::prompts;
use super::{Expected, largest_difference, sam};

/// Largest difference over the largest entry of the oracle's gradient.
///
/// Flex differentiates the exact GELU; 3e-6 was measured. The other backends of Burn 0.22 use the derivative of its
/// tanh approximation (`gelu_backward` of burn-backend); the oracle with that derivative in place of
/// its own differs by up to 1.6e-3 on these fixtures.
fn tolerance(device: &Device) -> f32 {
    if format!("{device:?}").contains("Flex") {
        1e-4
    } else {
        3e-3
    }
}

/// The loss of generate.py.
fn loss(sam: &Sam, expected: &Expected) -> Tensor<1> {
    let embedding = sam.encode_image(expected.get("pixels"));
    let prediction = sam
        .decode(embedding, &prompts(expected, "point_box_mask"), true)
        .unwrap();
    (prediction.low_res_masks * expected.get("loss.weights")).mean() * 100.0
        + prediction.iou_predictions.sum()
}

#[test]
fn gradients_of_every_kind_of_parameter() {
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

#[test]
fn resampled_positions_still_learn() {
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let sam = sam(&device).with_image_size(96).unwrap();
    let gradients = sam
        .encode_image(expected.get("px96.pixels"))
        .abs()
        .sum()
        .backward();
    let positions = sam.image_encoder.pos_embed.val();
    let gradient = positions.grad(&gradients).expect("pos_embed is trainable");
    assert_eq!(gradient.dims(), [1, 12, 12, 32]);
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
        let names: Vec<&str> = self.trail.iter().map(|(name, _)| name.as_str()).collect();
        let key = names
            .join(".")
            .replace("gamma", "weight")
            .replace("beta", "bias");
        let Some(oracle) = self.expected.find::<D>(&format!("grad.{key}")) else {
            return;
        };
        let gradient = param
            .val()
            .grad(&self.gradients)
            .unwrap_or_else(|| panic!("no gradient for {key}"));
        let is_linear = self
            .trail
            .last()
            .is_some_and(|(name, container)| container == "Struct:Linear" && name == "weight");
        let gradient = if is_linear {
            gradient.swap_dims(0, 1)
        } else {
            gradient
        };
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
