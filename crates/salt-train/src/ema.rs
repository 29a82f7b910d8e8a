//! An exponential moving average of everything that is trained.
//!
//! ```text
//! e <- d_t e + (1 - d_t) w        d_t = min(d, (1 + t) / (10 + t))
//! ```
//!
//! `t` counts optimiser steps from 1. The bound lets the average follow the first steps instead of remembering the
//! beginning for `1 / (1 - d)` steps. The averaged values are validated, chosen and kept; training goes on with its
//! own. Source: Polyak and Juditsky 1992; the bound is TensorFlow's `ExponentialMovingAverage`.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};

use crate::checkpoint::TensorMap;
use crate::error::TrainError;

/// The average, by path.
#[derive(Debug, Clone)]
pub(crate) struct Ema {
    decay: f64,
    values: BTreeMap<String, Average>,
}

#[derive(Debug, Clone)]
struct Average {
    dims: Vec<usize>,
    flat: Tensor<1>,
}

impl Ema {
    /// The average of a model that has not been trained: the model itself.
    pub(crate) fn new<M: Module>(decay: f64, model: &M) -> Self {
        let mut ema = Self {
            decay,
            values: BTreeMap::new(),
        };
        ema.blend(0.0, model);
        ema
    }

    /// Takes in the model after its step number `step`, counted from 1.
    pub(crate) fn update<M: Module>(&mut self, model: &M, step: u64) {
        let t = step as f64;
        self.blend(self.decay.min((1.0 + t) / (10.0 + t)), model);
    }

    /// The averaged values, in the form of [`salt_peft::trainable_state`].
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] for values that cannot be read from the device.
    pub(crate) fn state(&self) -> Result<TensorMap, TrainError> {
        let mut state = TensorMap::new();
        for (path, average) in &self.values {
            let values = average.flat.to_data().convert::<f32>();
            let values = values.try_into_vec::<f32>().map_err(|problem| {
                TrainError::checkpoint(format!(
                    "the average of {path} cannot be read ({problem:?})"
                ))
            })?;
            state.insert(path.clone(), TensorData::new(values, average.dims.clone()));
        }
        Ok(state)
    }

    /// Continues from what [`Ema::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when it is not the average of the same parameters.
    pub(crate) fn load_state(
        &mut self,
        mut state: TensorMap,
        device: &Device,
    ) -> Result<(), TrainError> {
        let device = device.clone().without_autodiff();
        for (path, average) in &mut self.values {
            let values = state
                .remove(path)
                .filter(|data| data.shape().to_vec() == average.dims)
                .and_then(|data| data.convert::<f32>().try_into_vec::<f32>().ok());
            let values = values.ok_or_else(|| {
                let dims = &average.dims;
                TrainError::checkpoint(format!("the average lacks {path} of shape {dims:?}"))
            })?;
            let n = values.len();
            average.flat = Tensor::from_data(TensorData::new(values, [n]), &device);
        }
        match state.keys().next() {
            Some(path) => Err(TrainError::checkpoint(format!(
                "the average has a stray entry {path}"
            ))),
            None => Ok(()),
        }
    }

    fn blend<M: Module>(&mut self, keep: f64, model: &M) {
        model.visit(&mut Blend {
            keep,
            values: &mut self.values,
            path: Vec::new(),
        });
    }
}

struct Blend<'a> {
    keep: f64,
    values: &'a mut BTreeMap<String, Average>,
    path: Vec<String>,
}

impl ModuleVisitor for Blend<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let tensor = param.val().inner();
        let dims = tensor.dims().to_vec();
        let now = tensor.reshape([dims.iter().product::<usize>()]);
        let path = self.path.join(".");
        let flat = match self.values.remove(&path) {
            Some(before) => before.flat * self.keep + now * (1.0 - self.keep),
            None => now,
        };
        self.values.insert(path, Average { dims, flat });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::toy::toy;

    #[test]
    fn the_average_follows_its_formula_and_survives_a_checkpoint() {
        let device = Device::default().autodiff();
        let mut model = toy(&device);
        let mut ema = Ema::new(0.5, &model);
        let mut by_hand = 1.0f64;
        for step in 1..=4u64 {
            let scale = Tensor::<1>::full([2], step as f32, &device).require_grad();
            model.scale = Param::from_tensor(scale);
            if step == 3 {
                let state = ema.state().unwrap();
                ema = Ema::new(0.5, &toy(&device));
                ema.load_state(state, &device).unwrap();
            }
            ema.update(&model, step);
            let keep = 0.5f64.min((1.0 + step as f64) / (10.0 + step as f64));
            by_hand = keep * by_hand + (1.0 - keep) * step as f64;
        }
        let state = ema.state().unwrap();
        let paths: Vec<&str> = state.keys().map(String::as_str).collect();
        assert_eq!(
            paths,
            ["matrix", "pos_embed", "scale"],
            "only what is trained"
        );
        let found = state["scale"].try_to_vec::<f32>().unwrap()[0];
        assert!(
            (f64::from(found) - by_hand).abs() < 1e-6,
            "{found} {by_hand}"
        );
        assert_eq!(state["matrix"].shape().to_vec(), [2, 2]);
    }

    #[test]
    fn the_average_of_another_model_is_refused() {
        let device = Device::default().autodiff();
        let mut ema = Ema::new(0.5, &toy(&device));
        let good = ema.state().unwrap();
        let mut lacking = good.clone();
        lacking.remove("scale");
        let mut stray = good.clone();
        stray.insert("other".to_owned(), TensorData::from([1f32]));
        for bad in [lacking, stray] {
            assert!(ema.load_state(bad, &device).is_err());
        }
        ema.load_state(good, &device).unwrap();
    }
}
