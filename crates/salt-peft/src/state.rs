//! The trained values of a model, and putting them back.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::tensor::{Tensor, TensorData};

use crate::error::PeftError;
use crate::inventory::{FloatParam, inventory, is_trainable, to_f32};
use crate::nearest::nearest;

/// What errors call a state that is no file.
const STATE: &str = "the given state";

/// The values of everything that is trained, factors and extras, by parameter path, as f32 in Burn's
/// layout: for checkpoints and for keeping the best epoch.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub fn trainable_state<M: Module>(model: &M) -> Result<BTreeMap<String, TensorData>, PeftError> {
    let mut visitor = StateReader {
        path: Vec::new(),
        state: Ok(BTreeMap::new()),
    };
    model.visit(&mut visitor);
    visitor.state
}

/// Puts a state back into a model with the same adapter attached. Parameters keep their ids,
/// element types and gradient settings.
///
/// # Errors
/// The state must hold exactly what the model trains, in the same shapes, all finite:
/// [`PeftError::MissingTensor`], [`PeftError::UnusedTensor`], [`PeftError::Misshapen`],
/// [`PeftError::NonFinite`].
pub fn load_trainable_state<M: Module>(
    model: M,
    state: BTreeMap<String, TensorData>,
) -> Result<M, PeftError> {
    let trained: Vec<FloatParam> = inventory(&model)
        .into_iter()
        .filter(|param| param.trainable)
        .collect();
    check_state(&trained, &state)?;
    Ok(put(model, state))
}

/// Gives the named parameters new values.
pub(crate) fn put<M: Module>(model: M, state: BTreeMap<String, TensorData>) -> M {
    model.map(&mut StateWriter {
        path: Vec::new(),
        state,
    })
}

fn check_state(
    trained: &[FloatParam],
    state: &BTreeMap<String, TensorData>,
) -> Result<(), PeftError> {
    for param in trained {
        let Some(data) = state.get(&param.path) else {
            return Err(PeftError::MissingTensor {
                name: param.path.clone(),
                source_name: STATE.into(),
                nearest: nearest(&param.path, state.keys().map(String::as_str), 1),
            });
        };
        if data.shape().as_slice() != param.dims.as_slice() {
            return Err(PeftError::Misshapen {
                name: param.path.clone(),
                source_name: STATE.into(),
                expected: param.dims.clone(),
                found: data.shape().to_vec(),
            });
        }
        if data.iter::<f32>().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite {
                path: param.path.clone(),
                context: " in the given state",
            });
        }
    }
    match state
        .keys()
        .find(|name| !trained.iter().any(|param| &param.path == *name))
    {
        Some(name) => Err(PeftError::UnusedTensor {
            name: name.clone(),
            source_name: STATE.into(),
            nearest: nearest(name, trained.iter().map(|param| param.path.as_str()), 1),
        }),
        None => Ok(()),
    }
}

/// The scales and shifts of singular values. They want a learning rate of their own, far above that
/// of other factors, and no weight decay: decaying a scale toward 0 erases the base weight
/// (method.md section 2).
pub fn spectrum_group() -> ParamGroup {
    // Between `adapter` and the factor may stand the names of an adapter and of rows.
    ParamGroup::from_any_regexes(vec![r"\.adapter\.([^.]+\.){0,2}(scale|shift)$"])
        .expect("a valid expression")
}

struct StateReader {
    path: Vec<String>,
    state: Result<BTreeMap<String, TensorData>, PeftError>,
}

impl ModuleVisitor for StateReader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Ok(state) = &mut self.state else { return };
        if !is_trainable(param) {
            return;
        }
        let path = self.path.join(".");
        let dims = param.dims();
        match to_f32(&path, param.base()) {
            Ok(values) => {
                state.insert(path, TensorData::new(values, dims));
            }
            Err(error) => self.state = Err(error),
        }
    }
}

struct StateWriter {
    path: Vec<String>,
    state: BTreeMap<String, TensorData>,
}

impl ModuleMapper for StateWriter {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.state.remove(&self.path.join(".")) {
            Some(data) => param.map(|old| {
                let new = Tensor::from_data(data, (&old.device(), old.dtype()));
                new.set_require_grad(old.is_require_grad())
            }),
            None => param,
        }
    }
}
