//! Scores of a model over cases, at native resolution.

use salt_data::{Dataset, IGNORE_LABEL, LabelMap, LoadedCase, Split};
use salt_metrics::{
    CaseMetrics, CaseStatus, CohortSummary, MaskView, case_metrics, summarize_cases,
};

use crate::case_table::CaseRow;
use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::recipe::EvaluationPrompts;
use crate::segment::Segmenter;

/// Pixels are the unit of distance until a data set says how large they are.
const SPACING_PX: [f64; 2] = [1.0, 1.0];

/// All scores of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// One row per case and class, in the data set's order.
    pub rows: Vec<CaseRow>,
    /// Over cases; with several classes each case counts with its mean over the classes.
    pub summary: CohortSummary,
    /// The same per class, when there are several.
    pub classes: Vec<CohortSummary>,
    /// Whether the data set is another one now than the run was trained on, byte for byte.
    pub data_changed: bool,
}

/// What an evaluation needs besides model and cases.
#[derive(Clone, Copy, Debug)]
pub struct EvaluateConfig {
    /// Foreground classes.
    pub n_classes: usize,
    /// Tolerance of the normalised surface distance, in pixels.
    pub nsd_tolerance_px: f64,
    /// Seed of the bootstrap intervals.
    pub seed: u64,
    /// What stands beside the class tokens.
    pub prompts: EvaluationPrompts,
}

/// Segment and score every case of a split, one at a time; `seen` gets each with its prediction.
/// Stops early, with what it has, when the session is interrupted.
///
/// # Errors
/// Cases that cannot be read.
pub fn evaluate(
    segmenter: &Segmenter,
    dataset: &Dataset,
    split: Split,
    config: EvaluateConfig,
    session: &mut Session<'_>,
    mut seen: impl FnMut(usize, &LoadedCase, &LabelMap) -> Result<(), TrainError>,
) -> Result<Evaluation, TrainError> {
    let cases = dataset.only(split).cases;
    let of = cases.len();
    let mut rows = Vec::new();
    let mut per_case = Vec::new();
    for (i, loaded) in dataset.read_ahead(cases)?.enumerate() {
        if session.interrupt.is_set() {
            break;
        }
        let loaded = loaded?;
        let prediction = segmenter.case_labels(&loaded, config.prompts)?;
        let scores = score(&prediction, &loaded.labels, config)?;
        seen(i, &loaded, &prediction)?;
        let mean = mean_over_classes(&scores);
        session.event(Event::Case {
            index: i + 1,
            of,
            id: &loaded.id,
            dice: mean.dice,
        });
        per_case.push(mean);
        rows.extend(
            scores
                .into_iter()
                .enumerate()
                .map(|(class, metrics)| CaseRow {
                    case: loaded.id.clone(),
                    split: split.name(),
                    class: class as u8 + 1,
                    metrics,
                }),
        );
    }
    let classes = if config.n_classes > 1 {
        (1..=config.n_classes)
            .map(|class| {
                let of_class = rows.iter().filter(|row| usize::from(row.class) == class);
                summarize_cases(
                    &of_class.map(|row| row.metrics.clone()).collect::<Vec<_>>(),
                    config.seed,
                )
            })
            .collect()
    } else {
        Vec::new()
    };
    Ok(Evaluation {
        rows,
        summary: summarize_cases(&per_case, config.seed),
        classes,
        data_changed: false,
    })
}

/// The metrics of every class of one case.
pub(crate) fn score(
    prediction: &LabelMap,
    reference: &LabelMap,
    config: EvaluateConfig,
) -> Result<Vec<CaseMetrics>, TrainError> {
    (1..=config.n_classes)
        .map(|class| {
            let [p, r] = class_masks(prediction, reference, class);
            let (p, r) = (view(&p, prediction)?, view(&r, reference)?);
            Ok(case_metrics(p, r, SPACING_PX, config.nsd_tolerance_px)?)
        })
        .collect()
}

