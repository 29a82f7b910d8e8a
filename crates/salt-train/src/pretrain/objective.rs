//! The loss of one batch of questions.
//!
//! Per mask `20 focal + dice`, as SAM (Kirillov et al. 2023, section 3), plus the squared error of
//! the predicted IoU. Of the three masks of an ambiguous point only the best is taught.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Int, Tensor, TensorData};
use salt_sam::{MaskPrediction, Prompts, Sam, upscale_masks};

use super::questions::Questions;

const FOCAL_WEIGHT: f64 = 20.0;
/// Focal weight of foreground against background; 0.5 favours neither.
const FOCAL_ALPHA: f64 = 0.5;
/// Added to both sides of the dice fraction, in pixels: an absent class then asks for silence.
const DICE_SMOOTH: f64 = 1.0;

/// The dense class that is asked in every step; the others take turns.
const ALWAYS: usize = 1;
/// Dense classes asked in one step.
const DENSE_PER_STEP: usize = 3;

/// The dense classes of a step: [`ALWAYS`], and the next ones of the others in turn.
fn dense_classes(step: u64, classes: usize) -> Vec<i64> {
    let others: Vec<usize> = (0..classes).filter(|&class| class != ALWAYS).collect();
    let take = DENSE_PER_STEP.min(classes) - 1;
    let first = (step as usize).wrapping_mul(take);
    let mut asked = vec![ALWAYS as i64];
    asked.extend((0..take).map(|i| others[first.wrapping_add(i) % others.len()] as i64));
    asked
}

/// Mean loss of the questions of one step. Every image is asked by a point and by dense tokens;
/// the box and the refinement of the point's mask take turns, since decoding costs as much as
/// encoding does.
///
/// # Panics
/// Never for questions of [`Questions::draw`]: its prompts agree in number.
pub(super) fn loss(sam: &Sam, questions: &Questions, step: u64) -> Tensor<1> {
    let embedding = sam.encode_image(questions.pixels.clone());
    let ask = |prompts: &Prompts, multimask| {
        sam.decode(embedding.clone(), prompts, multimask)
            .expect("one prompt per image")
    };
    let (coords, labels) = questions.point.clone();
    let point = ask(&Prompts::default().with_points(coords, labels), true);
    let per_mask = segmentation_loss(point.low_res_masks.clone(), &questions.point_mask);
    let best = per_mask.clone().detach().argmin(1);
    let iou_loss = iou_error(&point, &questions.point_mask);
    let point_loss = per_mask.gather(1, best.clone()).mean() + iou_loss;

    let second_loss = if step.is_multiple_of(2) {
        let (coords, labels) = questions.refine.clone();
        let prompts = Prompts::default()
            .with_points(coords, labels)
            .with_mask_input(pick(point.low_res_masks.detach(), best));
        question_loss(&ask(&prompts, false), &questions.point_mask)
    } else {
        let prompts = Prompts::default().with_boxes(questions.boxes.clone());
        question_loss(&ask(&prompts, false), &questions.box_mask)
    };

    let [_, classes, _, _] = questions.dense.dims();
    let asked = dense_classes(step, classes);
    let count = asked.len();
    let asked =
        Tensor::<1, Int>::from_data(TensorData::new(asked, [count]), &questions.pixels.device());
    let tokens = sam.prompt_tokens.val().select(0, asked.clone());
    let answer = sam.segment_tokens(embedding, tokens);
    let wanted = questions.dense.clone().select(1, asked);
    let dense = dense_loss(answer.low_res_masks.clone(), &wanted) + iou_error(&answer, &wanted);
    // Dense classes are what adaptation starts from.
    (point_loss + second_loss + dense * 2.0) / 4.0
}

fn question_loss(answer: &MaskPrediction, target: &Tensor<4>) -> Tensor<1> {
    segmentation_loss(answer.low_res_masks.clone(), target).mean() + iou_error(answer, target)
}

/// One mask per image out of several: `[b, m, h, w]` and `[b, 1]` to `[b, 1, h, w]`.
fn pick(masks: Tensor<4>, index: Tensor<2, Int>) -> Tensor<4> {
    let [b, _, h, w] = masks.dims();
    let index = index
        .reshape([b, 1, 1, 1])
        .expand([b as i64, 1, h as i64, w as i64]);
    masks.gather(1, index)
}

/// `20 focal + dice` of every mask at the target's resolution.
///
/// # Shapes
/// - `low_res`: `[b, m, h, w]`; `target`: `[b, m | 1, s, s]`; output: `[b, m]`
fn segmentation_loss(low_res: Tensor<4>, target: &Tensor<4>) -> Tensor<2> {
    let terms = Terms::new(low_res, target);
    let overlap = terms.overlap * 2.0 + DICE_SMOOTH;
    let total = terms.total + DICE_SMOOTH;
    terms.focal * FOCAL_WEIGHT + (overlap / total).neg() + 1.0
}

/// `20 focal + dice` of dense classes: focal as a mean over all images, dice over the batch as one
/// image, for the classes that occur in it.
///
/// Dice asks an absent class for silence with a gradient of `1 / (sum p + s)^2` at every pixel. When
/// all masks are nearly empty that outweighs what present ones ask for, and a network that answers
/// nothing never gets away from there; focal alone says what absent classes need.
///
/// # Shapes
/// - `low_res`: `[b, m, h, w]`; `target`: `[b, m, s, s]`; output: one element
fn dense_loss(low_res: Tensor<4>, target: &Tensor<4>) -> Tensor<1> {
    let [_, classes, _, _] = low_res.dims();
    let terms = Terms::new(low_res, target);
    let present = target
        .clone()
        .max_dim(0)
        .reshape([classes as i32, -1])
        .max_dim(1)
        .reshape([classes]);
    let over_batch = |x: Tensor<2>| x.sum_dim(0).reshape([classes]);
    let overlap = over_batch(terms.overlap) * 2.0 + DICE_SMOOTH;
    let total = over_batch(terms.total) + DICE_SMOOTH;
    let dice = (overlap / total).neg() + 1.0;
    terms.focal.mean() * FOCAL_WEIGHT + (dice * present).sum() / classes as f64
}

