//! All metrics of one case and one class, with the policy for empty masks.

use serde::{Deserialize, Serialize};

use crate::cldice::cldice;
use crate::error::{MetricError, check_spacing, check_tolerance};
use crate::mask::MaskView;
use crate::overlap::Overlap;
use crate::surface::SurfaceDistances;

/// Which definitions the numbers follow: write it next to every table, because tools differ.
pub const METRIC_IMPL: &str = concat!(
    "salt-metrics/",
    env!("CARGO_PKG_VERSION"),
    " hd95=max_directed_p95_linear border=inner_4n assd=pooled nsd=border_pixels",
    " cldice=zhang_suen_skimage missed=diagonal",
);

/// What kind of case it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaseStatus {
    /// Both masks hold an object: every metric is defined.
    Ok,
    /// Nothing there and nothing predicted: no metric is defined; count such cases.
    BothEmpty,
    /// An object was there and nothing was predicted.
    Missed,
    /// Nothing was there and something was predicted.
    FalseAlarm,
}

impl CaseStatus {
    /// The name in files, equal to the serialized form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::BothEmpty => "both_empty",
            Self::Missed => "missed",
            Self::FalseAlarm => "false_alarm",
        }
    }
}

impl std::fmt::Display for CaseStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// The metrics of one case and one class. Field names are the columns of `cases.csv`.
///
/// | status | dice, iou, cldice, nsd | precision | recall | hd95, assd |
/// |---|---|---|---|---|
/// | `ok` | computed | computed | computed | computed |
/// | `missed` | 0 | `None` | 0 | image diagonal |
/// | `false_alarm` | 0 | 0 | `None` | image diagonal |
/// | `both_empty` | `None` | `None` | `None` | `None` |
///
/// A method that predicts nothing is thereby charged the worst value instead of dropping out of
/// the mean (Metrics Reloaded, arXiv 2206.01653: missing values take the worst value).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseMetrics {
    /// Object pixels of the reference.
    pub n_ref: u64,
    /// Object pixels of the prediction.
    pub n_pred: u64,
    /// Pixels in both.
    pub tp: u64,
    /// Pixels in the prediction only.
    pub fp: u64,
    /// Pixels in the reference only; `fn` in files.
    #[serde(rename = "fn")]
    pub fn_: u64,
    /// See [`Overlap::dice`].
    pub dice: Option<f64>,
    /// See [`Overlap::iou`].
    pub iou: Option<f64>,
    /// See [`Overlap::precision`].
    pub precision: Option<f64>,
    /// See [`Overlap::recall`].
    pub recall: Option<f64>,
    /// See [`crate::cldice()`].
    pub cldice: Option<f64>,
    /// See [`SurfaceDistances::hd95`]; in the unit of the spacing.
    pub hd95: Option<f64>,
    /// See [`SurfaceDistances::assd`]; in the unit of the spacing.
    pub assd: Option<f64>,
    /// See [`SurfaceDistances::nsd`].
    pub nsd: Option<f64>,
    /// Whether the metrics above were computed or follow from an empty mask.
    pub status: CaseStatus,
}