/// Where each map shows the class; pixels without truth belong to neither.
pub(crate) fn class_masks(
    prediction: &LabelMap,
    reference: &LabelMap,
    class: usize,
) -> [Vec<bool>; 2] {
    let is = |label: u8| usize::from(label) == class;
    let known = reference.classes.iter().map(|r| *r != IGNORE_LABEL);
    let predicted = prediction
        .classes
        .iter()
        .zip(known)
        .map(|(p, known)| known && is(*p));
    [
        predicted.collect(),
        reference.classes.iter().map(|r| is(*r)).collect(),
    ]
}

/// A class mask as the metrics read it.
pub(crate) fn view<'a>(mask: &'a [bool], map: &LabelMap) -> Result<MaskView<'a>, TrainError> {
    Ok(MaskView::new(map.width, map.height, mask)?)
}

/// `None` of nothing.
pub(crate) fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// One row for a case of several classes: counts summed, scores averaged over the classes that
/// define them, the worst status that occurs.
pub(crate) fn mean_over_classes(classes: &[CaseMetrics]) -> CaseMetrics {
    if let [only] = classes {
        return only.clone();
    }
    let sum = |count: fn(&CaseMetrics) -> u64| classes.iter().map(count).sum();
    let average = |metric: fn(&CaseMetrics) -> Option<f64>| {
        mean(&classes.iter().filter_map(metric).collect::<Vec<_>>())
    };
    let worst = [CaseStatus::Missed, CaseStatus::FalseAlarm, CaseStatus::Ok]
        .into_iter()
        .find(|status| classes.iter().any(|m| m.status == *status));
    CaseMetrics {
        n_ref: sum(|m| m.n_ref),
        n_pred: sum(|m| m.n_pred),
        tp: sum(|m| m.tp),
        fp: sum(|m| m.fp),
        fn_: sum(|m| m.fn_),
        dice: average(|m| m.dice),
        iou: average(|m| m.iou),
        precision: average(|m| m.precision),
        recall: average(|m| m.recall),
        cldice: average(|m| m.cldice),
        hd95: average(|m| m.hd95),
        assd: average(|m| m.assd),
        nsd: average(|m| m.nsd),
        status: worst.unwrap_or(CaseStatus::BothEmpty),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(classes: &[u8]) -> LabelMap {
        LabelMap {
            width: classes.len(),
            height: 1,
            classes: classes.to_vec(),
        }
    }

    fn config(n_classes: usize) -> EvaluateConfig {
        EvaluateConfig {
            n_classes,
            nsd_tolerance_px: 1.0,
            seed: 0,
            prompts: EvaluationPrompts::None,
        }
    }

    #[test]
    fn pixels_without_truth_count_for_nobody() {
        let scores = score(&map(&[1, 1, 1, 0]), &map(&[1, 255, 0, 0]), config(1)).unwrap();
        assert_eq!((scores[0].tp, scores[0].fp, scores[0].fn_), (1, 1, 0));
    }

    #[test]
    fn a_case_is_the_mean_over_the_classes_that_are_defined() {
        let scores = score(&map(&[1, 2, 2, 0]), &map(&[1, 2, 0, 0]), config(3)).unwrap();
        let case = mean_over_classes(&scores);
        assert_eq!(scores[2].status, CaseStatus::BothEmpty);
        assert_eq!(case.dice, Some((1.0 + 2.0 / 3.0) / 2.0));
        assert_eq!(case.status, CaseStatus::Ok);
        let missed = mean_over_classes(&score(&map(&[1, 0]), &map(&[1, 2]), config(2)).unwrap());
        assert_eq!(missed.status, CaseStatus::Missed);
        let nothing = mean_over_classes(&score(&map(&[0]), &map(&[0]), config(2)).unwrap());
        assert_eq!(
            (nothing.status, nothing.dice),
            (CaseStatus::BothEmpty, None)
        );
    }

    #[test]
    fn a_prediction_of_another_size_is_an_error() {
        assert!(score(&map(&[1, 1]), &map(&[1, 1, 1]), config(1)).is_err());
    }
}
