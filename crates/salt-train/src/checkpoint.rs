//! The state of an unfinished run as one file, so that it is whole or absent.
//!
//! A safetensors file with three groups of tensors, `model/<path>` (what is being trained), `best/<path>`
//! (the best epoch so far) and `optimizer/<entry>`, and nothing else, and the counters as a TOML document in
//! the header's metadata under `state`. TOML, because its floats are written and read back exactly. Beside it,
//! under `sha256`, is the hash of all that. What the hash does not cover (the layout of the header) has only
//! one form that can be read, so a bit that changes anywhere is noticed.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::base_model::hex;
use crate::epoch_table::EpochRow;
use crate::error::TrainError;
use crate::run_dir::write_atomic;

/// Tensors by name.
pub type TensorMap = BTreeMap<String, TensorData>;

/// Where a run stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Identity of what the run depends on.
    pub origin: Origin,
    /// Epochs completed.
    pub epoch: u64,
    /// Batches completed in the epoch that runs now.
    pub batch: u64,
    /// Optimiser steps in all.
    pub step: u64,
    /// Sum of the losses of the epoch that runs now.
    pub loss_sum: f64,
    /// Sum of its gradient norms.
    pub norm_sum: f64,
    /// Best epoch so far, 0 before the first validation.
    pub best_epoch: u64,
    /// Its score, the one that chooses.
    pub best_score: f64,
    /// Seconds spent training so far.
    pub train_s: f64,
    /// Of them, seconds in which no step could run because its batch was not ready.
    #[serde(default)]
    pub data_wait_s: f64,
    /// Rows of `metrics.csv`.
    #[serde(default)]
    pub rows: Vec<EpochRow>,
}

/// Hashes of what a run is a function of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// SHA-256 of the resolved recipe.
    pub recipe_sha256: String,
    /// SHA-256 of the base weights.
    pub weights_sha256: String,
    /// SHA-256 of the data set.
    pub data_sha256: String,
}

/// Why bytes are no checkpoint to go on from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// They are not the bytes that were written.
    #[error("{0}")]
    Damaged(String),
    /// They are, and this version does not know what they hold.
    #[error("it is of another version of salt: {0}")]
    Unknown(String),
}

/// Everything a run needs to continue.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    /// Counters.
    pub progress: Progress,
    /// Trainable parameters now.
    pub model: TensorMap,
    /// Trainable parameters of the best epoch; empty before the first validation.
    pub best: TensorMap,
    /// Moments of the optimiser.
    pub optimizer: TensorMap,
    /// Moving average of the trainable parameters; empty where none is kept.
    pub ema: TensorMap,
}

impl Origin {
    /// Refuse to continue over anything else than what the run began with.
    pub fn check(&self, now: &Self) -> Result<(), TrainError> {
        let pairs = [
            ("the recipe", &self.recipe_sha256, &now.recipe_sha256),
            ("the data set", &self.data_sha256, &now.data_sha256),
            (
                "the file of base weights",
                &self.weights_sha256,
                &now.weights_sha256,
            ),
        ];
        match pairs.into_iter().find(|(_, was, is)| was != is) {
            None => Ok(()),
            Some((what, was, is)) => Err(TrainError::Changed {
                what,
                was: was.clone(),
                is: is.clone(),
            }),
        }
    }
}

