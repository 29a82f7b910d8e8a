//! Against OpenCV, NumPy, Pillow and torchvision. What the files are: tests/fixtures/transforms/generate.py.

use std::path::Path;

use salt_data::{ImageRgb, Normalise, read_image, resize_image};

fn fixture(name: &str) -> ImageRgb {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/transforms");
    read_image(&folder.join(format!("{name}.png"))).expect("a fixture")
}

/// Largest difference, and the share of values that differ.
fn difference(received: &ImageRgb, expected: &ImageRgb) -> (u8, f64) {
    assert_eq!(
        [received.width, received.height],
        [expected.width, expected.height]
    );
    let apart = received.data.iter().zip(&expected.data);
    let apart: Vec<u8> = apart.map(|(a, b)| a.abs_diff(*b)).collect();
    let differing = apart.iter().filter(|&&d| d > 0).count();
    let worst = apart.iter().copied().max().unwrap_or(0);
    (worst, differing as f64 / apart.len() as f64)
}

#[test]
fn clahe_is_that_of_opencv() {
    let check = |image: &ImageRgb, clip_limit: f64, tiles: usize, name: &str| {
        let received = Normalise::Clahe { clip_limit, tiles };
        let received = received.apply(image).expect("valid");
        assert_eq!(difference(&received, &fixture(name)), (0, 0.0), "{name}");
    };
    let grey = fixture("grey");
    check(&grey, 2.0, 8, "clahe-2-8");
    check(&grey, 40.0, 8, "clahe-40-8");
    check(&grey, 3.0, 4, "clahe-3-4");
    check(&grey, 1.0, 1, "clahe-1-1");
    let rows = grey.data.chunks_exact(3 * grey.width).take(40);
    let data = rows.flat_map(|row| &row[..3 * 56]).copied().collect();
    let even = ImageRgb::new(56, 40, data).expect("valid");
    check(&even, 2.0, 8, "clahe-even-2-8");
}

#[test]
fn ranges_are_those_of_numpy() {
    let check = |normalise: Normalise, name: &str| {
        let colour = fixture("colour");
        let received = normalise.apply(&colour).expect("valid");
        assert_eq!(difference(&received, &fixture(name)), (0, 0.0), "{name}");
    };
    check(Normalise::MinMax, "minmax-norm");
    let (low, high) = (2.0, 97.5);
    check(Normalise::Percentile { low, high }, "percentile-norm");
    let (mean, deviation) = (120.0, 45.0);
    check(Normalise::ZScore { mean, deviation }, "zscore-norm");
}

/// The bounds that src/resize.rs states.
#[test]
fn resizing_differs_from_pillow_and_torchvision_by_one_level_in_some_values() {
    let colour = fixture("colour");
    let check = |width: usize, height: usize, most: f64| {
        let received = resize_image(&colour, width, height).expect("valid");
        for library in ["pil", "tv"] {
            let name = format!("{library}-{width}x{height}");
            let (worst, share) = difference(&received, &fixture(&name));
            assert!(worst <= 1 && share < most, "{name}: {worst} in {share}");
        }
    };
    check(24, 18, 0.18);
    check(40, 31, 0.22);
    check(90, 70, 0.17);
    check(61, 20, 0.01);
}
