//! In which format the frozen weights of a base are kept.
//!
//! Weights of linear layers and convolutions that nothing trains may be kept in 16 bits. They are rounded once, before
//! anything is derived from them: the base of such an adapter is the rounded one, and its singular values, starting
//! values and fingerprint are those of the rounded weights. Every use widens them again, so that a layer computes in f32 as
//! before, on f32 activations and with f32 gradients: no loss needs to be scaled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Tensor, TensorData};
use serde::{Deserialize, Serialize};

use crate::adapter::Adapter;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::{FloatParam, to_f32};
use crate::select::Selection;

/// The format that frozen weights are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BasePrecision {
    /// As they are.
    #[default]
    F32,
    /// IEEE half precision: 11 significant bits, up to 65504. What fits loses a 2048th part of itself at most, or
    /// 2^-25 where it is below 2^-14.
    F16,
    /// bfloat16: 8 significant bits, the range of f32. A weight loses a 256th part of itself at most.
    Bf16,
}

impl BasePrecision {
    /// The format; `None` where weights stay as they are.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::F32 => None,
            Self::F16 => Some(DType::F16),
            Self::Bf16 => Some(DType::BF16),
        }
    }

    /// What the frozen weights of a model are kept in.
    pub(crate) fn carried(base: &[FloatParam]) -> Self {
        match base.iter().find_map(FloatParam::half_precision) {
            Some(DType::F16) => Self::F16,
            Some(_) => Self::Bf16,
            None => Self::F32,
        }
    }
}

impl FromStr for BasePrecision {
    type Err = PeftError;

    fn from_str(name: &str) -> Result<Self, PeftError> {
        let all = [Self::F32, Self::F16, Self::Bf16];
        let found = all.into_iter().find(|format| format.to_string() == name);
        found.ok_or_else(|| PeftError::InvalidSetting {
            setting: "base_precision",
            value: format!("`{name}`"),
            expected: "f32, f16 or bf16",
        })
    }
}

impl fmt::Display for BasePrecision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// Refuses an adapter beside others that asks for another base than they have.
///
/// # Errors
/// [`PeftError::InvalidSetting`].
pub(crate) fn check_carried(config: &AdapterConfig, base: &[FloatParam]) -> Result<(), PeftError> {
    let (asked, carried) = (config.base_precision, BasePrecision::carried(base));
    match asked == carried {
        true => Ok(()),
        false => Err(PeftError::InvalidSetting {
            setting: "base_precision",
            value: format!("{asked} beside adapters over a base in {carried}"),
            expected: "what the base of the other adapters is kept in",
        }),
    }
}

/// Refuses a format that frozen weights cannot be computed with where they lie.
///
/// # Errors
/// [`PeftError::UnsupportedPrecision`], and those of [`weights`].
pub(crate) fn check(
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<(), PeftError> {
    let precision = config.base_precision;
    let Some(dtype) = precision.dtype() else {
        return Ok(());
    };
    let weights = weights(config, params, selection)?;
    match weights.iter().find(|param| !has(param, dtype)) {
        None => Ok(()),
        Some(param) => Err(PeftError::UnsupportedPrecision {
            precision,
            device: format!("{:?}", param.device.clone().without_autodiff()),
        }),
    }
}

fn has(param: &FloatParam, dtype: DType) -> bool {
    param.device.supports_dtype(dtype)
}

/// The frozen weights of a selection.
///
/// # Errors
/// [`PeftError::InvalidSetting`] where there are none, or some are not in f32.
fn weights<'a>(
    config: &AdapterConfig,
    params: &'a [FloatParam],
    selection: &Selection,
) -> Result<Vec<&'a FloatParam>, PeftError> {
    let precision = config.base_precision;
    let is_kept = |param: &&FloatParam| {
        let is_weight = param.is_adaptable() && param.module_path().is_some();
        is_weight && !selection.trained.contains(&param.path)
    };
    let weights: Vec<&FloatParam> = params.iter().filter(is_kept).collect();
    let invalid = |value: String, expected| PeftError::InvalidSetting {
        setting: "base_precision",
        value,
        expected,
    };
    if weights.is_empty() {
        let value = format!("{precision} where all weights are trained");
        return Err(invalid(value, "f32, or weights that stay frozen"));
    }
    let foreign = |param: &&&FloatParam| param.dtype.is_some_and(|dtype| dtype != DType::F32);
    match weights.iter().find(foreign) {
        None => Ok(weights),
        Some(param) => {
            let kept = param.dtype.map(|dtype| format!("{dtype:?}"));
            let kept = kept.unwrap_or_default();
            let value = format!("{precision}, and `{}` is kept in {kept}", param.path);
            Err(invalid(value, "a base in f32, or no `base_precision`"))
        }
    }
}

