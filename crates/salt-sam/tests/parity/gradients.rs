//! Gradients of one scalar through encoder, prompts and decoder.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
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

/// Central differences of the loss along a direction of every kind of parameter: an oracle that knows no
/// backward at all.
#[test]
fn gradients_are_slopes_of_the_loss() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let gradients = {
        let sam = sam(&device);
        let gradients = loss(&sam, &expected).backward();
        let mut slopes = Slopes {
            trail: Vec::new(),
            gradients,
            slopes: BTreeMap::new(),
        };
        sam.visit(&mut slopes);
        slopes.slopes
    };
    let at = |kind: &str, step: f32| -> f64 {
        let moved = sam(&device).map(&mut Move {
            trail: Vec::new(),
            kind,
            step,
        });
        f64::from(loss(&moved, &expected).into_scalar::<f32>())
    };
    for kind in KINDS {
        let analytic: f64 = gradients[kind];
        let numeric = (at(kind, STEP) - at(kind, -STEP)) / (2.0 * f64::from(STEP));
        let allowed = CURVATURE * analytic.abs() + ROUNDING;
        assert!(
            (numeric - analytic).abs() < allowed,
            "{kind}: {numeric} against {analytic}"
        );
    }
}

/// How far parameters are moved, as a part of their own size.
const STEP: f32 = 1e-3;

/// Largest relative error of a slope from the third derivative; 1.2 % was measured, and a third of the step
/// makes it .2 %.
const CURVATURE: f64 = 2e-2;

/// Largest error of a slope from the rounding of the loss (.6) in single precision, over twice the step.
const ROUNDING: f64 = 4e-4;

/// Parts of the model that are moved together.
const KINDS: [&str; 9] = [
    "image_encoder.pos_embed",
    "image_encoder.patch_embed",
    "image_encoder.blocks.0",
    "image_encoder.blocks.1.attn",
    "image_encoder.neck",
    "prompt_encoder.mask_downscaling",
    "prompt_encoder.point_embeddings",
    "mask_decoder.transformer",
    "mask_decoder.output_upscaling",
];

/// The direction of a parameter: a wave over its values, of their own size.
fn direction<const D: usize>(tensor: &Tensor<D>) -> Tensor<D> {
    let n = tensor.shape().num_elements();
    let wave: Vec<f32> = (0..n).map(|i| (1.0 + 0.7 * i as f32).sin()).collect();
    let rms = tensor.to_data().iter::<f32>().map(|x| x * x).sum::<f32>() / n as f32;
    let wave = wave
        .into_iter()
        .map(|x| x * rms.sqrt())
        .collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(wave, tensor.dims()), &tensor.device())
}

fn path_of(trail: &[String]) -> String {
    trail.join(".")
}

/// Sums `gradient . direction` over the parameters of every kind.
struct Slopes {
    trail: Vec<String>,
    gradients: Gradients,
    slopes: BTreeMap<&'static str, f64>,
}

impl ModuleVisitor for Slopes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.trail.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = path_of(&self.trail);
        let Some(gradient) = param.val().grad(&self.gradients) else {
            return;
        };
        let along = direction(&param.val().inner());
        let slope = f64::from((gradient * along).sum().into_scalar::<f32>());
        for kind in KINDS.iter().filter(|kind| path.starts_with(**kind)) {
            *self.slopes.entry(kind).or_default() += slope;
        }
    }
}

/// Moves the parameters of a kind along their directions.
struct Move<'a> {
    trail: Vec<String>,
    kind: &'a str,
    step: f32,
}

impl ModuleMapper for Move<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.trail.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        // Buffers are no parameters.
        if !path_of(&self.trail).starts_with(self.kind) || !param.is_require_grad() {
            return param;
        }
        let step = self.step;
        param.map(|tensor| {
            let tensor = tensor.detach();
            let along = direction(&tensor.clone().inner());
            let moved = tensor.inner() + along * step;
            Tensor::from_inner(moved).require_grad()
        })
    }
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
