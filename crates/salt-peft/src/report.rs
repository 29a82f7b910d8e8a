//! What is trained: per layer and in all.

use serde::Serialize;

use crate::method_id::MethodId;

/// The account of an attachment, or of a plan for one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttachReport {
    /// The method.
    pub method: MethodId,
    /// All parameters of the adapted model, frozen, trained and added.
    pub total: usize,
    /// Trained parameters: the adapter's and the extras'.
    pub trainable: usize,
    /// Parameters the adapter adds.
    pub adapter: usize,
    /// `100 * trainable / total`.
    pub percent: f64,
    /// One entry per adapted weight, then one per parameter trained whole.
    pub layers: Vec<LayerReport>,
}

/// One adapted weight, or one parameter trained whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LayerReport {
    /// Module path of an adapted weight; parameter path of one trained whole.
    pub path: String,
    /// Its shape in PyTorch's order, `[out, in]` for a linear layer.
    pub shape: Vec<usize>,
    /// The method's name, or `whole`.
    pub method: String,
    /// The rank in words; `-` for a parameter trained whole.
    pub rank: String,
    /// Trained parameters.
    pub trainable: usize,
}

impl LayerReport {
    /// A parameter trained whole.
    pub(crate) fn whole(path: impl Into<String>, shape: Vec<usize>, trainable: usize) -> Self {
        Self {
            path: path.into(),
            shape,
            method: "whole".into(),
            rank: "-".into(),
            trainable,
        }
    }
}

impl AttachReport {
    /// Sums up: `base` parameters of the unadapted model, the adapted layers, the whole ones.
    pub(crate) fn new(
        method: MethodId,
        base: usize,
        adapted: Vec<LayerReport>,
        whole: Vec<LayerReport>,
    ) -> Self {
        let sum =
            |layers: &[LayerReport]| layers.iter().map(|layer| layer.trainable).sum::<usize>();
        let adapter = sum(&adapted);
        let trainable = adapter + sum(&whole);
        let total = base + adapter;
        let percent = if total == 0 {
            0.0
        } else {
            100.0 * trainable as f64 / total as f64
        };
        let layers = [adapted, whole].concat();
        Self {
            method,
            total,
            trainable,
            adapter,
            percent,
            layers,
        }
    }
}
