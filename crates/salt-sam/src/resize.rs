//! Antialiased bilinear resizing of bytes, bit for bit as Pillow does it (`Image.BILINEAR`), because that is
//! what the original sees.
//!
//! A triangle filter whose support grows with the reduction, along columns and rows one after the other. Weights
//! are rounded to 22 bits behind the point and each pass rounds to bytes; other libraries keep fewer bits, and
//! then one pixel in twelve is another by one. The order of the passes matters for the same reason: it is that
//! of Pillow 13, rows first where an image is more than twice as high as wide and gets lower. (Pillow 11.3 and
//! 12.0 were seen to do columns first up to four times as high.)

/// Bits of a weight behind the point (`PRECISION_BITS` of Pillow).
const PRECISION_BITS: u32 = 22;

/// What an output sample sums.
struct Window {
    /// The first input sample.
    first: usize,
    /// Weights in fixed point.
    weights: Vec<i32>,
}

/// Resizes an image of three interleaved channels from `[width, height]` to another; no side may be 0.
pub(crate) fn resize_rgb(data: &[u8], from: [usize; 2], to: [usize; 2]) -> Vec<u8> {
    let columns = |data: &[u8]| resize_columns(data, from[0], &windows(from[0], to[0]));
    let rows = |data: &[u8], width| resize_rows(data, width, &windows(from[1], to[1]));
    let is_tall = from[1] > 2 * from[0] && to[1] < from[1];
    match (from[0] == to[0], from[1] == to[1]) {
        (true, true) => data.to_vec(),
        (true, false) => rows(data, to[0]),
        (false, true) => columns(data),
        (false, false) if is_tall => columns(&rows(data, from[0])),
        (false, false) => rows(&columns(data), to[0]),
    }
}

fn windows(input: usize, output: usize) -> Vec<Window> {
    let scale = input as f64 / output as f64;
    let support = scale.max(1.0);
    (0..output)
        .map(|index| {
            let centre = (index as f64 + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let weight = |at: usize| {
                let distance = (at as f64 - centre + 0.5) / support;
                (1.0 - distance.abs()).max(0.0)
            };
            let weights: Vec<f64> = (first..end).map(weight).collect();
            let sum: f64 = weights.iter().sum();
            let fixed = |weight: f64| (weight / sum * f64::from(1 << PRECISION_BITS) + 0.5) as i32;
            Window {
                first,
                weights: weights.into_iter().map(fixed).collect(),
            }
        })
        .collect()
}

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn resize_columns(data: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let mut resized = Vec::with_capacity(data.len() / width * windows.len());
    for row in data.chunks_exact(3 * width) {
        let pixels = row.as_chunks::<3>().0;
        for window in windows {
            let mut sums = [HALF; 3];
            for (weight, pixel) in window.weights.iter().zip(&pixels[window.first..]) {
                for (sum, value) in sums.iter_mut().zip(pixel) {
                    *sum += weight * i32::from(*value);
                }
            }
            resized.extend(sums.map(to_byte));
        }
    }
    resized
}

fn resize_rows(data: &[u8], width: usize, windows: &[Window]) -> Vec<u8> {
    let stride = 3 * width;
    let mut resized = Vec::with_capacity(stride * windows.len());
    let mut sums = vec![HALF; stride];
    for window in windows {
        sums.fill(HALF);
        let rows = data[stride * window.first..].chunks_exact(stride);
        for (weight, row) in window.weights.iter().zip(rows) {
            for (sum, value) in sums.iter_mut().zip(row) {
                *sum += weight * i32::from(*value);
            }
        }
        resized.extend(sums.iter().copied().map(to_byte));
    }
    resized
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_constant_stays_and_nothing_leaves_its_range(
            from in (1_usize..40, 1_usize..40), to in (1_usize..40, 1_usize..40), value: u8,
            noise in prop::collection::vec(any::<u8>(), 3),
        ) {
            let (from, to) = ([from.0, from.1], [to.0, to.1]);
            let n = 3 * from[0] * from[1];
            let resized = resize_rgb(&vec![value; n], from, to);
            prop_assert_eq!(resized, vec![value; 3 * to[0] * to[1]]);
            let data: Vec<u8> = noise.iter().copied().cycle().take(n).collect();
            let resized = resize_rgb(&data, from, to);
            // Channels do not mix.
            let pixels = resized.as_chunks::<3>().0;
            prop_assert!(pixels.iter().all(|pixel| pixel[..] == noise[..]));
        }
    }
}
