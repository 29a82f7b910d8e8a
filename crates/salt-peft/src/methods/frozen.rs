//! No adapter: the base model as it is, with at most the named extras trained.

use crate::method::{Method, Scope};

/// The method.
#[derive(Debug)]
pub struct Frozen;

impl Method for Frozen {
    fn name(&self) -> &'static str {
        "frozen"
    }

    fn peft_type(&self) -> &'static str {
        "FROZEN"
    }

    fn about(&self) -> &'static str {
        "the base model unchanged, except for what modules_to_save names: the floor of a comparison"
    }

    fn scope(&self) -> Scope {
        Scope::Extras
    }
}
