//! Folding an adapter into the weights.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, Reparameterization};

use crate::basis::constant;
use crate::error::PeftError;
use crate::inspect::adapters;
use crate::inventory::{inventory, to_f32, values};

/// Replaces every adapted weight by its effective value `W + delta` and removes the factors. The
/// merged model computes what the adapted one does, at the base model's cost. Parameters keep their
/// ids and gradient settings. A model without factors (norms, full, frozen) is returned as it is.
///
/// The sum is taken in f32 and rounded once to the element type of the weight, half precision
/// included; a quantised weight becomes f32, and so do those that are kept in another
/// [`base_precision`](crate::base_precision). [`merge_with_report`] tells what the rounding cost.
///
/// # Errors
/// [`PeftError::NonFinite`] when a merged weight is NaN or infinite, as after a diverged training
/// or beyond the range of half precision.
pub fn merge<M: Module>(model: M) -> Result<M, PeftError> {
    let adapted: BTreeSet<String> = adapters(&model).into_iter().map(|(path, _)| path).collect();
    let merged = model.materialize();
    let weights = values(&merged, |path| adapted.contains(path))?;
    let mut weights = weights.into_iter();
    match weights.find(|(_, values)| values.iter().any(|value| !value.is_finite())) {
        Some((path, _)) => Err(PeftError::NonFinite {
            path,
            context: " once merged",
        }),
        None => Ok(merged),
    }
}

/// What rounding a merged weight to its element type cost.
#[derive(Clone, Debug, PartialEq)]
pub struct MergeReport {
    /// For every adapted weight, by path: the largest `|stored - (W + delta)|`, the sum in f32.
    pub differences: BTreeMap<String, f32>,
}

impl MergeReport {
    /// The largest difference of all; 0 without adapted weights.
    pub fn largest(&self) -> f32 {
        self.differences.values().copied().fold(0.0, f32::max)
    }
}

/// [`merge`], with the account of what was lost by it. Reads every adapted weight twice.
///
/// # Errors
/// Those of [`merge`]; [`PeftError::Unreadable`].
pub fn merge_with_report<M: Module>(model: M) -> Result<(M, MergeReport), PeftError> {
    let adapters = adapters(&model).into_iter();
    let adapters: BTreeMap<_, _> = adapters.filter(|(_, on)| !on.parts.is_empty()).collect();
    let is_adapted = |path: &str| adapters.contains_key(path);
    let mut sums = values(&model, is_adapted)?;
    for param in inventory(&model) {
        let Some((adapter, sum)) = adapters.get(&param.path).zip(sums.get_mut(&param.path)) else {
            continue;
        };
        let dims = [param.dims[0], sum.len() / param.dims[0]];
        let base = constant(sum.clone(), dims, &param.device);
        *sum = to_f32(&param.path, adapter.apply(base))?;
    }
    let merged = merge(model)?;
    let stored = values(&merged, is_adapted)?;
    let differences = sums.into_iter().map(|(path, sum)| {
        let pairs = sum.iter().zip(&stored[&path]);
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        (path, largest)
    });
    let differences = differences.collect();
    Ok((merged, MergeReport { differences }))
}
