//! Every object of an image without a prompt (`segment_anything/automatic_mask_generator.py`; paper,
//! section 5 and appendix B): a grid of points is asked, answers that the model trusts and that do not
//! depend on the threshold stay, and of answers with nearly the same box the best one.

mod ask;
#[cfg(test)]
mod parity;
mod rle;
mod sampling;
mod small_regions;
mod suppression;

use std::ops::ControlFlow;

use serde::Serialize;

pub use rle::Rle;

use self::ask::{Ask, ask_sam};
use self::sampling::{Crop, crops, point_grid};
use self::small_regions::{Region, clean};
use self::suppression::{Bounds, suppress};
use crate::error::SamError;
use crate::preprocess::RgbImage;
use crate::sam::Sam;

/// A box nearer than this to the edge of a crop is cut off there, pixels (`is_box_near_crop_edge`).
const EDGE_PX: usize = 20;

/// Masks that are brought to the image's size at once; at 4096 x 4096 pixels each takes 64 MiB.
const MASKS_AT_ONCE: usize = 4;

/// Settings, with the names and defaults of the original, which were chosen for ViT-H.
#[derive(Clone, Debug, PartialEq)]
pub struct AutomaticMaskGenerator {
    /// Points along each side of the image; their square is asked.
    pub points_per_side: usize,
    /// Points that are decoded together.
    pub points_per_batch: usize,
    /// Least predicted IoU.
    pub pred_iou_thresh: f32,
    /// Least IoU of the mask cut at a higher and at a lower threshold.
    pub stability_score_thresh: f32,
    /// How far those two thresholds are from 0, in logits.
    pub stability_score_offset: f32,
    /// Boxes of one crop that overlap by more (IoU) are duplicates.
    pub box_nms_thresh: f32,
    /// Layers of crops that are asked beside the whole image; layer n has `4^n`.
    pub crop_n_layers: u32,
    /// As `box_nms_thresh`, between crops; smaller crops win.
    pub crop_nms_thresh: f32,
    /// What the crops of the first layer share, as a part of the image's shorter side.
    pub crop_overlap_ratio: f64,
    /// In layer n the points of a side are divided by this to the power of n.
    pub crop_n_points_downscale_factor: usize,
    /// Holes and islands below this area are removed, pixels; 0 leaves masks as they are.
    pub min_mask_region_area: usize,
}

impl Default for AutomaticMaskGenerator {
    fn default() -> Self {
        Self {
            points_per_side: 32,
            points_per_batch: 64,
            pred_iou_thresh: 0.88,
            stability_score_thresh: 0.95,
            stability_score_offset: 1.0,
            box_nms_thresh: 0.7,
            crop_n_layers: 0,
            crop_nms_thresh: 0.7,
            crop_overlap_ratio: 512.0 / 1500.0,
            crop_n_points_downscale_factor: 1,
            min_mask_region_area: 0,
        }
    }
}

/// One object. Boxes are `[x, y, width, height]` in pixels of the image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AutomaticMask {
    /// The mask.
    pub segmentation: Rle,
    /// Its pixels.
    pub area: usize,
    /// The box around it. As in the original, width and height count steps between pixels: one less than
    /// columns and rows.
    pub bbox: [usize; 4],
    /// The model's own opinion of the mask.
    pub predicted_iou: f32,
    /// The point that was asked.
    pub point_coords: [f64; 2],
    /// See [`AutomaticMaskGenerator::stability_score_thresh`].
    pub stability_score: f32,
    /// The crop that was looked at.
    pub crop_box: [usize; 4],
}

/// A mask on its way.
struct Found {
    rle: Rle,
    bounds: Bounds,
    predicted_iou: f32,
    stability_score: f32,
    point: [f64; 2],
    crop: Bounds,
}

impl AutomaticMaskGenerator {
    /// Finds the objects of an image, best first within a crop. `progress` hears of the points asked and of
    /// all, and may stop the work.
    ///
    /// # Errors
    /// [`SamError::Config`] for settings out of range, [`SamError::Stopped`] when `progress` says so, and as
    /// [`Sam::set_image`] and [`Sam::decode_image`].
    pub fn generate(
        &self,
        sam: &Sam,
        image: RgbImage<'_>,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<AutomaticMask>, SamError> {
        image.check()?;
        let size = [image.width, image.height];
        self.run(size, &|crop| ask_sam(sam, image, crop), &mut progress)
    }

