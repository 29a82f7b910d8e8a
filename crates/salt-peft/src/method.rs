//! What a method must say about itself to enter the list of methods.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use crate::adapter_file::export::HfFactors;
use crate::basis::sum_of_products;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::methods::Factors;
use crate::rank::LayerRank;
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

/// How much of a weight's singular value decomposition the factors need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spectrum {
    /// None of it.
    Unused,
    /// The leading triplets, this many.
    Leading(usize),
    /// All of it.
    Full,
}

/// One line of the list in [`methods`](mod@crate::methods).
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

    /// The rank of a layer by this configuration. `values` are the singular values, given when they
    /// decide; without them such a rank is `None`. What a budget decides is 0 here. Called for targets
    /// only.
    ///
    /// # Errors
    /// [`PeftError::RankAboveLimit`], [`PeftError::InvalidSetting`].
    fn rank(
        &self,
        _config: &AdapterConfig,
        _shape: &WeightShape,
        _values: Option<&[f32]>,
    ) -> Result<Option<LayerRank>, PeftError> {
        Ok(None)
    }

    /// Whether a layer can have factors of this rank: of the right kind, within its limits.
    fn fits(&self, _shape: &WeightShape, _rank: LayerRank) -> bool {
        false
    }

    /// How many parameters it trains at a layer.
    fn trainable(&self, _shape: &WeightShape, _rank: LayerRank) -> usize {
        0
    }

    /// How much of the decomposition the factors of a layer need.
    fn spectrum(&self, _rank: LayerRank) -> Spectrum {
        Spectrum::Unused
    }

    /// Fields that other readers of its `adapter_config.json` expect, e.g. HF peft's for LoRA.
    fn file_fields(
        &self,
        _config: &AdapterConfig,
        _layers: &[(WeightShape, LayerRank)],
    ) -> Vec<(String, Value)> {
        Vec::new()
    }

    /// Makes the factors of a layer, `None` for a method of parameter selection. `svd` is given when
    /// [`Method::spectrum`] asks for it, and the rank is one that [`Method::fits`].
    ///
    /// # Errors
    /// [`PeftError::InvalidPattern`].
    fn build(&self, _layer: LayerContext<'_>) -> Result<Option<Factors>, PeftError> {
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
    /// The rank of its factors.
    pub rank: LayerRank,
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
    /// - base, output: as [`WeightShape::stored`]
    fn negated_update(&self, _base: Tensor<2>) -> Tensor<2> {
        let products = self.negated_products().and_then(sum_of_products);
        products.expect("a method gives its update or its products")
    }

    /// Pairs of factors whose products add up to [`negated_update`](Self::negated_update), where it is such a
    /// sum, and need not be given beside them: they are then subtracted from the weight one after the other, and no update is stored.
    ///
    /// # Shapes
    /// - pairs: `[n, k]` and `[k, m]` for a stored weight of `[n, m]`
    fn negated_products(&self) -> Option<Vec<(Tensor<2>, Tensor<2>)>> {
        None
    }

    /// The method's penalty on its update, if it has one and its weight is not zero. `[1]`.
    fn penalty(&self) -> Option<Tensor<1>> {
        None
    }

    /// The fingerprint of the singular basis the factors live in.
    fn basis_probe(&self) -> Option<[f64; 4]> {
        None
    }

    /// The rank of the factors.
    fn rank(&self) -> LayerRank;

    /// The update as HF peft's LoRA or DoRA has it; `None` where it is no product of thin factors.
    fn hf_factors(&self) -> Option<HfFactors> {
        None
    }

    /// The key of a factor's field in adapter files, below the module's path.
    fn file_key(field: &str) -> String;

    /// The shape of a factor in adapter files; factors already are in PyTorch's orientation.
    fn file_shape(_field: &str, _weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
        dims.to_vec()
    }
}
