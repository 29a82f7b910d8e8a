//! Biases only (BitFit, arXiv 2106.10199).

use crate::method::{Method, Scope};

/// The method.
#[derive(Debug)]
pub struct Bias;

impl Method for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn peft_type(&self) -> &'static str {
        "BIAS"
    }

    fn about(&self) -> &'static str {
        "every bias, the offsets of normalisation layers included, nothing else (BitFit, \
         arXiv 2106.10199)"
    }

    fn scope(&self) -> Scope {
        Scope::Extras
    }

    fn extras(&self) -> &'static [&'static str] {
        &["biases"]
    }
}
