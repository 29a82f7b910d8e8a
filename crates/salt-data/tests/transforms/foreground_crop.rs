//! Crops that keep foreground.

use proptest::prelude::*;
use salt_data::{Augment, ImageRgb, LabelMap, LoadedCase, View};

use super::{all, inputs, tiles};

/// Foreground at the given pixels alone.
fn dots(width: usize, height: usize, at: &[usize]) -> LoadedCase {
    let mut classes = vec![0; width * height];
    at.iter().for_each(|&i| classes[i] = 1);
    LoadedCase {
        id: "dots".into(),
        image: ImageRgb::new(width, height, vec![90; 3 * width * height]).expect("valid"),
        labels: LabelMap::new(width, height, classes).expect("valid"),
    }
}

fn shown(labels_bhw: &[u8], pixels: usize) -> usize {
    let samples = labels_bhw.chunks_exact(pixels);
    samples.filter(|classes| classes.contains(&1)).count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A single pixel, which reading the nearest could skip, at any place, corners included.
    #[test]
    fn a_lone_pixel_is_always_shown(
        seed: u64, (width, height) in (9_usize..150, 9_usize..150), place in 0.0_f64..1.0,
        corner in 0_usize..5,
    ) {
        let last = width * height - 1;
        let anywhere = (place * last as f64) as usize;
        let at = [0, width - 1, last + 1 - width, last, anywhere][corner];
        let geometry = Augment {
            foreground_crop: 1.0,
            hflip: 0.5,
            rotate_deg: 180.0,
            scale: [0.3, 3.0],
            translate: 0.4,
            ..Augment::none()
        };
        let plain = Augment { foreground_crop: 1.0, ..Augment::none() };
        let everything = Augment { foreground_crop: 1.0, ..all() };
        for augment in [plain, geometry, everything] {
            let batch = inputs(dots(width, height, &[at]), tiles(32), augment, seed, 12);
            prop_assert_eq!(shown(&batch.labels_bhw, 32 * 32), 12, "{:?}", augment);
        }
    }
}

#[test]
fn cases_without_foreground_are_sampled_as_ever() {
    let forced = Augment {
        foreground_crop: 1.0,
        ..Augment::standard()
    };
    for view in [tiles(32), View::Resize { image_size: 32 }] {
        let draw = |augment| inputs(dots(70, 60, &[]), view, augment, 5, 20);
        assert!(draw(forced) == draw(Augment::standard()), "{view:?}");
    }
}

#[test]
fn the_probability_is_that_of_the_setting() {
    // A tile of 8 in 256 meets the dot by chance in one sample of a thousand.
    let augment = Augment {
        foreground_crop: 0.5,
        ..Augment::none()
    };
    let shown: usize = (0..20)
        .map(|seed| inputs(dots(256, 256, &[128 * 257]), tiles(8), augment, seed, 50))
        .map(|batch| shown(&batch.labels_bhw, 64))
        .sum();
    // Four standard deviations of a thousand fair coins.
    assert!((437..=563).contains(&shown), "{shown} of 1000");
}

#[test]
fn plain_tiles_that_keep_foreground_stay_in_the_picture() {
    let augment = Augment {
        foreground_crop: 1.0,
        ..Augment::none()
    };
    let corners = [0, 99, 100 * 79, 100 * 80 - 1];
    let batch = inputs(dots(100, 80, &corners), tiles(32), augment, 2, 64);
    assert!(batch.labels_bhw.iter().all(|&class| class < 2));
    assert!(batch.pixels_bchw.iter().all(|&value| value == 90.0));
}
