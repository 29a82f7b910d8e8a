//! The optimiser over a module's trainable parameters, with rates by group and a state named by path.
//!
//! | file | concept |
//! |---|---|
//! | `rule` | AdamW and SGD: one parameter, one update |
//! | `groups` | which rate and decay a parameter has |
//! | `clip` | the norm of all gradients and its limit |
//! | `not_finite` | what has stopped being a number |
//!
//! What the rule remembers is kept under the parameter's path instead of its random id, so that a checkpoint
//! restores into a model that was built again from the base weights.

mod clip;
mod groups;
mod not_finite;
mod rule;
#[cfg(test)]
pub(crate) mod toy;

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};

pub use clip::{clip_scale, global_norm};
pub use groups::{Group, Groups};
pub use not_finite::{Counts, NotFinite, not_finite};
pub use rule::Rule;

use crate::error::TrainError;
use rule::Memory;

/// Optimiser and what it remembers.
#[derive(Clone)]
pub struct Optimizer {
    rule: Rule,
    groups: Groups,
    memory: BTreeMap<String, Memory>,
}

impl std::fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Optimizer")
            .field("rule", &self.rule)
            .field("groups", &self.groups)
            .field("parameters", &self.memory.len())
            .finish_non_exhaustive()
    }
}

impl Optimizer {
    /// An optimiser that remembers nothing yet.
    pub fn new(rule: Rule, groups: Groups) -> Self {
        Self {
            rule,
            groups,
            memory: BTreeMap::new(),
        }
    }

    /// The groups that decide rates and decay.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Apply one update. Every gradient is multiplied by `gradient_scale` (global clipping) and
    /// every rate by `lr_factor` (the schedule). Parameters without a gradient stay as they are.
    pub fn step<M: Module>(
        &mut self,
        module: M,
        gradients: GradientsParams,
        gradient_scale: f64,
        lr_factor: f64,
    ) -> M {
        module.map(&mut Step {
            optimizer: self,
            gradients,
            gradient_scale,
            lr_factor,
            path: Vec::new(),
        })
    }

    /// The running mean of a parameter's gradient (AdamW) or its velocity (SGD), row-major; `None` before its first
    /// update, and for a rule that remembers nothing.
    pub fn mean_gradient(&self, path: &str) -> Option<Vec<f32>> {
        let first = self.memory.get(path)?.first.to_data();
        first.convert::<f32>().try_into_vec().ok()
    }

    /// Changes what is remembered of a parameter that has changed its shape.
    pub fn reshape(&mut self, path: &str, change: impl Fn(&[f32]) -> Vec<f32>) {
        let Some(memory) = self.memory.get_mut(path) else {
            return;
        };
        for moment in std::iter::once(&mut memory.first).chain(&mut memory.second) {
            let values = moment.to_data().convert::<f32>().try_into_vec::<f32>();
            let values = change(&values.expect("moments are numbers"));
            let n = values.len();
            *moment = Tensor::from_data(
                TensorData::new(values, [n]),
                (&moment.device(), moment.dtype()),
            );
        }
    }

    /// What is remembered, by path: `time/<path>`, `first/<path>` and, for AdamW, `second/<path>`.
    pub fn state(&self) -> BTreeMap<String, TensorData> {
        let mut state = BTreeMap::new();
        for (path, m) in &self.memory {
            state.insert(format!("first/{path}"), m.first.to_data());
            if let Some(second) = &m.second {
                state.insert(format!("second/{path}"), second.to_data());
            }
            let time = TensorData::new(vec![m.time as i64], [1]);
            state.insert(format!("time/{path}"), time);
        }
        state
    }

