//! Surface distances weighed by contour length, as DeepMind's `surface-distance` package.
//!
//! There the contour runs through the corners between pixels: a corner belongs to it when its
//! four pixels are neither all object nor all background, and stands for the piece of contour
//! that crosses it. Distances run between corners. Of two single pixels two apart, half of the
//! contours lies within a tolerance of one here (the sides that face each other), but none in
//! [`crate::SurfaceDistances::nsd`]: a surface Dice needs its implementation named.
//!
//! Source: Nikolov et al., "Deep learning to achieve clinically applicable segmentation of head
//! and neck anatomy", arXiv 1809.04430, and the 2-D case of the package.

use crate::distance_transform::transform;
use crate::error::{MetricError, check_spacing, check_tolerance};
use crate::mask::{MaskView, Window, check_pair};

/// One element of a contour.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Element {
    /// To the nearest element of the other contour.
    distance: f64,
    /// Of the contour piece this element stands for.
    length: f64,
}

/// Contour elements of two masks with their distance to the other contour and their length,
/// both in the unit of the spacing; each list ascends by distance and is never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct ContourDistances {
    pred_to_ref: Vec<Element>,
    ref_to_pred: Vec<Element>,
}

impl ContourDistances {
    /// Measures both directions; `None` when either mask is empty.
    ///
    /// # Errors
    /// [`MetricError::SizeMismatch`] and [`MetricError::Spacing`].
    pub fn between(
        pred: MaskView,
        reference: MaskView,
        spacing: [f64; 2],
    ) -> Result<Option<Self>, MetricError> {
        check_pair(pred, reference)?;
        check_spacing(spacing)?;
        if pred.is_empty() || reference.is_empty() {
            return Ok(None);
        }
        Ok(Window::around(pred, reference).map(|window| {
            let [pred, reference] = [pred, reference].map(|mask| corner_codes(mask, window));
            Self {
                pred_to_ref: elements(&pred, &reference, window.width + 1, spacing),
                ref_to_pred: elements(&reference, &pred, window.width + 1, spacing),
            }
        }))
    }

    /// Length-weighted mean distances `[pred to ref, ref to pred]`.
    pub fn average(&self) -> [f64; 2] {
        [&self.pred_to_ref, &self.ref_to_pred].map(|list| {
            list.iter().map(|e| e.distance * e.length).sum::<f64>() / total_length(list)
        })
    }

    /// The larger of the two directed distances that `percent` of the contour length does not
    /// exceed; 100 gives the Hausdorff distance, 95 its robust form.
    pub fn hausdorff(&self, percent: f64) -> f64 {
        [&self.pred_to_ref, &self.ref_to_pred]
            .into_iter()
            .map(|list| {
                let total = total_length(list);
                let mut walked = 0.0;
                list.iter()
                    .find(|element| {
                        walked += element.length;
                        walked / total >= percent / 100.0
                    })
                    .or(list.last())
                    .map_or(0.0, |element| element.distance)
            })
            .fold(0.0, f64::max)
    }

    /// Fractions of contour length within `tolerance` of the other, `[pred, ref]`.
    ///
    /// # Errors
    /// [`MetricError::Tolerance`] when the tolerance is negative or not finite.
    pub fn overlap(&self, tolerance: f64) -> Result<[f64; 2], MetricError> {
        check_tolerance(tolerance)?;
        Ok([&self.pred_to_ref, &self.ref_to_pred]
            .map(|list| length_within(list, tolerance) / total_length(list)))
    }

    /// Surface Dice: the fraction of both contours' length within `tolerance` of the other.
    ///
    /// # Errors
    /// [`MetricError::Tolerance`] when the tolerance is negative or not finite.
    pub fn surface_dice(&self, tolerance: f64) -> Result<f64, MetricError> {
        check_tolerance(tolerance)?;
        let lists = [&self.pred_to_ref, &self.ref_to_pred];
        let close: f64 = lists
            .iter()
            .map(|list| length_within(list, tolerance))
            .sum();
        Ok(close / lists.iter().map(|list| total_length(list)).sum::<f64>())
    }
}

