//! What is drawn over a picture: objects with their outlines, and the points and boxes that asked for them.

use salt_data::ImageRgb;

/// Of a point on the object.
pub const ON_OBJECT: [u8; 3] = [0, 200, 70];
/// Of a point beside the object.
pub const BESIDE_OBJECT: [u8; 3] = [230, 30, 30];
/// Of a box around the object.
pub const AROUND_OBJECT: [u8; 3] = [255, 215, 0];
const RIM: [u8; 3] = [255, 255, 255];

/// The colour of object `index`: any number of them, and neighbours in the list are far apart. Hues are
/// multiples of the golden ratio, which never come close to an earlier one before they must.
pub fn object_colour(index: usize) -> [u8; 3] {
    const GOLDEN: f64 = 0.618_033_988_749_895;
    let hue = 6.0 * (index as f64 * GOLDEN).fract();
    // A channel is full within one sixth of its hue, absent beyond two.
    let channel = |centre: f64| {
        let apart = (hue - centre).abs();
        let strength = (2.0 - apart.min(6.0 - apart)).clamp(0.0, 1.0);
        (30.0 + 225.0 * strength) as u8
    };
    [channel(0.0), channel(2.0), channel(4.0)]
}

/// Blend a colour over the pixels of a mask, given row by row: two fifths paint, so that the picture
/// below stays readable.
///
/// # Panics
/// When the mask has another size than the picture.
pub fn tint(picture: &mut ImageRgb, mask: &[bool], colour: [u8; 3]) {
    check_size(picture, mask);
    let pixels = picture.data.chunks_exact_mut(3).zip(mask);
    for (pixel, _) in pixels.filter(|(_, inside)| **inside) {
        for (value, paint) in pixel.iter_mut().zip(colour) {
            *value = ((3 * u16::from(*value) + 2 * u16::from(paint)) / 5) as u8;
        }
    }
}

/// Draw the inner edge of a mask, also where the picture cuts it off.
///
/// # Panics
/// When the mask has another size than the picture.
pub fn outline(picture: &mut ImageRgb, mask: &[bool], colour: [u8; 3]) {
    check_size(picture, mask);
    let (width, height) = (picture.width, picture.height);
    let reach = line_width(picture);
    let is_inside = |x: Option<usize>, y: Option<usize>| match (x, y) {
        (Some(x), Some(y)) => x < width && y < height && mask[y * width + x],
        _ => false,
    };
    for y in 0..height {
        for x in (0..width).filter(|x| mask[y * width + x]) {
            let is_edge = (1..=reach).any(|by| {
                !is_inside(x.checked_sub(by), Some(y))
                    || !is_inside(Some(x + by), Some(y))
                    || !is_inside(Some(x), y.checked_sub(by))
                    || !is_inside(Some(x), Some(y + by))
            });
            if is_edge {
                paint(picture, x, y, colour);
            }
        }
    }
}

/// Draw a disc with a white rim around a point.
pub fn dot(picture: &mut ImageRgb, [x, y]: [f32; 2], colour: [u8; 3]) {
    let radius = (shorter_side(picture) as f32 / 70.0).max(2.5);
    let rim = radius + line_width(picture) as f32;
    for row in covered(y, rim, picture.height) {
        for column in covered(x, rim, picture.width) {
            let apart = (column as f32 - x).hypot(row as f32 - y);
            if apart <= rim {
                let colour = if apart <= radius { colour } else { RIM };
                paint(picture, column, row, colour);
            }
        }
    }
}

/// Draw the four sides of a box `[x0, y0, x1, y1]`; its lines lie inside of it.
pub fn rectangle(picture: &mut ImageRgb, [x0, y0, x1, y1]: [f32; 4], colour: [u8; 3]) {
    let last = |corner: f32, length: usize| (corner.max(0.0) as usize).min(length - 1);
    if picture.width == 0 || picture.height == 0 {
        return;
    }
    let (left, right) = (last(x0, picture.width), last(x1, picture.width));
    let (top, bottom) = (last(y0, picture.height), last(y1, picture.height));
    let line = line_width(picture);
    for y in top..=bottom {
        for x in left..=right {
            let to_side = (x - left).min(right - x).min(y - top).min(bottom - y);
            if to_side < line {
                paint(picture, x, y, colour);
            }
        }
    }
}

