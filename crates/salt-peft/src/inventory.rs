//! The first pass over a model: every float parameter with its path, holder, shape and state.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Tensor};

use crate::error::PeftError;
use crate::inspect::REPARAMETERIZATION;
use crate::weight::{WeightShape, torch_dims};

/// One float parameter of a model.
#[derive(Clone, Debug)]
pub(crate) struct FloatParam {
    /// Full path, e.g. `blocks.0.attn.qkv.weight`.
    pub(crate) path: String,
    /// The type of the struct that holds it, e.g. `Linear`.
    pub(crate) container: String,
    /// Shape in Burn's layout.
    pub(crate) dims: Vec<usize>,
    /// Whether it is configured to be trained, on an autodiff device or not.
    pub(crate) trainable: bool,
    /// The path of the weight it adapts, when it is a factor of a reparameterization.
    pub(crate) adapts: Option<String>,
    pub(crate) device: Device,
    /// The format its values are kept in; `None` for what is not initialised yet.
    pub(crate) dtype: Option<DType>,
}

impl FloatParam {
    /// The path of the module that holds a parameter named `weight`.
    pub(crate) fn module_path(&self) -> Option<&str> {
        match self.path.as_str() {
            "weight" => Some(""),
            path => path.strip_suffix(".weight"),
        }
    }

    /// The last segment of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('.').next().unwrap_or_default()
    }

    /// Whether adapters can change it: the weight of a linear layer or of a convolution, transposed
    /// or not.
    pub(crate) fn is_adaptable(&self) -> bool {
        // Another holder of matrices: an embedding is looked up, not multiplied.
        let foreign = self.container.contains("Embedding");
        matches!(self.dims.len(), 2 | 4) && !foreign && self.dims.iter().all(|dim| *dim > 0)
    }

    /// Whether it belongs to a normalisation layer.
    pub(crate) fn is_norm(&self) -> bool {
        self.container.contains("Norm")
    }

    /// Whether it is a running mean or variance, which no gradient trains.
    pub(crate) fn is_running_statistic(&self) -> bool {
        self.container == "BatchNorm" && self.name().starts_with("running_")
    }

    /// Whether it is a bias, or the offset of a normalisation layer, which PyTorch calls so too.
    pub(crate) fn is_bias(&self) -> bool {
        self.name() == "bias" || (self.is_norm() && self.name() == "beta")
    }

    /// Whether it lies below a module called `decoder` or `..._decoder`.
    pub(crate) fn is_in_decoder(&self) -> bool {
        let mut segments = self.path.split('.');
        segments.any(|segment| segment == "decoder" || segment.ends_with("_decoder"))
    }

    /// Whether its values are quantised.
    pub(crate) fn is_quantised(&self) -> bool {
        matches!(self.dtype, Some(DType::QFloat(_)))
    }

    /// The format of its values, where that has 16 bits.
    pub(crate) fn half_precision(&self) -> Option<DType> {
        self.dtype
            .filter(|dtype| matches!(dtype, DType::F16 | DType::BF16))
    }

    /// The weight's shape in PyTorch's order, under the path of its module.
    pub(crate) fn weight_shape(&self) -> WeightShape {
        let path = self
            .module_path()
            .filter(|path| !path.is_empty())
            .unwrap_or(&self.path);
        if self.container.contains("ConvTranspose") {
            return WeightShape::conv_transpose(path, self.dims.clone());
        }
        WeightShape::new(path, torch_dims(&self.dims, true))
    }

    /// Its path as PyTorch has it: norms call their values weight and bias.
    pub(crate) fn torch_path(&self) -> String {
        let name = match self.name() {
            "gamma" if self.is_norm() => "weight",
            "beta" if self.is_norm() => "bias",
            name => name,
        };
        let stem = self.path.strip_suffix(self.name()).unwrap_or_default();
        format!("{stem}{name}")
    }

    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        self.dims.iter().product()
    }
}

/// Every float parameter of a model, factors of adapters included, in visiting order.
pub(crate) fn inventory<M: Module>(model: &M) -> Vec<FloatParam> {
    let mut visitor = Inventory::default();
    model.visit(&mut visitor);
    visitor.params
}

#[derive(Default)]
struct Inventory {
    path: Vec<String>,
    containers: Vec<String>,
    adapts: Option<String>,
    params: Vec<FloatParam>,
}

impl ModuleVisitor for Inventory {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == REPARAMETERIZATION {
            self.adapts = Some(self.path.join("."));
        }
        self.path.push(name.to_string());
        let type_name = container_type.split(':').next_back().unwrap_or_default();
        self.containers.push(type_name.to_string());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        self.containers.pop();
        if container_type == REPARAMETERIZATION {
            self.adapts = None;
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.params.push(FloatParam {
            path: self.path.join("."),
            container: self.containers.last().cloned().unwrap_or_default(),
            dims: param.lazy_shape().to_vec(),
            trainable: is_trainable(param),
            adapts: self.adapts.clone(),
            device: param.lazy_device(),
            dtype: param.is_initialized().then(|| param.base().dtype()),
        });
    }
}

/// Whether a parameter is configured to be trained.
///
/// Off an autodiff device the tensor never requires a gradient and Burn keeps the setting private;
/// what `train` would make of the parameter tells it.
pub(crate) fn is_trainable<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    param.is_require_grad() || Module::train(param.valid()).is_require_grad()
}

/// The values of the named parameters as f32, keyed by path.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub(crate) fn values<M: Module>(
    model: &M,
    wanted: impl Fn(&str) -> bool,
) -> Result<BTreeMap<String, Vec<f32>>, PeftError> {
    let mut reader = Reader {
        path: Vec::new(),
        wanted,
        values: Ok(BTreeMap::new()),
    };
    model.visit(&mut reader);
    reader.values
}

struct Reader<F> {
    path: Vec<String>,
    wanted: F,
    values: Result<BTreeMap<String, Vec<f32>>, PeftError>,
}

impl<F: Fn(&str) -> bool> ModuleVisitor for Reader<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        let Ok(values) = &mut self.values else { return };
        if !(self.wanted)(&path) {
            return;
        }
        match to_f32(&path, param.base()) {
            Ok(read) => {
                values.insert(path, read);
            }
            Err(error) => self.values = Err(error),
        }
    }
}

/// The values of a tensor as f32, row-major.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub(crate) fn to_f32<const D: usize>(path: &str, tensor: Tensor<D>) -> Result<Vec<f32>, PeftError> {
    let unreadable = |reason: String| PeftError::Unreadable {
        path: path.into(),
        reason,
    };
    // Of a quantised tensor the values it stands for; any other stays as it is.
    let data = tensor
        .dequantize()
        .try_into_data()
        .map_err(|error| unreadable(format!("{error:?}")))?;
    data.convert::<f32>()
        .try_into_vec::<f32>()
        .map_err(|error| unreadable(format!("{error:?}")))
}
