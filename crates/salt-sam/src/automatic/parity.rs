//! Against the original generator, every stage of it: the answers are a formula that both sides compute
//! (`tests/parity/generate_predictor.py`, class `Formula`).

use serde_json::Value;

use super::ask::{Answers, Ask};
use super::*;

/// Width and height, `FORMULA_SIZE`.
const SIZE: [usize; 2] = [150, 110];

/// Centre, radius, sharpness of the edge and score, `OBJECTS`.
const OBJECTS: [[f64; 5]; 6] = [
    [30.0, 25.0, 14.0, 1.0, 0.9],
    [80.0, 30.0, 22.0, 0.5, 0.85],
    [125.0, 20.0, 9.0, 2.0, 0.7],
    [40.0, 80.0, 20.0, 0.25, 0.8],
    [110.0, 80.0, 26.0, 1.5, 0.95],
    [70.0, 65.0, 6.0, 3.0, 0.6],
];

/// How far scores may be apart: both sides round a double to single precision.
const SCORE_TOLERANCE: f64 = 1e-6;

/// `Formula.predict`.
fn answer(points: &[[f64; 2]], [x0, y0, x1, y1]: Bounds) -> Answers<'static> {
    let mut scores = Vec::new();
    let mut masks: Vec<Vec<f32>> = Vec::new();
    for point in points {
        let (px, py) = (point[0] + x0 as f64, point[1] + y0 as f64);
        let distance = |object: &[f64; 5]| (px - object[0]).hypot(py - object[1]);
        let nearest = OBJECTS
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        let nearest = nearest.unwrap();
        let [cx, cy, radius, sharpness, score] = *nearest;
        for (size, bonus) in [(0.6, 0.0), (1.0, 0.05), (1.5, -0.1)] {
            let logit = |x: f64, y: f64| {
                let away = (x - cx).hypot(y - cy);
                if size > 1.0 && (x - cx - 2.0 * radius).hypot(y - cy) < 2.1 {
                    3.0
                } else if size > 1.0 && away < 2.6 {
                    -3.0
                } else {
                    radius * size - away
                }
            };
            let row =
                |y: usize| (x0..x1).map(move |x| (logit(x as f64, y as f64) * sharpness) as f32);
            masks.push((y0..y1).flat_map(row).collect());
            scores.push((score + bonus - distance(nearest) / 100.0) as f32);
        }
    }
    Answers {
        scores,
        logits: Box::new(move |indexes| {
            indexes
                .iter()
                .flat_map(|index| masks[*index].clone())
                .collect()
        }),
    }
}

/// Settings by the original's names; what is not named keeps its default.
pub(super) fn settings(named: &Value) -> AutomaticMaskGenerator {
    let mut settings = AutomaticMaskGenerator::default();
    for (name, value) in named.as_object().unwrap() {
        let (number, whole) = (
            value.as_f64().unwrap(),
            value.as_u64().unwrap_or(0) as usize,
        );
        match name.as_str() {
            "points_per_side" => settings.points_per_side = whole,
            "points_per_batch" => settings.points_per_batch = whole,
            "pred_iou_thresh" => settings.pred_iou_thresh = number as f32,
            "stability_score_thresh" => settings.stability_score_thresh = number as f32,
            "stability_score_offset" => settings.stability_score_offset = number as f32,
            "box_nms_thresh" => settings.box_nms_thresh = number as f32,
            "crop_n_layers" => settings.crop_n_layers = whole as u32,
            "crop_nms_thresh" => settings.crop_nms_thresh = number as f32,
            "crop_overlap_ratio" => settings.crop_overlap_ratio = number,
            "crop_n_points_downscale_factor" => settings.crop_n_points_downscale_factor = whole,
            "min_mask_region_area" => settings.min_mask_region_area = whole,
            other => panic!("{other}"),
        }
    }
    settings
}

#[test]
fn masks_are_those_of_the_original() {
    let fixture = include_str!("../../tests/parity/automatic_formula.json");
    let cases: serde_json::Map<String, Value> = serde_json::from_str(fixture).unwrap();
    assert_eq!(cases.len(), 5);
    for (case, expected) in cases {
        let look_at = |bounds: Bounds| -> Result<Ask<'static>, SamError> {
            Ok(Box::new(move |points| Ok(answer(points, bounds))))
        };
        let mut last = (0, 0);
        let found = settings(&expected["settings"])
            .run(SIZE, &look_at, &mut |asked, total| {
                last = (asked, total);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(last.0 == last.1 && last.0 > 0, "{case}: {last:?}");
        let masks = expected["masks"].as_array().unwrap();
        assert_eq!(found.len(), masks.len(), "{case}");
        for (index, (found, expected)) in found.iter().zip(masks).enumerate() {
            let found = serde_json::to_value(found).unwrap();
            for key in ["segmentation", "area", "bbox", "crop_box"] {
                assert_eq!(found[key], expected[key], "{case}, mask {index}: {key}");
            }
            for axis in 0..2 {
                let at = |mask: &Value| mask["point_coords"][axis].as_f64().unwrap();
                assert!(
                    (at(&found) - at(expected)).abs() < 1e-9,
                    "{case}, mask {index}"
                );
            }
            for key in ["predicted_iou", "stability_score"] {
                let apart = found[key].as_f64().unwrap() - expected[key].as_f64().unwrap();
                assert!(
                    apart.abs() < SCORE_TOLERANCE,
                    "{case}, mask {index}: {key} {apart}"
                );
            }
        }
    }
}

#[test]
fn work_can_be_stopped_and_settings_out_of_range_are_refused() {
    let look_at = |bounds: Bounds| -> Result<Ask<'static>, SamError> {
        Ok(Box::new(move |points| Ok(answer(points, bounds))))
    };
    let stopped = AutomaticMaskGenerator::default()
        .run(SIZE, &look_at, &mut |_, _| ControlFlow::Break(()))
        .unwrap_err();
    assert!(matches!(stopped, SamError::Stopped), "{stopped}");
    let check = |change: fn(&mut AutomaticMaskGenerator), word: &str| {
        let mut settings = AutomaticMaskGenerator::default();
        change(&mut settings);
        let error = settings
            .run(SIZE, &look_at, &mut |_, _| ControlFlow::Continue(()))
            .unwrap_err();
        let message = error.to_string();
        assert!(
            matches!(error, SamError::Config(_)) && message.contains(word),
            "{message}"
        );
    };
    check(|s| s.points_per_side = 0, "points_per_side");
    check(|s| s.points_per_batch = 0, "points_per_batch");
    check(|s| s.pred_iou_thresh = f32::NAN, "pred_iou_thresh");
    check(|s| s.stability_score_thresh = 1.1, "stability_score_thresh");
    check(|s| s.crop_n_layers = 9, "crop_n_layers");
    check(|s| s.crop_overlap_ratio = -0.1, "crop_overlap_ratio");
    check(
        |s| (s.crop_n_layers, s.crop_n_points_downscale_factor) = (3, 4),
        "crop_n_points_downscale_factor",
    );
}
