//! Image and mask stay together, whatever is done to them.

use proptest::prelude::*;
use salt_data::{IGNORE_LABEL, ImageRgb, LabelMap, LoadedCase, PAD_RGB, View};

use super::{all, epoch, inputs, settings, tiles};

/// A bright square on dark ground, class 1 in the labels.
fn marker(side: usize, left: usize, top: usize) -> LoadedCase {
    let inside = |i: usize| {
        let (x, y) = (i % side, i / side);
        (left..left + 15).contains(&x) && (top..top + 15).contains(&y)
    };
    let value = |i: usize| if inside(i) { 220 } else { 60 };
    let data = (0..side * side).flat_map(|i| [value(i); 3]).collect();
    let classes = (0..side * side).map(|i| u8::from(inside(i))).collect();
    LoadedCase {
        id: "marker".into(),
        image: ImageRgb::new(side, side, data).expect("valid"),
        labels: LabelMap::new(side, side, classes).expect("valid"),
    }
}

fn centroid(marked: &[bool], side: usize) -> Option<[f64; 2]> {
    let n = marked.iter().filter(|&&m| m).count();
    let places = (0..marked.len()).filter(|&i| marked[i]);
    let sum = places.fold([0.0; 2], |[x, y], i| {
        [x + (i % side) as f64, y + (i / side) as f64]
    });
    (n > 0).then(|| sum.map(|sum| sum / n as f64))
}

/// Pixels of one input half way between its dark ground and its bright marker and above.
fn bright(pixels: &[f32], classes: &[u8]) -> Vec<bool> {
    let mean_of = |class: u8| {
        let values = || pixels.iter().zip(classes).filter(|(_, c)| **c == class);
        values().map(|(v, _)| v).sum::<f32>() / values().count().max(1) as f32
    };
    let half = (mean_of(0) + mean_of(1)) / 2.0;
    let values = pixels.iter().zip(classes);
    values
        .map(|(&v, &class)| v > half && class != IGNORE_LABEL)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_marker_is_in_image_and_mask_at_the_same_place(
        seed: u64, left in 20_usize..62, top in 20_usize..62,
    ) {
        for (name, augment) in settings() {
            for view in [View::Resize { image_size: 96 }, tiles(64)] {
                let side = view.input_size();
                let batch = inputs(marker(96, left, top), view, augment, seed, 4);
                let mut compared = 0;
                for sample in 0..batch.size {
                    let pixels = &batch.pixels_bchw[3 * sample * side * side..][..side * side];
                    let classes = &batch.labels_bhw[sample * side * side..][..side * side];
                    let truth: Vec<bool> = classes.iter().map(|&c| c == 1).collect();
                    // Of a marker that is cut off or tiny the filters move the middle.
                    let whole = (0..truth.len()).filter(|&i| truth[i]).all(|i| {
                        let (x, y) = (i % side, i / side);
                        let inside = 0 < x && x < side - 1 && 0 < y && y < side - 1;
                        inside && [i - 1, i + 1, i - side, i + side].iter().all(|&i| classes[i] < 2)
                    });
                    if !whole || truth.iter().filter(|&&t| t).count() < 40 {
                        continue;
                    }
                    compared += 1;
                    let seen = bright(pixels, classes);
                    let (a, b) = (centroid(&truth, side), centroid(&seen, side));
                    let (Some(a), Some(b)) = (a, b) else {
                        return Err(TestCaseError::fail(format!("{name}: no marker in the image")));
                    };
                    let apart = (a[0] - b[0]).hypot(a[1] - b[1]);
                    prop_assert!(apart < 1.0, "{name}: {apart} px apart, {a:?} {b:?}");
                    let both = truth.iter().zip(&seen).filter(|(t, s)| **t && **s).count();
                    let either = truth.iter().zip(&seen).filter(|(t, s)| **t || **s).count();
                    prop_assert!(both as f64 > 0.75 * either as f64, "{name}: {both} of {either}");
                }
                let shown = matches!(view, View::Resize { .. }) || augment.foreground_crop == 1.0;
                prop_assert!(compared > 0 || !shown || name == "all", "{name}: never to be seen");
            }
        }
    }

    #[test]
    fn masks_gain_no_value_and_only_padding_is_without_label(
        seed: u64, width in 20_usize..90, height in 20_usize..90,
    ) {
        let classes: Vec<u8> = (0..width * height).map(|i| [0, 3, 9][i / 5 % 3]).collect();
        let case = LoadedCase {
            id: "classes".into(),
            image: ImageRgb::new(width, height, classes.iter().flat_map(|&c| [c * 20; 3]).collect())
                .expect("valid"),
            labels: LabelMap::new(width, height, classes).expect("valid"),
        };
        for (name, augment) in settings() {
            let batch = inputs(case.clone(), tiles(48), augment, seed, 3);
            let planes = batch.pixels_bchw.chunks(3 * 48 * 48).zip(batch.labels_bhw.chunks(48 * 48));
            for (pixels, classes) in planes {
                for (i, class) in classes.iter().enumerate() {
                    prop_assert!([0, 3, 9, IGNORE_LABEL].contains(class), "{name}: class {class}");
                    let colour = [pixels[i], pixels[2304 + i], pixels[4608 + i]];
                    prop_assert_eq!(colour == PAD_RGB, *class == IGNORE_LABEL, "{}", name);
                    prop_assert!(colour.iter().all(|v| (0.0..=255.0).contains(v)), "{name}: {colour:?}");
                }
            }
        }
    }
}

#[test]
fn equal_seeds_give_equal_bytes_for_any_number_of_workers() {
    let run = |seed, workers| {
        let cases = (0..3).map(|k| marker(80 + k, 20 + k, 30)).collect();
        epoch(cases, tiles(48), all(), seed, 130, workers)
    };
    let alone = run(3, 0);
    assert_eq!(alone.len(), 3);
    for workers in [1, 2, 3, 7] {
        assert!(run(3, workers) == alone, "{workers} workers");
    }
    assert!(run(4, 0) != alone);
}

#[test]
fn every_setting_does_something() {
    let plain = |view| inputs(marker(96, 30, 40), view, super::Augment::none(), 1, 8);
    for (name, augment) in settings() {
        let changed = [tiles(64), View::Resize { image_size: 96 }]
            .into_iter()
            .any(|view| inputs(marker(96, 30, 40), view, augment, 1, 8) != plain(view));
        assert!(changed, "{name}");
    }
}
