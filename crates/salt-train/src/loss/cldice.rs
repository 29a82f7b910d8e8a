//! Soft clDice: overlap of the centre lines, for vessels and other thin trees.
//!
//! ```text
//! P      = (sum S(p) y + 1) / (sum S(p) + 1)      share of the predicted centre line in the reference
//! R      = (sum S(y) p + 1) / (sum S(y) + 1)      share of the reference's centre line that is found
//! cldice = 1/C * sum_c w_c [ 1 - 2 P R / (P + R) ],   p = sigmoid(z), sums over the batch
//! ```
//!
//! `S` is the soft skeleton: what an opening removes, collected while the shape is eroded
//! `cldice_iterations` times, which should reach the radius of the widest object in pixels.
//! Erosion is the minimum over a pixel and its four neighbours, dilation the maximum over 3 x 3.
//! A pixel that is ignored is treated as one beyond the edge: it takes part in no minimum and no
//! maximum, so that ignoring a frame is the same as cutting it off.
//!
//! Alone it leaves the width of a vessel undetermined; the authors use it beside dice.
//!
//! Source: Shit et al. 2021, algorithms 1 and 2, with the smoothing of 1 of the authors' code. MONAI's
//! `SoftclDiceLoss` sums over the classes of a sample together, so that a large class hides a small
//! one, and adds 1e-4 to `P + R`, which is never 0; here a class has a fraction of its own over the
//! batch, as dice has.
//!
//! Pooling is written as minima and maxima of shifted copies: these have a backward on every
//! backend. An iteration keeps about twenty tensors of the logits' size until the backward pass.

use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::{Device, Tensor};

use super::overlap_sums::Reduction;
use super::{LossConfig, Targets};
use crate::sum_in_order::sum_in_order;

/// Added to both sides of both fractions, in pixels.
const SMOOTH: f64 = 1.0;
const ROWS: usize = 2;
const COLUMNS: usize = 3;

impl LossConfig {
    /// One minus the soft clDice of each class over the batch, averaged over classes.
    ///
    /// # Shapes
    /// `logits`: `[batch, classes, height, width]`; the result has one element.
    pub fn cldice(&self, logits: Tensor<4>, targets: &Targets) -> Tensor<1> {
        let [_, classes, _, _] = logits.dims();
        let valid = &targets.valid;
        let probability = sigmoid(logits) * valid.clone();
        let foreground = targets.foreground.clone();
        let line = soft_skeleton(probability.clone(), valid, self.cldice_iterations);
        let reference_line = soft_skeleton(foreground.clone(), valid, self.cldice_iterations);
        let precision = share(line, foreground);
        let recall = share(reference_line, probability);
        let score = precision.clone() * recall.clone() * 2.0 / (precision + recall);
        sum_in_order(self.weigh_fractions(score.neg() + 1.0)) / classes as f64
    }
}

/// Share of a line that lies in a mask, per class.
fn share(line: Tensor<4>, mask: Tensor<4>) -> Tensor<1> {
    let inside = Reduction::Batch.sum(line.clone() * mask);
    (inside + SMOOTH) / (Reduction::Batch.sum(line) + SMOOTH)
}

/// Centre line of a soft mask, 0 where pixels do not count.
///
/// # Shapes
/// - `mask`: `[batch, classes, height, width]` from 0 to 1
/// - `valid`: `[batch, 1, height, width]`, 0 or 1
/// - output: as `mask`
fn soft_skeleton(mask: Tensor<4>, valid: &Tensor<4>, iterations: usize) -> Tensor<4> {
    let ignored = valid.clone().neg() + 1.0;
    // Neither 1 in a minimum nor 0 in a maximum changes values from 0 to 1.
    let erode = |x: Tensor<4>| erode(x * valid.clone() + ignored.clone());
    let removed_by_opening = |x: Tensor<4>| {
        let opened = dilate(erode(x.clone()) * valid.clone());
        relu(x - opened)
    };
    let mut eroded = mask;
    let mut skeleton = removed_by_opening(eroded.clone());
    for _ in 0..iterations {
        eroded = erode(eroded);
        let line = removed_by_opening(eroded.clone());
        skeleton = skeleton.clone() + relu(line.clone() - skeleton * line);
    }
    skeleton * valid.clone()
}

/// Minimum over each pixel and its four neighbours.
fn erode(x: Tensor<4>) -> Tensor<4> {
    let [above, below] = neighbours(x.clone(), ROWS, 1.0);
    let [left, right] = neighbours(x.clone(), COLUMNS, 1.0);
    x.min_pair(above)
        .min_pair(below)
        .min_pair(left)
        .min_pair(right)
}

/// Maximum over 3 x 3 pixels.
fn dilate(x: Tensor<4>) -> Tensor<4> {
    [ROWS, COLUMNS].into_iter().fold(x, |x, dim| {
        let [before, after] = neighbours(x.clone(), dim, 0.0);
        x.max_pair(before).max_pair(after)
    })
}

/// The image shifted by one pixel either way along `dim`, with `edge` beyond its edge.
fn neighbours(x: Tensor<4>, dim: usize, edge: f64) -> [Tensor<4>; 2] {
    let mut frame = x.dims();
    let length = frame[dim];
    frame[dim] = 1;
    let device: Device = x.device();
    let frame = Tensor::full(frame, edge, &device);
    let framed = Tensor::cat(vec![frame.clone(), x, frame], dim);
    [
        framed.clone().narrow(dim, 0, length),
        framed.narrow(dim, 2, length),
    ]
}
