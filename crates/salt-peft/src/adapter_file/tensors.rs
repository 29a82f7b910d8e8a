//! `adapter_model.safetensors`: the trained tensors under PyTorch's names and in its layouts.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::carried::Carried;
use crate::adapter::Part;
use crate::error::PeftError;
use crate::fingerprint::sha256;
use crate::inventory::FloatParam;
use crate::methods::Factors;
use crate::nearest::nearest;
use crate::weight::{WeightShape, torch_dims, transpose};

/// The tensors' file name.
pub const TENSOR_FILE: &str = "adapter_model.safetensors";
/// What HF peft puts before every module path.
pub(super) const KEY_PREFIX: &str = "base_model.model.";

/// Where one trained parameter lives in the file.
pub(super) struct Slot {
    /// Parameter path.
    pub(super) path: String,
    /// Key in the file.
    pub(super) key: String,
    /// Shape in Burn's layout.
    dims: Vec<usize>,
    /// Shape in the file.
    pub(super) file_dims: Vec<usize>,
    /// Whether the file holds the transpose.
    transposed: bool,
}

/// The slots of everything that is an adapter's.
pub(super) fn slots(carried: &Carried) -> Vec<Slot> {
    carried.own().map(|param| slot(param, carried)).collect()
}

fn slot(param: &FloatParam, carried: &Carried) -> Slot {
    match carried.part(param) {
        Some((weight, part)) => match part.factors {
            Factors::Whole(_) => Slot {
                path: param.path.clone(),
                dims: param.dims.clone(),
                ..whole(carried.param(weight))
            },
            _ => factor(param, part, &carried.shape(weight, part)),
        },
        None => whole(param),
    }
}

/// A factor of what has this shape.
fn factor(param: &FloatParam, part: &Part, shape: &WeightShape) -> Slot {
    let (path, dims) = (param.path.clone(), param.dims.clone());
    let name = part.factors.file_key(param.name());
    Slot {
        key: format!("{KEY_PREFIX}{}.{name}", shape.path),
        file_dims: part.factors.file_shape(param.name(), shape, &dims),
        path,
        dims,
        transposed: false,
    }
}

/// A parameter of the model itself.
fn whole(param: &FloatParam) -> Slot {
    let (path, dims) = (param.path.clone(), param.dims.clone());
    let is_linear = param.container == "Linear" && dims.len() == 2;
    let key = format!("{KEY_PREFIX}{}", param.torch_path());
    let file_dims = torch_dims(&dims, is_linear);
    Slot {
        path,
        key,
        dims,
        file_dims,
        transposed: is_linear,
    }
}

/// Tensors by their names in a file: shape, and values row-major.
pub(super) type NamedTensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The bytes of the file: each value of the state in its slot, sorted by key.
pub(super) fn tensor_bytes(
    slots: Vec<Slot>,
    mut state: BTreeMap<String, Vec<f32>>,
    dir: &Path,
) -> Result<Vec<u8>, PeftError> {
    let mut tensors = NamedTensors::new();
    for slot in slots {
        let Some(values) = state.remove(&slot.path) else {
            continue;
        };
        let values = to_file_values(&slot, values)?;
        tensors.insert(slot.key, (slot.file_dims, values));
    }
    serialise(&tensors, dir)
}

