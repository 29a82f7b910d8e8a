//! Gradients against slopes of the loss by central differences: an oracle that knows no backward at all.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use salt_sam::{ClassPrompt, Sam};

use super::decoder::with_class_tokens;
use super::gradients::loss;
use super::{Expected, sam};

/// How far parameters are moved, as a part of their own size.
const STEP: f32 = 1e-3;

/// Largest relative error of a slope from the third derivative; 1.2 % was measured, and a third of the step
/// makes it .2 %.
const CURVATURE: f64 = 2e-2;

/// Largest error of a slope from the rounding of the loss (about 1) in single precision, over twice the step.
const ROUNDING: f64 = 4e-4;

/// Compares the slope along a direction of every kind of parameter, which are the parts of the model whose names begin
/// so.
fn check(
    kinds: &[&'static str],
    device: &Device,
    sam: &dyn Fn() -> Sam,
    loss: &dyn Fn(&Sam) -> Tensor<1>,
) {
    let gradients = {
        let sam = sam();
        let mut slopes = Slopes {
            trail: Vec::new(),
            kinds,
            gradients: loss(&sam).backward(),
            slopes: BTreeMap::new(),
        };
        sam.visit(&mut slopes);
        slopes.slopes
    };
    let at = |kind: &str, step: f32| -> f64 {
        let moved = sam().map(&mut Move {
            trail: Vec::new(),
            kind,
            step,
        });
        f64::from(loss(&moved).into_scalar::<f32>())
    };
    for kind in kinds {
        let analytic: f64 = gradients[kind];
        let numeric = (at(kind, STEP) - at(kind, -STEP)) / (2.0 * f64::from(STEP));
        let allowed = CURVATURE * analytic.abs() + ROUNDING;
        assert!(
            (numeric - analytic).abs() < allowed,
            "{kind} on {device:?}: {numeric} against {analytic}"
        );
    }
}

#[test]
fn prompted_masks() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let kinds = [
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
    check(&kinds, &device, &|| sam(&device), &|sam| {
        loss(sam, &expected)
    });
}

/// The semantic head: classes alone, and classes with prompts beside their tokens.
#[test]
fn classes_with_and_without_prompts() {
    if !crate::on_cpu() {
        return;
    }
    let device = Device::default().autodiff();
    let expected = Expected::open(&device);
    let weights: Tensor<4> = expected.get("loss.weights");
    let ask = |points: &[([f32; 2], bool)], bounding_box| ClassPrompt {
        points: points.to_vec(),
        bounding_box,
    };
    let prompts = [
        ask(&[([3.0, 4.0], true)], None),
        ClassPrompt::default(),
        ask(&[], Some([2.0, 3.0, 20.0, 30.0])),
        ask(&[([9.0, 50.0], false)], Some([5.0, 5.0, 60.5, 63.0])),
        ClassPrompt::default(),
        ask(&[([0.0, 31.0], true), ([7.0, 8.0], false)], None),
    ];
    let score =
        |masks: Tensor<4>, iou: Tensor<2>| (masks * weights.clone()).mean() * 100.0 + iou.sum();
    let loss = |sam: &Sam| {
        let embedding = sam.encode_image(expected.get("pixels"));
        let alone = sam.segment_classes(embedding.clone());
        let beside = sam.segment_prompted(embedding, &prompts).unwrap();
        score(alone.low_res_masks, alone.iou_predictions)
            + score(beside.low_res_masks, beside.iou_predictions)
    };
    let kinds = [
        "prompt_tokens",
        "image_encoder.neck",
        "prompt_encoder.point_embeddings",
        "prompt_encoder.not_a_point_embed",
        "prompt_encoder.no_mask_embed",
        "mask_decoder.transformer",
        "mask_decoder.output_upscaling",
        "mask_decoder.output_hypernetworks_mlps.0",
        "mask_decoder.iou_prediction_head",
    ];
    let sam = || with_class_tokens(&expected, &device);
    check(&kinds, &device, &sam, &loss);
}

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
struct Slopes<'a> {
    kinds: &'a [&'static str],
    trail: Vec<String>,
    gradients: Gradients,
    slopes: BTreeMap<&'static str, f64>,
}

impl ModuleVisitor for Slopes<'_> {
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
        for kind in self.kinds.iter().filter(|kind| path.starts_with(**kind)) {
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
