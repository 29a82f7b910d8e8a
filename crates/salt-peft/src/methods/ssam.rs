//! S-SAM: scale and shift of every singular value (arXiv 2408.06447; without relu it is SVF).

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use super::salt::vector;
use crate::basis::BasisBlock;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, Method, Spectrum};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The method.
#[derive(Debug)]
pub struct Ssam;

impl Method for Ssam {
    fn name(&self) -> &'static str {
        "ssam"
    }

    fn peft_type(&self) -> &'static str {
        "SSAM"
    }

    fn about(&self) -> &'static str {
        "U relu(diag(a*s + b)) Vt: scale and shift of all singular values (arXiv 2408.06447)"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["targets"]
    }

    fn rank(
        &self,
        _config: &AdapterConfig,
        shape: &WeightShape,
        _values: Option<&[f32]>,
    ) -> Result<Option<LayerRank>, PeftError> {
        Ok(Some(LayerRank::Single(shape.k())))
    }

    fn fits(&self, shape: &WeightShape, rank: LayerRank) -> bool {
        rank == LayerRank::Single(shape.k())
    }

    fn trainable(&self, _shape: &WeightShape, rank: LayerRank) -> usize {
        2 * rank.shared()
    }

    fn spectrum(&self, _rank: LayerRank) -> Spectrum {
        Spectrum::Full
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let LayerContext {
            shape, svd, device, ..
        } = layer;
        let Some(svd) = svd else { return Ok(None) };
        let basis = BasisBlock::new(svd, shape, 0, svd.k(), device);
        Ok(basis.map(|basis| {
            Factors::Ssam(SsamAdapter {
                scale: vector(1.0, svd.k(), device),
                shift: vector(0.0, svd.k(), device),
                basis,
                probe: svd.probe(),
            })
        }))
    }
}

/// S-SAM's factors at one layer.
///
/// `W' = U relu(diag(scale*s + shift)) Vt = W + U (relu(scale*s + shift) - s) Vt`, the second form
/// being exact: nothing is lost by the decomposition.
#[derive(Module, Debug)]
pub struct SsamAdapter {
    /// Multiplies the singular values, `[k]`, starts at 1.
    pub scale: Param<Tensor<1>>,
    /// Added to them, `[k]`, starts at 0.
    pub shift: Param<Tensor<1>>,
    basis: BasisBlock,
    #[module(skip)]
    probe: [f64; 4],
}

impl SsamAdapter {
    /// Two factors whose product is to be subtracted from the stored weight.
    fn negated_product(&self) -> (Tensor<2>, Tensor<2>) {
        let s = self.basis.s();
        let gain = s.clone() - relu(self.scale.val() * s + self.shift.val());
        self.basis.with_gain(gain)
    }
}

impl LayerAdapter for SsamAdapter {
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        Some(vec![self.negated_product()])
    }

    fn basis_probe(&self) -> Option<[f64; 4]> {
        Some(self.probe)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Single(self.scale.dims()[0])
    }

    fn file_key(field: &str) -> String {
        format!("ssam_{field}")
    }
}