    /// As [`AutomaticMaskGenerator::generate`], whoever answers.
    fn run<'a>(
        &self,
        size: [usize; 2],
        look_at: &dyn Fn(Bounds) -> Result<Ask<'a>, SamError>,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Result<Vec<AutomaticMask>, SamError> {
        self.check()?;
        let crops = crops(size, self.crop_n_layers, self.crop_overlap_ratio);
        let n_points = |crop: &Crop| self.per_side(crop.layer).pow(2);
        let (mut asked, total) = (0, crops.iter().map(n_points).sum());
        let mut found = Vec::new();
        for crop in &crops {
            let mut ask = look_at(crop.bounds)?;
            found.extend(self.of_crop(*crop, size, &mut ask, &mut |points| {
                asked += points;
                progress(asked, total)
            })?);
        }
        if crops.len() > 1 {
            let of_crop = |found: &Found| area(found.crop).recip();
            found = keep_best(found, of_crop, self.crop_nms_thresh);
        }
        if self.min_mask_region_area > 0 {
            found = self.without_small_regions(found);
        }
        Ok(found.into_iter().map(record).collect())
    }

    fn per_side(&self, layer: u32) -> usize {
        self.points_per_side / self.crop_n_points_downscale_factor.saturating_pow(layer)
    }

    /// Checks the settings, which [`AutomaticMaskGenerator::generate`] does too.
    ///
    /// # Errors
    /// [`SamError::Config`] names the first that is out of range.
    pub fn check(&self) -> Result<(), SamError> {
        let refuse = |name: &str, expected: &str, received: String| {
            Err(SamError::Config(format!(
                "{name} must be {expected}, received {received}"
            )))
        };
        for (name, value, most) in [
            ("points_per_side", self.points_per_side, 1024),
            ("points_per_batch", self.points_per_batch, 65536),
            (
                "crop_n_points_downscale_factor",
                self.crop_n_points_downscale_factor,
                1024,
            ),
        ] {
            if !(1..=most).contains(&value) {
                return refuse(name, &format!("from 1 to {most}"), value.to_string());
            }
        }
        if self.crop_n_layers > 5 {
            return refuse("crop_n_layers", "at most 5", self.crop_n_layers.to_string());
        }
        for (name, value) in [
            ("pred_iou_thresh", self.pred_iou_thresh),
            ("stability_score_thresh", self.stability_score_thresh),
            ("stability_score_offset", self.stability_score_offset),
            ("box_nms_thresh", self.box_nms_thresh),
            ("crop_nms_thresh", self.crop_nms_thresh),
            ("crop_overlap_ratio", self.crop_overlap_ratio as f32),
        ] {
            let most = if name == "stability_score_offset" {
                100.0
            } else {
                1.0
            };
            if !(0.0..=most).contains(&value) {
                return refuse(name, &format!("from 0 to {most}"), value.to_string());
            }
        }
        if self.per_side(self.crop_n_layers) == 0 {
            return refuse(
                "crop_n_points_downscale_factor",
                "small enough to leave a point in the last layer",
                self.crop_n_points_downscale_factor.to_string(),
            );
        }
        Ok(())
    }

    fn of_crop(
        &self,
        crop: Crop,
        size: [usize; 2],
        ask: &mut Ask<'_>,
        progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Vec<Found>, SamError> {
        let [x0, y0, x1, y1] = crop.bounds;
        let (width, height) = (x1 - x0, y1 - y0);
        let points: Vec<[f64; 2]> = point_grid(self.per_side(crop.layer))
            .into_iter()
            .map(|[x, y]| [x * width as f64, y * height as f64])
            .collect();
        let mut found = Vec::new();
        for batch in points.chunks(self.points_per_batch) {
            let answers = ask(batch)?;
            let masks_per_point = answers.scores.len() / batch.len();
            let is_trusted =
                |score: f32| self.pred_iou_thresh <= 0.0 || score > self.pred_iou_thresh;
            let trusted: Vec<usize> = (0..answers.scores.len())
                .filter(|index| is_trusted(answers.scores[*index]))
                .collect();
            for indexes in trusted.chunks(MASKS_AT_ONCE) {
                let logits = (answers.logits)(indexes);
                for (index, logits) in indexes.iter().zip(logits.chunks_exact(width * height)) {
                    let (point, score) = (batch[index / masks_per_point], answers.scores[*index]);
                    found.extend(self.judge(logits, point, score, crop.bounds, size));
                }
            }
            if progress(batch.len()).is_break() {
                return Err(SamError::Stopped);
            }
        }
        let best = |found: &Found| found.predicted_iou;
        Ok(keep_best(found, best, self.box_nms_thresh))
    }

    /// A mask that passes, in the frame of the image; `logits` and `point` are in that of its crop.
    fn judge(
        &self,
        logits: &[f32],
        [x, y]: [f64; 2],
        predicted_iou: f32,
        crop: Bounds,
        size: [usize; 2],
    ) -> Option<Found> {
        let [x0, y0, x1, _] = crop;
        let above =
            |threshold: f32| logits.iter().filter(|logit| **logit > threshold).count() as f32;
        let offset = self.stability_score_offset;
        // A mask that is empty at both thresholds is not stable.
        let stability_score = above(offset) / above(-offset).max(1.0);
        if stability_score < self.stability_score_thresh {
            return None;
        }
        let mask: Vec<bool> = logits.iter().map(|logit| *logit > 0.0).collect();
        let [left, top, right, bottom] = bounds(&mask, x1 - x0);
        let bounds = [left + x0, top + y0, right + x0, bottom + y0];
        if is_cut_off(bounds, crop, size) {
            return None;
        }
        Some(Found {
            rle: Rle::encode(&mask, crop, size),
            bounds,
            predicted_iou,
            stability_score,
            point: [x + x0 as f64, y + y0 as f64],
            crop,
        })
    }

    /// Masks without small holes and islands; those that had none are preferred where two become alike.
    fn without_small_regions(&self, mut found: Vec<Found>) -> Vec<Found> {
        let mut changed = Vec::new();
        for found in &mut found {
            let [_, width] = found.rle.size;
            let mut mask = found.rle.decode();
            let area = self.min_mask_region_area;
            let holes = clean(&mut mask, width, area, Region::Hole);
            let islands = clean(&mut mask, width, area, Region::Island);
            changed.push(holes || islands);
            if holes || islands {
                let [height, width] = found.rle.size;
                found.rle = Rle::encode(&mask, [0, 0, width, height], [width, height]);
                found.bounds = bounds(&mask, width);
            }
        }
        let scores: Vec<f32> = changed.iter().map(|c| f32::from(u8::from(!c))).collect();
        let threshold = self.box_nms_thresh.max(self.crop_nms_thresh);
        keep(found, &scores, threshold)
    }
}

