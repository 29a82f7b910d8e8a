//! Masks as run lengths, the form of the COCO tools: column by column, starting with background.

use serde::Serialize;

/// A mask of an image, run-length encoded. `counts` alternate between background and object, columns from
/// left to right and each from top to bottom; pycocotools reads it as an uncompressed RLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rle {
    /// `[height, width]` in pixels.
    pub size: [usize; 2],
    /// Lengths of the runs; the first is background and may be 0.
    pub counts: Vec<usize>,
}

impl Rle {
    /// Encodes a mask given row by row that lies at `[x0, y0, x1, y1]` in an image of `[width, height]`;
    /// everything around it is background.
    pub(super) fn encode(mask: &[bool], bounds: [usize; 4], [width, height]: [usize; 2]) -> Self {
        let [x0, y0, x1, y1] = bounds;
        let columns = x1 - x0;
        let mut counts = Vec::new();
        let (mut run, mut inside) = (x0 * height, false);
        let mut push = |length: usize, is_object: bool| {
            if length > 0 && is_object != inside {
                counts.push(std::mem::take(&mut run));
                inside = is_object;
            }
            run += length;
        };
        for column in 0..columns {
            push(y0, false);
            for row in 0..y1 - y0 {
                push(1, mask[row * columns + column]);
            }
            push(height - y1, false);
        }
        push((width - x1) * height, false);
        counts.push(run);
        Self {
            size: [height, width],
            counts,
        }
    }

    /// The mask row by row: `height * width` values.
    pub fn decode(&self) -> Vec<bool> {
        let [height, width] = self.size;
        let mut mask = vec![false; height * width];
        let mut at = 0;
        for (index, count) in self.counts.iter().enumerate() {
            if index % 2 == 1 {
                for pixel in at..at + count {
                    mask[pixel % height * width + pixel / height] = true;
                }
            }
            at += count;
        }
        mask
    }

    /// Pixels of the object.
    pub fn area(&self) -> usize {
        self.counts.iter().skip(1).step_by(2).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn runs_go_down_the_columns() {
        // ..
        // X.
        let rle = Rle::encode(&[false, false, true, false], [0, 0, 2, 2], [2, 2]);
        assert_eq!(rle.counts, [1, 1, 2]);
        let full = Rle::encode(&[true; 4], [0, 0, 2, 2], [2, 2]);
        assert_eq!(full.counts, [0, 4]);
        let empty = Rle::encode(&[false; 4], [0, 0, 2, 2], [2, 2]);
        assert_eq!((empty.counts.as_slice(), empty.area()), (&[4][..], 0));
    }

    proptest! {
        #[test]
        fn a_part_comes_back_in_its_place(
            width in 1_usize..9, height in 1_usize..9, at in (0_usize..4, 0_usize..4),
            bits in prop::collection::vec(any::<bool>(), 64),
        ) {
            let (x0, y0) = (at.0.min(width - 1), at.1.min(height - 1));
            let columns = width - x0;
            let mask: Vec<bool> = bits.into_iter().cycle().take(columns * (height - y0)).collect();
            let rle = Rle::encode(&mask, [x0, y0, width, height], [width, height]);
            prop_assert_eq!(rle.counts.iter().sum::<usize>(), width * height);
            prop_assert!(rle.counts.iter().skip(1).all(|count| *count > 0));
            let whole = rle.decode();
            prop_assert_eq!(rle.area(), whole.iter().filter(|bit| **bit).count());
            for y in 0..height {
                for x in 0..width {
                    let expected = x >= x0 && y >= y0 && mask[(y - y0) * columns + x - x0];
                    prop_assert_eq!(whole[y * width + x], expected);
                }
            }
        }
    }
}
