//! PiSSA: LoRA whose factors start as the leading singular triplets (arXiv 2404.02948).

use super::low_rank::{self, Scaling};
use super::residual::ResidualAdapter;
use crate::error::PeftError;
use crate::method::{LayerContext, Method, Spectrum};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The method.
///
/// `A0 = diag(sqrt(s_r / scaling)) Vt_r`, `B0 = U_r diag(sqrt(s_r / scaling))`, so that
/// `scaling B0 A0` is the best approximation of W of rank r. A direction whose singular value is 0
/// starts, and stays, without an update.
#[derive(Debug)]
pub struct Pissa;

impl Method for Pissa {
    fn name(&self) -> &'static str {
        "pissa"
    }

    fn peft_type(&self) -> &'static str {
        "PISSA"
    }

    fn about(&self) -> &'static str {
        "LoRA that starts as the leading singular triplets of the weight (arXiv 2404.02948)"
    }

    fn settings(&self) -> &'static [&'static str] {
        low_rank::SETTINGS
    }

    low_rank::answers_as_lora!();

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        low_rank::of_factors(shape, rank)
    }

    fn spectrum(&self, rank: LayerRank) -> Spectrum {
        Spectrum::Leading(rank.shared())
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let Some(svd) = layer.svd else {
            return Ok(None);
        };
        let rank = layer.rank.shared();
        let scaling = low_rank::scaling(layer.config, layer.shape, rank, Scaling::Rank)?;
        let roots: Vec<f32> = svd.values()[..rank]
            .iter()
            .map(|s| (f64::from(*s) / scaling).sqrt() as f32)
            .collect();
        let mut a = svd.vt(0, rank);
        for (row, root) in a.chunks_mut(layer.shape.fan_in()).zip(&roots) {
            row.iter_mut().for_each(|x| *x *= root);
        }
        let mut b = svd.u(0, rank);
        for row in b.chunks_mut(rank) {
            row.iter_mut().zip(&roots).for_each(|(x, root)| *x *= root);
        }
        let adapter = ResidualAdapter::new(&layer, rank, scaling, (a, b), svd.probe());
        Ok(Some(Factors::Pissa(adapter)))
    }
}
