//! `--naming`: whose names the modules have in a file.

use clap::ValueEnum;
use salt_peft::Names;
use salt_sam::weights::{Naming, to_hugging_face, to_original};

/// The original Segment Anything, or transformers' `SamModel`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum NamingName {
    Original,
    Hf,
}

impl NamingName {
    /// For a checkpoint.
    pub(crate) fn of_checkpoint(self) -> Naming {
        match self {
            Self::Original => Naming::Original,
            Self::Hf => Naming::HuggingFace,
        }
    }

    /// For an adapter.
    pub(crate) fn of_adapter(self) -> Names {
        match self {
            Self::Original => Names::SAME,
            Self::Hf => Names {
                to_model: to_original,
                to_file: to_hugging_face,
            },
        }
    }
}