/// What the loss of masks `[b, m]` is made of.
struct Terms {
    /// Mean focal loss over the pixels.
    focal: Tensor<2>,
    /// Sum of `p y`.
    overlap: Tensor<2>,
    /// Sum of `p + y`.
    total: Tensor<2>,
}

impl Terms {
    fn new(low_res: Tensor<4>, target: &Tensor<4>) -> Self {
        let [b, m, _, _] = low_res.dims();
        let [_, _, height, width] = target.dims();
        let logits = upscale_masks(low_res, [height, width]);
        let pixels = height * width;
        let target = target
            .clone()
            .expand([b as i64, m as i64, height as i64, width as i64]);

        let right = logits.clone() * (target.clone() * 2.0 - 1.0);
        // Cross entropy -log p_t = softplus(-right), and 1 - p_t = 1 - exp(-ce).
        let ce = right.clone().neg().clamp_min(0.0) + right.abs().neg().exp().log1p();
        let wrong = ce.clone().neg().exp() * -1.0 + 1.0;
        let per_mask = |x: Tensor<4>| x.reshape([b, m, pixels]);
        let focal = per_mask(wrong.powi_scalar(2) * ce).mean_dim(2);
        let p = sigmoid(logits);
        let sum = |x: Tensor<4>| per_mask(x).sum_dim(2).squeeze_dim::<2>(2);
        Self {
            focal: focal.squeeze_dim::<2>(2) * FOCAL_ALPHA,
            overlap: sum(p.clone() * target.clone()),
            total: sum(p) + sum(target),
        }
    }
}

/// Mean squared error between predicted and actual IoU of the masks at threshold 0.
fn iou_error(answer: &MaskPrediction, target: &Tensor<4>) -> Tensor<1> {
    let actual = actual_iou(answer.low_res_masks.clone().detach(), target);
    (answer.iou_predictions.clone() - actual)
        .powi_scalar(2)
        .mean()
}

/// IoU of `low_res > 0` with the target; 1 where both are empty. Output `[b, m]`.
pub(super) fn actual_iou(low_res: Tensor<4>, target: &Tensor<4>) -> Tensor<2> {
    let [b, m, _, _] = low_res.dims();
    let [_, _, height, width] = target.dims();
    let mask = upscale_masks(low_res, [height, width])
        .greater_elem(0.0)
        .float();
    let target = target
        .clone()
        .expand([b as i64, m as i64, height as i64, width as i64]);
    let sum = |x: Tensor<4>| {
        x.reshape([b, m, height * width])
            .sum_dim(2)
            .squeeze_dim::<2>(2)
    };
    let overlap = sum(mask.clone() * target.clone());
    let union = sum(mask) + sum(target) - overlap.clone();
    // Counts are whole numbers: a thousandth decides only the empty case.
    (overlap + 1e-3) / (union + 1e-3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn maps(rows: [[f32; 2]; 2], device: &Device) -> Tensor<4> {
        Tensor::<2>::from_data(rows, device).reshape([1, 1, 2, 2])
    }

    #[test]
    fn perfect_masks_cost_nothing_and_wrong_ones_much() {
        let device = Device::default();
        let target = maps([[1.0, 0.0], [1.0, 0.0]], &device);
        let check = |logits, expected: f32, tolerance: f32| {
            let value = segmentation_loss(maps(logits, &device), &target).into_scalar::<f32>();
            assert!((value - expected).abs() < tolerance, "{value} {expected}");
        };
        check([[40.0, -40.0], [40.0, -40.0]], 0.0, 1e-4);
        // Every pixel wrong at logit 2: p_t = 0.1192, ce = 2.1269, focal 0.5 * 0.7758 * 2.1269;
        // dice 1 - (2 * 2 * 0.1192 + 1) / (2 + 2 + 1).
        check(
            [[-2.0, 2.0], [-2.0, 2.0]],
            20.0 * 0.8250 + 1.0 - 1.4768 / 5.0,
            2e-2,
        );
    }

    #[test]
    fn every_dense_class_gets_its_turn() {
        let mut seen = [0; 5];
        for step in 0..20 {
            let asked = dense_classes(step, 5);
            assert_eq!(asked.len(), DENSE_PER_STEP);
            assert_eq!(asked[0], ALWAYS as i64);
            for class in asked {
                seen[class as usize] += 1;
            }
        }
        assert_eq!(seen, [10, 20, 10, 10, 10]);
        assert_eq!(dense_classes(7, 2), [1, 0]);
    }

    #[test]
    fn iou_counts_pixels() {
        let device = Device::default();
        let target = maps([[1.0, 0.0], [1.0, 0.0]], &device);
        let check = |logits, target: &Tensor<4>, expected: f32| {
            let value = actual_iou(maps(logits, &device), target).into_scalar::<f32>();
            assert!((value - expected).abs() < 1e-3, "{value} {expected}");
        };
        check([[1.0, 1.0], [-1.0, -1.0]], &target, 1.0 / 3.0);
        check([[1.0, -1.0], [1.0, -1.0]], &target, 1.0);
        check([[-1.0; 2]; 2], &maps([[0.0; 2]; 2], &device), 1.0);
    }
}
