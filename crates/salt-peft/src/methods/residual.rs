//! LoRA that starts inside the weight: the factors begin as a part of W, and the rest of W is what
//! stays frozen. PiSSA and OLoRA differ in which part.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::low_rank;
use crate::adapter_file::export::HfFactors;
use crate::basis::constant;
use crate::method::{LayerAdapter, LayerContext};
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// The factors at one layer: `W' = (W - s B0 A0) + s B A`, with A0, B0 the start of A, B.
///
/// The base is not replaced by its residual but kept, and the start subtracted: both products are
/// computed alike, so at the start they cancel exactly and W' is W bit for bit.
#[derive(Module, Debug)]
pub struct ResidualAdapter {
    /// Down-projection `[r, in]`.
    pub a: Param<Tensor<2>>,
    /// Up-projection `[out, r]`.
    pub b: Param<Tensor<2>>,
    a_start: Tensor<2>,
    b_start: Tensor<2>,
    scaling: f64,
    transposed: bool,
    #[module(skip)]
    probe: [f64; 4],
}

impl ResidualAdapter {
    /// Factors that start at `a` `[r, in]` and `b` `[out, r]`, row-major. `probe` identifies the
    /// start in adapter files.
    pub(super) fn new(
        layer: &LayerContext<'_>,
        rank: usize,
        scaling: f64,
        (a, b): (Vec<f32>, Vec<f32>),
        probe: [f64; 4],
    ) -> Self {
        let (of_a, of_b) = ([rank, layer.shape.fan_in()], [layer.shape.out(), rank]);
        Self {
            a_start: constant(a.clone(), of_a, layer.device),
            b_start: constant(b.clone(), of_b, layer.device),
            a: low_rank::factor(a, of_a, layer.device),
            b: low_rank::factor(b, of_b, layer.device),
            scaling,
            transposed: layer.shape.is_transposed(),
            probe,
        }
    }
}

impl LayerAdapter for ResidualAdapter {
    fn negated_update(&self, _base: Tensor<2>) -> Tensor<2> {
        let (start_a, start_b) = (self.a_start.clone(), self.b_start.clone());
        let start = low_rank::product(start_a, start_b, self.scaling, self.transposed);
        let (a, b) = (self.a.val(), self.b.val());
        start - low_rank::product(a, b, self.scaling, self.transposed)
    }

    fn basis_probe(&self) -> Option<[f64; 4]> {
        Some(self.probe)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Single(self.a.dims()[0])
    }

    /// `s [B | -B0] [A ; A0]`, of rank 2r.
    fn hf_factors(&self) -> Option<HfFactors> {
        let a = vec![self.a.val(), self.a_start.clone()];
        let b = vec![self.b.val(), self.b_start.clone().neg()];
        Some(HfFactors {
            a: Tensor::cat(a, 0),
            b: Tensor::cat(b, 1) * self.scaling,
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
