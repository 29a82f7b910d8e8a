//! Gaussian blur, separable.

use super::within;
use crate::error::DataError;

/// Convolution with `exp(-x^2 / 2 s^2)`, cut at `4 s` and normalised, along both axes; `s` is uniform from
/// 0 to `sigma_px`. Beyond its border a picture goes on as its mirror image.
///
/// The same as `scipy.ndimage.gaussian_filter` with its defaults, which nnU-Net uses with `s` from 0.5 to
/// 1 pixel in one sample of five.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blur {
    /// Probability that a sample is blurred.
    pub probability: f64,
    /// Largest standard deviation, input pixels.
    pub sigma_px: f64,
}

impl Default for Blur {
    fn default() -> Self {
        Self {
            probability: 0.0,
            sigma_px: 1.0,
        }
    }
}

impl Blur {
    pub(super) fn check(&self) -> Result<(), DataError> {
        let expected = "from 0 to 16 pixels";
        within("blur.sigma_px", self.sigma_px, [0.0, 16.0], expected)
    }
}

/// Half of the kernel: the weight of the centre, then those to either side of it.
fn kernel(sigma_px: f64) -> Vec<f32> {
    let radius = (4.0 * sigma_px + 0.5) as usize;
    let weight = |x: usize| (-0.5 * (x as f64 / sigma_px).powi(2)).exp();
    let sum = 1.0 + 2.0 * (1..=radius).map(weight).sum::<f64>();
    let sides = (1..=radius).map(|x| (weight(x) / sum) as f32);
    std::iter::once((1.0 / sum) as f32).chain(sides).collect()
}

/// Blurs every plane. Padding gives nothing to its neighbours and keeps its colour: values and weights
/// are blurred apart and divided.
pub(super) fn apply(pixels_chw: &mut [f32], padding: Option<&[bool]>, size: usize, sigma_px: f64) {
    let kernel = kernel(sigma_px);
    if kernel.len() == 1 {
        return;
    }
    let mut scratch = vec![0.0; size * size];
    let Some(padding) = padding else {
        for plane in pixels_chw.chunks_exact_mut(size * size) {
            blur(plane, &mut scratch, size, &kernel);
        }
        return;
    };
    let mut shares: Vec<f32> = padding.iter().map(|&p| if p { 0.0 } else { 1.0 }).collect();
    blur(&mut shares, &mut scratch, size, &kernel);
    let mut blurred = vec![0.0; size * size];
    for plane in pixels_chw.chunks_exact_mut(size * size) {
        for ((to, &from), &padded) in blurred.iter_mut().zip(&*plane).zip(padding) {
            *to = if padded { 0.0 } else { from };
        }
        blur(&mut blurred, &mut scratch, size, &kernel);
        for (i, value) in plane.iter_mut().enumerate() {
            if !padding[i] {
                *value = blurred[i] / shares[i];
            }
        }
    }
}

/// The pixel that stands for `at` steps from the border's first one, mirrored at both borders.
fn mirrored(at: isize, size: usize) -> usize {
    let period = 2 * size as isize;
    let at = at.rem_euclid(period);
    at.min(period - 1 - at) as usize
}