/// Rows or columns within `reach` of `centre`.
fn covered(centre: f32, reach: f32, length: usize) -> std::ops::Range<usize> {
    let first = (centre - reach).floor().max(0.0) as usize;
    let end = (centre + reach).ceil().max(0.0) as usize + 1;
    first.min(length)..end.min(length)
}

fn paint(picture: &mut ImageRgb, x: usize, y: usize, colour: [u8; 3]) {
    let at = 3 * (y * picture.width + x);
    picture.data[at..at + 3].copy_from_slice(&colour);
}

/// Lines that can be seen when the picture is shown small.
fn line_width(picture: &ImageRgb) -> usize {
    (shorter_side(picture) / 300).max(1)
}

fn shorter_side(picture: &ImageRgb) -> usize {
    picture.width.min(picture.height)
}

fn check_size(picture: &ImageRgb, mask: &[bool]) {
    assert_eq!(
        mask.len(),
        picture.width * picture.height,
        "a mask of another size than the picture"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: usize, height: usize) -> ImageRgb {
        ImageRgb {
            width,
            height,
            data: vec![100; 3 * width * height],
        }
    }

    /// Which pixels have a colour, as text.
    fn drawn(picture: &ImageRgb, colour: [u8; 3]) -> String {
        let rows = picture.data.chunks_exact(3 * picture.width).map(|row| {
            let pixels = row.chunks_exact(3);
            let marks = pixels.map(|pixel| if pixel == colour { 'X' } else { '.' });
            marks.collect::<String>()
        });
        rows.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn objects_are_tinted_inside_and_outlined_at_the_edge() {
        let mask: Vec<bool> = ".XXX. .XXX. .XXX. ....."
            .bytes()
            .filter(|b| *b != b' ')
            .map(|b| b == b'X')
            .collect();
        let mut picture = grey(5, 4);
        tint(&mut picture, &mask, [200, 100, 0]);
        assert_eq!(drawn(&picture, [140, 100, 60]), ".XXX. .XXX. .XXX. .....");
        // The border of the picture is an edge too; the middle is none.
        outline(&mut picture, &mask, [9; 3]);
        assert_eq!(drawn(&picture, [9; 3]), ".XXX. .X.X. .XXX. .....");
        assert_eq!(drawn(&picture, [140, 100, 60]), "..... ..X.. ..... .....");
    }

    #[test]
    fn boxes_and_dots_are_where_they_were_given() {
        let mut picture = grey(6, 5);
        rectangle(&mut picture, [1.0, 0.0, 4.0, 3.0], [9; 3]);
        assert_eq!(
            drawn(&picture, [9; 3]),
            ".XXXX. .X..X. .X..X. .XXXX. ......"
        );
        let mut picture = grey(9, 9);
        dot(&mut picture, [8.0, 0.0], [9; 3]);
        let rows = drawn(&picture, [9; 3]);
        assert!(
            rows.starts_with("......XXX ......XXX .......XX ........."),
            "{rows}"
        );
        // A box that reaches to the end of the picture keeps its sides.
        let mut picture = grey(3, 3);
        rectangle(&mut picture, [0.0, 0.0, 3.0, 3.0], [9; 3]);
        assert_eq!(drawn(&picture, [9; 3]), "XXX X.X XXX");
    }

    #[test]
    fn the_first_colours_are_far_apart() {
        let colours: Vec<[u8; 3]> = (0..8).map(object_colour).collect();
        for (i, a) in colours.iter().enumerate() {
            for b in &colours[..i] {
                let apart: u32 = a
                    .iter()
                    .zip(b)
                    .map(|(a, b)| u32::from(a.abs_diff(*b)))
                    .sum();
                assert!(apart > 60, "{a:?} {b:?}");
            }
        }
    }
}
