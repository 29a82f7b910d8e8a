//! One tensor of a checkpoint: its shape, and its values when they are asked for.
//!
//! Files are read a tensor at a time, so that a model takes little more memory while it is loaded than
//! afterwards.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use half::{bf16, f16};
use safetensors::Dtype;

use crate::error::SamError;

/// Most bytes that one tensor is read for; the largest of ViT-H has 26 MB. What a file claims beyond it is a
/// slip or an attack.
const MAX_TENSOR_BYTES: usize = 1 << 30;

/// One tensor of a checkpoint. Cheap to clone unless it was made from values.
#[derive(Clone, Debug)]
pub struct StoredTensor {
    /// Shape in the checkpoint's layout (linear weights `[d_out, d_in]`).
    pub shape: Vec<usize>,
    source: Source,
}

/// Where values come from.
#[derive(Clone, Debug)]
enum Source {
    Values(Vec<f32>),
    Part(FilePart),
    Pytorch(Arc<PathBuf>, pytorch_reader::Tensor),
}

/// Bytes of an open file.
#[derive(Clone, Debug)]
pub(super) struct FilePart {
    pub(super) file: Arc<Mutex<File>>,
    pub(super) path: Arc<PathBuf>,
    pub(super) offset: u64,
    pub(super) len: usize,
    pub(super) dtype: Dtype,
}

impl StoredTensor {
    /// A tensor of these values, row-major.
    pub fn new(shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self {
            shape,
            source: Source::Values(values),
        }
    }

    pub(super) fn of_file(shape: Vec<usize>, part: FilePart) -> Self {
        Self {
            shape,
            source: Source::Part(part),
        }
    }

    pub(super) fn of_pytorch(path: Arc<PathBuf>, tensor: pytorch_reader::Tensor) -> Self {
        Self {
            shape: tensor.shape().to_vec(),
            source: Source::Pytorch(path, tensor),
        }
    }

    /// The values as f32, row-major. `key` names the tensor in errors.
    ///
    /// # Errors
    /// [`SamError::Io`] and [`SamError::Format`] when the file cannot be read any more or contradicts itself;
    /// [`SamError::DType`] for a tensor of other than floats; [`SamError::NonFinite`].
    pub fn read(&self, key: &str) -> Result<Vec<f32>, SamError> {
        let values = match &self.source {
            Source::Values(values) => values.clone(),
            Source::Part(part) => decode(key, part.dtype, &part.read(key)?)?,
            Source::Pytorch(path, tensor) => {
                let dtype = float_type(key, tensor.dtype())?;
                check_size(key, path, tensor.byte_len())?;
                let bytes = tensor.read().map_err(|error| SamError::Format {
                    path: path.to_path_buf(),
                    expected: "PyTorch checkpoint (.pth)",
                    reason: error.to_string(),
                })?;
                decode(key, dtype, &bytes)?
            }
        };
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(values),
            false => Err(SamError::NonFinite {
                key: key.to_owned(),
            }),
        }
    }
}

impl FilePart {
    fn read(&self, key: &str) -> Result<Vec<u8>, SamError> {
        check_size(key, &self.path, self.len)?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bytes = vec![0; self.len];
        file.seek(SeekFrom::Start(self.offset))
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(|source| SamError::Io {
                path: self.path.to_path_buf(),
                source,
            })?;
        Ok(bytes)
    }
}

fn check_size(key: &str, path: &Arc<PathBuf>, bytes: usize) -> Result<(), SamError> {
    if bytes <= MAX_TENSOR_BYTES {
        return Ok(());
    }
    Err(SamError::Format {
        path: path.to_path_buf(),
        expected: "checkpoint",
        reason: format!(
            "`{key}` has {bytes} bytes, no tensor of a model more than {MAX_TENSOR_BYTES}"
        ),
    })
}

/// The same type in the terms of safetensors.
fn float_type(key: &str, dtype: pytorch_reader::DType) -> Result<Dtype, SamError> {
    Ok(match dtype {
        pytorch_reader::DType::F64 => Dtype::F64,
        pytorch_reader::DType::F32 => Dtype::F32,
        pytorch_reader::DType::F16 => Dtype::F16,
        pytorch_reader::DType::BF16 => Dtype::BF16,
        other => return Err(wrong_type(key, &other)),
    })
}

fn wrong_type(key: &str, found: &impl std::fmt::Debug) -> SamError {
    SamError::DType {
        key: key.to_owned(),
        found: format!("{found:?}"),
    }
}

/// Little-endian bytes as f32.
pub(super) fn decode(key: &str, dtype: Dtype, data: &[u8]) -> Result<Vec<f32>, SamError> {
    Ok(match dtype {
        Dtype::F32 => chunks(data, f32::from_le_bytes),
        Dtype::F64 => chunks(data, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => chunks(data, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => chunks(data, |b| bf16::from_le_bytes(b).to_f32()),
        other => return Err(wrong_type(key, &other)),
    })
}

fn chunks<const N: usize>(data: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    data.as_chunks::<N>().0.iter().map(|b| value(*b)).collect()
}