/// The values of a parameter in the file's layout.
///
/// # Errors
/// [`PeftError::NonFinite`].
pub(super) fn to_file_values(slot: &Slot, values: Vec<f32>) -> Result<Vec<f32>, PeftError> {
    if values.iter().any(|value| !value.is_finite()) {
        return Err(PeftError::NonFinite {
            path: slot.path.clone(),
            context: ", it is not saved",
        });
    }
    Ok(match slot.dims.as_slice() {
        [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
        _ => values,
    })
}

/// A safetensors file.
///
/// # Errors
/// [`PeftError::BadTensorFile`].
pub(super) fn serialise(tensors: &NamedTensors, dir: &Path) -> Result<Vec<u8>, PeftError> {
    let bad = |error: safetensors::SafeTensorError| PeftError::BadTensorFile {
        path: dir.join(TENSOR_FILE),
        reason: error.to_string(),
    };
    let bytes: Vec<Vec<u8>> = tensors
        .values()
        .map(|(_, values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let mut views = Vec::with_capacity(tensors.len());
    for ((key, (dims, _)), bytes) in tensors.iter().zip(&bytes) {
        views.push((
            key,
            TensorView::new(Dtype::F32, dims.clone(), bytes).map_err(bad)?,
        ));
    }
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(bad)
}

/// The tensors of a file.
pub(super) struct StoredTensors {
    source_name: String,
    sha256: String,
    tensors: BTreeMap<String, StoredTensor>,
}

/// One of them.
pub(super) struct StoredTensor {
    pub(super) dims: Vec<usize>,
    /// Row-major; the name of the element type where it holds no real numbers.
    values: Result<Vec<f32>, String>,
}

/// Reads a file.
///
/// # Errors
/// [`PeftError::Io`], [`PeftError::BadTensorFile`].
pub(super) fn read_tensors(path: &Path) -> Result<StoredTensors, PeftError> {
    let bytes = fs::read(path).map_err(|source| PeftError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| PeftError::BadTensorFile {
        path: PathBuf::from(path),
        reason: error.to_string(),
    })?;
    let tensors = file.iter().map(|(name, view)| {
        let dims = view.shape().to_vec();
        let values = floats(view.dtype(), view.data());
        let values = values.ok_or_else(|| format!("{:?}", view.dtype()));
        (name.to_owned(), StoredTensor { dims, values })
    });
    Ok(StoredTensors {
        source_name: path.display().to_string(),
        sha256: sha256(&bytes),
        tensors: tensors.collect(),
    })
}

impl StoredTensors {
    /// Tensors that come from no file.
    pub(super) fn of(tensors: NamedTensors) -> Self {
        let tensors = tensors.into_iter().map(|(key, (dims, values))| {
            let values = Ok(values);
            (key, StoredTensor { dims, values })
        });
        Self {
            source_name: "the given tensors".into(),
            sha256: String::new(),
            tensors: tensors.collect(),
        }
    }

    /// Adds parameters that bear no prefix.
    ///
    /// # Errors
    /// [`PeftError::BadTensorFile`] for one that is here already.
    pub(super) fn add_extra(&mut self, extra: Self) -> Result<(), PeftError> {
        for (name, tensor) in extra.tensors {
            let key = format!("{KEY_PREFIX}{name}");
            if self.tensors.insert(key, tensor).is_some() {
                return Err(PeftError::BadTensorFile {
                    path: extra.source_name.into(),
                    reason: format!("`{name}` is in {TENSOR_FILE} too"),
                });
            }
        }
        Ok(())
    }

    /// All of them, as finite numbers.
    ///
    /// # Errors
    /// [`PeftError::WrongDType`], [`PeftError::NonFinite`].
    pub(super) fn finite(self) -> Result<NamedTensors, PeftError> {
        let mut named = NamedTensors::new();
        for (name, StoredTensor { dims, values }) in self.tensors {
            let values = values.map_err(|found| PeftError::WrongDType {
                name: name.clone(),
                source_name: self.source_name.clone(),
                found,
            })?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(PeftError::NonFinite {
                    path: name,
                    context: " in the adapter file",
                });
            }
            named.insert(name, (dims, values));
        }
        Ok(named)
    }

    /// Their names.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Where they were read from.
    pub(super) fn source_name(&self) -> &str {
        &self.source_name
    }

    /// The hash of the file.
    pub(super) fn sha256(&self) -> String {
        self.sha256.clone()
    }

    /// The same tensors under other keys, made of the old key and the shape.
    ///
    /// # Errors
    /// That of the first key that has none; [`PeftError::BadTensorFile`] for a key that two have.
    pub(super) fn renamed(
        self,
        mut rename: impl FnMut(&str, &[usize]) -> Result<String, PeftError>,
    ) -> Result<Self, PeftError> {
        let mut tensors = BTreeMap::new();
        for (key, tensor) in self.tensors {
            let new = rename(&key, &tensor.dims)?;
            if tensors.insert(new, tensor).is_some() {
                return Err(PeftError::BadTensorFile {
                    path: self.source_name.into(),
                    reason: format!("`{key}` and another tensor mean the same parameter"),
                });
            }
        }
        Ok(Self { tensors, ..self })
    }

    /// The state that puts each tensor in the place of its key: nothing missing, nothing left.
    ///
    /// # Errors
    /// [`PeftError::MissingTensor`], [`PeftError::Misshapen`], [`PeftError::WrongDType`],
    /// [`PeftError::NonFinite`], [`PeftError::UnusedTensor`].
    pub(super) fn place(
        mut self,
        slots: &[Slot],
    ) -> Result<BTreeMap<String, TensorData>, PeftError> {
        let mut state = BTreeMap::new();
        for slot in slots {
            let (name, source_name) = (slot.key.clone(), self.source_name.clone());
            let Some(tensor) = self.tensors.remove(&slot.key) else {
                return Err(PeftError::MissingTensor {
                    nearest: nearest(&name, self.tensors.keys().map(String::as_str), 1),
                    name,
                    source_name,
                });
            };
            if tensor.dims != slot.file_dims {
                return Err(PeftError::Misshapen {
                    name,
                    expected: slot.file_dims.clone(),
                    found: tensor.dims,
                    source_name,
                });
            }
            let values = match tensor.values {
                Ok(values) => values,
                Err(found) => {
                    return Err(PeftError::WrongDType {
                        name,
                        source_name,
                        found,
                    });
                }
            };
            if values.iter().any(|value| !value.is_finite()) {
                return Err(PeftError::NonFinite {
                    path: name,
                    context: " in the adapter file",
                });
            }
            let values = match slot.file_dims.as_slice() {
                [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
                _ => values,
            };
            let data = TensorData::new(values, slot.dims.clone());
            state.insert(slot.path.clone(), data);
        }
        match self.tensors.into_keys().next() {
            Some(name) => Err(PeftError::UnusedTensor {
                nearest: nearest(&name, slots.iter().map(|slot| slot.key.as_str()), 1),
                name,
                source_name: self.source_name,
            }),
            None => Ok(state),
        }
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