fn keep_best(found: Vec<Found>, score: impl Fn(&Found) -> f32, threshold: f32) -> Vec<Found> {
    let scores: Vec<f32> = found.iter().map(score).collect();
    keep(found, &scores, threshold)
}

fn keep(found: Vec<Found>, scores: &[f32], threshold: f32) -> Vec<Found> {
    let boxes: Vec<Bounds> = found.iter().map(|found| found.bounds).collect();
    let mut found: Vec<Option<Found>> = found.into_iter().map(Some).collect();
    let kept = suppress(&boxes, scores, threshold).into_iter();
    kept.filter_map(|index| found[index].take()).collect()
}

fn area([x0, y0, x1, y1]: Bounds) -> f32 {
    (x1 - x0) as f32 * (y1 - y0) as f32
}

/// First and last column and row of a mask given row by row; zeros for an empty one.
fn bounds(mask: &[bool], width: usize) -> Bounds {
    let mut bounds: Option<Bounds> = None;
    for (y, row) in mask.chunks_exact(width).enumerate() {
        let Some(first) = row.iter().position(|bit| *bit) else {
            continue;
        };
        let last = row.iter().rposition(|bit| *bit).unwrap_or(first);
        let [x0, y0, x1, _] = bounds.unwrap_or([first, y, last, y]);
        bounds = Some([x0.min(first), y0, x1.max(last), y]);
    }
    bounds.unwrap_or_default()
}

/// Whether a box ends where its crop does and the image does not.
fn is_cut_off(bounds: Bounds, crop: Bounds, [width, height]: [usize; 2]) -> bool {
    let image = [0, 0, width, height];
    (0..4).any(|edge| {
        let near = |other: Bounds| bounds[edge].abs_diff(other[edge]) <= EDGE_PX;
        near(crop) && !near(image)
    })
}

fn record(found: Found) -> AutomaticMask {
    let sides = |[x0, y0, x1, y1]: Bounds| [x0, y0, x1 - x0, y1 - y0];
    AutomaticMask {
        area: found.rle.area(),
        bbox: sides(found.bounds),
        predicted_iou: found.predicted_iou,
        point_coords: found.point,
        stability_score: found.stability_score,
        crop_box: sides(found.crop),
        segmentation: found.rle,
    }
}
