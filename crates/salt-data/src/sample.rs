//! Reads one training input out of a source picture: image bilinear, labels nearest, one pass.
//!
//! Every input pixel asks where it comes from, so the cost is that of the input and not of the source.

use crate::augment::{Bend, Warp};
use crate::pixels::{IGNORE_LABEL, ImageRgb, LabelMap, PAD_RGB};

/// How an input is read.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    /// Where input pixels come from.
    pub(crate) warp: Warp,
    /// What displaces them first.
    pub(crate) bend: Option<&'a Bend>,
    /// New values of the source's 8-bit values, taken before interpolation.
    pub(crate) intensities: [f32; 256],
}

/// Fills one input.
///
/// Input pixels whose centre falls outside of the source are padding: colour [`PAD_RGB`], label
/// [`IGNORE_LABEL`].
///
/// # Shapes
/// * `pixels_chw`: `[3, size, size]`, RGB in 0 to 255
/// * `labels_hw`: `[size, size]`
pub(crate) fn sample(
    image: &ImageRgb,
    labels: &LabelMap,
    look: &Look<'_>,
    size: usize,
    pixels_chw: &mut [f32],
    labels_hw: &mut [u8],
) {
    // Two copies of the loop, so that what is not bent does not pay for it.
    if look.bend.is_some() {
        sample_rows::<true>(image, labels, look, size, pixels_chw, labels_hw);
    } else {
        sample_rows::<false>(image, labels, look, size, pixels_chw, labels_hw);
    }
}

fn sample_rows<const BENT: bool>(
    image: &ImageRgb,
    labels: &LabelMap,
    look: &Look<'_>,
    size: usize,
    pixels_chw: &mut [f32],
    labels_hw: &mut [u8],
) {
    let (width, height) = (image.width, image.height);
    let (warp, intensities) = (&look.warp, &look.intensities);
    // As whole pixels, so that each of the four corners costs one bounds check.
    let (source, _) = image.data.as_chunks::<3>();
    let (red, rest) = pixels_chw.split_at_mut(size * size);
    let (green, blue) = rest.split_at_mut(size * size);
    let rows = red.chunks_exact_mut(size).zip(green.chunks_exact_mut(size));
    let rows = rows
        .zip(blue.chunks_exact_mut(size))
        .zip(labels_hw.chunks_exact_mut(size));
    let [[xx, xy], [yx, yy]] = warp.matrix;
    let (x_step, y_step) = (fixed(xx), fixed(yx));
    let (x_end, y_end) = ((width as i64) << FRACTION, (height as i64) << FRACTION);
    let mut shifts = vec![[0; 2]; if BENT { size } else { 0 }];
    for (row, (((red, green), blue), classes)) in rows.enumerate() {
        if BENT && let Some(bend) = look.bend {
            bend.displace(warp, row, (1 << FRACTION) as f32, &mut shifts);
        }
        let v = row as f64 + 0.5;
        let mut x = fixed(xx * 0.5 + xy * v + warp.offset[0]) - x_step;
        let mut y = fixed(yx * 0.5 + yy * v + warp.offset[1]) - y_step;
        let mut before = [0; 2];
        let mut shifts = shifts.iter();
        let out = red.iter_mut().zip(green).zip(blue).zip(classes);
        for (((red, green), blue), class) in out {
            x += x_step;
            y += y_step;
            if BENT && let Some(&shift) = shifts.next() {
                x += shift[0] - before[0];
                y += shift[1] - before[1];
                before = shift;
            }
            if !(0..x_end).contains(&x) || !(0..y_end).contains(&y) {
                [*red, *green, *blue] = PAD_RGB;
                *class = IGNORE_LABEL;
                continue;
            }
            *class = labels.classes[(y >> FRACTION) as usize * width + (x >> FRACTION) as usize];
            let (left, right, fx) = neighbours(x, width);
            let (upper, lower, fy) = neighbours(y, height);
            let (upper, lower) = (upper * width, lower * width);
            let corners = [
                source[upper + left],
                source[upper + right],
                source[lower + left],
                source[lower + right],
            ];
            let channel = |c: usize| {
                let [a, b, d, e] = corners.map(|pixel| intensities[usize::from(pixel[c])]);
                let above = a + fx * (b - a);
                let below = d + fx * (e - d);
                above + fy * (below - above)
            };
            [*red, *green, *blue] = [channel(0), channel(1), channel(2)];
        }
    }
}

/// Coordinates are stepped as integers with this many binary places: half the cost of converting
/// floats, and after 8192 steps still exact to 1/1000 of a pixel.
const FRACTION: u32 = 24;

fn fixed(value: f64) -> i64 {
    (value * f64::from(1 << FRACTION)).round() as i64
}

/// The two pixels around a position and the share of the second. Centres lie at + 1/2; at the rim
/// the outermost pixel is repeated.
fn neighbours(position: i64, length: usize) -> (usize, usize, f32) {
    let from_centre = position - (1 << (FRACTION - 1));
    let low = from_centre >> FRACTION;
    let share = (from_centre & ((1 << FRACTION) - 1)) as i32 as f32 / (1 << FRACTION) as f32;
    (
        low.max(0) as usize,
        ((low + 1) as usize).min(length - 1),
        share,
    )
}

#[cfg(test)]
mod tests {
    use super::{Look, sample};
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
        let look = Look {
            warp: drawn.warp(origin, content, size),
            bend: None,
            intensities: drawn.intensities(0.5),
        };
        sample(&image, &labels, &look, size, &mut pixels, &mut classes);
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
