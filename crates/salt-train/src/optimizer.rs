//! AdamW over a module's trainable parameters, with per-group rates and a state named by path.
//!
//! The update of each tensor is Burn's own [`AdamW`]; this file decides rate and decay per
//! parameter and keeps the moments under the parameter's path instead of its random id, so that
//! a checkpoint restores into a model that was built again from the base weights.
//!
//! ```text
//! m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
//! w <- w (1 - lr wd) - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//! ```
//!
//! `b1 = 0.9`, `b2 = 0.999`, `eps = 1e-8` (PyTorch's; Burn's default is 1e-5). Source:
//! Loshchilov and Hutter 2019.
//!
//! Vectors (norms, biases) and the parameters in `NO_DECAY` are not decayed. Scale and shift
//! of the spectrum have their own rate and no decay: a scale that shrinks towards 0 would wipe
//! out singular values of the base instead of the update.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamGroup};
use burn::optim::{
    AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, GradientsParams, Optimizer as _,
};
use burn::tensor::{Device, Tensor, TensorData};

use crate::error::TrainError;
use crate::sum_in_order::sum_in_order;

/// Ends of paths that carry positions or prompts: decay would pull them to a meaningless origin.
const NO_DECAY: [&str; 4] = ["pos_embed", "prompt_tokens", "rel_pos_h", "rel_pos_w"];

/// Rates and decay.
#[derive(Clone, Debug)]
pub struct OptimizerConfig {
    /// Learning rate of everything not named otherwise.
    pub lr: f64,
    /// Learning rate of the parameters in `spectrum`.
    pub spectrum_lr: f64,
    /// Decoupled weight decay, a share of the weight per unit of learning rate.
    pub weight_decay: f64,
    /// Scale and shift of singular values.
    pub spectrum: ParamGroup,
}

/// Optimiser and its moments.
#[derive(Clone)]
pub struct Optimizer {
    config: OptimizerConfig,
    decayed: AdamW,
    plain: AdamW,
    moments: BTreeMap<String, Moments>,
}

/// First and second moment of one parameter, flattened, and its number of updates.
#[derive(Clone)]
struct Moments {
    time: usize,
    first: Tensor<1>,
    second: Tensor<1>,
}

impl std::fmt::Debug for Optimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Optimizer")
            .field("config", &self.config)
            .field("parameters", &self.moments.len())
            .finish_non_exhaustive()
    }
}

impl Optimizer {
    /// An optimiser without moments.
    pub fn new(config: OptimizerConfig) -> Self {
        let adamw = AdamWConfig::new().with_epsilon(1e-8);
        Self {
            decayed: adamw
                .clone()
                .with_weight_decay(config.weight_decay as f32)
                .build(),
            plain: adamw.with_weight_decay(0.0).build(),
            moments: BTreeMap::new(),
            config,
        }
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

    /// The running mean of a parameter's gradient, row-major; `None` before its first update.
    pub fn mean_gradient(&self, path: &str) -> Option<Vec<f32>> {
        let moments = self.moments.get(path)?;
        moments.first.to_data().convert::<f32>().try_into_vec().ok()
    }

    /// Changes both moments of a parameter that has changed its shape.
    pub fn reshape(&mut self, path: &str, change: impl Fn(&[f32]) -> Vec<f32>) {
        let Some(moments) = self.moments.get_mut(path) else {
            return;
        };
        for moment in [&mut moments.first, &mut moments.second] {
            let values = moment.to_data().convert::<f32>().try_into_vec::<f32>();
            let values = change(&values.expect("moments are numbers"));
            let n = values.len();
            *moment = Tensor::from_data(
                TensorData::new(values, [n]),
                (&moment.device(), moment.dtype()),
            );
        }
    }

    /// The moments by path: `first/<path>`, `second/<path>` and `time/<path>`.
    pub fn state(&self) -> BTreeMap<String, TensorData> {
        let mut state = BTreeMap::new();
        for (path, m) in &self.moments {
            state.insert(format!("first/{path}"), m.first.to_data());
            state.insert(format!("second/{path}"), m.second.to_data());
            state.insert(
                format!("time/{path}"),
                TensorData::new(vec![m.time as i64], [1]),
            );
        }
        state
    }

    /// Restore what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// [`TrainError::Checkpoint`] when an entry of a triple is missing or of another type.
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
        let mut moments = BTreeMap::new();
        for path in paths {
            let mut take = |kind: &str| {
                state.remove(&format!("{kind}/{path}")).ok_or_else(|| {
                    TrainError::checkpoint(format!("the optimiser state lacks {kind}/{path}"))
                })
            };
            let (first, second, time) = (take("first")?, take("second")?, take("time")?);
            let time = time
                .as_slice::<i64>()
                .ok()
                .and_then(|t| usize::try_from(*t.first()?).ok());
            let time =
                time.ok_or_else(|| TrainError::checkpoint(format!("time/{path} is not a count")))?;
            if first.rank() != 1 || first.shape() != second.shape() {
                return Err(TrainError::checkpoint(format!(
                    "the moments of {path} have unequal shapes"
                )));
            }
            let first = Tensor::from_data(first, &device);
            let second = Tensor::from_data(second, &device);
            moments.insert(
                path,
                Moments {
                    time,
                    first,
                    second,
                },
            );
        }
        if let Some(key) = state.keys().next() {
            return Err(TrainError::checkpoint(format!(
                "the optimiser state has a stray entry {key}"
            )));
        }
        self.moments = moments;
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
        let config = &self.optimizer.config;
        let in_spectrum = config.spectrum.matches(&id, Some(&path));
        let lr = self.lr_factor
            * if in_spectrum {
                config.spectrum_lr
            } else {
                config.lr
            };
        let free = in_spectrum || D <= 1 || NO_DECAY.iter().any(|end| path.ends_with(end));
        let rule = if free {
            &self.optimizer.plain
        } else {
            &self.optimizer.decayed
        };

        let strategy = tensor.gradient_checkpointing_strategy();
        let shape = tensor.shape();
        let n = shape.num_elements();
        let weight = tensor.inner().reshape([n]);
        let mut gradient = gradient.inner().reshape([n]);
        if self.gradient_scale != 1.0 {
            gradient = gradient * self.gradient_scale;
        }
        let state = self.optimizer.moments.remove(&path).map(|m| {
            let device = weight.device();
            AdamWState::new(AdaptiveMomentumState::new(
                m.time,
                m.first.to_device(&device),
                m.second.to_device(&device),
            ))
        });
        let (updated, state) = rule.step(lr, weight, gradient, state);
        if let Some(AdamWState { momentum }) = state {
            let moments = Moments {
                time: momentum.time,
                first: momentum.moment_1,
                second: momentum.moment_2,
            };
            self.optimizer.moments.insert(path, moments);
        }
        let mut updated = Tensor::<D>::from_inner(updated.reshape(shape));
        if let Some(strategy) = strategy {
            updated = updated.with_gradient_checkpointing_strategy(strategy);
        }
        // Only parameters that require gradients have one.
        Param::from_mapped_value(id, updated.require_grad(), mapper)
    }
}

