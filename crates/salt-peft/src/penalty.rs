//! The penalty on the size of the updates.

use burn::module::Module;
use burn::tensor::Tensor;

use crate::inspect::adapters;

/// The adapters' penalty, summed over layers and already multiplied by `lambda`: add it to the loss.
/// For SALT: `lambda * sum_layers (||scale*s + shift - s||_F + ||X Y||_F)` (method.md section 1).
/// Differentiable; its gradient at a zero update is 0. `None` when no layer has one, lambda 0
/// included.
///
/// # Shapes
/// - output: `[1]`
pub fn penalty<M: Module>(model: &M) -> Option<Tensor<1>> {
    adapters(model)
        .into_iter()
        .filter_map(|(_, adapter)| adapter.penalty())
        .reduce(|a, b| a + b)
}
