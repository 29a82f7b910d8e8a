//! Named tensors into a model, every key accounted for.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use super::read::Checkpoint;
use super::stored::StoredTensor;
use super::{PROMPT_TOKENS, TOKEN_NAMES};
use crate::config::SamConfig;
use crate::error::{KeyMismatch, SamError};
use crate::sam::Sam;

/// The checkpoint key of the parameter that a traversal stands at, and whether its matrix is
/// stored transposed. `trail` holds `(name, container)` pairs as Burn reports them.
pub(super) fn checkpoint_key(trail: &[(String, String)]) -> (String, bool) {
    let mut key = String::new();
    for (i, (name, container)) in trail.iter().enumerate() {
        if i > 0 {
            key.push('.');
        }
        // Burn calls a norm's parameters gamma and beta; checkpoints say weight and bias.
        key.push_str(match (container.as_str(), name.as_str()) {
            ("Struct:LayerNorm", "gamma") => "weight",
            ("Struct:LayerNorm", "beta") => "bias",
            (_, name) => name,
        });
    }
    let transposed = trail
        .last()
        .is_some_and(|(name, container)| container == "Struct:Linear" && name == "weight");
    (key, transposed)
}

impl Checkpoint {
    /// Names of the stored prompt tokens, in row order; empty when there are none.
    pub fn token_names(&self) -> Vec<&str> {
        match self.metadata.get(TOKEN_NAMES) {
            Some(names) if !names.is_empty() => names.split(',').collect(),
            _ => Vec::new(),
        }
    }

    /// A model of `config` with these weights; see [`super::load`].
    ///
    /// # Errors
    /// Missing, unused or misshapen keys, an unknown `token_init`, an invalid `config`.
    pub fn into_sam(
        mut self,
        config: &SamConfig,
        token_init: Option<&str>,
        device: &Device,
    ) -> Result<Sam, SamError> {
        config.validate()?;
        let tokens = self.take_tokens(config, token_init)?;
        // Shapes must match at the checkpoint's own size; positions are resampled afterwards.
        let stored_grid = self
            .tensors
            .get("image_encoder.pos_embed")
            .and_then(|t| t.shape.get(1).copied())
            .unwrap_or_else(|| config.grid());
        let at_own_size = config
            .clone()
            .with_image_size(stored_grid * config.patch_size);
        let mut sam = at_own_size.init(device)?;
        let mut apply = Apply::new(self.tensors);
        apply.expect_all(&sam)?;
        let fresh = sam.prompt_tokens.clone();
        sam = sam.map(&mut apply);
        if let Some(error) = apply.error {
            return Err(error);
        }
        sam.prompt_tokens = {
            let id = fresh.id;
            fresh.transform_for_load(Tensor::from_data(tokens, device), id)
        };
        sam.with_image_size(config.image_size)
    }

    fn take_tokens(
        &mut self,
        config: &SamConfig,
        token_init: Option<&str>,
    ) -> Result<TensorData, SamError> {
        let (classes, dim) = (config.n_prompt_tokens, config.out_chans);
        let names: Vec<String> = self.token_names().iter().map(|n| (*n).to_owned()).collect();
        let stored = self.tensors.remove(PROMPT_TOKENS);
        let values = match (token_init, stored) {
            (Some(name), stored) => {
                let unknown = || {
                    SamError::Config(format!(
                        "token_init `{name}` is not a prompt token of this checkpoint; it has: {}",
                        if names.is_empty() {
                            "none".to_owned()
                        } else {
                            names.join(", ")
                        }
                    ))
                };
                let row = names.iter().position(|n| n == name).ok_or_else(unknown)?;
                let stored = stored.ok_or_else(unknown)?;
                if stored.shape != [names.len(), dim] {
                    return Err(SamError::Shape {
                        key: PROMPT_TOKENS.to_owned(),
                        expected: vec![names.len(), dim],
                        found: stored.shape,
                    });
                }
                stored.read(PROMPT_TOKENS)?[row * dim..(row + 1) * dim].repeat(classes)
            }
            (None, Some(stored)) if stored.shape == [classes, dim] => stored.read(PROMPT_TOKENS)?,
            (None, Some(stored)) if stored.shape.get(1) != Some(&dim) => {
                return Err(SamError::Shape {
                    key: PROMPT_TOKENS.to_owned(),
                    expected: vec![classes, dim],
                    found: stored.shape,
                });
            }
            (None, Some(stored)) => {
                return Err(SamError::Config(format!(
                    "the checkpoint holds {:?} prompt tokens ({}), the model has {classes} classes; name the token \
                     that each class starts from (model.token_init)",
                    stored.shape,
                    if names.is_empty() {
                        "without names".to_owned()
                    } else {
                        names.join(", ")
                    }
                )));
            }
            (None, None) => vec![0.0; classes * dim],
        };
        Ok(TensorData::new(values, [classes, dim]))
    }
}

