//! The control without a base: the same network, drawn at random on the host.
//!
//! Every parameter's values are a function of seed and path alone, on every backend, so that an
//! adapter trained from scratch finds the same start again when it is loaded.
//!
//! | parameter | values |
//! |---|---|
//! | weights of linear layers and convolutions | `U(-b, b)`, `b = 1 / sqrt(fan_in)` |
//! | biases, relative positions, norm shifts | 0 |
//! | norm scales | 1 |
//! | `pos_embed` | `N(0, 0.02^2)` |
//! | tokens, prompt embeddings, the positional matrix | `N(0, 1)` |
//!
//! Source: PyTorch's `nn.Linear`, `nn.Conv2d`, `nn.Embedding` and SAM's own initialisation, but
//! for `pos_embed`, which SAM starts at 0 and MAE (He et al. 2022) at deviation 0.02.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Replace every parameter by a random one.
pub fn redraw<M: Module>(module: M, seed: u64) -> M {
    module.map(&mut Redraw {
        seed,
        trail: Vec::new(),
    })
}

struct Redraw {
    seed: u64,
    /// Names and container types from the root to here.
    trail: Vec<(String, String)>,
}

enum Law {
    Constant(f32),
    Uniform(f64),
    Normal(f64),
}

impl Redraw {
    fn law(&self, shape: &[usize]) -> Law {
        let (name, container) = self
            .trail
            .last()
            .map_or(("", ""), |(n, c)| (n.as_str(), c.as_str()));
        match name {
            "gamma" => Law::Constant(1.0),
            "weight" if container.contains("LayerNorm") => Law::Constant(1.0),
            "beta" | "bias" | "rel_pos_h" | "rel_pos_w" => Law::Constant(0.0),
            "pos_embed" => Law::Normal(0.02),
            "weight" if container.contains("Linear") => {
                Law::Uniform(1.0 / (shape[0] as f64).sqrt())
            }
            "weight" if container.contains("Conv") => {
                let fan_in: usize = shape[1..].iter().product();
                Law::Uniform(1.0 / (fan_in as f64).sqrt())
            }
            _ => Law::Normal(1.0),
        }
    }

    fn draw(&self, shape: &[usize]) -> Vec<f32> {
        let path: Vec<&str> = self.trail.iter().map(|(name, _)| name.as_str()).collect();
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(path.join("."));
        let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
        let mut unit = || (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        let count = shape.iter().product();
        match self.law(shape) {
            Law::Constant(value) => vec![value; count],
            Law::Uniform(bound) => (0..count)
                .map(|_| ((2.0 * unit() - 1.0) * bound) as f32)
                .collect(),
            Law::Normal(deviation) => (0..count)
                .map(|_| {
                    // Box-Muller; 1 - u lies in (0, 1], so the logarithm is finite.
                    let radius = (-2.0 * (1.0 - unit()).ln()).sqrt();
                    (deviation * radius * (std::f64::consts::TAU * unit()).cos()) as f32
                })
                .collect(),
        }
    }
}

impl ModuleMapper for Redraw {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.trail
            .push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.trail.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, old, mapper) = param.consume();
        let shape = old.shape().to_vec();
        let data = TensorData::new(self.draw(&shape), shape);
        let new = Tensor::from_data(data, &old.device()).set_require_grad(old.is_require_grad());
        Param::from_mapped_value(id, new, mapper)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{LayerNormConfig, LinearConfig};
    use burn::tensor::Device;

    #[derive(Module, Debug)]
    struct Toy {
        first: burn::nn::Linear,
        second: burn::nn::Linear,
        norm: burn::nn::LayerNorm,
        token: Param<Tensor<2>>,
    }

    fn toy() -> Toy {
        let device = Device::default();
        Toy {
            first: LinearConfig::new(64, 32).init(&device),
            second: LinearConfig::new(64, 32).init(&device),
            norm: LayerNormConfig::new(8).init(&device),
            token: Param::from_tensor(Tensor::zeros([64, 64], &device)),
        }
    }

    fn values<const D: usize>(p: &Param<Tensor<D>>) -> Vec<f32> {
        p.val().into_data().try_to_vec().unwrap()
    }

    fn deviation(x: &[f32]) -> f64 {
        (x.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>() / x.len() as f64).sqrt()
    }

    #[test]
    fn each_kind_follows_its_law() {
        let toy = redraw(toy(), 1);
        let weight = values(&toy.first.weight);
        assert!(weight.iter().all(|w| w.abs() <= 0.125));
        // A uniform variable on (-b, b) has deviation b / sqrt(3).
        assert!((deviation(&weight) - 0.125 / 3f64.sqrt()).abs() < 0.005);
        assert!(
            values(toy.first.bias.as_ref().unwrap())
                .iter()
                .all(|b| *b == 0.0)
        );
        assert!(values(&toy.norm.gamma).iter().all(|g| *g == 1.0));
        assert!((deviation(&values(&toy.token)) - 1.0).abs() < 0.05);
    }

    #[test]
    fn values_depend_on_seed_and_path_only() {
        let (a, b, c) = (redraw(toy(), 1), redraw(toy(), 1), redraw(toy(), 2));
        assert_eq!(values(&a.first.weight), values(&b.first.weight));
        assert_ne!(values(&a.first.weight), values(&c.first.weight));
        assert_ne!(values(&a.first.weight), values(&a.second.weight));
    }
}
