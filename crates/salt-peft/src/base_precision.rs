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
use burn::tensor::{DType, Tensor};
use serde::{Deserialize, Serialize};

use crate::adapter::Adapter;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::FloatParam;
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

    /// That an adapter beside others asks for no other base than they have.
    pub(crate) fn check_carried(self, base: &[FloatParam]) -> Result<(), PeftError> {
        let kept = base.iter().find_map(|param| param.half_precision());
        match self.dtype() {
            Some(asked) if kept != Some(asked) => Err(PeftError::InvalidSetting {
                setting: "base_precision",
                value: format!("{self} beside adapters whose base is not kept so"),
                expected: "the format that the base of the other adapters is kept in, or to be left out",
            }),
            _ => Ok(()),
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

/// The frozen weights of a selection and their format; `None` where they stay as they are.
///
/// # Errors
/// [`PeftError::InvalidSetting`] where there are none, or none in f32; [`PeftError::UnsupportedPrecision`].
fn kept<'a>(
    config: &AdapterConfig,
    params: &'a [FloatParam],
    selection: &Selection,
) -> Result<Option<(DType, Vec<&'a FloatParam>)>, PeftError> {
    let precision = config.base_precision;
    let Some(dtype) = precision.dtype() else {
        return Ok(None);
    };
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
    for param in &weights {
        if let Some(other) = param.dtype.filter(|dtype| *dtype != DType::F32) {
            let value = format!("{precision}, and `{}` is kept in {other:?}", param.path);
            return Err(invalid(value, "a base in f32, or no `base_precision`"));
        }
        if !param.device.supports_dtype(dtype) {
            return Err(PeftError::UnsupportedPrecision {
                precision,
                device: format!("{:?}", param.device.clone().without_autodiff()),
            });
        }
    }
    Ok(Some((dtype, weights)))
}

/// That frozen weights can be kept as a configuration asks.
///
/// # Errors
/// [`PeftError::InvalidSetting`], [`PeftError::UnsupportedPrecision`].
pub(crate) fn check(
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<(), PeftError> {
    kept(config, params, selection).map(|_| ())
}

/// The model with its frozen weights rounded, still in f32.
///
/// # Errors
/// Those of [`kept`]; [`PeftError::NonFinite`] for a weight beyond the range of the format.
pub(crate) fn rounded<M: Module>(
    model: M,
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<M, PeftError> {
    let Some((dtype, weights)) = kept(config, params, selection)? else {
        return Ok(model);
    };
    let mut rounder = Rounder {
        path: Vec::new(),
        weights: weights.iter().map(|param| param.path.clone()).collect(),
        dtype,
        not_finite: None,
    };
    let model = model.map(&mut rounder);
    match rounder.not_finite {
        None => Ok(model),
        Some(path) => Err(PeftError::NonFinite {
            path,
            context: match config.base_precision {
                BasePrecision::F16 => " in f16, which ends at 65504; bf16 has the range of f32",
                _ => "",
            },
        }),
    }
}

/// Adds to the adapters of a model, by the path of their weight, that frozen weights are kept in fewer bits, and returns
/// the format.
///
/// # Errors
/// Those of [`kept`].
pub(crate) fn widening(
    adapters: &mut BTreeMap<String, Adapter>,
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<Option<DType>, PeftError> {
    let Some((dtype, weights)) = kept(config, params, selection)? else {
        return Ok(None);
    };
    for param in weights {
        let adapter = adapters.entry(param.path.clone());
        let adapter = adapter.or_insert_with(|| Adapter::on(&param.weight_shape(), Vec::new()));
        adapter.widens = true;
    }
    Ok(Some(dtype))
}

struct Rounder {
    path: Vec<String>,
    weights: BTreeSet<String>,
    dtype: DType,
    not_finite: Option<String>,
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
        if !self.weights.contains(&path) {
            return param;
        }
        param.map(|weight| {
            let is_trained = weight.is_require_grad();
            let weight = weight.cast(self.dtype).cast(DType::F32).detach();
            if !weight.clone().is_finite().all().into_scalar::<bool>() {
                self.not_finite.get_or_insert(path);
            }
            weight.set_require_grad(is_trained)
        })
    }
}
