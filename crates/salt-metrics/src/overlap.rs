//! Overlap of two masks: Dice, intersection over union, precision, recall.
//!
//! No smoothing constant enters any of them: adding 1 to both sides of the fraction, as losses
//! do, flatters small structures and scores 1 on two empty masks.

use crate::error::MetricError;
use crate::mask::{MaskView, check_pair};

/// The four cells of the confusion table that overlap metrics need, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Overlap {
    /// Object pixels of the reference.
    pub n_ref: u64,
    /// Object pixels of the prediction.
    pub n_pred: u64,
    /// Pixels in both.
    pub tp: u64,
    /// Pixels in the prediction only.
    pub fp: u64,
    /// Pixels in the reference only.
    pub fn_: u64,
}

impl Overlap {
    /// Counts the pixels of two masks.
    ///
    /// # Errors
    /// [`MetricError::SizeMismatch`] when the masks differ in size.
    pub fn between(pred: MaskView, reference: MaskView) -> Result<Self, MetricError> {
        check_pair(pred, reference)?;
        let (mut n_ref, mut n_pred, mut tp) = (0, 0, 0);
        for (&p, &r) in pred.data.iter().zip(reference.data) {
            n_ref += u64::from(r);
            n_pred += u64::from(p);
            tp += u64::from(p && r);
        }
        Ok(Self {
            n_ref,
            n_pred,
            tp,
            fp: n_pred - tp,
            fn_: n_ref - tp,
        })
    }

    /// `2 tp / (2 tp + fp + fn)`; `None` when both masks are empty. (Dice, Ecology 26, 1945.)
    pub fn dice(&self) -> Option<f64> {
        ratio(2 * self.tp, self.n_ref + self.n_pred)
    }

    /// `tp / (tp + fp + fn)`, the Jaccard index; `None` when both masks are empty.
    pub fn iou(&self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fp + self.fn_)
    }

    /// `tp / (tp + fp)`; `None` when nothing was predicted.
    pub fn precision(&self) -> Option<f64> {
        ratio(self.tp, self.n_pred)
    }

    /// `tp / (tp + fn)`; `None` when there was nothing to find.
    pub fn recall(&self) -> Option<f64> {
        ratio(self.tp, self.n_ref)
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pred: [bool; 4], reference: [bool; 4], expected: [Option<f64>; 4]) {
        let overlap = Overlap::between(
            MaskView::new(2, 2, &pred).unwrap(),
            MaskView::new(2, 2, &reference).unwrap(),
        )
        .unwrap();
        let got = [
            overlap.dice(),
            overlap.iou(),
            overlap.precision(),
            overlap.recall(),
        ];
        assert_eq!(got, expected, "{pred:?} {reference:?}");
    }

    #[test]
    fn overlap_by_hand() {
        let (o, x) = (false, true);
        check(
            [x, x, o, o],
            [x, o, x, o],
            [Some(0.5), Some(1.0 / 3.0), Some(0.5), Some(0.5)],
        );
        check(
            [x, x, x, x],
            [x, o, o, o],
            [Some(0.4), Some(0.25), Some(0.25), Some(1.0)],
        );
        check([x, o, o, o], [x, o, o, o], [Some(1.0); 4]);
        check(
            [o; 4],
            [x, o, o, o],
            [Some(0.0), Some(0.0), None, Some(0.0)],
        );
        check(
            [x, o, o, o],
            [o; 4],
            [Some(0.0), Some(0.0), Some(0.0), None],
        );
        check([o; 4], [o; 4], [None; 4]);
    }

    #[test]
    fn masks_of_different_size_are_refused() {
        let (a, b) = ([true; 4], [true; 6]);
        let error = Overlap::between(
            MaskView::new(2, 2, &a).unwrap(),
            MaskView::new(2, 3, &b).unwrap(),
        )
        .unwrap_err();
        let expected = MetricError::SizeMismatch {
            reference: [2, 3],
            prediction: [2, 2],
        };
        assert_eq!(error, expected);
    }
}
