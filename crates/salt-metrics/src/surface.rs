//! Distances between the borders of two masks: HD, HD95, ASSD, NSD.
//!
//! The border of a mask is its one-pixel inner border: the object pixels with a background
//! pixel among their four neighbours, where everything outside the image counts as background
//! (`scipy.ndimage.binary_erosion` with `border_value=0`, as in MedPy and MONAI). Distances run
//! between pixel centres, in the unit of the spacing.

use crate::distance_transform::transform;
use crate::error::{MetricError, check_spacing, check_tolerance};
use crate::mask::{MaskView, Window, check_pair};
use crate::percentile::percentile;

/// Slack on "within tolerance": three pixels of 0.1 are 0.30000000000000004 apart, and a
/// tolerance of 0.3 means to include them.
const TOLERANCE_SLACK: f64 = 1e-9;

/// The one-pixel inner border of a mask (see the module text).
///
/// # Shapes
/// - output: `[height * width]`, row after row
pub fn inner_border(mask: MaskView) -> Vec<bool> {
    border(mask.data, mask.width, false)
}

/// Object pixels with a background pixel among their four neighbours; `outside` says what lies
/// beyond the edge of the image.
pub(crate) fn border(mask: &[bool], width: usize, outside: bool) -> Vec<bool> {
    let height = mask.len() / width;
    let mut on_border = vec![false; mask.len()];
    for row in 0..height {
        for column in 0..width {
            let i = row * width + column;
            let above = if row > 0 { mask[i - width] } else { outside };
            let below = if row + 1 < height {
                mask[i + width]
            } else {
                outside
            };
            let left = if column > 0 { mask[i - 1] } else { outside };
            let right = if column + 1 < width {
                mask[i + 1]
            } else {
                outside
            };
            on_border[i] = mask[i] && !(above && below && left && right);
        }
    }
    on_border
}

/// For each border pixel of one mask the distance to the nearest border pixel of the other, in
/// both directions, each list ascending and never empty.
#[derive(Debug, Clone, PartialEq)]
pub struct SurfaceDistances {
    pub(crate) pred_to_ref: Vec<f64>,
    pub(crate) ref_to_pred: Vec<f64>,
}

impl SurfaceDistances {
    /// Measures both directions; `None` when either mask is empty, because then there is no
    /// surface to be far from.
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
        // Outside the common window both masks are background, as beyond the image's edge, so
        // borders and distances are the same as in the whole image.
        Ok(Window::around(pred, reference).map(|window| {
            let [pred, reference] =
                [pred, reference].map(|mask| border(&window.cut(mask), window.width, false));
            Self {
                pred_to_ref: directed(&pred, &reference, window.width, spacing),
                ref_to_pred: directed(&reference, &pred, window.width, spacing),
            }
        }))
    }

    /// Distances from the border pixels of the prediction to the reference's border, ascending.
    pub fn pred_to_ref(&self) -> &[f64] {
        &self.pred_to_ref
    }

    /// Distances from the border pixels of the reference to the prediction's border, ascending.
    pub fn ref_to_pred(&self) -> &[f64] {
        &self.ref_to_pred
    }

    /// Hausdorff distance: the largest of all distances, both directions.
    pub fn hd(&self) -> f64 {
        self.larger_percentile(100.0)
    }

    /// The larger of the two directed 95th percentiles, each interpolated linearly. (Maier-Hein
    /// et al., Metrics Reloaded, arXiv 2206.01653; equals MONAI's `HausdorffDistanceMetric` with
    /// `percentile=95`.)
    pub fn hd95(&self) -> f64 {
        self.larger_percentile(95.0)
    }

    /// Average symmetric surface distance: the mean over the border pixels of both masks
    /// together, `(sum d(pred, ref) + sum d(ref, pred)) / (|border pred| + |border ref|)`.
    /// [`Self::masd`] averages the two means instead.
    pub fn assd(&self) -> f64 {
        let total: f64 = self.pred_to_ref.iter().chain(&self.ref_to_pred).sum();
        total / (self.pred_to_ref.len() + self.ref_to_pred.len()) as f64
    }

    /// Normalized surface distance (surface Dice): the fraction of border pixels, both masks
    /// together, that lie within `tolerance` of the other border. (Nikolov et al., arXiv
    /// 1809.04430, counted in border pixels; [`crate::ContourDistances`] weighs by contour
    /// length as their own package does.)
    ///
    /// # Errors
    /// [`MetricError::Tolerance`] when the tolerance is negative or not finite.
    pub fn nsd(&self, tolerance: f64) -> Result<f64, MetricError> {
        check_tolerance(tolerance)?;
        let limit = tolerance * (1.0 + TOLERANCE_SLACK);
        let within = |ascending: &[f64]| ascending.partition_point(|&d| d <= limit);
        let close = within(&self.pred_to_ref) + within(&self.ref_to_pred);
        Ok(close as f64 / (self.pred_to_ref.len() + self.ref_to_pred.len()) as f64)
    }

    fn larger_percentile(&self, percent: f64) -> f64 {
        [&self.pred_to_ref, &self.ref_to_pred]
            .into_iter()
            .filter_map(|ascending| percentile(ascending, percent))
            .fold(0.0, f64::max)
    }
}

