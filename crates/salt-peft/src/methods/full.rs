//! Full fine-tuning: every parameter that the base model trains.

use crate::method::{Method, Scope};

/// The method.
#[derive(Debug)]
pub struct Full;

impl Method for Full {
    fn name(&self) -> &'static str {
        "full"
    }

    fn peft_type(&self) -> &'static str {
        "FULL"
    }

    fn about(&self) -> &'static str {
        "every parameter that requires a gradient in the base model; its constants stay frozen"
    }

    fn scope(&self) -> Scope {
        Scope::Everything
    }
}
