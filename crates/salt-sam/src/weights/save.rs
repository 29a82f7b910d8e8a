//! A model into `.safetensors`.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;
use half::f16;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

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
    let refused = |e: safetensors::SafeTensorError| SamError::Config(e.to_string());
    let dtype = match options.precision {
        Precision::Full => Dtype::F32,
        Precision::Half => Dtype::F16,
    };
    let mut views = BTreeMap::new();
    for (key, (shape, data)) in &collect.tensors {
        let view = TensorView::new(dtype, shape.clone(), data).map_err(refused)?;
        let key = match options.naming {
            Naming::Original => key.clone(),
            Naming::HuggingFace => {
                if key == POSITIONAL_MATRIX {
                    // transformers reads the copy and overwrites the other with it.
                    views.insert(HF_DUPLICATE.to_owned(), view.clone());
                }
                to_hugging_face(key)
            }
        };
        views.insert(key, view);
    }
    let json = serde_json::to_string(&options.metadata)
        .map_err(|e| SamError::Config(format!("metadata: {e}")))?;
    let header = HashMap::from([(METADATA_KEY.to_owned(), json)]);
    safetensors::serialize(views, Some(header)).map_err(refused)
}

/// Writes a checkpoint: a temporary file beside the target, synced, then renamed over it.
///
/// # Errors
/// As [`to_bytes`], and [`SamError::Io`].
pub fn save(sam: &Sam, path: &Path, options: &SaveOptions) -> Result<(), SamError> {
    let bytes = to_bytes(sam, options)?;
    let temporary = path.with_extension("safetensors.partial");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    write().map_err(|source| SamError::Io {
        path: path.to_owned(),
        source,
    })
}

struct Collect {
    trail: Vec<(String, String)>,
    precision: Precision,
    tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)>,
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
        let data = tensor.into_data().convert::<f32>();
        let shape = data.shape().to_vec();
        let values: Vec<f32> = data.iter::<f32>().collect();
        let bytes = match self.precision {
            Precision::Full => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Precision::Half => {
                if let Some(v) = values.iter().find(|v| !f16::from_f32(**v).is_finite()) {
                    self.error
                        .get_or_insert(format!("`{key}` holds {v}, which half precision cannot"));
                }
                values
                    .iter()
                    .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                    .collect()
            }
        };
        // What a checkpoint without tokens is given stays out of it: the original takes no other key.
        if key != PROMPT_TOKENS || values.iter().any(|value| *value != 0.0) {
            self.tensors.insert(key, (shape, bytes));
        }
    }
}
