//! A borrowed binary mask and the two operations every metric starts with.

use crate::error::MetricError;

/// A binary image borrowed from its owner: one `bool` per pixel, row after row.
///
/// # Shapes
/// - `data`: `[height * width]`, pixel `(row, column)` at `row * width + column`
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct MaskView<'a> {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `true` where the object is.
    pub data: &'a [bool],
}

impl<'a> MaskView<'a> {
    /// Wraps `data` as a mask.
    ///
    /// # Errors
    /// [`MetricError::NoPixels`] when a side is zero, [`MetricError::PixelCount`] when the slice
    /// does not hold `width * height` values.
    pub fn new(width: usize, height: usize, data: &'a [bool]) -> Result<Self, MetricError> {
        if width == 0 || height == 0 {
            return Err(MetricError::NoPixels { width, height });
        }
        if width.checked_mul(height) != Some(data.len()) {
            return Err(MetricError::PixelCount {
                width,
                height,
                received: data.len(),
            });
        }
        Ok(Self {
            width,
            height,
            data,
        })
    }

    /// Number of object pixels.
    pub fn count(&self) -> u64 {
        self.data.iter().filter(|&&inside| inside).count() as u64
    }

    /// True when no pixel belongs to the object.
    pub fn is_empty(&self) -> bool {
        !self.data.contains(&true)
    }

    /// Length of the image diagonal, `sqrt((height * row)^2 + (width * column)^2)`, in the unit
    /// of `spacing = [row, column]`: the worst distance two objects in this image can be apart,
    /// and the value a missed object is charged.
    pub fn diagonal(&self, spacing: [f64; 2]) -> f64 {
        (self.height as f64 * spacing[0]).hypot(self.width as f64 * spacing[1])
    }
}

/// Refuses two masks that do not lie on one grid.
pub(crate) fn check_pair(pred: MaskView, reference: MaskView) -> Result<(), MetricError> {
    let (received, expected) = (
        [pred.width, pred.height],
        [reference.width, reference.height],
    );
    if received == expected {
        Ok(())
    } else {
        Err(MetricError::SizeMismatch {
            reference: expected,
            prediction: received,
        })
    }
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) top: usize,
    pub(crate) left: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

impl Window {
    /// The smallest window that holds every object pixel of both masks, or `None` when there is
    /// none. Distances between two objects never leave it, so they are computed inside it.
    pub(crate) fn around(a: MaskView, b: MaskView) -> Option<Self> {
        let mut rows: Option<(usize, usize)> = None;
        let (mut left, mut right) = (usize::MAX, 0);
        let lines = a
            .data
            .chunks_exact(a.width)
            .zip(b.data.chunks_exact(b.width));
        for (row, (line_a, line_b)) in lines.enumerate() {
            let touched = |line: &[bool]| {
                let first = line.iter().position(|&inside| inside)?;
                Some((first, line.iter().rposition(|&inside| inside)?))
            };
            for (first, last) in [touched(line_a), touched(line_b)].into_iter().flatten() {
                left = left.min(first);
                right = right.max(last);
                rows = Some((rows.map_or(row, |(top, _)| top), row));
            }
        }
        let (top, bottom) = rows?;
        Some(Self {
            top,
            left,
            height: bottom - top + 1,
            width: right - left + 1,
        })
    }

    /// The pixels of `mask` inside the window, row after row.
    pub(crate) fn cut(&self, mask: MaskView) -> Vec<bool> {
        mask.data
            .chunks_exact(mask.width)
            .skip(self.top)
            .take(self.height)
            .flat_map(|line| &line[self.left..self.left + self.width])
            .copied()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_needs_one_value_per_pixel() {
        assert!(MaskView::new(2, 2, &[true; 4]).is_ok());
        assert_eq!(
            MaskView::new(2, 3, &[true; 4]).unwrap_err(),
            MetricError::PixelCount {
                width: 2,
                height: 3,
                received: 4
            }
        );
        assert_eq!(
            MaskView::new(0, 3, &[]).unwrap_err(),
            MetricError::NoPixels {
                width: 0,
                height: 3
            }
        );
        assert!(
            MaskView::new(usize::MAX, 2, &[true; 4]).is_err(),
            "the product overflows"
        );
    }

    #[test]
    fn the_window_holds_both_objects() {
        let mut a = [false; 20];
        let mut b = [false; 20];
        a[6] = true; // row 1, column 1
        b[13] = true; // row 2, column 3
        let [a, b] = [&a, &b].map(|data| MaskView::new(5, 4, data).unwrap());
        let window = Window::around(a, b).unwrap();
        assert_eq!(
            window,
            Window {
                top: 1,
                left: 1,
                height: 2,
                width: 3
            }
        );
        assert_eq!(window.cut(b), [false, false, false, false, false, true]);
        let nothing = [false; 20];
        let nothing = MaskView::new(5, 4, &nothing).unwrap();
        assert_eq!(Window::around(nothing, nothing), None);
    }

    #[test]
    fn the_diagonal_has_the_unit_of_the_spacing() {
        let data = [false; 12];
        let mask = MaskView::new(4, 3, &data).unwrap();
        assert_eq!(mask.diagonal([1.0, 1.0]), 5.0);
        assert_eq!(mask.diagonal([2.0, 2.0]), 10.0);
        assert_eq!(mask.diagonal([4.0, 1.25]), 13.0);
    }
}
