//! A model into `.safetensors`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::rc::Rc;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use half::f16;
use safetensors::tensor::View;
use safetensors::{Dtype, SafeTensorError};

use super::PROMPT_TOKENS;
use super::apply::checkpoint_key;
use super::names::{HF_DUPLICATE, Naming, POSITIONAL_MATRIX, to_hugging_face};
use super::read::METADATA_KEY;
use crate::error::SamError;
use crate::sam::Sam;

/// Number format of a saved checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 32-bit floats: exact.
    #[default]
    Full,
    /// 16-bit floats (IEEE half): half the size, 11 significant bits.
    Half,
}

/// How [`save`] writes.
#[derive(Debug, Clone, Default)]
pub struct SaveOptions {
    /// Number format.
    pub precision: Precision,
    /// Names of the keys.
    pub naming: Naming,
    /// What the file should say about itself.
    pub metadata: BTreeMap<String, String>,
}

/// The bytes of a checkpoint: keys sorted, one metadata entry, so the same model gives the same
/// bytes. Merge adapters first; their factors are not part of a checkpoint. Prompt tokens that are all zero,
/// which is what official checkpoints are given, are left out, so that the original reads the file.
///
/// # Errors
/// [`SamError::Config`] when the model still carries an adapter or a value does not fit the format.
pub fn to_bytes(sam: &Sam, options: &SaveOptions) -> Result<Vec<u8>, SamError> {
    let (tensors, metadata) = contents(sam, options)?;
    safetensors::serialize(tensors, metadata).map_err(|e| SamError::Config(e.to_string()))
}

type Metadata = Option<HashMap<String, String>>;

/// What stands in the file.
fn contents(
    sam: &Sam,
    options: &SaveOptions,
) -> Result<(BTreeMap<String, Lazy>, Metadata), SamError> {
    let mut collect = Collect {
        trail: Vec::new(),
        precision: options.precision,
        tensors: BTreeMap::new(),
        error: None,
    };
    sam.visit(&mut collect);
    if let Some(error) = collect.error {
        return Err(SamError::Config(error));
    }
    let mut tensors = BTreeMap::new();
    for (key, tensor) in collect.tensors {
        let key = match options.naming {
            Naming::Original => key,
            Naming::HuggingFace => {
                if key == POSITIONAL_MATRIX {
                    // transformers reads the copy and overwrites the other with it.
                    tensors.insert(HF_DUPLICATE.to_owned(), tensor.clone());
                }
                to_hugging_face(&key)
            }
        };
        tensors.insert(key, tensor);
    }
    let json = serde_json::to_string(&options.metadata)
        .map_err(|e| SamError::Config(format!("metadata: {e}")))?;
    let metadata = HashMap::from([(METADATA_KEY.to_owned(), json)]);
    Ok((tensors, Some(metadata)))
}

/// Writes a checkpoint: a temporary file beside the target, synced, then renamed over it. A tensor at a time, so that
/// little memory is needed beside the model's own. What was written goes again when it fails.
///
/// # Errors
/// As [`to_bytes`], and [`SamError::Io`].
pub fn save(sam: &Sam, path: &Path, options: &SaveOptions) -> Result<(), SamError> {
    let (tensors, metadata) = contents(sam, options)?;
    let temporary = path.with_extension("safetensors.partial");
    let io = |source| SamError::Io {
        path: path.to_owned(),
        source,
    };
    let write = || -> Result<(), SamError> {
        match safetensors::serialize_to_file(tensors, metadata, &temporary) {
            Ok(()) => {}
            Err(SafeTensorError::IoError(source)) => return Err(io(source)),
            Err(error) => return Err(SamError::Config(error.to_string())),
        }
        let synced = std::fs::File::options()
            .write(true)
            .open(&temporary)
            .and_then(|file| file.sync_all());
        synced
            .and_then(|()| std::fs::rename(&temporary, path))
            .map_err(io)
    };
    write().inspect_err(|_| {
        // The failure is what is told; a file that cannot be removed is the smaller trouble.
        let _ = std::fs::remove_file(&temporary);
    })
}

/// A tensor whose bytes are made when they are asked for.
#[derive(Clone)]
struct Lazy {
    shape: Vec<usize>,
    precision: Precision,
    values: Rc<dyn Fn() -> Vec<f32>>,
}

impl View for Lazy {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::Full => Dtype::F32,
            Precision::Half => Dtype::F16,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let values = (self.values)();
        let mut bytes = Vec::with_capacity(self.data_len());
        match self.precision {
            Precision::Full => values.iter().for_each(|v| bytes.extend(v.to_le_bytes())),
            Precision::Half => {
                let half = values.iter().map(|v| f16::from_f32(*v));
                half.for_each(|v| bytes.extend(v.to_le_bytes()));
            }
        }
        Cow::Owned(bytes)
    }

    fn data_len(&self) -> usize {
        let size = match self.precision {
            Precision::Full => size_of::<f32>(),
            Precision::Half => size_of::<f16>(),
        };
        self.shape.iter().product::<usize>() * size
    }
}

struct Collect {
    trail: Vec<(String, String)>,
    precision: Precision,
    tensors: BTreeMap<String, Lazy>,
    error: Option<String>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (key, transposed) = checkpoint_key(&self.trail);
        if self.trail.iter().any(|(_, c)| c == "Reparameterization") {
            self.error.get_or_insert(format!(
                "`{key}` belongs to an attached adapter; merge it before saving the model"
            ));
            return;
        }
        let tensor = param.base();
        let tensor = if transposed {
            tensor.swap_dims(0, 1)
        } else {
            tensor
        };
        let shape = tensor.dims().to_vec();
        let values = move || {
            let data = tensor.clone().into_data();
            data.iter::<f32>().collect::<Vec<f32>>()
        };
        if self.precision == Precision::Half {
            let overflow = values()
                .into_iter()
                .find(|v| !f16::from_f32(*v).is_finite());
            if let Some(v) = overflow {
                self.error
                    .get_or_insert(format!("`{key}` holds {v}, which half precision cannot"));
            }
        }
        // What a checkpoint without tokens is given stays out of it: the original takes no other key.
        if key == PROMPT_TOKENS && values().iter().all(|value| *value == 0.0) {
            return;
        }
        let tensor = Lazy {
            shape,
            precision: self.precision,
            values: Rc::new(values),
        };
        self.tensors.insert(key, tensor);
    }
}