/// Puts stored tensors into the parameters of the same key.
struct Apply {
    trail: Vec<(String, String)>,
    tensors: BTreeMap<String, StoredTensor>,
    error: Option<SamError>,
}

impl Apply {
    fn new(tensors: BTreeMap<String, StoredTensor>) -> Self {
        Self {
            trail: Vec::new(),
            tensors,
            error: None,
        }
    }

    /// Compares the two key sets before anything is changed.
    fn expect_all(&self, sam: &Sam) -> Result<(), SamError> {
        let mut keys = Keys::default();
        sam.visit(&mut keys);
        let mut mismatch = KeyMismatch {
            missing: keys
                .keys
                .iter()
                .filter(|key| *key != PROMPT_TOKENS && !self.tensors.contains_key(*key))
                .cloned()
                .collect(),
            unused: Vec::new(),
        };
        for key in self.tensors.keys() {
            if !keys.keys.contains(key) {
                let similarity = |known: &String| strsim::jaro_winkler(known, key);
                // A file may hold a hundred thousand keys, long ones too; who reads the message sees a few.
                let is_shown = mismatch.unused.len() < KeyMismatch::SHOWN && key.len() < 1000;
                let nearest = is_shown.then(|| {
                    let known = keys.keys.iter();
                    known.max_by(|a, b| similarity(a).total_cmp(&similarity(b)))
                });
                mismatch
                    .unused
                    .push((key.clone(), nearest.flatten().cloned()));
            }
        }
        if mismatch == KeyMismatch::default() {
            Ok(())
        } else {
            Err(SamError::Keys(mismatch))
        }
    }
}

impl ModuleMapper for Apply {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (key, transposed) = checkpoint_key(&self.trail);
        let Some(stored) = self.tensors.remove(&key) else {
            return param;
        };
        let mut expected: Vec<usize> = param.lazy_shape().to_vec();
        if transposed {
            expected.reverse();
        }
        if stored.shape != expected {
            self.error.get_or_insert(SamError::Shape {
                key,
                expected,
                found: stored.shape,
            });
            return param;
        }
        if self.error.is_some() {
            return param;
        }
        let values = match stored.read(&key) {
            Ok(values) => values,
            Err(error) => {
                self.error = Some(error);
                return param;
            }
        };
        let device = param.lazy_device();
        // Turned here and not as a view, which every use would have to copy first.
        let values = match (transposed, &expected[..]) {
            (true, [rows, columns]) => turned(&values, [*rows, *columns]),
            _ => values,
        };
        let data = TensorData::new(values, param.lazy_shape());
        let tensor = Tensor::<D>::from_data(data, &device);
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}

/// The transpose of a matrix that lies by rows, tile by tile: both sides of one stay in the cache.
fn turned(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    const TILE: usize = 32;
    let mut out = vec![0.0; values.len()];
    for left in (0..columns).step_by(TILE) {
        for top in (0..rows).step_by(TILE) {
            for row in top..(top + TILE).min(rows) {
                for column in left..(left + TILE).min(columns) {
                    out[column * rows + row] = values[row * columns + column];
                }
            }
        }
    }
    out
}

/// Collects the checkpoint keys of a model.
#[derive(Default)]
struct Keys {
    trail: Vec<(String, String)>,
    keys: std::collections::BTreeSet<String>,
}

impl ModuleVisitor for Keys {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn visit_float<const D: usize>(&mut self, _param: &Param<Tensor<D>>) {
        self.keys.insert(checkpoint_key(&self.trail).0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_is_turned_whatever_its_sides() {
        for [rows, columns] in [[0, 3], [1, 1], [3, 70], [70, 3], [64, 33]] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let found = turned(&values, [rows, columns]);
            for (at, value) in found.iter().enumerate() {
                let (column, row) = (at / rows, at % rows);
                assert_eq!(*value, values[row * columns + column]);
            }
            assert_eq!(found.len(), values.len());
        }
    }
}
