//! Reads one training input out of a source picture: image bilinear, labels nearest, one pass.
//!
//! Every input pixel asks where it comes from, so the cost is that of the input and not of the source.

use crate::augment::Warp;
use crate::pixels::{IGNORE_LABEL, ImageRgb, LabelMap, PAD_RGB};

/// Fills one input.
///
/// Input pixels whose centre falls outside of the source are padding: colour [`PAD_RGB`], label
/// [`IGNORE_LABEL`]. `intensities` maps the source's 8-bit values before interpolation.
///
/// # Shapes
/// * `pixels_chw`: `[3, size, size]`, RGB in 0 to 255
/// * `labels_hw`: `[size, size]`
pub(crate) fn sample(
    image: &ImageRgb,
    labels: &LabelMap,
    warp: &Warp,
    intensities: &[f32; 256],
    size: usize,
    pixels_chw: &mut [f32],
    labels_hw: &mut [u8],
) {
    let (width, height) = (image.width, image.height);
    let (red, rest) = pixels_chw.split_at_mut(size * size);
    let (green, blue) = rest.split_at_mut(size * size);
    let [[xx, xy], [yx, yy]] = warp.matrix;
    for row in 0..size {
        let v = row as f64 + 0.5;
        let x_start = (xx * 0.5 + xy * v + warp.offset[0]) as f32;
        let y_start = (yx * 0.5 + yy * v + warp.offset[1]) as f32;
        let (x_step, y_step) = (xx as f32, yx as f32);
        for column in 0..size {
            let out = row * size + column;
            let x = x_start + column as f32 * x_step;
            let y = y_start + column as f32 * y_step;
            if !(x >= 0.0 && y >= 0.0 && x < width as f32 && y < height as f32) {
                [red[out], green[out], blue[out]] = PAD_RGB;
                labels_hw[out] = IGNORE_LABEL;
                continue;
            }
            let (nearest_x, nearest_y) = (x as usize, y as usize);
            labels_hw[out] = labels.classes[nearest_y * width + nearest_x];
            // Centres lie at + 1/2; at the rim the outermost pixel is repeated.
            let (left, right, fx) = neighbours(x - 0.5, width);
            let (upper, lower, fy) = neighbours(y - 0.5, height);
            let corners = [
                3 * (upper * width + left),
                3 * (upper * width + right),
                3 * (lower * width + left),
                3 * (lower * width + right),
            ];
            let channel = |c: usize| {
                let [a, b, d, e] = corners.map(|i| intensities[usize::from(image.data[i + c])]);
                let above = a + fx * (b - a);
                let below = d + fx * (e - d);
                above + fy * (below - above)
            };
            red[out] = channel(0);
            green[out] = channel(1);
            blue[out] = channel(2);
        }
    }
}

/// The two pixels around position `p` (in centres) and the share of the second.
fn neighbours(p: f32, length: usize) -> (usize, usize, f32) {
    if p <= 0.0 {
        return (0, 0, 0.0);
    }
    let low = (p as usize).min(length - 1);
    (low, (low + 1).min(length - 1), p - low as f32)
}

#[cfg(test)]
mod tests {
    use super::sample;
    use crate::augment::{Augment, Drawn};
    use crate::draw_rng::DrawRng;
    use crate::pixels::{IGNORE_LABEL, ImageRgb, LabelMap, PAD_RGB};

    /// Labels are the red channel, so that any disagreement of the two geometries shows.
    fn source(width: usize, height: usize) -> (ImageRgb, LabelMap) {
        let classes: Vec<u8> = (0..width * height).map(|i| (i * 7 % 200) as u8).collect();
        let data = classes.iter().flat_map(|&c| [c, c / 2, 0]).collect();
        let image = ImageRgb::new(width, height, data).expect("valid");
        (image, LabelMap::new(width, height, classes).expect("valid"))
    }

    fn run(drawn: Drawn, origin: [usize; 2], size: usize) -> (Vec<f32>, Vec<u8>) {
        let (image, labels) = source(20, 16);
        let content = [size.min(20 - origin[0]), size.min(16 - origin[1])];
        let (mut pixels, mut classes) = (vec![0.0; 3 * size * size], vec![0; size * size]);
        let warp = drawn.warp(origin, content, size);
        let table = drawn.intensities(0.5);
        sample(
            &image,
            &labels,
            &warp,
            &table,
            size,
            &mut pixels,
            &mut classes,
        );
        (pixels, classes)
    }

    fn plain() -> Drawn {
        Augment::none().draw(&mut DrawRng::new(0, 0))
    }

    #[test]
    fn without_changes_the_tile_is_a_copy() {
        let (_, labels) = source(20, 16);
        let (pixels, classes) = run(plain(), [3, 2], 8);
        for y in 0..8 {
            for x in 0..8 {
                let expected = labels.classes[(y + 2) * 20 + x + 3];
                assert_eq!(classes[y * 8 + x], expected);
                assert_eq!(pixels[y * 8 + x], f32::from(expected));
            }
        }
    }

    #[test]
    fn flips_and_quarter_turns_move_image_and_labels_exactly_alike() {
        for quarter in 0..4 {
            for flip in [[false, false], [true, false], [false, true]] {
                let angle_rad = f64::from(quarter) * std::f64::consts::FRAC_PI_2;
                let drawn = Drawn {
                    flip,
                    angle_rad,
                    ..plain()
                };
                let (pixels, classes) = run(drawn, [4, 4], 8);
                let (mut sorted, (_, mut before)) = (classes.clone(), run(plain(), [4, 4], 8));
                for (p, &c) in pixels.iter().zip(&classes) {
                    assert!(
                        (p - f32::from(c)).abs() < 0.05,
                        "{quarter} {flip:?}: {p} {c}"
                    );
                }
                sorted.sort_unstable();
                before.sort_unstable();
                assert_eq!(sorted, before, "the same pixels in another order");
            }
        }
    }

    #[test]
    fn outside_of_the_source_is_padding_in_both() {
        let drawn = Drawn {
            magnify: 0.5,
            ..plain()
        };
        let (pixels, classes) = run(drawn, [0, 0], 24);
        let pads = classes.iter().filter(|&&c| c == IGNORE_LABEL).count();
        assert_eq!(pads, 24 * 24 - 10 * 8);
        for (i, &class) in classes.iter().enumerate() {
            let padded = [pixels[i], pixels[576 + i], pixels[1152 + i]] == PAD_RGB;
            assert_eq!(padded, class == IGNORE_LABEL);
        }
    }

    #[test]
    fn half_way_between_pixels_is_their_mean() {
        let drawn = Drawn {
            shift: [0.5 / 8.0, 0.0],
            ..plain()
        };
        let (_, labels) = source(20, 16);
        let (pixels, _) = run(drawn, [4, 4], 8);
        let mean =
            (f32::from(labels.classes[4 * 20 + 6]) + f32::from(labels.classes[4 * 20 + 7])) / 2.0;
        assert!((pixels[3] - mean).abs() < 1e-4, "{} {mean}", pixels[3]);
    }
}
