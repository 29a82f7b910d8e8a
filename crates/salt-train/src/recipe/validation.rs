//! The keys of `[train]` about validation: what is measured, and what chooses the epoch.

use serde::{Deserialize, Serialize};

use super::TrainSection;
use crate::error::TrainError;

/// What a validation measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValidationKind {
    /// Dice and IoU.
    #[default]
    Quick,
    /// Also centerline Dice, distances of surfaces, precision and recall: as the test.
    Full,
}

/// The mean over the validation cases that is to be large: it chooses the epoch and feeds the patience.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SelectBy {
    /// Dice.
    #[default]
    Dice,
    /// Intersection over union.
    Iou,
    /// Centerline Dice.
    Cldice,
    /// Normalised surface distance at `data.nsd_tolerance_px`.
    Nsd,
}

impl ValidationKind {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl SelectBy {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl TrainSection {
    /// Refuses to choose by what is not measured.
    pub(super) fn check_validation(&self) -> Result<(), TrainError> {
        let unmeasured = match self.select_by {
            SelectBy::Dice | SelectBy::Iou => None,
            SelectBy::Cldice => Some("cldice"),
            SelectBy::Nsd => Some("nsd"),
        };
        match unmeasured {
            Some(name) if self.validation == ValidationKind::Quick => Err(TrainError::value(
                "train.select_by",
                "\"dice\" or \"iou\", or train.validation = \"full\" beside it",
                name,
            )),
            _ => Ok(()),
        }
    }
}
