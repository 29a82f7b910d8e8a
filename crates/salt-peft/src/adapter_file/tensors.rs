//! `adapter_model.safetensors`: the trained tensors under PyTorch's names and in its layouts.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::PeftError;
use crate::inventory::FloatParam;
use crate::nearest::nearest;
use crate::registry::Adapter;
use crate::weight::{torch_dims, transpose};

/// The tensors' file name.
pub const TENSOR_FILE: &str = "adapter_model.safetensors";
/// What HF peft puts before every module path.
const KEY_PREFIX: &str = "base_model.model.";

/// Where one trained parameter lives in the file.
pub(super) struct Slot {
    /// Parameter path.
    path: String,
    /// Key in the file.
    key: String,
    /// Shape in Burn's layout.
    dims: Vec<usize>,
    /// Shape in the file.
    file_dims: Vec<usize>,
    /// Whether the file holds the transpose.
    transposed: bool,
}

/// The slots of everything a model trains.
pub(super) fn slots(params: &[FloatParam], adapters: &BTreeMap<String, Adapter>) -> Vec<Slot> {
    let trained = params.iter().filter(|param| param.trainable);
    trained.map(|param| slot(param, params, adapters)).collect()
}

fn slot(param: &FloatParam, params: &[FloatParam], adapters: &BTreeMap<String, Adapter>) -> Slot {
    let (path, dims) = (param.path.clone(), param.dims.clone());
    let weight = param.adapts.as_ref().and_then(|weight| {
        Some((
            params.iter().find(|p| &p.path == weight)?.weight_shape(),
            adapters.get(weight)?,
        ))
    });
    if let Some((shape, adapter)) = weight {
        let key = format!(
            "{KEY_PREFIX}{}.{}",
            shape.path,
            adapter.file_key(param.name())
        );
        let file_dims = adapter.file_shape(param.name(), &shape, &dims);
        return Slot {
            path,
            key,
            dims,
            file_dims,
            transposed: false,
        };
    }
    let is_linear = param.container == "Linear" && dims.len() == 2;
    let name = match param.name() {
        "gamma" if param.is_norm() => "weight",
        "beta" if param.is_norm() => "bias",
        name => name,
    };
    let stem = path.strip_suffix(param.name()).unwrap_or_default();
    let key = format!("{KEY_PREFIX}{stem}{name}");
    let file_dims = torch_dims(&dims, is_linear);
    Slot {
        path,
        key,
        dims,
        file_dims,
        transposed: is_linear,
    }
}

/// The bytes of the file: each value of the state in its slot, sorted by key.
pub(super) fn tensor_bytes(
    slots: Vec<Slot>,
    mut state: BTreeMap<String, TensorData>,
    dir: &Path,
) -> Result<Vec<u8>, PeftError> {
    let mut tensors = BTreeMap::new();
    for slot in slots {
        let Some(data) = state.remove(&slot.path) else {
            continue;
        };
        let values: Vec<f32> = data.iter::<f32>().collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite {
                path: slot.path,
                context: ", it is not saved",
            });
        }
        let values = match slot.dims.as_slice() {
            [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
            _ => values,
        };
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        tensors.insert(slot.key, (slot.file_dims, bytes));
    }
    let bad = |error: safetensors::SafeTensorError| PeftError::BadTensorFile {
        path: dir.join(TENSOR_FILE),
        reason: error.to_string(),
    };
    let mut views = Vec::with_capacity(tensors.len());
    for (key, (dims, bytes)) in &tensors {
        views.push((
            key,
            TensorView::new(Dtype::F32, dims.clone(), bytes).map_err(bad)?,
        ));
    }
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(bad)
}
/// The tensors of a file as a state: each in the place of its key, nothing missing, nothing left.
pub(super) fn read_state(
    path: &Path,
    slots: Vec<Slot>,
) -> Result<BTreeMap<String, TensorData>, PeftError> {
    let source_name = path.display().to_string();
    let bytes = fs::read(path).map_err(|source| PeftError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| PeftError::BadTensorFile {
        path: PathBuf::from(path),
        reason: error.to_string(),
    })?;
    let mut state = BTreeMap::new();
    for slot in &slots {
        let Ok(view) = file.tensor(&slot.key) else {
            return Err(PeftError::MissingTensor {
                name: slot.key.clone(),
                nearest: nearest(&slot.key, file.names(), 1),
                source_name,
            });
        };
        if view.shape() != slot.file_dims {
            return Err(PeftError::Misshapen {
                name: slot.key.clone(),
                expected: slot.file_dims.clone(),
                found: view.shape().to_vec(),
                source_name,
            });
        }
        let Some(values) = floats(view.dtype(), view.data()) else {
            let (name, found) = (slot.key.clone(), format!("{:?}", view.dtype()));
            return Err(PeftError::WrongDType {
                name,
                source_name,
                found,
            });
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite {
                path: slot.key.clone(),
                context: " in the adapter file",
            });
        }
        let values = match slot.file_dims.as_slice() {
            [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
            _ => values,
        };
        state.insert(
            slot.path.clone(),
            TensorData::new(values, slot.dims.clone()),
        );
    }
    let known: BTreeSet<&str> = slots.iter().map(|slot| slot.key.as_str()).collect();
    let mut names = file.names();
    names.sort_unstable();
    match names.into_iter().find(|name| !known.contains(name)) {
        Some(name) => Err(PeftError::UnusedTensor {
            name: name.into(),
            nearest: nearest(name, known.iter().copied(), 1),
            source_name,
        }),
        None => Ok(state),
    }
}

/// Little-endian bytes as f32; `None` for a type that holds no real numbers.
fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let values = match dtype {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Dtype::F16 => pairs
            .iter()
            .map(|b| half::f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => pairs
            .iter()
            .map(|b| half::bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    };
    rest.is_empty().then_some(values)
}
