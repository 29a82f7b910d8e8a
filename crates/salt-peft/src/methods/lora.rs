//! LoRA: a low-rank update beside the frozen weight (arXiv 2106.09685); file format and starting
//! values are those of HF peft.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde_json::Value;

use super::low_rank::{self, Scaling};
use crate::adapter_file::export::HfFactors;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, Method};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The method.
#[derive(Debug)]
pub struct Lora;

impl Method for Lora {
    fn name(&self) -> &'static str {
        "lora"
    }

    fn peft_type(&self) -> &'static str {
        "LORA"
    }

    fn about(&self) -> &'static str {
        "W + (alpha / r) B A: a trained low-rank update (arXiv 2106.09685)"
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
        low_rank::file_fields(config, layers, false, false)
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        LoraAdapter::new(&layer, Scaling::Rank).map(|adapter| Some(Factors::Lora(adapter)))
    }
}

/// LoRA's factors at one layer: `W' = W + scaling B A`.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// Down-projection `[r, in]`.
    pub a: Param<Tensor<2>>,
    /// Up-projection `[out, r]`, starts at 0.
    pub b: Param<Tensor<2>>,
    scaling: f64,
    transposed: bool,
}

impl LoraAdapter {
    /// Fresh factors.
    ///
    /// # Errors
    /// [`PeftError::RankAboveLimit`], [`PeftError::InvalidSetting`].
    pub(super) fn new(layer: &LayerContext<'_>, scaling: Scaling) -> Result<Self, PeftError> {
        let rank = layer.rank.shared();
        let (a, b) = low_rank::start(layer, rank);
        Ok(Self {
            a,
            b,
            scaling: low_rank::scaling(layer.config, layer.shape, rank, scaling)?,
            transposed: layer.shape.is_transposed(),
        })
    }
}

impl LayerAdapter for LoraAdapter {
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        let (a, b) = (self.a.val(), self.b.val());
        Some(vec![low_rank::factors(
            a,
            b,
            -self.scaling,
            self.transposed,
        )])
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Single(self.a.dims()[0])
    }

    fn hf_factors(&self) -> Option<HfFactors> {
        Some(HfFactors {
            a: self.a.val(),
            b: self.b.val() * self.scaling,
            magnitude: None,
        })
    }

    fn file_key(field: &str) -> String {
        low_rank::file_key(field)
    }

    fn file_shape(field: &str, weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
        low_rank::file_shape(field, weight, dims)
    }
}
