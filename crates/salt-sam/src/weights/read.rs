//! Files into named tensors. Only headers are read here; values follow when they are put into a model.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex};

use pytorch_reader::PytorchReader;
use safetensors::SafeTensors;
use safetensors::tensor::Metadata;

use super::names::{HF_DUPLICATE, HF_MATRIX, POSITIONAL_MATRIX, to_original};
use super::stored::{FilePart, StoredTensor, decode};
use super::wrapped::unwrapped;
use crate::error::SamError;
use crate::preprocess::{PIXEL_MEAN, PIXEL_STD};

/// Larger files are refused before anything is allocated; ViT-H in f32 has 2.6 GB.
const MAX_FILE_BYTES: u64 = 16 << 30;

/// Longest header of a safetensors file that is read; that of ViT-H has 60 kB.
const MAX_HEADER_BYTES: u64 = 16 << 20;

/// The metadata entry under which [`super::save()`] keeps all of its metadata as one JSON object
/// (the order of several entries would not be stable).
pub(super) const METADATA_KEY: &str = "salt";

/// Named tensors under original names, with the file's metadata.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Original key to tensor.
    pub tensors: BTreeMap<String, StoredTensor>,
    /// What the file says about itself; empty for foreign files.
    pub metadata: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens `.safetensors`, `.pth` or `.pt`. Hugging Face names become original names. Values are read
    /// when they are asked for ([`StoredTensor::read`]): the file has to stay as it is until then.
    ///
    /// What training scripts wrap weights in is taken off: `module.` before every key (`DistributedDataParallel`), and
    /// a nest under `model`, `state_dict` or `model_state_dict`, whose neighbours (optimizer, epoch) are dropped.
    ///
    /// # Errors
    /// [`SamError::Io`], [`SamError::Format`]; [`SamError::Config`] for other pixel statistics than SAM's,
    /// [`SamError::SeveralModels`] for more than one encoder, [`SamError::Contradiction`] for two positional matrices.
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
        match extension.to_ascii_lowercase().as_str() {
            "safetensors" => Self::open_safetensors(path, bytes),
            "pth" | "pt" => Self::open_pth(path),
            _ => Err(SamError::Format {
                path: path.to_owned(),
                expected: ".safetensors, .pth or .pt",
                reason: format!("the file name ends in `{extension}`"),
            }),
        }
    }

    fn open_safetensors(path: &Path, bytes: u64) -> Result<Self, SamError> {
        let format = |reason: String| SamError::Format {
            path: path.to_owned(),
            expected: "safetensors",
            reason,
        };
        let io = |source| SamError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let mut length = [0; 8];
        if bytes < 8 {
            return Err(format(format!("{bytes} bytes are too few for a header")));
        }
        file.read_exact(&mut length).map_err(io)?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES.min(bytes - 8) {
            return Err(format(format!(
                "the header claims {length} of {bytes} bytes"
            )));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header).map_err(io)?;
        // Refuses tensors that overlap, leave gaps or are not as long as their shape says.
        let header: Metadata =
            serde_json::from_slice(&header).map_err(|e| format(format!("header: {e}")))?;
        let start = 8 + length;
        if start + header.data_len() as u64 != bytes {
            return Err(format(format!(
                "the header describes {} bytes of data, the file has {}",
                header.data_len(),
                bytes - start
            )));
        }
        let (file, path) = (Arc::new(Mutex::new(file)), Arc::new(path.to_owned()));
        let tensors = header.tensors().into_iter().map(|(key, info)| {
            let (from, to) = info.data_offsets;
            let part = FilePart {
                file: Arc::clone(&file),
                path: Arc::clone(&path),
                offset: start + from as u64,
                len: to - from,
                dtype: info.dtype,
            };
            (key, StoredTensor::of_file(info.shape.clone(), part))
        });
        let metadata = own_metadata(header.metadata()).map_err(format)?;
        Self::new(tensors.collect(), metadata)
    }

    /// Reads safetensors bytes; `path` only names them in errors.
    ///
    /// # Errors
    /// As [`Checkpoint::read`]; [`SamError::DType`].
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
            tensors.insert(key, StoredTensor::new(view.shape().to_vec(), values));
        }
        Self::new(tensors, metadata)
    }

    /// Nothing is executed: the pickle is only searched for tensors.
    fn open_pth(path: &Path) -> Result<Self, SamError> {
        let reader = PytorchReader::new(path).map_err(|error| SamError::Format {
            path: path.to_owned(),
            expected: "PyTorch checkpoint (.pth)",
            reason: error.to_string(),
        })?;
        let path = Arc::new(path.to_owned());
        let tensors = reader
            .into_tensors()
            .into_iter()
            .map(|(key, tensor)| (key, StoredTensor::of_pytorch(Arc::clone(&path), tensor)));
        Self::new(tensors.collect(), BTreeMap::new())
    }

    fn new(
        tensors: BTreeMap<String, StoredTensor>,
        metadata: BTreeMap<String, String>,
    ) -> Result<Self, SamError> {
        let mut tensors = original_names(unwrapped(tensors)?)?;
        for (key, ours) in [("pixel_mean", PIXEL_MEAN), ("pixel_std", PIXEL_STD)] {
            // The original keeps them out of its files; some tools write them.
            if let Some(tensor) = tensors.remove(key)
                && (tensor.shape.iter().product::<usize>() != 3 || tensor.read(key)? != ours)
            {
                return Err(SamError::Config(format!(
                    "the checkpoint normalises pixels by another `{key}` than SAM's {ours:?}"
                )));
            }
        }
        Ok(Self { tensors, metadata })
    }
}

/// Original names for a whole file: single keys do not tell (`layers.0` of an MLP means another
/// layer on either side), the encoder's name does.
fn original_names(
    tensors: BTreeMap<String, StoredTensor>,
) -> Result<BTreeMap<String, StoredTensor>, SamError> {
    if !tensors.keys().any(|key| key.starts_with("vision_encoder.")) {
        return Ok(tensors);
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
    if let Some(copy) = image_copy {
        match renamed.entry(POSITIONAL_MATRIX.to_owned()) {
            Entry::Vacant(place) => {
                place.insert(copy);
            }
            // transformers reads both, and would encode prompts with one and images with the other.
            Entry::Occupied(matrix) if !is_same(matrix.get(), &copy)? => {
                return Err(SamError::Contradiction {
                    first: HF_DUPLICATE,
                    second: HF_MATRIX,
                });
            }
            Entry::Occupied(_) => {}
        }
    }
    Ok(renamed)
}

/// Whether two positional matrices are one. Larger ones than any model has are not read: they fit none.
fn is_same(a: &StoredTensor, b: &StoredTensor) -> Result<bool, SamError> {
    const MOST_VALUES: usize = 1 << 16;
    let count = |tensor: &StoredTensor| {
        let mut sides = tensor.shape.iter();
        sides.try_fold(1_usize, |n, side| n.checked_mul(*side))
    };
    if a.shape != b.shape {
        return Ok(false);
    }
    match count(a) {
        Some(count) if count <= MOST_VALUES => Ok(a.read(HF_MATRIX)? == b.read(HF_DUPLICATE)?),
        _ => Ok(true),
    }
}

fn own_metadata(
    header: &Option<HashMap<String, String>>,
) -> Result<BTreeMap<String, String>, String> {
    match header.as_ref().and_then(|map| map.get(METADATA_KEY)) {
        Some(json) => serde_json::from_str(json).map_err(|e| format!("metadata: {e}")),
        None => Ok(BTreeMap::new()),
    }
}
