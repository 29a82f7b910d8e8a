//! Files into named tensors.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::{bf16, f16};
use pytorch_reader::PytorchReader;
use safetensors::{Dtype, SafeTensors};

use super::names::{HF_DUPLICATE, POSITIONAL_MATRIX, to_original};
use crate::error::SamError;

/// Larger files are refused before anything is allocated; ViT-H in f32 has 2.6 GB.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// The metadata entry under which [`super::save()`] keeps all of its metadata as one JSON object
/// (the order of several entries would not be stable).
pub(super) const METADATA_KEY: &str = "salt";

/// One tensor of a checkpoint, brought to f32.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredTensor {
    /// Shape in the checkpoint's layout (linear weights `[d_out, d_in]`).
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// Named tensors under original names, with the file's metadata.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Original key to tensor.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// What the file says about itself; empty for foreign files.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Reads `.safetensors`, `.pth` or `.pt`. Hugging Face names become original names.
    ///
    /// # Errors
    /// [`SamError::Io`], [`SamError::Format`], [`SamError::DType`], [`SamError::NonFinite`].
    pub fn read(path: &Path) -> Result<Self, SamError> {
        let io = |source| SamError::Io {
            path: path.to_owned(),
            source,
        };
        let bytes = std::fs::metadata(path).map_err(io)?.len();
        if bytes > MAX_FILE_BYTES {
            return Err(SamError::Format {
                path: path.to_owned(),
                expected: "checkpoint",
                reason: format!("{bytes} bytes exceed the limit of {MAX_FILE_BYTES}"),
            });
        }
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        match extension {
            "safetensors" => Self::from_safetensors(&std::fs::read(path).map_err(io)?, path),
            "pth" | "pt" => Self::from_pth(path),
            other => Err(SamError::Format {
                path: path.to_owned(),
                expected: ".safetensors, .pth or .pt",
                reason: format!("the file name ends in `{other}`"),
            }),
        }
    }

    /// Reads safetensors bytes; `path` only names them in errors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`].
    pub fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Self, SamError> {
        let format = |reason: String| SamError::Format {
            path: path.to_owned(),
            expected: "safetensors",
            reason,
        };
        let file = SafeTensors::deserialize(bytes).map_err(|e| format(e.to_string()))?;
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| format(e.to_string()))?;
        let metadata = own_metadata(header.metadata()).map_err(format)?;
        let mut tensors = BTreeMap::new();
        for (key, view) in file.tensors() {
            let values = decode(&key, view.dtype(), view.data())?;
            insert(&mut tensors, key, view.shape().to_vec(), values)?;
        }
        Ok(Self {
            tensors: original_names(tensors),
            metadata,
        })
    }

    fn from_pth(path: &Path) -> Result<Self, SamError> {
        let format = |reason: String| SamError::Format {
            path: path.to_owned(),
            expected: "PyTorch checkpoint (.pth)",
            reason,
        };
        let reader = PytorchReader::new(path).map_err(|e| format(e.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (key, tensor) in reader.into_tensors() {
            let dtype = match tensor.dtype() {
                pytorch_reader::DType::F64 => Dtype::F64,
                pytorch_reader::DType::F32 => Dtype::F32,
                pytorch_reader::DType::F16 => Dtype::F16,
                pytorch_reader::DType::BF16 => Dtype::BF16,
                other => {
                    return Err(SamError::DType {
                        key,
                        found: format!("{other:?}"),
                    });
                }
            };
            let shape = tensor.shape().to_vec();
            let data = tensor.read().map_err(|e| format(format!("`{key}`: {e}")))?;
            let values = decode(&key, dtype, &data)?;
            insert(&mut tensors, key, shape, values)?;
        }
        Ok(Self {
            tensors: original_names(tensors),
            metadata: BTreeMap::new(),
        })
    }
}

fn insert(
    tensors: &mut BTreeMap<String, StoredTensor>,
    key: String,
    shape: Vec<usize>,
    values: Vec<f32>,
) -> Result<(), SamError> {
    if values.iter().any(|v| !v.is_finite()) {
        return Err(SamError::NonFinite { key });
    }
    tensors.insert(key, StoredTensor { shape, values });
    Ok(())
}

/// Original names for a whole file: single keys do not tell (`layers.0` of an MLP means another
/// layer on either side), the encoder's name does.
fn original_names(tensors: BTreeMap<String, StoredTensor>) -> BTreeMap<String, StoredTensor> {
    if !tensors.keys().any(|key| key.starts_with("vision_encoder.")) {
        return tensors;
    }
    let mut renamed = BTreeMap::new();
    let mut image_copy = None;
    for (key, tensor) in tensors {
        if key == HF_DUPLICATE {
            image_copy = Some(tensor);
        } else {
            renamed.insert(to_original(&key), tensor);
        }
    }
    // transformers writes tied tensors once, and then it is this copy that stays.
    if let Some(tensor) = image_copy {
        renamed
            .entry(POSITIONAL_MATRIX.to_owned())
            .or_insert(tensor);
    }
    renamed
}

fn decode(key: &str, dtype: Dtype, data: &[u8]) -> Result<Vec<f32>, SamError> {
    Ok(match dtype {
        Dtype::F32 => chunks(data, f32::from_le_bytes),
        Dtype::F64 => chunks(data, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => chunks(data, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => chunks(data, |b| bf16::from_le_bytes(b).to_f32()),
        other => {
            return Err(SamError::DType {
                key: key.to_owned(),
                found: format!("{other:?}"),
            });
        }
    })
}

fn chunks<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|b| value(*b)).collect()
}

fn own_metadata(
    header: &Option<HashMap<String, String>>,
) -> Result<BTreeMap<String, String>, String> {
    match header.as_ref().and_then(|map| map.get(METADATA_KEY)) {
        Some(json) => serde_json::from_str(json).map_err(|e| format!("metadata: {e}")),
        None => Ok(BTreeMap::new()),
    }
}
