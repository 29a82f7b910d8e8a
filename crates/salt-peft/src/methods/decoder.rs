//! The decoder only: the encoder's features are taken as they are.

use crate::method::{Method, Scope};

/// The method.
#[derive(Debug)]
pub struct Decoder;

impl Method for Decoder {
    fn name(&self) -> &'static str {
        "decoder"
    }

    fn peft_type(&self) -> &'static str {
        "DECODER"
    }

    fn about(&self) -> &'static str {
        "everything below modules called decoder or ..._decoder, nothing else: the encoder frozen"
    }

    fn scope(&self) -> Scope {
        Scope::Extras
    }

    fn extras(&self) -> &'static [&'static str] {
        &["decoder"]
    }
}