/// Ascending distances from the `true` pixels of `from` to the nearest `true` pixel of `to`.
pub(crate) fn directed(from: &[bool], to: &[bool], width: usize, spacing: [f64; 2]) -> Vec<f64> {
    let squared = transform(to, width, spacing);
    let mut distances: Vec<f64> = from
        .iter()
        .zip(squared)
        .filter(|(inside, _)| **inside)
        .map(|(_, squared)| squared.sqrt())
        .collect();
    distances.sort_unstable_by(f64::total_cmp);
    distances
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distances(pred: &[bool], reference: &[bool], width: usize) -> SurfaceDistances {
        let [pred, reference] =
            [pred, reference].map(|d| MaskView::new(width, d.len() / width, d).unwrap());
        SurfaceDistances::between(pred, reference, [1.0, 1.0])
            .unwrap()
            .unwrap()
    }

    #[test]
    fn the_inner_border_of_a_full_image_is_its_frame() {
        let full = [true; 20];
        let on_border = inner_border(MaskView::new(5, 4, &full).unwrap());
        let inside: Vec<usize> = (0..20).filter(|&i| !on_border[i]).collect();
        assert_eq!(inside, [6, 7, 8, 11, 12, 13]);
        assert!(
            !border(&full, 5, true).contains(&true),
            "no frame when outside is object"
        );
    }

    #[test]
    fn two_pixels_by_hand() {
        // row of 6: prediction at 0 and 5, reference at 1
        let d = distances(
            &[true, false, false, false, false, true],
            &[false, true, false, false, false, false],
            6,
        );
        assert_eq!(d.pred_to_ref(), [1.0, 4.0]);
        assert_eq!(d.ref_to_pred(), [1.0]);
        assert_eq!(d.hd(), 4.0);
        assert!((d.hd95() - 3.85).abs() < 1e-12);
        assert_eq!(d.assd(), 2.0);
        assert_eq!(d.nsd(1.0).unwrap(), 2.0 / 3.0);
        assert_eq!(d.nsd(0.999).unwrap(), 0.0);
        assert!(d.nsd(-1.0).is_err());
    }

    #[test]
    fn the_tolerance_includes_its_own_distance() {
        let a = [true, false, false, false];
        let b = [false, false, false, true];
        let [a, b] = [&a, &b].map(|data| MaskView::new(4, 1, data).unwrap());
        let d = SurfaceDistances::between(a, b, [1.0, 0.1])
            .unwrap()
            .unwrap();
        assert!(d.hd() > 0.3, "0.1 * 3.0 rounds up");
        assert_eq!(d.nsd(0.3).unwrap(), 1.0);
    }

    #[test]
    fn an_empty_mask_has_no_surface() {
        let (a, b) = ([true; 4], [false; 4]);
        let [a, b] = [&a, &b].map(|data| MaskView::new(2, 2, data).unwrap());
        assert_eq!(SurfaceDistances::between(a, b, [1.0, 1.0]).unwrap(), None);
        assert_eq!(SurfaceDistances::between(b, a, [1.0, 1.0]).unwrap(), None);
        assert!(
            SurfaceDistances::between(a, b, [0.0, 1.0]).is_err(),
            "checked all the same"
        );
    }
}