fn total_length(list: &[Element]) -> f64 {
    list.iter().map(|element| element.length).sum()
}

fn length_within(list: &[Element], tolerance: f64) -> f64 {
    list.iter()
        .filter(|e| e.distance <= tolerance)
        .map(|e| e.length)
        .sum()
}

/// For every corner of the window, which of its four pixels are object: 8 upper left, 4 upper
/// right, 2 lower left, 1 lower right.
///
/// # Shapes
/// - output: `[(height + 1) * (width + 1)]`
fn corner_codes(mask: MaskView, window: Window) -> Vec<u8> {
    let pixels = window.cut(mask);
    let stride = window.width + 1;
    let mut codes = vec![0; (window.height + 1) * stride];
    for (i, _) in pixels.iter().enumerate().filter(|(_, inside)| **inside) {
        let upper_left = i / window.width * stride + i % window.width;
        codes[upper_left] |= 1;
        codes[upper_left + 1] |= 2;
        codes[upper_left + stride] |= 4;
        codes[upper_left + stride + 1] |= 8;
    }
    codes
}

fn on_contour(codes: &[u8]) -> Vec<bool> {
    codes
        .iter()
        .map(|&code| code != 0 && code != 0b1111)
        .collect()
}

fn elements(from: &[u8], to: &[u8], width: usize, spacing: [f64; 2]) -> Vec<Element> {
    let squared = transform(&on_contour(to), width, spacing);
    let mut list: Vec<Element> = on_contour(from)
        .into_iter()
        .zip(from)
        .zip(squared)
        .filter(|((inside, _), _)| *inside)
        .map(|((_, &code), squared)| Element {
            distance: squared.sqrt(),
            length: contour_length(code, spacing),
        })
        .collect();
    list.sort_unstable_by(|a, b| {
        a.distance
            .total_cmp(&b.distance)
            .then(a.length.total_cmp(&b.length))
    });
    list
}

/// Length of the contour piece at a corner: along the row or the column when the pixels split
/// into two halves, half a pixel diagonal around a single pixel (object or background), and both
/// half diagonals when two pixels touch only here.
fn contour_length(code: u8, spacing: [f64; 2]) -> f64 {
    let half_diagonal = 0.5 * spacing[0].hypot(spacing[1]);
    match code {
        0b1100 | 0b0011 => spacing[1],
        0b1010 | 0b0101 => spacing[0],
        0b1001 | 0b0110 => 2.0 * half_diagonal,
        _ => half_diagonal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_pixel_is_a_diamond() {
        let mut data = [false; 9];
        data[4] = true;
        let mask = MaskView::new(3, 3, &data).unwrap();
        let d = ContourDistances::between(mask, mask, [3.0, 4.0])
            .unwrap()
            .unwrap();
        assert_eq!(
            d.pred_to_ref,
            [Element {
                distance: 0.0,
                length: 2.5
            }; 4]
        );
        assert_eq!(d.surface_dice(0.0).unwrap(), 1.0);
        assert!(d.surface_dice(f64::NAN).is_err());
    }

    #[test]
    fn pixels_that_touch_at_a_corner_have_two_pieces_there() {
        assert_eq!(contour_length(0b1001, [3.0, 4.0]), 5.0);
        assert_eq!(contour_length(0b0110, [3.0, 4.0]), 5.0);
        assert_eq!(contour_length(0b0111, [3.0, 4.0]), 2.5);
        assert_eq!(
            contour_length(0b0011, [3.0, 4.0]),
            4.0,
            "runs along the row"
        );
        assert_eq!(
            contour_length(0b0101, [3.0, 4.0]),
            3.0,
            "runs along the column"
        );
    }
}