fn blur(plane: &mut [f32], scratch: &mut [f32], size: usize, kernel: &[f32]) {
    let radius = kernel.len() - 1;
    let mirrored = |at: usize, shift: isize| mirrored(at as isize + shift, size);
    // Down the columns, whole rows at a time.
    for (y, out) in scratch.chunks_exact_mut(size).enumerate() {
        let row = |y: usize| &plane[y * size..][..size];
        for (out, &value) in out.iter_mut().zip(row(y)) {
            *out = kernel[0] * value;
        }
        for (k, &weight) in kernel.iter().enumerate().skip(1) {
            let [above, below] = [-(k as isize), k as isize].map(|shift| row(mirrored(y, shift)));
            for ((out, &above), &below) in out.iter_mut().zip(above).zip(below) {
                *out += weight * (above + below);
            }
        }
    }
    // Along the rows, each with its mirrored rims on either side.
    let mut rimmed = vec![0.0; size + 2 * radius];
    for (out, row) in plane.chunks_exact_mut(size).zip(scratch.chunks_exact(size)) {
        rimmed[radius..radius + size].copy_from_slice(row);
        for k in 1..=radius {
            rimmed[radius - k] = row[mirrored(0, -(k as isize))];
            rimmed[radius + size - 1 + k] = row[mirrored(size - 1, k as isize)];
        }
        for (out, &value) in out.iter_mut().zip(row) {
            *out = kernel[0] * value;
        }
        for (k, &weight) in kernel.iter().enumerate().skip(1) {
            let sides = rimmed[radius - k..].iter().zip(&rimmed[radius + k..]);
            for (out, (&left, &right)) in out.iter_mut().zip(sides) {
                *out += weight * (left + right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{apply, mirrored};
    use crate::decode_image::read_image;

    #[test]
    fn beyond_the_border_the_picture_is_mirrored() {
        let at =
            |range: std::ops::Range<isize>| range.map(|at| mirrored(at, 3)).collect::<Vec<_>>();
        assert_eq!(at(-4..8), [2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1]);
    }

    /// Files and their origin: tests/fixtures/transforms/generate.py.
    #[test]
    fn it_is_the_gaussian_filter_of_scipy() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/transforms/");
        let plane = |name: &str| {
            let image = read_image(format!("{folder}{name}.png").as_ref()).expect("a fixture");
            let rows = image.data.chunks_exact(3 * image.width);
            let reds = rows.flat_map(|row| row.iter().step_by(3).take(47).copied());
            reds.map(f32::from).collect::<Vec<_>>()
        };
        for sigma_px in [0.5, 1.0, 2.7] {
            let mut received = plane("grey");
            apply(&mut received, None, 47, sigma_px);
            let expected = plane(&format!("blur-{sigma_px}"));
            assert_eq!(received.len(), expected.len());
            for (received, expected) in received.iter().zip(&expected) {
                // The fixture is rounded to whole grey levels.
                assert!(
                    (received - expected).abs() < 0.501,
                    "{sigma_px}: {received} {expected}"
                );
            }
        }
    }

    #[test]
    fn a_deviation_too_small_to_reach_a_neighbour_changes_nothing() {
        let mut pixels: Vec<f32> = (0..75).map(|v| v as f32).collect();
        let before = pixels.clone();
        apply(&mut pixels, None, 5, 0.0);
        apply(&mut pixels, None, 5, 0.1);
        assert_eq!(pixels, before);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_mean_stays_and_the_range_shrinks(
            values in prop::collection::vec(0.0_f32..255.0, 3 * 12 * 12), sigma_px in 0.0_f64..16.0,
        ) {
            let mut pixels = values.clone();
            apply(&mut pixels, None, 12, sigma_px);
            for (before, after) in values.chunks(144).zip(pixels.chunks(144)) {
                let mean = |plane: &[f32]| plane.iter().sum::<f32>() / 144.0;
                prop_assert!((mean(before) - mean(after)).abs() < 1e-2);
                let most = |plane: &[f32]| plane.iter().copied().fold(0.0, f32::max);
                prop_assert!(most(after) <= most(before) + 1e-3);
            }
        }

        #[test]
        fn padding_is_neither_changed_nor_mixed_in(
            padding in prop::collection::vec(any::<bool>(), 144), sigma_px in 0.2_f64..6.0,
        ) {
            let colour = |padded: bool| if padded { 9.0 } else { 200.0 };
            let mut pixels: Vec<f32> = padding.iter().cycle().take(432).map(|&p| colour(p)).collect();
            apply(&mut pixels, Some(&padding), 12, sigma_px);
            for (value, &padded) in pixels.iter().zip(padding.iter().cycle()) {
                prop_assert!((value - colour(padded)).abs() < 1e-2, "{value} {padded}");
            }
        }
    }
}
