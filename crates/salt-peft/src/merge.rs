//! Folding an adapter into the weights.

use burn::module::Module;

use crate::error::PeftError;
use crate::inspect::adapters;
use crate::inventory::to_f32;

/// Replaces every adapted weight by its effective value `W + delta` and removes the factors. The
/// merged model computes what the adapted one does, at the base model's cost. Parameters keep their
/// ids and gradient settings. A model without factors (norms, full, frozen) is returned as it is.
///
/// # Errors
/// [`PeftError::NonFinite`] when an update is NaN or infinite, as after a diverged training.
pub fn merge<M: Module>(model: M) -> Result<M, PeftError> {
    for (path, adapter) in adapters(&model) {
        let update = to_f32(&path, adapter.negated_update())?;
        if update.iter().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite {
                path,
                context: " in its update",
            });
        }
    }
    Ok(model.materialize())
}
