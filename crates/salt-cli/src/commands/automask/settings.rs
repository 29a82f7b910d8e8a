//! The generator's settings as options: the original's names, in kebab case.

use salt_sam::{AutomaticMaskGenerator, SamError};

use crate::failure::Failure;

/// One option per setting.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Settings")]
pub(super) struct Settings {
    /// Points along each side of the image; their square is asked
    #[arg(long, value_name = "N", default_value_t = default().points_per_side)]
    points_per_side: usize,
    /// Points that are decoded together: more take more memory
    #[arg(long, value_name = "N", default_value_t = default().points_per_batch)]
    points_per_batch: usize,
    /// Least IoU that the model predicts for a mask
    #[arg(long, value_name = "IOU", default_value_t = default().pred_iou_thresh)]
    #[arg(allow_negative_numbers = true)]
    pred_iou_thresh: f32,
    /// Least IoU of the mask cut at a higher and at a lower threshold
    #[arg(long, value_name = "IOU", default_value_t = default().stability_score_thresh)]
    #[arg(allow_negative_numbers = true)]
    stability_score_thresh: f32,
    /// How far those two thresholds are from 0, in logits
    #[arg(long, value_name = "LOGITS", default_value_t = default().stability_score_offset)]
    #[arg(allow_negative_numbers = true)]
    stability_score_offset: f32,
    /// Masks whose boxes overlap by more are duplicates
    #[arg(long, value_name = "IOU", default_value_t = default().box_nms_thresh)]
    #[arg(allow_negative_numbers = true)]
    box_nms_thresh: f32,
    /// Layers of crops that are asked beside the whole image; layer n has 4^n
    #[arg(long, value_name = "N", default_value_t = default().crop_n_layers)]
    crop_n_layers: u32,
    /// The same as --box-nms-thresh, between crops
    #[arg(long, value_name = "IOU", default_value_t = default().crop_nms_thresh)]
    #[arg(allow_negative_numbers = true)]
    crop_nms_thresh: f32,
    /// What crops share, as a part of the image's shorter side [default: 512 / 1500]
    #[arg(long, value_name = "SHARE", default_value_t = default().crop_overlap_ratio)]
    #[arg(allow_negative_numbers = true, hide_default_value = true)]
    crop_overlap_ratio: f64,
    /// In layer n the points of a side are divided by this to the power of n
    #[arg(long, value_name = "N", default_value_t = default().crop_n_points_downscale_factor)]
    crop_n_points_downscale_factor: usize,
    /// Holes and islands below this area are removed, in pixels; 0 leaves masks as they are
    #[arg(long, value_name = "PX", default_value_t = default().min_mask_region_area)]
    min_mask_region_area: usize,
}

fn default() -> AutomaticMaskGenerator {
    AutomaticMaskGenerator::default()
}

impl Settings {
    /// What the library works with.
    pub(super) fn generator(&self) -> AutomaticMaskGenerator {
        AutomaticMaskGenerator {
            points_per_side: self.points_per_side,
            points_per_batch: self.points_per_batch,
            pred_iou_thresh: self.pred_iou_thresh,
            stability_score_thresh: self.stability_score_thresh,
            stability_score_offset: self.stability_score_offset,
            box_nms_thresh: self.box_nms_thresh,
            crop_n_layers: self.crop_n_layers,
            crop_nms_thresh: self.crop_nms_thresh,
            crop_overlap_ratio: self.crop_overlap_ratio,
            crop_n_points_downscale_factor: self.crop_n_points_downscale_factor,
            min_mask_region_area: self.min_mask_region_area,
        }
    }

    /// What to do when no mask passed.
    pub(super) fn looser(&self) -> String {
        format!(
            "lower --pred-iou-thresh (now {}) or --stability-score-thresh (now {}), or ask more \
             points with --points-per-side (now {})",
            self.pred_iou_thresh, self.stability_score_thresh, self.points_per_side
        )
    }
}

/// The library's word about a setting, which begins with its name, as one about the option.
pub(super) fn refusal(error: SamError) -> Failure {
    match error {
        SamError::Config(text) => {
            let (name, rest) = text.split_once(' ').unwrap_or((&text, ""));
            let option = format!("--{}", name.replace('_', "-"));
            let hint = format!("give another {option}; salt automask --help has the defaults");
            Failure::usage(format!("{option} {rest}"), hint)
        }
        other => other.into(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        settings: Settings,
    }

    fn check(words: &str, expected: &AutomaticMaskGenerator) {
        let words = format!("automask {words}");
        let line = Line::parse_from(words.split_whitespace());
        assert_eq!(line.settings.generator(), *expected);
    }

    #[test]
    fn every_setting_has_its_option_and_the_default_of_the_original() {
        check("", &AutomaticMaskGenerator::default());
        check(
            "--points-per-side 1 --points-per-batch 2 --pred-iou-thresh 0.3 \
             --stability-score-thresh 0.4 --stability-score-offset 5 --box-nms-thresh 0.6 \
             --crop-n-layers 7 --crop-nms-thresh 0.8 --crop-overlap-ratio 0.9 \
             --crop-n-points-downscale-factor 10 --min-mask-region-area 11",
            &AutomaticMaskGenerator {
                points_per_side: 1,
                points_per_batch: 2,
                pred_iou_thresh: 0.3,
                stability_score_thresh: 0.4,
                stability_score_offset: 5.0,
                box_nms_thresh: 0.6,
                crop_n_layers: 7,
                crop_nms_thresh: 0.8,
                crop_overlap_ratio: 0.9,
                crop_n_points_downscale_factor: 10,
                min_mask_region_area: 11,
            },
        );
    }
}
