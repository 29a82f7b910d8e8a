//! rsLoRA: LoRA scaled by the root of its rank, so that larger ranks learn as fast
//! (arXiv 2312.03732).

use serde_json::Value;

use super::lora::LoraAdapter;
use super::low_rank::{self, Scaling};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method::{LayerContext, Method};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The method. Its factors are LoRA's.
#[derive(Debug)]
pub struct Rslora;

impl Method for Rslora {
    fn name(&self) -> &'static str {
        "rslora"
    }

    fn peft_type(&self) -> &'static str {
        "LORA"
    }

    fn about(&self) -> &'static str {
        "W + (alpha / sqrt(r)) B A: LoRA with the scaling that suits large ranks (arXiv 2312.03732)"
    }

    fn settings(&self) -> &'static [&'static str] {
        low_rank::SETTINGS_WITH_INIT
    }

    low_rank::answers_as_lora!();

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        low_rank::of_factors(shape, rank)
    }

    fn file_fields(
        &self,
        config: &AdapterConfig,
        layers: &[(WeightShape, LayerRank)],
    ) -> Vec<(String, Value)> {
        low_rank::file_fields(config, layers, true, false)
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        LoraAdapter::new(&layer, Scaling::RootOfRank).map(|adapter| Some(Factors::Rslora(adapter)))
    }
}
