//! The keys of `[train]` about the image encoder: what is kept of it between steps, what is computed again in one.

use salt_data::Augment;
use serde::{Deserialize, Serialize};

use super::{Recipe, ViewKind};
use crate::error::TrainError;

/// Whether image embeddings are kept where nothing of the image encoder is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CacheEmbeddings {
    /// Those of the validation; those of the training too where its inputs are the same in every epoch.
    #[default]
    Auto,
    /// Both; a recipe that gives no reason to is refused.
    On,
    /// None.
    Off,
}

/// What backward computes a second time instead of keeping it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Recompute {
    /// Nothing.
    #[default]
    None,
    /// The inside of every trained block of the image encoder: only its input is kept.
    Blocks,
}

impl CacheEmbeddings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Recompute {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Recipe {
    /// Whether every epoch shows the network the same training inputs.
    pub(crate) fn inputs_repeat(&self) -> bool {
        self.data.view == ViewKind::Resize && self.train.augment == Augment::none()
    }

    /// Refuses to keep embeddings that never come again.
    pub(super) fn check_encoder(&self) -> Result<(), TrainError> {
        if self.train.cache_embeddings != CacheEmbeddings::On || self.inputs_repeat() {
            return Ok(());
        }
        let (expected, received) = if self.data.view == ViewKind::Resize {
            (
                "a train.augment that changes nothing (hflip, vflip, rotate_deg, brightness, contrast, gamma 0 and \
                 scale [1, 1]) beside it, because an augmented image is another one in every epoch; or \"auto\", \
                 which then keeps the embeddings of the validation alone",
                "\"on\" with augmentation",
            )
        } else {
            (
                "data.view = \"resize\" beside it, because tiles lie elsewhere in every epoch; or \"auto\", which \
                 then keeps the embeddings of the validation alone",
                "\"on\" with tiles",
            )
        };
        Err(TrainError::value(
            "train.cache_embeddings",
            expected,
            received,
        ))
    }
}
