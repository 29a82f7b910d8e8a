//! The same names as other tools compute them, for comparison with published numbers.
//!
//! Eleven open-source tools differ by more than 100 mm in the Hausdorff distance of the same two
//! masks (Podobnik & Vrtovec, arXiv 2410.02630), so a number is only comparable with a number of
//! the same variant. The default of this crate is [`SurfaceDistances::hd95`].

use crate::error::{MetricError, check_spacing};
use crate::mask::{MaskView, check_pair};
use crate::percentile::percentile;
use crate::surface::{SurfaceDistances, border, directed};

impl SurfaceDistances {
    /// HD95 as MedPy's `hd95`: one percentile of both directed lists thrown together, so that
    /// the larger border outvotes the smaller.
    pub fn hd95_medpy(&self) -> f64 {
        let mut pooled = [self.pred_to_ref.as_slice(), &self.ref_to_pred].concat();
        pooled.sort_unstable_by(f64::total_cmp);
        percentile(&pooled, 95.0).unwrap_or(0.0)
    }

    /// Mean average surface distance: the mean of the two directed means. Metrics Reloaded calls
    /// it MASD; older tools call it ASSD too, which here is the pooled [`Self::assd`].
    pub fn masd(&self) -> f64 {
        let mean = |list: &[f64]| list.iter().sum::<f64>() / list.len() as f64;
        f64::midpoint(mean(&self.pred_to_ref), mean(&self.ref_to_pred))
    }
}

/// HD95 as the evaluation of the published SALT code has it: the larger of the two directed
/// 95th percentiles, but from a mask's border to the other *mask* instead of to its border, and
/// with borders that stop at the image's edge (`skimage.morphology.binary_erosion` treats the
/// outside as object). A ring inside the disc of its outer radius scores 0.
///
/// Reconstructed from the values that code gives on the pairs of `tests/golden.rs` and from its
/// choice of erosion; not compared with a run of it.
///
/// `None` when a mask is empty, or when a border is (an object that fills the image).
///
/// # Errors
/// [`MetricError::SizeMismatch`] and [`MetricError::Spacing`].
pub fn hd95_salt(
    pred: MaskView,
    reference: MaskView,
    spacing: [f64; 2],
) -> Result<Option<f64>, MetricError> {
    check_pair(pred, reference)?;
    check_spacing(spacing)?;
    if pred.is_empty() || reference.is_empty() {
        return Ok(None);
    }
    let one_way = |from: MaskView, to: MaskView| {
        let edge = border(from.data, from.width, true);
        percentile(&directed(&edge, to.data, to.width, spacing), 95.0)
    };
    let both = one_way(pred, reference).zip(one_way(reference, pred));
    Ok(both.map(|(there, back)| there.max(back)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variants_differ_where_they_should() {
        // one row: prediction is the left 4 of 12, reference all 12 but the last
        let pred: Vec<bool> = (0..12).map(|i| i < 4).collect();
        let reference: Vec<bool> = (0..12).map(|i| i < 11).collect();
        let [pred, reference] = [&pred, &reference].map(|d| MaskView::new(12, 1, d).unwrap());
        let d = SurfaceDistances::between(pred, reference, [1.0, 1.0])
            .unwrap()
            .unwrap();
        // directed lists: four zeros; four zeros and 1..=7
        assert!((d.hd95() - 6.5).abs() < 1e-12);
        assert!((d.hd95_medpy() - 6.3).abs() < 1e-12);
        assert!((d.assd() - 28.0 / 15.0).abs() < 1e-12);
        assert!((d.masd() - 14.0 / 11.0).abs() < 1e-12);
        // with the outside counted as object, only column 3 and column 10 are border
        assert_eq!(hd95_salt(pred, reference, [1.0, 1.0]).unwrap(), Some(7.0));
    }

    #[test]
    fn an_object_that_fills_the_image_has_no_salt_border() {
        let (full, dot) = (
            [true; 9],
            [true, false, false, false, false, false, false, false, false],
        );
        let [full, dot] = [&full, &dot].map(|d| MaskView::new(3, 3, d).unwrap());
        assert_eq!(hd95_salt(full, dot, [1.0, 1.0]).unwrap(), None);
        assert!(hd95_salt(full, dot, [f64::NAN, 1.0]).is_err());
    }
}