/// Euclidean norm of all gradients of the module together (one read-back).
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut visitor = SquaredNorms {
        gradients,
        sums: Vec::new(),
    };
    module.visit(&mut visitor);
    if visitor.sums.is_empty() {
        return 0.0;
    }
    let sums = Tensor::cat(visitor.sums, 0).into_data();
    sums.iter::<f64>().sum::<f64>().sqrt()
}

/// The factor that brings a gradient of this norm to at most `limit`; 1 without a limit.
pub fn clip_scale(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) if norm > limit => limit / norm,
        _ => 1.0,
    }
}

struct SquaredNorms<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(sum_in_order(gradient.square()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Module, Debug)]
    struct Toy {
        matrix: Param<Tensor<2>>,
        scale: Param<Tensor<1>>,
        pos_embed: Param<Tensor<2>>,
        frozen: Param<Tensor<1>>,
    }

    fn toy(device: &Device) -> Toy {
        let two = || Param::from_tensor(Tensor::<2>::from_data([[1f32, -2.0], [3.0, 0.5]], device));
        let one = || Param::from_tensor(Tensor::<1>::from_data([1f32, 2.0], device));
        Toy {
            matrix: two(),
            scale: one(),
            pos_embed: two(),
            frozen: one().set_require_grad(false),
        }
    }

    fn gradients(toy: &Toy) -> GradientsParams {
        let loss = toy.matrix.val().powi_scalar(3).sum()
            + toy.scale.val().square().sum() * 2.0
            + toy.pos_embed.val().square().sum()
            + toy.frozen.val().sum();
        GradientsParams::from_grads(loss.backward(), toy)
    }

    fn optimizer() -> Optimizer {
        Optimizer::new(OptimizerConfig {
            lr: 0.01,
            spectrum_lr: 0.1,
            weight_decay: 0.5,
            spectrum: ParamGroup::from_path("scale"),
        })
    }

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
        let (mut model, mut optimizer) = (toy(&device), optimizer());
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

    #[test]
    fn a_restored_state_continues_to_the_same_bytes() {
        let device = Device::default().autodiff();
        let run = |restore: bool| {
            let (mut model, mut optimizer) = (toy(&device), optimizer());
            for step in 0..4 {
                if restore && step == 2 {
                    let state = optimizer.state();
                    optimizer = self::optimizer();
                    optimizer.load_state(state, &device).unwrap();
                }
                let g = gradients(&model);
                model = optimizer.step(model, g, 0.7, 0.9);
            }
            (values(&model.matrix), values(&model.scale))
        };
        assert_eq!(run(false), run(true));
    }

    #[test]
    fn broken_states_are_refused() {
        let device = Device::default().autodiff();
        let mut optimizer = optimizer();
        let model = toy(&device);
        let g = gradients(&model);
        optimizer.step(model, g, 1.0, 1.0);
        let good = optimizer.state();
        for victim in ["first/matrix", "second/matrix", "time/matrix"] {
            let mut state = good.clone();
            state.remove(victim);
            assert!(optimizer.load_state(state, &device).is_err(), "{victim}");
        }
        assert!(optimizer.load_state(good, &device).is_ok());
    }

    #[test]
    fn the_global_norm_is_that_of_all_gradients_and_clipping_meets_the_limit() {
        let device = Device::default().autodiff();
        let model = toy(&device);
        let g = gradients(&model);
        // 3 w^2: 3, 12, 27, .75; 4 w: 4, 8; 2 w: 2, -4, 6, 1.
        let squares = [3.0, 12.0, 27.0, 0.75, 4.0, 8.0, 2.0, 4.0, 6.0, 1.0f64].map(|x| x * x);
        let norm = squares.iter().sum::<f64>().sqrt();
        assert!((global_norm(&model, &g) - norm).abs() < 1e-4);
        assert_eq!(clip_scale(10.0, Some(1.0)), 0.1);
        assert_eq!(clip_scale(0.5, Some(1.0)), 1.0);
        assert_eq!(clip_scale(10.0, None), 1.0);
    }
}