    /// Restore what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when an entry is missing, of another type, or of another rule.
    pub fn load_state(
        &mut self,
        mut state: BTreeMap<String, TensorData>,
        device: &Device,
    ) -> Result<(), TrainError> {
        let device = device.clone().without_autodiff();
        let paths: Vec<String> = state
            .keys()
            .filter_map(|key| key.strip_prefix("time/"))
            .map(str::to_owned)
            .collect();
        let mut memory = BTreeMap::new();
        for path in self.rule.remembers().iter().flat_map(|_| paths.iter()) {
            let mut take = |kind: &str| {
                state.remove(&format!("{kind}/{path}")).ok_or_else(|| {
                    TrainError::checkpoint(format!("the optimiser state lacks {kind}/{path}"))
                })
            };
            let (first, time) = (take("first")?, take("time")?);
            let has_second = self.rule.remembers() == Some(true);
            let second = has_second.then(|| take("second")).transpose()?;
            let time = time
                .as_slice::<i64>()
                .ok()
                .and_then(|t| usize::try_from(*t.first()?).ok());
            let time =
                time.ok_or_else(|| TrainError::checkpoint(format!("time/{path} is not a count")))?;
            let shape = second.as_ref().unwrap_or(&first).shape();
            if first.rank() != 1 || first.shape() != shape {
                return Err(TrainError::checkpoint(format!(
                    "the moments of {path} have unequal shapes"
                )));
            }
            let on_device = |data| Tensor::from_data(data, &device);
            let restored = Memory {
                time,
                first: on_device(first),
                second: second.map(on_device),
            };
            memory.insert(path.clone(), restored);
        }
        if let Some(key) = state.keys().next() {
            return Err(TrainError::checkpoint(format!(
                "the optimiser state has a stray entry {key}"
            )));
        }
        self.memory = memory;
        Ok(())
    }
}

struct Step<'a> {
    optimizer: &'a mut Optimizer,
    gradients: GradientsParams,
    gradient_scale: f64,
    lr_factor: f64,
    path: Vec<String>,
}

