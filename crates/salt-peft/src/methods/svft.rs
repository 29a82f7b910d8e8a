//! SVFT, banded: a trained band around the diagonal of singular values (arXiv 2405.19597,
//! section 3.2).

use std::ops::Range;

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use super::salt::vector;
use crate::basis::BasisBlock;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, Method, Spectrum};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::weight::WeightShape;

/// Off-diagonals on either side by default.
const DEFAULT_BAND: usize = 1;

/// The method.
#[derive(Debug)]
pub struct Svft;

impl Svft {
    /// Off-diagonals on either side at a layer.
    fn band(config: &AdapterConfig, shape: &WeightShape) -> Result<usize, PeftError> {
        let most = shape.k().saturating_sub(1);
        match config.band {
            Some(band) if band > most => Err(PeftError::InvalidSetting {
                setting: "band",
                value: format!("{band} at `{}`, which has room for {most}", shape.path),
                expected: "a number below the smaller side of every target",
            }),
            Some(band) => Ok(band),
            None => Ok(DEFAULT_BAND.min(most)),
        }
    }
}

/// The diagonals `-band..=band` of a `[k, k]` matrix, each as (offset, its place in the vector of all).
fn diagonals(k: usize, band: usize) -> Vec<(isize, Range<usize>)> {
    let mut from = 0;
    let band = band as isize;
    let places = (-band..=band).map(|offset| {
        let place = from..from + k - offset.unsigned_abs();
        from = place.end;
        (offset, place)
    });
    places.collect()
}

impl Method for Svft {
    fn name(&self) -> &'static str {
        "svft"
    }

    fn peft_type(&self) -> &'static str {
        "SVFT"
    }

    fn about(&self) -> &'static str {
        "U (diag(s) + M) Vt with M banded: singular values and their neighbours (arXiv 2405.19597)"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["targets", "band"]
    }

    fn rank(
        &self,
        config: &AdapterConfig,
        shape: &WeightShape,
        _values: Option<&[f32]>,
    ) -> Result<Option<LayerRank>, PeftError> {
        let (k, band) = (shape.k(), Self::band(config, shape)?);
        Ok(Some(LayerRank::Banded { k, band }))
    }

    fn fits(&self, shape: &WeightShape, rank: LayerRank) -> bool {
        matches!(rank, LayerRank::Banded { k, band } if k == shape.k() && band < k.max(1))
    }

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        let band = rank.shared();
        shape.k() * (2 * band + 1) - band * (band + 1)
    }

    fn spectrum(&self, _rank: LayerRank) -> Spectrum {
        Spectrum::Full
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let LayerContext { shape, device, .. } = layer;
        let (k, band) = (shape.k(), layer.rank.shared());
        let basis = layer
            .svd
            .and_then(|svd| Some((BasisBlock::new(svd, shape, 0, k, device)?, svd.probe())));
        let Some((basis, probe)) = basis else {
            return Ok(None);
        };
        let count = diagonals(k, band).last().map_or(0, |(_, place)| place.end);
        Ok(Some(Factors::Svft(SvftAdapter {
            m: vector(0.0, count, device),
            basis,
            k,
            band,
            transposed: shape.is_transposed(),
            probe,
        })))
    }
}

/// SVFT's factor at one layer: `W' = W + U M Vt`, `M[i, j] = 0` for `|i - j| > band`.
#[derive(Module, Debug)]
pub struct SvftAdapter {
    /// The diagonals of M from `-band` (below) to `band` (above), one after the other,
    /// `[k (2 band + 1) - band (band + 1)]`; all start at 0.
    pub m: Param<Tensor<1>>,
    basis: BasisBlock,
    k: usize,
    band: usize,
    transposed: bool,
    #[module(skip)]
    probe: [f64; 4],
}

impl SvftAdapter {
    /// Two factors whose product is to be subtracted from the stored weight.
    fn negated_product(&self) -> (Tensor<2>, Tensor<2>) {
        let m = self.m.val().neg();
        let band = diagonals(self.k, self.band).into_iter();
        let band = band.map(|(offset, place)| (offset, m.clone().slice([place])));
        self.basis.with_banded_core(band, self.transposed)
    }
}

impl LayerAdapter for SvftAdapter {
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        Some(vec![self.negated_product()])
    }

    fn basis_probe(&self) -> Option<[f64; 4]> {
        Some(self.probe)
    }

    fn rank(&self) -> LayerRank {
        LayerRank::Banded {
            k: self.k,
            band: self.band,
        }
    }

    fn file_key(field: &str) -> String {
        format!("svft_{field}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diagonals_of_a_band() {
        assert_eq!(diagonals(3, 0), [(0, 0..3)]);
        assert_eq!(diagonals(3, 1), [(-1, 0..2), (0, 2..5), (1, 5..7)]);
        let all = diagonals(4, 3);
        assert_eq!(all.last().map(|(_, place)| place.end), Some(16));
    }
}
