//! What a method must say about itself to enter the registry.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::registry::Adapter;
use crate::svd::ThinSvd;
use crate::weight::WeightShape;

/// Which parameters a method trains, beside `modules_to_save`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Factors attached to the weights that `targets` names; everything else is frozen.
    Targets,
    /// Nothing of its own.
    Extras,
    /// Every parameter that requires a gradient in the base model.
    Everything,
}

/// How much of a weight's spectrum a method needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spectrum {
    /// None of it.
    Unused,
    /// The singular values decide the rank; attaching needs the vectors too.
    ForPlanning,
    /// Attaching needs the decomposition, planning does not.
    ForAttaching,
}

/// What a method trains at one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerPlan {
    /// The rank in words, e.g. `19+4` for SALT's head and tail.
    pub rank: String,
    /// Trained parameters.
    pub trainable: usize,
}

/// One line of the registry.
pub trait Method: Sync {
    /// The name in recipes and on the command line.
    fn name(&self) -> &'static str;

    /// The `peft_type` of its files.
    fn peft_type(&self) -> &'static str;

    /// One line for help texts: the formula and its source.
    fn about(&self) -> &'static str;

    /// The keys of [`AdapterConfig`] it reads, beside `method`, `modules_to_save` and `seed`.
    fn settings(&self) -> &'static [&'static str] {
        &[]
    }

    /// What it trains.
    fn scope(&self) -> Scope {
        Scope::Targets
    }

    /// Extras it trains unasked, as `modules_to_save` names them.
    fn extras(&self) -> &'static [&'static str] {
        &[]
    }

    /// Checks the values of its settings.
    ///
    /// # Errors
    /// [`PeftError::InvalidSetting`].
    fn check(&self, _config: &AdapterConfig) -> Result<(), PeftError> {
        Ok(())
    }

    /// How much of the spectrum it needs with this configuration.
    fn spectrum(&self, _config: &AdapterConfig) -> Spectrum {
        Spectrum::Unused
    }

    /// Counts what it would train at a layer. `values` are the singular values, given when
    /// [`Method::spectrum`] asks for them; without them an energy rank cannot be told.
    ///
    /// # Errors
    /// [`PeftError::RankAboveLimit`].
    fn plan(
        &self,
        _config: &AdapterConfig,
        _shape: &WeightShape,
        _values: Option<&[f32]>,
    ) -> Result<LayerPlan, PeftError> {
        Ok(LayerPlan {
            rank: "-".into(),
            trainable: 0,
        })
    }

    /// Given the rank of every layer's update, fields that other readers of its `adapter_config.json` expect, e.g. HF peft's for LoRA.
    fn file_fields(
        &self,
        _config: &AdapterConfig,
        _layers: &[(WeightShape, usize)],
    ) -> Vec<(String, Value)> {
        Vec::new()
    }

    /// Makes the factors of a layer, `None` for a method of parameter selection. `svd` is given when
    /// [`Method::spectrum`] asks for it.
    ///
    /// # Errors
    /// [`PeftError::RankAboveLimit`].
    fn build(&self, _layer: LayerContext<'_>) -> Result<Option<Adapter>, PeftError> {
        Ok(None)
    }
}

/// All that [`Method::build`] may use.
#[derive(Clone, Copy, Debug)]
pub struct LayerContext<'a> {
    /// The configuration.
    pub config: &'a AdapterConfig,
    /// The weight's path and shape.
    pub shape: &'a WeightShape,
    /// The weight's values in Burn's layout, row-major.
    pub weight: &'a [f32],
    /// The decomposition of the weight.
    pub svd: Option<&'a ThinSvd>,
    /// Where the factors go.
    pub device: &'a Device,
}

impl LayerContext<'_> {
    /// Entry (row, col) of the matrix `[out, in]`.
    pub fn entry(&self, row: usize, col: usize) -> f32 {
        self.weight[self.shape.stored_index(row, col)]
    }
}

/// The factors of one layer: the module behind each adapting method.
pub trait LayerAdapter: Module + Sync + 'static {
    /// The weight update with its sign turned, in the layout of the base weight, so that a zero
    /// update leaves the weight's bits alone.
    ///
    /// # Shapes
    /// - base, output: `[in, out]` for a linear layer, `[out, in/g*kh*kw]` for a convolution
    fn negated_update(&self, base: Tensor<2>) -> Tensor<2>;

    /// The method's penalty on its update, if it has one and its weight is not zero. `[1]`.
    fn penalty(&self) -> Option<Tensor<1>> {
        None
    }

    /// The fingerprint of the singular basis the factors live in.
    fn basis_probe(&self) -> Option<[f64; 4]> {
        None
    }

    /// The largest rank that its update can have.
    fn rank(&self) -> usize;

    /// The key of a factor's field in adapter files, below the module's path.
    fn file_key(field: &str) -> String;

    /// The shape of a factor in adapter files; factors already are in PyTorch's orientation.
    fn file_shape(_field: &str, _weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
        dims.to_vec()
    }
}