/// The model with its frozen weights rounded, still in f32. It is the host that rounds: devices differ in how they do it.
///
/// # Errors
/// Those of [`weights`]; [`PeftError::Unreadable`]; [`PeftError::NonFinite`] for a weight beyond the range of the
/// format.
pub(crate) fn rounded<M: Module>(
    model: M,
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<M, PeftError> {
    let Some(dtype) = config.base_precision.dtype() else {
        return Ok(model);
    };
    let weights = weights(config, params, selection)?.into_iter();
    let mut rounder = Rounder {
        path: Vec::new(),
        weights: weights.map(|param| param.path.clone()).collect(),
        dtype,
        outcome: Ok(()),
    };
    let model = model.map(&mut rounder);
    rounder.outcome.map(|()| model)
}

/// Adds to the adapters of a model, by the path of their weight, that frozen weights are kept in fewer bits, and returns
/// the format. Where a device does not have it, they stay the f32 values they were rounded to.
///
/// # Errors
/// Those of [`weights`].
pub(crate) fn widening(
    adapters: &mut BTreeMap<String, Adapter>,
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<Option<DType>, PeftError> {
    let Some(dtype) = config.base_precision.dtype() else {
        return Ok(None);
    };
    let weights = weights(config, params, selection)?.into_iter();
    for param in weights.filter(|param| has(param, dtype)) {
        let adapter = adapters.entry(param.path.clone());
        let adapter = adapter.or_insert_with(|| Adapter::on(&param.weight_shape(), Vec::new()));
        adapter.widens = true;
    }
    Ok(Some(dtype))
}

/// The same values in a format that has them exactly, brought there by the host: a device may lose the smallest.
pub(crate) fn kept_in<const D: usize>(dtype: DType, weight: Tensor<D>) -> Tensor<D> {
    let device = weight.device();
    let data = weight.into_data().convert_dtype(dtype);
    Tensor::from_data(data, (&device, dtype))
}

struct Rounder {
    path: Vec<String>,
    weights: BTreeSet<String>,
    dtype: DType,
    outcome: Result<(), PeftError>,
}

impl ModuleMapper for Rounder {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        if self.outcome.is_err() || !self.weights.contains(&path) {
            return param;
        }
        match self.round(&path, param.base()) {
            Ok(rounded) => param.map(|weight| rounded.set_require_grad(weight.is_require_grad())),
            Err(error) => {
                self.outcome = Err(error);
                param
            }
        }
    }
}

impl Rounder {
    fn round<const D: usize>(&self, path: &str, weight: Tensor<D>) -> Result<Tensor<D>, PeftError> {
        let device = weight.device();
        let shape = weight.dims();
        let data = TensorData::new(to_f32(path, weight)?, shape);
        let rounded = data.convert_dtype(self.dtype).convert_dtype(DType::F32);
        if rounded.iter::<f32>().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite {
                path: path.into(),
                context: match self.dtype {
                    DType::F16 => " in f16, which ends at 65504; bf16 has the range of f32",
                    _ => "",
                },
            });
        }
        Ok(Tensor::from_data(rounded, (&device, DType::F32)))
    }
}
