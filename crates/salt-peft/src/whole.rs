//! A parameter that a named adapter has trained whole, kept beside the base's own value.

use burn::module::{Module, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::basis::constant;
use crate::method::LayerAdapter;
use crate::rank::LayerRank;

/// The value of a parameter in one adapter: `W' = W + (V - W)`.
///
/// With one adapter a parameter of `modules_to_save` is trained in place. Adapters with names share
/// a base, so each brings its own value, and switching between them brings the base's back.
#[derive(Module, Debug)]
pub struct WholeFactors {
    /// V as a matrix `[first, rest]` in Burn's layout.
    pub value: Param<Tensor<2>>,
}

impl WholeFactors {
    /// A parameter that starts at `values`, row-major.
    pub(crate) fn new(values: Vec<f32>, first: usize, device: &Device) -> Self {
        let rest = values.len() / first.max(1);
        Self {
            value: Param::from_tensor(constant(values, [first, rest], device)),
        }
    }

    /// V in the shape and element type of the base.
    pub(crate) fn value<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let value = self.value.val().reshape(base.dims());
        match base.dtype() {
            DType::QFloat(_) => value,
            dtype => value.cast(dtype),
        }
    }
}

impl LayerAdapter for WholeFactors {
    fn negated_update(&self, base: Tensor<2>) -> Tensor<2> {
        let value = self.value.val().cast(base.dtype());
        base - value
    }

    fn rank(&self) -> LayerRank {
        let [first, rest] = self.value.dims();
        LayerRank::Single(first.min(rest))
    }

    fn file_key(field: &str) -> String {
        field.into()
    }
}
