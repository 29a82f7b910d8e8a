//! How good a base is on scenes that no training run draws.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use salt_data::synth::scenes::DENSE_CLASSES;
use salt_sam::{Prompts, Sam, upscale_masks};
use serde::{Deserialize, Serialize};

use super::objective::actual_iou;
use super::questions::Questions;

/// Scenes of a full scoring.
pub(super) const HELD_OUT_SCENES: u64 = 256;
/// Scenes of a look in between.
pub(super) const QUICK_SCENES: u64 = 48;
/// Seed of the held-out scenes; training refuses nothing, it simply never uses this seed.
const HELD_OUT_SEED: u64 = u64::MAX;
const BATCH: u64 = 8;

/// Means over held-out scenes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PretrainScores {
    /// Scenes scored.
    pub scenes: u64,
    /// IoU from one point, of the mask that the model itself ranks first.
    pub point_iou: f64,
    /// IoU from one point, of the best of the three masks.
    pub point_best_iou: f64,
    /// IoU from one box.
    pub box_iou: f64,
    /// Dice per dense class, over the scenes that contain it.
    pub dense_dice: BTreeMap<String, f64>,
}

impl PretrainScores {
    /// One line for a person.
    pub(super) fn in_words(&self, step: u64) -> String {
        let dense = self.dense_dice.iter();
        let dense: Vec<String> = dense
            .map(|(name, dice)| format!("{name} {dice:.3}"))
            .collect();
        format!(
            "held-out scenes after step {step}: IoU point {:.3}, best of three {:.3}, box {:.3}; Dice {}",
            self.point_iou,
            self.point_best_iou,
            self.box_iou,
            dense.join(", ")
        )
    }
}

/// Scores a base on `scenes` held-out scenes.
///
/// # Panics
/// Never for a model with one prompt token per dense class, as [`super::pretrain`] makes it.
pub fn held_out_scores(sam: &Sam, scenes: u64) -> PretrainScores {
    let device = sam.prompt_tokens.val().device();
    let mut point = Mean::default();
    let mut point_best = Mean::default();
    let mut boxes = Mean::default();
    let mut dense = vec![Mean::default(); DENSE_CLASSES.len()];
    let mut first = 0;
    while first < scenes {
        let end = (first + BATCH).min(scenes);
        let questions = Questions::draw(
            sam.image_size(),
            HELD_OUT_SEED,
            first..end,
            |_| 0.0,
            &device,
        );
        first = end;
        let embedding = sam.encode_image(questions.pixels.clone());
        let ask = |prompts: &Prompts, multimask| {
            sam.decode(embedding.clone(), prompts, multimask)
                .expect("one prompt per image")
        };
        let (coords, labels) = questions.point.clone();
        let answer = ask(&Prompts::default().with_points(coords, labels), true);
        let iou = actual_iou(answer.low_res_masks, &questions.point_mask);
        let chosen = iou.clone().gather(1, answer.iou_predictions.argmax(1));
        point.add(chosen);
        point_best.add(iou.max_dim(1));
        let answer = ask(
            &Prompts::default().with_boxes(questions.boxes.clone()),
            false,
        );
        boxes.add(actual_iou(answer.low_res_masks, &questions.box_mask));
        let [_, _, height, width] = questions.dense.dims();
        let logits = upscale_masks(
            sam.segment_classes(embedding.clone()).low_res_masks,
            [height, width],
        );
        for (class, mean) in dense.iter_mut().enumerate() {
            let one = |x: Tensor<4>| -> Tensor<3> { x.narrow(1, class, 1).squeeze_dim(1) };
            mean.add_dice(one(logits.clone()), one(questions.dense.clone()));
        }
    }
    PretrainScores {
        scenes,
        point_iou: point.value(),
        point_best_iou: point_best.value(),
        box_iou: boxes.value(),
        dense_dice: DENSE_CLASSES
            .iter()
            .zip(&dense)
            .map(|(name, mean)| ((*name).to_owned(), mean.value()))
            .collect(),
    }
}

#[derive(Clone, Default)]
struct Mean {
    sum: f64,
    count: usize,
}

impl Mean {
    fn add(&mut self, values: Tensor<2>) {
        for value in values.into_data().iter::<f64>() {
            self.sum += value;
            self.count += 1;
        }
    }

    /// Dice of `logits > 0` for every image whose target is not empty.
    fn add_dice(&mut self, logits: Tensor<3>, target: Tensor<3>) {
        let [b, h, w] = target.dims();
        let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
        let target: Vec<f64> = target.into_data().iter::<f64>().collect();
        for image in 0..b {
            let range = image * h * w..(image + 1) * h * w;
            let (mut overlap, mut predicted, mut present) = (0usize, 0usize, 0usize);
            for (z, y) in logits[range.clone()].iter().zip(&target[range]) {
                let (z, y) = (*z > 0.0, *y > 0.5);
                overlap += usize::from(z && y);
                predicted += usize::from(z);
                present += usize::from(y);
            }
            if present > 0 {
                self.sum += 2.0 * overlap as f64 / (predicted + present) as f64;
                self.count += 1;
            }
        }
    }

    fn value(&self) -> f64 {
        if self.count == 0 {
            0.0
        } else {
            self.sum / self.count as f64
        }
    }
}
