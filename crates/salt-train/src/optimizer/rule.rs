//! How one parameter is updated from its gradient.
//!
//! ```text
//! AdamW   m <- b1 m + (1 - b1) g          v <- b2 v + (1 - b2) g^2
//!         w <- w (1 - lr wd) - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
//! SGD     g <- g + wd w                   v <- mu v + g   (v = g at first)
//!         w <- w - lr v                   Nesterov: w <- w - lr (g + mu v)
//! ```
//!
//! `b1 = 0.9`, `b2 = 0.999`, `eps = 1e-8` (PyTorch's; Burn's default is 1e-5); the update is Burn's own [`AdamW`].
//! SGD is PyTorch's, without dampening; Burn's keeps its velocity where no checkpoint can reach it.
//! Sources: Loshchilov and Hutter 2019; Sutskever et al. 2013.

use burn::optim::{AdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer as _};
use burn::tensor::Tensor;

/// An update rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Two moments for every parameter.
    AdamW,
    /// One velocity for every parameter, none without momentum.
    Sgd {
        /// Share of the velocity that is kept, from 0 below 1.
        momentum: f64,
        /// Look ahead along the velocity.
        nesterov: bool,
    },
}

/// What a rule remembers of one parameter, flattened.
#[derive(Clone)]
pub(super) struct Memory {
    /// Number of updates.
    pub time: usize,
    /// First moment, or velocity.
    pub first: Tensor<1>,
    /// Second moment; SGD has none.
    pub second: Option<Tensor<1>>,
}

impl Rule {
    /// Whether a parameter has a second moment; `None` for a rule that remembers nothing.
    pub(super) fn remembers(self) -> Option<bool> {
        match self {
            Self::AdamW => Some(true),
            Self::Sgd { momentum, .. } => (momentum > 0.0).then_some(false),
        }
    }

    /// One update of a flattened parameter.
    pub(super) fn step(
        self,
        (lr, weight_decay): (f64, f64),
        weight: Tensor<1>,
        gradient: Tensor<1>,
        memory: Option<Memory>,
    ) -> (Tensor<1>, Option<Memory>) {
        match self {
            Self::AdamW => adamw_step(lr, weight_decay, weight, gradient, memory),
            Self::Sgd { momentum, nesterov } => {
                let gradient = match weight_decay {
                    0.0 => gradient,
                    decay => gradient + weight.clone() * decay,
                };
                if momentum == 0.0 {
                    return (weight - gradient * lr, None);
                }
                let time = memory.as_ref().map_or(0, |m| m.time) + 1;
                let velocity = match memory {
                    Some(m) => m.first.to_device(&weight.device()) * momentum + gradient.clone(),
                    None => gradient.clone(),
                };
                let direction = match nesterov {
                    true => gradient + velocity.clone() * momentum,
                    false => velocity.clone(),
                };
                let memory = Memory {
                    time,
                    first: velocity,
                    second: None,
                };
                (weight - direction * lr, Some(memory))
            }
        }
    }
}

fn adamw_step(
    lr: f64,
    weight_decay: f64,
    weight: Tensor<1>,
    gradient: Tensor<1>,
    memory: Option<Memory>,
) -> (Tensor<1>, Option<Memory>) {
    let rule: AdamW = AdamWConfig::new()
        .with_epsilon(1e-8)
        .with_weight_decay(weight_decay as f32)
        .build();
    let device = weight.device();
    let state = memory.and_then(|m| {
        let (first, second) = (m.first.to_device(&device), m.second?.to_device(&device));
        Some(AdamWState::new(AdaptiveMomentumState::new(
            m.time, first, second,
        )))
    });
    let (updated, state) = rule.step(lr, weight, gradient, state);
    let memory = state.map(|AdamWState { momentum }| Memory {
        time: momentum.time,
        first: momentum.moment_1,
        second: Some(momentum.moment_2),
    });
    (updated, memory)
}
