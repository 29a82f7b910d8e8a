//! The rank of every target: asked for, read off the spectrum, or its share of a budget.

use std::collections::BTreeMap;

use crate::budget::{Share, share};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::FloatParam;
use crate::rank::LayerRank;
use crate::select::Selection;
use crate::svd::energy;
use crate::weight::WeightShape;

/// Ranks by the path of what is adapted.
pub(crate) type Ranks = BTreeMap<String, LayerRank>;

/// The ranks that a configuration comes to. `values` are the singular values of every target, given
/// where they decide ([`AdapterConfig::ranks_by_spectrum`]).
///
/// # Errors
/// [`PeftError::RankAboveLimit`], [`PeftError::InvalidSetting`].
pub(crate) fn ranks(
    config: &AdapterConfig,
    selection: &Selection,
    params: &[FloatParam],
    values: &BTreeMap<String, Vec<f32>>,
) -> Result<Ranks, PeftError> {
    let method = config.method.get();
    let targets = selection.in_order(params);
    let shapes: Vec<&WeightShape> = targets.map(|target| &target.shape).collect();
    let mut ranks = Vec::with_capacity(shapes.len());
    for shape in &shapes {
        let values = values.get(&shape.path).map(Vec::as_slice);
        let rank = method.rank(config, shape, values)?;
        ranks.push(rank.expect("singular values are given where they decide"));
    }
    if let Some(budget) = config.rank_budget {
        let shares: Vec<Share> = shapes
            .iter()
            .zip(&ranks)
            .map(|(shape, rank)| of(config, shape, *rank, &values[&shape.path]))
            .collect();
        for (rank, shared) in ranks.iter_mut().zip(share(budget, &shares)?) {
            *rank = rank.with_shared(shared);
        }
    }
    let paths = shapes.into_iter().map(|shape| shape.path.clone());
    Ok(paths.zip(ranks).collect())
}

/// What a layer brings to the sharing of a budget.
fn of(config: &AdapterConfig, shape: &WeightShape, rank: LayerRank, values: &[f32]) -> Share {
    let method = config.method.get();
    let cost = |shared| method.trainable(shape, rank.with_shared(shared));
    let head = match rank {
        LayerRank::HeadTail { head, .. } => head,
        LayerRank::Single(_) | LayerRank::Banded { .. } => 0,
    };
    Share {
        energy: energy(&values[head..]),
        fixed: cost(0),
        unit: cost(1) - cost(0),
        // A layer without a head has to have a tail.
        least: usize::from(head == 0),
        most: shape.k() - head,
    }
}