impl Checkpoint {
    /// Write a file of it, atomically.
    ///
    /// # Errors
    /// [`TrainError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        write_atomic(path, &self.to_bytes()?)
    }

    /// Read a file of it.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when it is damaged or not a checkpoint, [`TrainError::Io`].
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(|e| TrainError::io(path, e))?;
        Self::from_bytes(&bytes)
            .map_err(|e| TrainError::checkpoint(format!("`{}`: {e}", path.display())))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for a tensor of a type that is neither a parameter's nor a counter's.
    pub fn to_bytes(&self) -> Result<Vec<u8>, TrainError> {
        let state = toml::to_string(&self.progress)
            .map_err(|e| TrainError::checkpoint(format!("its counters cannot be written ({e})")))?;
        let groups = [
            ("model", &self.model),
            ("best", &self.best),
            ("optimizer", &self.optimizer),
            ("ema", &self.ema),
        ];
        let mut views = Vec::new();
        for (group, tensors) in groups {
            for (name, data) in tensors {
                let dtype = dtype_to_file(data.dtype()).ok_or_else(|| {
                    TrainError::checkpoint(format!("{name} has type {:?}", data.dtype()))
                })?;
                let view = TensorView::new(dtype, data.shape().to_vec(), data.as_bytes())
                    .map_err(|e| TrainError::checkpoint(format!("{name}: {e}")))?;
                views.push((format!("{group}/{name}"), view));
            }
        }
        let sha256 = digest(&state, &mut views.iter().map(|(key, view)| (&**key, view)));
        let metadata = HashMap::from([("state".to_owned(), state), (SHA256.to_owned(), sha256)]);
        safetensors::serialize(views, Some(metadata))
            .map_err(|e| TrainError::checkpoint(e.to_string()))
    }

    /// Read the bytes back.
    ///
    /// # Errors
    /// [`Unusable`] says whether they are damaged or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Unusable> {
        let damaged = |e: &dyn std::fmt::Display| Unusable::Damaged(e.to_string());
        let unknown = |e: &dyn std::fmt::Display| Unusable::Unknown(e.to_string());
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| damaged(&e))?;
        let entry = |key: &str| {
            let found = header.metadata().as_ref().and_then(|m| m.get(key));
            found.ok_or_else(|| damaged(&format!("it has no entry `{key}`")))
        };
        let state = entry("state")?;
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|e| damaged(&e))?
            .tensors();
        let sha256 = digest(state, &mut tensors.iter().map(|(key, view)| (&**key, view)));
        if sha256 != *entry(SHA256)? {
            return Err(damaged(&"its bytes are not those that were written"));
        }
        let progress = toml::from_str(state).map_err(|e| unknown(&e.message()))?;
        let mut checkpoint = Self {
            progress,
            ..Self::default()
        };
        for (key, view) in tensors {
            let dtype = dtype_from_file(view.dtype())
                .ok_or_else(|| unknown(&format!("{key} has type {:?}", view.dtype())))?;
            let data =
                TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
                    .map_err(|e| unknown(&format!("{key}: {e:?}")))?;
            let earlier = match key.split_once('/') {
                Some(("model", name)) => checkpoint.model.insert(name.to_owned(), data),
                Some(("best", name)) => checkpoint.best.insert(name.to_owned(), data),
                Some(("optimizer", name)) => checkpoint.optimizer.insert(name.to_owned(), data),
                Some(("ema", name)) => checkpoint.ema.insert(name.to_owned(), data),
                _ => return Err(unknown(&format!("stray tensor {key}"))),
            };
            debug_assert!(earlier.is_none(), "names in a file are unique");
        }
        Ok(checkpoint)
    }
}

/// Header entry of the hash.
const SHA256: &str = "sha256";

/// Hash of the counters and of every tensor's name, type, shape and bytes, in the order of the names.
fn digest<'a>(
    state: &str,
    tensors: &mut dyn Iterator<Item = (&'a str, &'a TensorView<'a>)>,
) -> String {
    let sorted: BTreeMap<&str, &TensorView<'_>> = tensors.collect();
    let mut hasher = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hasher.update(bytes.len().to_le_bytes());
        hasher.update(bytes);
    };
    add(state.as_bytes());
    for (key, view) in sorted {
        add(format!("{key} {:?} {:?}", view.dtype(), view.shape()).as_bytes());
        add(view.data());
    }
    hex(&hasher.finalize())
}

/// The types that parameters and counters have.
const DTYPES: [(DType, Dtype); 5] = [
    (DType::F64, Dtype::F64),
    (DType::F32, Dtype::F32),
    (DType::F16, Dtype::F16),
    (DType::BF16, Dtype::BF16),
    (DType::I64, Dtype::I64),
];

