//! `[inference]`: how a trained model answers, at validation, test and prediction alike.

use serde::{Deserialize, Serialize};

use super::EvaluationPrompts;
use crate::error::TrainError;

/// What is done beyond asking the network once for each pixel. Whatever is set belongs to what is validated, so the
/// epoch is chosen for the answers that will be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InferenceSection {
    /// Test-time augmentation: the image is also seen mirrored left to right, upside down, and both, and the logits
    /// are averaged. Takes four times as long.
    pub mirror: bool,
    /// Of each class only the largest connected component is kept.
    pub largest_component: bool,
    /// Connected components of fewer pixels (of the image itself) become background; 0 keeps all.
    pub min_component_px: usize,
}

impl InferenceSection {
    /// Whether nothing was asked for, so that the resolved recipe need not mention it.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses what does not go together.
    pub(super) fn check(&self, prompts: EvaluationPrompts) -> Result<(), TrainError> {
        if self.mirror && !prompts.is_none() {
            let expected = "no prompts.evaluate beside it: a box belongs to the image as it is";
            return Err(TrainError::value("inference.mirror", expected, true));
        }
        if self.largest_component && self.min_component_px > 0 {
            let expected = "no inference.largest_component beside it, which decides alone";
            let received = self.min_component_px;
            return Err(TrainError::value(
                "inference.min_component_px",
                expected,
                received,
            ));
        }
        Ok(())
    }
}