/// Every metric of one prediction; `spacing = [row, column]` is the size of a pixel, and
/// `nsd_tolerance` has its unit.
///
/// # Errors
/// [`MetricError`] when the masks differ in size or an argument is not a length.
pub fn case_metrics(
    pred: MaskView,
    reference: MaskView,
    spacing: [f64; 2],
    nsd_tolerance: f64,
) -> Result<CaseMetrics, MetricError> {
    let overlap = Overlap::between(pred, reference)?;
    check_spacing(spacing)?;
    check_tolerance(nsd_tolerance)?;
    let worst = Some(reference.diagonal(spacing));
    let (status, cldice, [hd95, assd], nsd) =
        match SurfaceDistances::between(pred, reference, spacing)? {
            Some(distances) => (
                CaseStatus::Ok,
                cldice(pred, reference)?,
                [Some(distances.hd95()), Some(distances.assd())],
                Some(distances.nsd(nsd_tolerance)?),
            ),
            None if overlap.n_ref > 0 => (CaseStatus::Missed, Some(0.0), [worst; 2], Some(0.0)),
            None if overlap.n_pred > 0 => {
                (CaseStatus::FalseAlarm, Some(0.0), [worst; 2], Some(0.0))
            }
            None => (CaseStatus::BothEmpty, None, [None; 2], None),
        };
    Ok(CaseMetrics {
        n_ref: overlap.n_ref,
        n_pred: overlap.n_pred,
        tp: overlap.tp,
        fp: overlap.fp,
        fn_: overlap.fn_,
        dice: overlap.dice(),
        iou: overlap.iou(),
        precision: overlap.precision(),
        recall: overlap.recall(),
        cldice,
        hd95,
        assd,
        nsd,
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPACING: [f64; 2] = [2.0, 1.0];
    /// Of a 3 x 2 image: 2 rows of 2 and 3 columns of 1.
    const DIAGONAL: f64 = 5.0;

    fn metrics(pred: [bool; 6], reference: [bool; 6]) -> CaseMetrics {
        let [pred, reference] = [&pred, &reference].map(|d| MaskView::new(3, 2, d).unwrap());
        case_metrics(pred, reference, SPACING, 1.0).unwrap()
    }

    #[test]
    fn empty_masks_follow_the_policy() {
        let (nothing, mut dot) = ([false; 6], [false; 6]);
        dot[2] = true;
        let zero = Some(0.0);
        let worst = Some(DIAGONAL);

        let missed = metrics(nothing, dot);
        assert_eq!(missed.status, CaseStatus::Missed);
        assert_eq!(
            [missed.dice, missed.iou, missed.cldice, missed.nsd],
            [zero; 4]
        );
        assert_eq!([missed.hd95, missed.assd], [worst; 2]);
        assert_eq!([missed.precision, missed.recall], [None, zero]);

        let alarm = metrics(dot, nothing);
        assert_eq!(alarm.status, CaseStatus::FalseAlarm);
        assert_eq!([alarm.dice, alarm.iou, alarm.cldice, alarm.nsd], [zero; 4]);
        assert_eq!([alarm.hd95, alarm.assd], [worst; 2]);
        assert_eq!([alarm.precision, alarm.recall], [zero, None]);

        let both = metrics(nothing, nothing);
        assert_eq!(both.status, CaseStatus::BothEmpty);
        assert_eq!(
            [both.dice, both.iou, both.precision, both.recall],
            [None; 4]
        );
        assert_eq!([both.cldice, both.nsd, both.hd95, both.assd], [None; 4]);
    }

    #[test]
    fn a_defined_case_is_computed() {
        let (mut a, mut b) = ([false; 6], [false; 6]);
        a[0] = true;
        b[3] = true;
        let m = metrics(a, b);
        assert_eq!(m.status, CaseStatus::Ok);
        assert_eq!([m.hd95, m.assd], [Some(2.0); 2], "one row of 2");
        assert_eq!([m.dice, m.nsd, m.cldice], [Some(0.0); 3]);
        assert_eq!([m.n_ref, m.n_pred, m.tp, m.fp, m.fn_], [1, 1, 0, 1, 1]);
    }

    #[test]
    fn bad_arguments_are_refused_even_for_empty_masks() {
        let nothing = [false; 6];
        let mask = MaskView::new(3, 2, &nothing).unwrap();
        assert!(case_metrics(mask, mask, [0.0, 1.0], 1.0).is_err());
        assert!(case_metrics(mask, mask, SPACING, -1.0).is_err());
    }

    #[test]
    fn serialized_names_are_the_columns() {
        let json = serde_json::to_value(metrics([true; 6], [false; 6])).unwrap();
        assert_eq!(json["status"], CaseStatus::FalseAlarm.as_str());
        assert_eq!(json["fn"], 0);
        assert!(json["recall"].is_null());
        let back: CaseMetrics = serde_json::from_value(json).unwrap();
        assert_eq!(back, metrics([true; 6], [false; 6]));
    }
}