fn dtype_to_file(dtype: DType) -> Option<Dtype> {
    DTYPES
        .iter()
        .find(|(burn, _)| *burn == dtype)
        .map(|(_, file)| *file)
}

fn dtype_from_file(dtype: Dtype) -> Option<DType> {
    DTYPES
        .iter()
        .find(|(_, file)| *file == dtype)
        .map(|(burn, _)| *burn)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::FullScores;

    fn sample() -> Checkpoint {
        let tensor = |x: f32| TensorData::new(vec![x, f32::MIN_POSITIVE, -0.0], [1, 3]);
        let row = EpochRow {
            epoch: 1,
            step: 7,
            lr: 0.1 + 0.2,
            train_loss: 1.0 / 3.0,
            grad_norm: 1e-300,
            val_dice: None,
            val_iou: Some(0.7),
            best: true,
            full: None,
        };
        Checkpoint {
            progress: Progress {
                epoch: 1,
                loss_sum: std::f64::consts::PI * 1e-7,
                best_score: f64::NEG_INFINITY,
                rows: vec![
                    row,
                    EpochRow {
                        val_dice: Some(2.0 / 3.0),
                        full: Some(FullScores {
                            val_nsd: Some(1.0 / 7.0),
                            ..FullScores::default()
                        }),
                        ..row
                    },
                ],
                ..Progress::default()
            },
            model: TensorMap::from([("a.b".into(), tensor(1.5))]),
            best: TensorMap::from([("a.b".into(), tensor(2.5))]),
            optimizer: TensorMap::from([("time/a.b".into(), TensorData::new(vec![3i64], [1]))]),
            ema: TensorMap::from([("a.b".into(), tensor(3.5))]),
        }
    }

    #[test]
    fn everything_comes_back_bit_for_bit() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("last.safetensors");
        let saved = sample();
        saved.save(&path).unwrap();
        let loaded = Checkpoint::load(&path).unwrap();
        assert_eq!(loaded.progress, saved.progress);
        assert_eq!(
            (loaded.model, loaded.best, loaded.optimizer),
            (saved.model, saved.best, saved.optimizer)
        );
    }

    #[test]
    fn bytes_cut_anywhere_are_refused() {
        let bytes = sample().to_bytes().unwrap();
        for end in 0..bytes.len() {
            let outcome = Checkpoint::from_bytes(&bytes[..end]);
            assert!(matches!(outcome, Err(Unusable::Damaged(_))), "{end}");
        }
    }

    #[test]
    fn a_bit_changed_anywhere_is_noticed() {
        let mut bytes = sample().to_bytes().unwrap();
        for bit in 0..8 * bytes.len() {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let outcome = Checkpoint::from_bytes(&bytes);
            assert!(matches!(outcome, Err(Unusable::Damaged(_))), "bit {bit}");
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn what_a_later_version_may_write_is_not_called_damaged() {
        let data = TensorData::new(vec![1i64], [1]);
        let view = TensorView::new(Dtype::I64, vec![1], data.as_bytes()).unwrap();
        for (state, key) in [
            (toml::to_string(&Progress::default()).unwrap(), "later/x"),
            ("unheard_of = 1\n".to_owned(), "model/x"),
        ] {
            let sha256 = digest(&state, &mut [(key, &view)].into_iter());
            let metadata =
                HashMap::from([("state".to_owned(), state), (SHA256.to_owned(), sha256)]);
            let bytes = safetensors::serialize([(key, &view)], Some(metadata)).unwrap();
            let outcome = Checkpoint::from_bytes(&bytes);
            assert!(matches!(outcome, Err(Unusable::Unknown(_))), "{outcome:?}");
        }
    }

    #[test]
    fn another_origin_is_refused_by_name() {
        let origin = Origin {
            recipe_sha256: "a".into(),
            weights_sha256: "b".into(),
            data_sha256: "c".into(),
        };
        assert!(origin.check(&origin).is_ok());
        let other = Origin {
            data_sha256: "d".into(),
            ..origin.clone()
        };
        let error = origin.check(&other).unwrap_err().to_string();
        assert!(error.contains("the data set changed"), "{error}");
    }
}
