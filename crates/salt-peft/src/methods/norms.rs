//! Normalisation layers only: gains and offsets of every norm, all weights frozen.

use crate::method::{Method, Scope};

/// The method.
#[derive(Debug)]
pub struct Norms;

impl Method for Norms {
    fn name(&self) -> &'static str {
        "norms"
    }

    fn peft_type(&self) -> &'static str {
        "LN_TUNING"
    }

    fn about(&self) -> &'static str {
        "gains and offsets of the normalisation layers, nothing else (LN tuning, arXiv 2312.11420)"
    }

    fn scope(&self) -> Scope {
        Scope::Extras
    }

    fn extras(&self) -> &'static [&'static str] {
        &["norms"]
    }
}
