//! Folding an adapter into the weights.

use std::collections::BTreeSet;

use burn::module::Module;

use crate::error::PeftError;
use crate::inspect::adapters;
use crate::inventory::values;

/// Replaces every adapted weight by its effective value `W + delta` and removes the factors. The
/// merged model computes what the adapted one does, at the base model's cost. Parameters keep their
/// ids and gradient settings. A model without factors (norms, full, frozen) is returned as it is.
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
