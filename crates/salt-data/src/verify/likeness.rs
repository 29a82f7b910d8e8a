//! How a picture looks from afar, to find copies of it that were stored again, resized, made a
//! little brighter, turned or mirrored.
//!
//! Medical images of one kind all look alike, so the picture itself does not tell two of them
//! apart. What is compared is a thumbnail `t` of 32 x 32 grey levels after local normalisation,
//! `r = (t - m) / (s + 2)`, `m` and `s` being mean and deviation in the 5 x 5 cells around: the
//! edge of a field of view that all images share weighs no more than a vessel. Two pictures are
//! near copies when the correlation of `r` is at least [`LIKE`] in one of the eight orientations.
//! A sign bit per 2 x 2 cells rules out most pairs before that.

use crate::pixels::ImageRgb;

const SIDE: usize = 32;

/// Smallest side of a picture that has enough to compare.
const LEAST: usize = 16;

/// Correlation from which two pictures are near copies. Different images of CHASE_DB1 reach 0.71;
/// copies (JPEG of quality 50, half and 1.3 times the size, brighter by a tenth) stay above 0.97.
pub(super) const LIKE: f32 = 0.9;

/// Bits, of 256, in which near copies may differ. At a correlation of 0.9 about 15 % do.
const DIFFERENT_BITS: u32 = 80;

/// Sum of `r` over 2 x 2 cells from which a bit is set: above the noise of flat regions.
const BIT_FLOOR: f32 = 0.4;

/// Steps of `r` in a byte.
const STEPS: f32 = 40.0;

/// A picture from afar.
#[derive(Debug, Clone)]
pub(super) struct Likeness {
    /// `r`, row by row, in steps of 1 / [`STEPS`].
    cells: Vec<i8>,
    /// Euclidean norm of `cells`.
    norm: f32,
    bits: [u64; 4],
}

impl Likeness {
    /// `None` for a picture that is tiny or has no structure.
    pub(super) fn of(image: &ImageRgb) -> Option<Self> {
        if image.width.min(image.height) < LEAST {
            return None;
        }
        let thumbnail = thumbnail(image);
        let cells: Vec<i8> = normalise(&thumbnail)
            .iter()
            .map(|r| (r * STEPS).round().clamp(-127.0, 127.0) as i8)
            .collect();
        Self::from_cells(cells)
    }

    fn from_cells(cells: Vec<i8>) -> Option<Self> {
        let norm = (dot(&cells, &cells) as f32).sqrt();
        // Less than a fifth of a deviation everywhere is noise.
        if norm < 0.2 * STEPS * SIDE as f32 {
            return None;
        }
        let mut bits = [0_u64; 4];
        for bit in 0..256 {
            let at = 2 * (bit / 16) * SIDE + 2 * (bit % 16);
            let sum: i32 = [at, at + 1, at + SIDE, at + SIDE + 1]
                .iter()
                .map(|&i| i32::from(cells[i]))
                .sum();
            bits[bit / 64] |= u64::from(sum as f32 > BIT_FLOOR * STEPS) << (bit % 64);
        }
        Some(Self { cells, norm, bits })
    }

    /// The picture in its eight orientations.
    pub(super) fn orientations(&self) -> Vec<Self> {
        (0..8)
            .filter_map(|k| {
                let mirrored = |v: usize, bit: usize| if k & bit != 0 { SIDE - 1 - v } else { v };
                let cells = (0..SIDE * SIDE).map(|i| {
                    let (x, y) = (mirrored(i % SIDE, 1), mirrored(i / SIDE, 2));
                    self.cells[if k & 4 != 0 {
                        x * SIDE + y
                    } else {
                        y * SIDE + x
                    }]
                });
                Self::from_cells(cells.collect())
            })
            .collect()
    }

    /// Correlation, or `None` where the bits rule a likeness out.
    pub(super) fn correlation(&self, other: &Self) -> Option<f32> {
        let pairs = self.bits.iter().zip(&other.bits);
        let different: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
        (different <= DIFFERENT_BITS)
            .then(|| dot(&self.cells, &other.cells) as f32 / (self.norm * other.norm))
    }
}

fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter()
        .zip(b)
        .map(|(a, b)| i32::from(*a) * i32::from(*b))
        .sum()
}

/// Grey levels of 32 x 32 cells, each the mean over its area, fractions of pixels included.
fn thumbnail(image: &ImageRgb) -> Vec<f32> {
    let mut cells = vec![0.0_f32; SIDE * SIDE];
    let rows: Vec<Vec<(usize, f32)>> = shares(image.height);
    let columns = shares(image.width);
    for (row, parts) in image.data.chunks_exact(3 * image.width).zip(&rows) {
        let mut line = [0.0_f32; SIDE];
        for (p, parts) in row.chunks_exact(3).zip(&columns) {
            let luma = 0.299 * f32::from(p[0]) + 0.587 * f32::from(p[1]) + 0.114 * f32::from(p[2]);
            for (cell, share) in parts {
                line[*cell] += share * luma;
            }
        }
        for (cell, share) in parts {
            let there = cells[cell * SIDE..].iter_mut();
            there.zip(line).for_each(|(sum, v)| *sum += share * v);
        }
    }
    cells
}

/// For each of `length` pixels, the cells it lies in and the share of the cell that it covers.
fn shares(length: usize) -> Vec<Vec<(usize, f32)>> {
    let cell = length as f64 / SIDE as f64;
    (0..length)
        .map(|i| {
            let (start, end) = (i as f64, i as f64 + 1.0);
            let first = (start / cell) as usize;
            (first..SIDE)
                .map(|k| {
                    let covered = end.min((k + 1) as f64 * cell) - start.max(k as f64 * cell);
                    (k, (covered / cell) as f32)
                })
                .take_while(|(_, share)| *share > 0.0)
                .collect()
        })
        .collect()
}

/// Local normalisation; cells beyond the edge repeat it.
fn normalise(cells: &[f32]) -> Vec<f32> {
    const AROUND: [isize; 5] = [-2, -1, 0, 1, 2];
    let near = |at: usize, by: isize| at.saturating_add_signed(by).min(SIDE - 1);
    (0..SIDE * SIDE)
        .map(|i| {
            let (x, y) = (i % SIDE, i / SIDE);
            let (mut sum, mut squares) = (0.0, 0.0);
            for dy in AROUND {
                for dx in AROUND {
                    let v = cells[near(y, dy) * SIDE + near(x, dx)];
                    sum += v;
                    squares += v * v;
                }
            }
            let mean = sum / 25.0;
            let deviation = (squares / 25.0 - mean * mean).max(0.0).sqrt();
            (cells[i] - mean) / (deviation + 2.0)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{SIDE, shares, thumbnail};
    use crate::pixels::ImageRgb;

    #[test]
    fn cells_cover_a_picture_of_any_size_exactly_once() {
        for length in [16, 31, 32, 33, 64, 999] {
            let mut sums = [0.0_f64; SIDE];
            for (cell, share) in shares(length).into_iter().flatten() {
                sums[cell] += f64::from(share);
            }
            assert!(sums.iter().all(|s| (s - 1.0).abs() < 1e-5), "{length}");
        }
        let image = ImageRgb::new(40, 17, vec![200; 40 * 17 * 3]).expect("valid");
        assert!(thumbnail(&image).iter().all(|v| (v - 200.0).abs() < 0.01));
    }
}