impl ModuleMapper for Step<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return Param::from_mapped_value(id, tensor, mapper);
        };
        let path = self.path.join(".");
        let Optimizer {
            rule,
            groups,
            memory,
        } = &mut *self.optimizer;
        let (lr, weight_decay) = groups.rate_and_decay(&id, &path, D);

        let strategy = tensor.gradient_checkpointing_strategy();
        let shape = tensor.shape();
        let n = shape.num_elements();
        let weight = tensor.inner().reshape([n]);
        let mut gradient = gradient.inner().reshape([n]);
        if self.gradient_scale != 1.0 {
            gradient = gradient * self.gradient_scale;
        }
        let rates = (lr * self.lr_factor, weight_decay);
        let (updated, remembered) = rule.step(rates, weight, gradient, memory.remove(&path));
        if let Some(remembered) = remembered {
            memory.insert(path, remembered);
        }
        let mut updated = Tensor::<D>::from_inner(updated.reshape(shape));
        if let Some(strategy) = strategy {
            updated = updated.with_gradient_checkpointing_strategy(strategy);
        }
        // Only parameters that require gradients have one.
        Param::from_mapped_value(id, updated.require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::toy::{gradients, toy};
    use super::*;
    use burn::module::ParamGroup;

    fn optimizer(rule: Rule) -> Optimizer {
        let spectrum = Group {
            name: "scale".to_owned(),
            members: ParamGroup::from_path("scale"),
            lr: Some(0.1),
            weight_decay: Some(0.0),
            may_be_empty: false,
        };
        let groups = Groups {
            lr: 0.01,
            weight_decay: 0.5,
            groups: vec![spectrum],
        };
        Optimizer::new(rule, groups)
    }

    const SGD: Rule = Rule::Sgd {
        momentum: 0.9,
        nesterov: true,
    };
    const RULES: [Rule; 3] = [
        Rule::AdamW,
        SGD,
        Rule::Sgd {
            momentum: 0.0,
            nesterov: false,
        },
    ];

    /// AdamW by hand in f64 for a scalar weight.
    fn by_hand(mut w: f64, gradient: impl Fn(f64) -> f64, lr: f64, decay: f64, steps: i32) -> f64 {
        let (mut m, mut v) = (0.0, 0.0);
        for t in 1..=steps {
            let g = gradient(w);
            m = 0.9 * m + 0.1 * g;
            v = 0.999 * v + 0.001 * g * g;
            w *= 1.0 - lr * decay;
            w -= lr * (m / (1.0 - 0.9f64.powi(t))) / ((v / (1.0 - 0.999f64.powi(t))).sqrt() + 1e-8);
        }
        w
    }

    fn values<const D: usize>(p: &Param<Tensor<D>>) -> Vec<f32> {
        p.val().into_data().try_to_vec().unwrap()
    }

    #[test]
    fn each_group_follows_its_own_rate_and_decay() {
        let device = Device::default().autodiff();
        let (mut model, mut optimizer) = (toy(&device), optimizer(Rule::AdamW));
        for _ in 0..3 {
            let g = gradients(&model);
            model = optimizer.step(model, g, 1.0, 1.0);
        }
        let check = |found: f32, expected: f64| {
            assert!(
                (f64::from(found) - expected).abs() < 1e-5,
                "{found} {expected}"
            )
        };
        let (matrix, pos) = (values(&model.matrix), values(&model.pos_embed));
        for (i, start) in [1.0, -2.0, 3.0, 0.5].into_iter().enumerate() {
            check(matrix[i], by_hand(start, |w| 3.0 * w * w, 0.01, 0.5, 3));
            check(pos[i], by_hand(start, |w| 2.0 * w, 0.01, 0.0, 3));
        }
        for (i, start) in [1.0, 2.0].into_iter().enumerate() {
            check(
                values(&model.scale)[i],
                by_hand(start, |w| 4.0 * w, 0.1, 0.0, 3),
            );
        }
        assert_eq!(values(&model.frozen), [1.0, 2.0]);
        assert!(model.matrix.is_require_grad() && !model.frozen.is_require_grad());
    }

    /// SGD by hand in f64 for a scalar weight, as torch.optim.SGD documents it.
    fn sgd_by_hand(mut w: f64, gradient: impl Fn(f64) -> f64, lr: f64, decay: f64) -> f64 {
        let mut v = None;
        for _ in 0..3 {
            let g = gradient(w) + decay * w;
            let velocity = v.map_or(g, |v: f64| 0.9 * v + g);
            v = Some(velocity);
            w -= lr * (g + 0.9 * velocity);
        }
        w
    }

    #[test]
    fn sgd_follows_its_formula_with_momentum_decay_and_nesterov() {
        let device = Device::default().autodiff();
        let (mut model, mut optimizer) = (toy(&device), optimizer(SGD));
        for _ in 0..3 {
            let g = gradients(&model);
            model = optimizer.step(model, g, 1.0, 0.5);
        }
        for (found, start) in values(&model.matrix).into_iter().zip([1.0, -2.0, 3.0, 0.5]) {
            let expected = sgd_by_hand(start, |w| 3.0 * w * w, 0.005, 0.5);
            assert!(
                (f64::from(found) - expected).abs() < 1e-5,
                "{found} {expected}"
            );
        }
        for (found, start) in values(&model.scale).into_iter().zip([1.0, 2.0]) {
            let expected = sgd_by_hand(start, |w| 4.0 * w, 0.05, 0.0);
            assert!(
                (f64::from(found) - expected).abs() < 1e-5,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn a_restored_state_continues_to_the_same_bytes() {
        let device = Device::default().autodiff();
        let run = |rule: Rule, restore: bool| {
            let (mut model, mut optimizer) = (toy(&device), optimizer(rule));
            for step in 0..4 {
                if restore && step == 2 {
                    let state = optimizer.state();
                    optimizer = self::optimizer(rule);
                    optimizer.load_state(state, &device).unwrap();
                }
                let g = gradients(&model);
                model = optimizer.step(model, g, 0.7, 0.9);
            }
            (values(&model.matrix), values(&model.scale))
        };
        for rule in RULES {
            assert_eq!(run(rule, false), run(rule, true), "{rule:?}");
        }
    }

    #[test]
    fn broken_states_and_those_of_another_rule_are_refused() {
        let device = Device::default().autodiff();
        let state_of = |rule: Rule| {
            let mut optimizer = optimizer(rule);
            let model = toy(&device);
            let g = gradients(&model);
            optimizer.step(model, g, 1.0, 1.0);
            optimizer.state()
        };
        let good = state_of(Rule::AdamW);
        let refused = |rule: Rule, state| optimizer(rule).load_state(state, &device).is_err();
        for victim in ["first/matrix", "second/matrix", "time/matrix"] {
            let mut state = good.clone();
            state.remove(victim);
            assert!(refused(Rule::AdamW, state), "{victim}");
        }
        for rule in RULES {
            for other in RULES {
                // A rule that remembers nothing leaves nothing that another could miss.
                let expected = rule != other && !state_of(other).is_empty();
                assert_eq!(
                    refused(rule, state_of(other)),
                    expected,
                    "{rule:?} {other:?}"
                );
            }
        }
    }
}
