//! OLoRA: LoRA whose factors start from the QR decomposition of the weight (arXiv 2406.01775).

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply_householder,
};
use faer::linalg::qr::no_pivoting::factor::{
    qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::{Conj, Mat, Par};

use super::low_rank::{self, Scaling};
use super::residual::ResidualAdapter;
use crate::error::PeftError;
use crate::method::{LayerContext, Method};
use crate::methods::Factors;
use crate::rank::LayerRank;
use crate::svd::{probe_columns, product};
use crate::weight::WeightShape;

/// The method.
///
/// `W = Q R`; `B0 = Q[:, :r]`, `A0 = R[:r, :] = B0t W`, with the signs that make the diagonal of R
/// non-negative. The first r columns of W decide Q's, so only they are decomposed.
#[derive(Debug)]
pub struct Olora;

impl Method for Olora {
    fn name(&self) -> &'static str {
        "olora"
    }

    fn peft_type(&self) -> &'static str {
        "OLORA"
    }

    fn about(&self) -> &'static str {
        "LoRA that starts from the QR decomposition of the weight (arXiv 2406.01775)"
    }

    fn settings(&self) -> &'static [&'static str] {
        low_rank::SETTINGS
    }

    low_rank::answers_as_lora!();

    fn trainable(&self, shape: &WeightShape, rank: LayerRank) -> usize {
        low_rank::of_factors(shape, rank)
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
        let rank = layer.rank.shared();
        let scaling = low_rank::scaling(layer.config, layer.shape, rank, Scaling::Rank)?;
        let (q, r) = leading_qr(&layer, rank);
        let (out, fan_in) = (layer.shape.out(), layer.shape.fan_in());
        let probe = probe_columns([q.as_ref(), r.as_ref().transpose()]);
        let rows = |matrix: &Mat<f64>, rows: usize, cols: usize| -> Vec<f32> {
            let entries = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
            entries.map(|at| matrix[at] as f32).collect()
        };
        let start = (rows(&r, rank, fan_in), rows(&q, out, rank));
        let adapter = ResidualAdapter::new(&layer, rank, scaling, start, probe);
        Ok(Some(Factors::Olora(adapter)))
    }
}

/// The first `rank` columns of Q and rows of R, on one thread: the number of threads must not change a
/// bit of what an adapter starts from.
fn leading_qr(layer: &LayerContext<'_>, rank: usize) -> (Mat<f64>, Mat<f64>) {
    let (out, fan_in) = (layer.shape.out(), layer.shape.fan_in());
    let weight = Mat::from_fn(out, fan_in, |i, j| f64::from(layer.entry(i, j)));
    let mut basis = weight.get(.., ..rank).to_owned();
    let block = recommended_block_size::<f64>(out, rank);
    let mut coefficients = Mat::zeros(block, rank);
    let scratch = qr_in_place_scratch::<f64>(out, rank, block, Par::Seq, Default::default());
    qr_in_place(
        basis.as_mut(),
        coefficients.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    );
    let mut q = Mat::identity(out, rank);
    let scratch = apply_scratch::<f64>(out, block, rank);
    apply_householder(
        basis.as_ref(),
        coefficients.as_ref(),
        Conj::No,
        q.as_mut(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
    );
    let mut r = product(q.as_ref().transpose(), weight.as_ref());
    for i in 0..rank {
        if r[(i, i)] < 0.0 {
            q.col_mut(i).iter_mut().for_each(|x| *x = -*x);
            r.row_mut(i).iter_mut().for_each(|x| *x = -*x);
        }
    }
    (q, r)
}
