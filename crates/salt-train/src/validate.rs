//! Scores of the validation cases during training: they choose the epoch, and are there to be watched.

use salt_data::{Dataset, LabelMap};
use salt_metrics::Overlap;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::evaluate::{EvaluateConfig, class_masks, mean, mean_over_classes, score, view};
use crate::observer::Interrupt;
use crate::recipe::{SelectBy, ValidationKind};
use crate::segment::Segmenter;

/// What only `train.validation = "full"` measures: means over the cases that define them, which are means over
/// their classes. Named as the columns of `metrics.csv`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FullScores {
    /// See [`salt_metrics::CaseMetrics::cldice`].
    pub val_cldice: Option<f64>,
    /// In pixels; see [`salt_metrics::CaseMetrics::hd95`].
    pub val_hd95: Option<f64>,
    /// In pixels; see [`salt_metrics::CaseMetrics::assd`].
    pub val_assd: Option<f64>,
    /// See [`salt_metrics::CaseMetrics::nsd`].
    pub val_nsd: Option<f64>,
    /// See [`salt_metrics::CaseMetrics::precision`].
    pub val_precision: Option<f64>,
    /// See [`salt_metrics::CaseMetrics::recall`].
    pub val_recall: Option<f64>,
}

/// Scores of all cases of a validation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validation {
    /// Mean over the cases that define it.
    pub dice: Option<f64>,
    /// Likewise.
    pub iou: Option<f64>,
    /// `None` for a quick validation.
    pub full: Option<FullScores>,
    /// Dice of each case, in the data set's order.
    pub case_dice: Vec<Option<f64>>,
}

/// Scores of one case.
struct Scores {
    dice: Option<f64>,
    iou: Option<f64>,
    full: FullScores,
}

impl Validation {
    /// What stands in the row of an epoch that is not validated.
    pub(crate) fn none(kind: ValidationKind) -> Self {
        Self {
            full: (kind == ValidationKind::Full).then(FullScores::default),
            ..Self::default()
        }
    }

    /// The score that chooses the epoch.
    pub(crate) fn selected(&self, by: SelectBy) -> Option<f64> {
        let full = self.full.unwrap_or_default();
        match by {
            SelectBy::Dice => self.dice,
            SelectBy::Iou => self.iou,
            SelectBy::Cldice => full.val_cldice,
            SelectBy::Nsd => full.val_nsd,
        }
    }
}

/// Segment and score all cases of a data set, one at a time. `None` when interrupted.
///
/// # Errors
/// Cases that cannot be read.
pub(crate) fn validate(
    segmenter: &Segmenter,
    dataset: &Dataset,
    kind: ValidationKind,
    config: EvaluateConfig,
    interrupt: &Interrupt,
) -> Result<Option<Validation>, TrainError> {
    let mut cases = Vec::new();
    for case in dataset.read_ahead(dataset.cases.clone())? {
        if interrupt.is_set() {
            return Ok(None);
        }
        let case = case?;
        let prediction = segmenter.case_labels(&case, config.prompts)?;
        let scores = match kind {
            ValidationKind::Quick => quick(&prediction, &case.labels, config.n_classes)?,
            ValidationKind::Full => full(&prediction, &case.labels, config)?,
        };
        cases.push(scores);
    }
    let over_cases = |metric: fn(&Scores) -> Option<f64>| {
        mean(&cases.iter().filter_map(metric).collect::<Vec<_>>())
    };
    Ok(Some(Validation {
        dice: over_cases(|case| case.dice),
        iou: over_cases(|case| case.iou),
        full: (kind == ValidationKind::Full).then(|| FullScores {
            val_cldice: over_cases(|case| case.full.val_cldice),
            val_hd95: over_cases(|case| case.full.val_hd95),
            val_assd: over_cases(|case| case.full.val_assd),
            val_nsd: over_cases(|case| case.full.val_nsd),
            val_precision: over_cases(|case| case.full.val_precision),
            val_recall: over_cases(|case| case.full.val_recall),
        }),
        case_dice: cases.iter().map(|case| case.dice).collect(),
    }))
}

/// Counts of pixels alone, without distances and skeletons.
fn quick(
    prediction: &LabelMap,
    reference: &LabelMap,
    n_classes: usize,
) -> Result<Scores, TrainError> {
    let (mut dice, mut iou) = (Vec::new(), Vec::new());
    for class in 1..=n_classes {
        let [p, r] = class_masks(prediction, reference, class);
        let overlap = Overlap::between(view(&p, prediction)?, view(&r, reference)?)?;
        dice.extend(overlap.dice());
        iou.extend(overlap.iou());
    }
    Ok(Scores {
        dice: mean(&dice),
        iou: mean(&iou),
        full: FullScores::default(),
    })
}

/// Everything that the test reports.
fn full(
    prediction: &LabelMap,
    reference: &LabelMap,
    config: EvaluateConfig,
) -> Result<Scores, TrainError> {
    let case = mean_over_classes(&score(prediction, reference, config)?);
    Ok(Scores {
        dice: case.dice,
        iou: case.iou,
        full: FullScores {
            val_cldice: case.cldice,
            val_hd95: case.hd95,
            val_assd: case.assd,
            val_nsd: case.nsd,
            val_precision: case.precision,
            val_recall: case.recall,
        },
    })
}
