//! From cases to a row of a table.
//!
//! Order of aggregation: per image, per class, then over patients and classes; never one Dice of
//! all pixels of a data set, which large objects dominate.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{Summary, summarize};
use crate::case::{CaseMetrics, CaseStatus};

/// All metrics of one class over the cases of a split, with the counts that a reader needs to
/// judge them. A summary is `None` when no case defines its metric, and its `n` says how many do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortSummary {
    /// Cases in all.
    pub n: usize,
    /// Cases without object and without prediction: in no summary.
    pub n_both_empty: usize,
    /// Cases with an object where nothing was predicted: worst values in the summaries.
    pub n_missed: usize,
    /// Cases without object where something was predicted: worst values in the summaries.
    pub n_false_alarm: usize,
    /// Dice.
    pub dice: Option<Summary>,
    /// Intersection over union.
    pub iou: Option<Summary>,
    /// Precision, over cases with a prediction.
    pub precision: Option<Summary>,
    /// Recall, over cases with an object.
    pub recall: Option<Summary>,
    /// Centre-line Dice.
    pub cldice: Option<Summary>,
    /// HD95, a missed object or a false alarm counted as the image diagonal.
    pub hd95: Option<Summary>,
    /// ASSD, a missed object or a false alarm counted as the image diagonal.
    pub assd: Option<Summary>,
    /// Normalized surface distance.
    pub nsd: Option<Summary>,
    /// HD95 over [`CaseStatus::Ok`] cases only, as tools that drop failures report it.
    pub hd95_finite_only: Option<Summary>,
    /// ASSD over [`CaseStatus::Ok`] cases only, as tools that drop failures report it.
    pub assd_finite_only: Option<Summary>,
}

/// Summarizes the cases of one class. Where several slices share a patient, the interval treats
/// them as independent and is too narrow: use [`group_means`] and [`summarize`] there.
pub fn summarize_cases(cases: &[CaseMetrics], seed: u64) -> CohortSummary {
    let count = |status| cases.iter().filter(|case| case.status == status).count();
    let over = |metric: fn(&CaseMetrics) -> Option<f64>| {
        summarize(&cases.iter().filter_map(metric).collect::<Vec<_>>(), seed)
    };
    CohortSummary {
        n: cases.len(),
        n_both_empty: count(CaseStatus::BothEmpty),
        n_missed: count(CaseStatus::Missed),
        n_false_alarm: count(CaseStatus::FalseAlarm),
        dice: over(|case| case.dice),
        iou: over(|case| case.iou),
        precision: over(|case| case.precision),
        recall: over(|case| case.recall),
        cldice: over(|case| case.cldice),
        hd95: over(|case| case.hd95),
        assd: over(|case| case.assd),
        nsd: over(|case| case.nsd),
        hd95_finite_only: over(|case| case.hd95.filter(|_| case.status == CaseStatus::Ok)),
        assd_finite_only: over(|case| case.assd.filter(|_| case.status == CaseStatus::Ok)),
    }
}

/// Mean of the values of each group, for example of the slices of each patient, in the order of
/// the keys.
pub fn group_means<K: Ord>(values: impl IntoIterator<Item = (K, f64)>) -> Vec<(K, f64)> {
    let mut groups: BTreeMap<K, (f64, usize)> = BTreeMap::new();
    for (key, value) in values {
        let (total, n) = groups.entry(key).or_default();
        *total += value;
        *n += 1;
    }
    groups
        .into_iter()
        .map(|(key, (total, n))| (key, total / n as f64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::case_metrics;
    use crate::mask::MaskView;

    fn case(pred: [bool; 4], reference: [bool; 4]) -> CaseMetrics {
        let [pred, reference] = [&pred, &reference].map(|d| MaskView::new(4, 1, d).unwrap());
        case_metrics(pred, reference, [1.0, 1.0], 1.0).unwrap()
    }

    #[test]
    fn failures_stay_in_the_mean_and_are_counted() {
        let (o, x) = (false, true);
        let cases = [
            case([x, o, o, o], [x, o, o, o]),
            case([o; 4], [x, o, o, o]),
            case([o; 4], [x, o, o, o]),
            case([x, o, o, o], [o; 4]),
            case([o; 4], [o; 4]),
        ];
        let s = summarize_cases(&cases, 0);
        assert_eq!(
            [s.n, s.n_both_empty, s.n_missed, s.n_false_alarm],
            [5, 1, 2, 1]
        );
        let dice = s.dice.unwrap();
        assert_eq!((dice.n, dice.mean), (4, 0.25));
        let hd95 = s.hd95.unwrap();
        assert_eq!((hd95.n, hd95.mean), (4, 0.75 * 17.0_f64.sqrt()));
        let finite = s.hd95_finite_only.unwrap();
        assert_eq!((finite.n, finite.mean), (1, 0.0));
        assert_eq!(s.precision.unwrap().n, 2);
        assert_eq!(s.recall.unwrap().n, 3);
    }

    #[test]
    fn no_case_no_summary() {
        let s = summarize_cases(&[], 0);
        assert_eq!((s.n, s.dice, s.hd95), (0, None, None));
    }

    #[test]
    fn patients_weigh_the_same_whatever_their_slices() {
        let slices = [("b", 0.5), ("a", 1.0), ("a", 0.0), ("a", 0.5)];
        assert_eq!(group_means(slices), [("a", 0.5), ("b", 0.5)]);
    }
}
