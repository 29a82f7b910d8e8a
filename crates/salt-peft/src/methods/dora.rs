//! DoRA: direction by LoRA, magnitude of every output row by itself (arXiv 2402.09353), as HF peft
//! computes it.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde_json::Value;

use super::low_rank::{self, Scaling};
use crate::adapter_file::export::HfFactors;
use crate::basis::constant;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, Method};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::{Layout, WeightShape};

/// The method.
#[derive(Debug)]
pub struct Dora;

impl Method for Dora {
    fn name(&self) -> &'static str {
        "dora"
    }

    fn peft_type(&self) -> &'static str {
        "LORA"
    }

    fn about(&self) -> &'static str {
        "m (W + s B A) / ||W + s B A||: LoRA's direction under a trained magnitude for every output \
         row (arXiv 2402.09353)"
    }

    fn settings(&self) -> &'static [&'static str] {
        low_rank::SETTINGS_WITH_INIT
    }

    low_rank::answers_as_lora!();

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        low_rank::of_factors(shape, rank) + shape.out()
    }

    fn file_fields(
        &self,
        config: &AdapterConfig,
        layers: &[(WeightShape, LayerRank)],
    ) -> Vec<(String, Value)> {
        low_rank::file_fields(config, layers, false, true)
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let rank = layer.rank.shared();
        let (a, b) = low_rank::start(&layer, rank);
        let transposed = layer.shape.is_transposed();
        // By the operations of every later step, so that the first difference is exactly 0.
        let base = constant(layer.weight.to_vec(), layer.shape.stored(), layer.device);
        let magnitude = row_norms(base, transposed)
            .reshape([layer.shape.out()])
            .detach();
        Ok(Some(Factors::Dora(DoraAdapter {
            a,
            b,
            magnitude: Param::from_tensor(magnitude),
            scaling: low_rank::scaling(layer.config, layer.shape, rank, Scaling::Rank)?,
            transposed,
        })))
    }
}

/// Norms of the weight's output rows, given in the layout of storage: `[1, out]` for a transposed
/// weight, else `[out, 1]`.
fn row_norms(stored: Tensor<2>, transposed: bool) -> Tensor<2> {
    let along = if transposed { 0 } else { 1 };
    stored.powi_scalar(2).sum_dim(along).sqrt()
}

/// DoRA's factors at one layer:
///
/// `W' = magnitude * V / ||V||`, `V = W + scaling B A`, norms by output row. Like in the paper (section
/// 4.3) and in HF peft the norm counts as a constant in the gradient. A row of zeros has no
/// direction: it stays zero until B A gives it one.
#[derive(Module, Debug)]
pub struct DoraAdapter {
    /// Down-projection `[r, in]`.
    pub a: Param<Tensor<2>>,
    /// Up-projection `[out, r]`, starts at 0.
    pub b: Param<Tensor<2>>,
    /// Norm of every output row `[out]`, starts as the base weight's.
    pub magnitude: Param<Tensor<1>>,
    scaling: f64,
    transposed: bool,
}

impl LayerAdapter for DoraAdapter {
    fn negated_update(&self, base: Tensor<2>) -> Tensor<2> {
        let negated_delta =
            low_rank::product(self.a.val(), self.b.val(), -self.scaling, self.transposed);
        let direction = base - negated_delta.clone();
        let norms = row_norms(direction.clone().detach(), self.transposed);
        let is_zero = norms.clone().lower_equal_elem(0.0);
        let norms = norms.mask_fill(is_zero, 1.0);
        let magnitude = self.magnitude.val().reshape(norms.dims());
        // m / n written as 1 + (m - n) / n: exactly 1 at the start, also where a device divides
        // inexactly, and no difference of large numbers.
        negated_delta - direction * ((magnitude - norms.clone()) / norms)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Single(self.a.dims()[0])
    }

    fn hf_factors(&self) -> Option<HfFactors> {
        Some(HfFactors {
            a: self.a.val(),
            b: self.b.val() * self.scaling,
            magnitude: Some(self.magnitude.val()),
        })
    }

    fn file_key(field: &str) -> String {
        match field {
            // Without `.weight`: HF peft keeps the name of its first release.
            "magnitude" => "lora_magnitude_vector".into(),
            field => low_rank::file_key(field),
        }
    }

    fn file_shape(field: &str, weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
        match (field, weight.layout) {
            ("magnitude", Layout::Conv) => vec![1, dims[0], 1, 1],
            _ => low_rank::file_shape(field, weight, dims),
        }
    }
}
