//! LoRA-XS: a small trained matrix between frozen singular vectors (arXiv 2405.17604).

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::low_rank::{self, Scaling};
use crate::adapter_file::export::HfFactors;
use crate::basis::BasisBlock;
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, Method, Spectrum};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The method.
#[derive(Debug)]
pub struct Loraxs;

impl Method for Loraxs {
    fn name(&self) -> &'static str {
        "loraxs"
    }

    fn peft_type(&self) -> &'static str {
        "LORA_XS"
    }

    fn about(&self) -> &'static str {
        "W + s U_r diag(s_r) R Vt_r: an r x r matrix between frozen singular vectors \
         (arXiv 2405.17604)"
    }

    fn settings(&self) -> &'static [&'static str] {
        low_rank::SETTINGS_WITHOUT_BUDGET
    }

    low_rank::answers_as_lora!();

    fn trainable(&self, _shape: &WeightShape, rank: LayerRank) -> usize {
        rank.shared() * rank.shared()
    }

    fn spectrum(&self, rank: LayerRank) -> Spectrum {
        Spectrum::Leading(rank.shared())
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let LayerContext {
            config,
            shape,
            device,
            ..
        } = layer;
        let rank = layer.rank.shared();
        let basis = layer
            .svd
            .and_then(|svd| Some((BasisBlock::new(svd, shape, 0, rank, device)?, svd.probe())));
        let Some((basis, probe)) = basis else {
            return Ok(None);
        };
        Ok(Some(Factors::Loraxs(LoraxsAdapter {
            r: low_rank::factor(vec![0.0; rank * rank], [rank, rank], device),
            basis,
            scaling: low_rank::scaling(config, shape, rank, Scaling::Rank)?,
            transposed: shape.is_transposed(),
            probe,
        })))
    }
}

/// LoRA-XS's factor at one layer: `W' = W + scaling U_r diag(s_r) R Vt_r`, `scaling = alpha / r`.
///
/// R starts at zero where the paper draws it with a deviation of 1e-5, so that the start is exactly
/// the base model; its gradient there is not zero. A direction whose singular value is 0 stays out.
#[derive(Module, Debug)]
pub struct LoraxsAdapter {
    /// The trained matrix `[r, r]`.
    pub r: Param<Tensor<2>>,
    basis: BasisBlock,
    scaling: f64,
    transposed: bool,
    #[module(skip)]
    probe: [f64; 4],
}

impl LoraxsAdapter {
    /// Two factors whose product is to be subtracted from the stored weight.
    fn negated_product(&self) -> (Tensor<2>, Tensor<2>) {
        let gain = self.basis.s() * -self.scaling;
        let core = gain.unsqueeze_dim(1) * self.r.val();
        self.basis.with_dense_core(core, self.transposed)
    }
}

impl LayerAdapter for LoraxsAdapter {
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        Some(vec![self.negated_product()])
    }

    fn hf_factors(&self) -> Option<HfFactors> {
        let (left, right) = self.negated_product();
        Some(HfFactors::of_negated(left, right, self.transposed))
    }

    fn basis_probe(&self) -> Option<[f64; 4]> {
        Some(self.probe)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Single(self.r.dims()[0])
    }

    fn file_key(field: &str) -> String {
        format!("lora_xs_{field}")
    }
}
