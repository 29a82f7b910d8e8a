//! The state of an unfinished run as one file, so that it is whole or absent.
//!
//! `checkpoints/last.safetensors` holds four groups of tensors, `model/<path>` (what is being
//! trained), `best/<path>` (the best epoch so far), `optimizer/<entry>` and nothing else, and
//! the counters as a TOML document in the header's metadata under `state`. TOML, because its
//! floats are written and read back exactly. Beside it, under `sha256`, is the hash of all that: a run
//! does not go on from a file in which a bit has changed.

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
    /// Its validation Dice.
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
    /// Write the file, atomically.
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let state = toml::to_string(&self.progress)
            .map_err(|e| TrainError::checkpoint(format!("its counters cannot be written ({e})")))?;
        let groups = [
            ("model", &self.model),
            ("best", &self.best),
            ("optimizer", &self.optimizer),
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
        let bytes = safetensors::serialize(views, Some(metadata))
            .map_err(|e| TrainError::checkpoint(e.to_string()))?;
        write_atomic(path, &bytes)
    }

    /// Read the file back.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when it is damaged or not a checkpoint.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let bytes = std::fs::read(path).map_err(|e| TrainError::io(path, e))?;
        let damaged = |e: &dyn std::fmt::Display| {
            TrainError::checkpoint(format!("`{}`: {e}", path.display()))
        };
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| damaged(&e))?;
        let entry = |key: &str| {
            let found = header.metadata().as_ref().and_then(|m| m.get(key));
            found.ok_or_else(|| damaged(&format!("it has no entry `{key}`")))
        };
        let state = entry("state")?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|e| damaged(&e))?
            .tensors();
        let sha256 = digest(state, &mut tensors.iter().map(|(key, view)| (&**key, view)));
        if sha256 != *entry(SHA256)? {
            return Err(damaged(&"its bytes are not those that were written"));
        }
        let progress = toml::from_str(state).map_err(|e| damaged(&e))?;
        let mut checkpoint = Self {
            progress,
            ..Self::default()
        };
        for (key, view) in tensors {
            let dtype = dtype_from_file(view.dtype())
                .ok_or_else(|| damaged(&format!("{key} has type {:?}", view.dtype())))?;
            let data =
                TensorData::try_from_bytes_vec(view.data().to_vec(), view.shape().to_vec(), dtype)
                    .map_err(|e| damaged(&format!("{key}: {e:?}")))?;
            let (group, name) = key
                .split_once('/')
                .ok_or_else(|| damaged(&format!("stray tensor {key}")))?;
            let group = match group {
                "model" => &mut checkpoint.model,
                "best" => &mut checkpoint.best,
                "optimizer" => &mut checkpoint.optimizer,
                _ => return Err(damaged(&format!("stray tensor {key}"))),
            };
            group.insert(name.to_owned(), data);
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
                        ..row
                    },
                ],
                ..Progress::default()
            },
            model: TensorMap::from([("a.b".into(), tensor(1.5))]),
            best: TensorMap::from([("a.b".into(), tensor(2.5))]),
            optimizer: TensorMap::from([("time/a.b".into(), TensorData::new(vec![3i64], [1]))]),
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
    fn a_file_cut_anywhere_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("last.safetensors");
        sample().save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in (0..bytes.len()).step_by(13) {
            std::fs::write(&path, &bytes[..end]).unwrap();
            assert!(
                matches!(Checkpoint::load(&path), Err(TrainError::Checkpoint { .. })),
                "{end}"
            );
        }
    }

    #[test]
    fn a_changed_bit_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("last.safetensors");
        sample().save(&path).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        // In the last tensor, and in a digit of the counters.
        let digit = bytes.windows(9).position(|w| w == b"epoch = 1").unwrap() + 8;
        for at in [bytes.len() - 1, digit] {
            bytes[at] ^= 2;
            std::fs::write(&path, &bytes).unwrap();
            let error = Checkpoint::load(&path).unwrap_err().to_string();
            assert!(error.contains("not those that were written"), "{error}");
            bytes[at] ^= 2;
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
