//! LoRA: a low-rank update beside the frozen weight (arXiv 2106.09685); file format and starting
//! values are those of HF peft.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use serde_json::{Map, Value, json};

use crate::basis::constant;
use crate::config::{AdapterConfig, Rank};
use crate::error::PeftError;
use crate::method::{LayerAdapter, LayerContext, LayerPlan, Method, Scope, Spectrum};
use crate::random;
use crate::registry::Adapter;
use crate::select::first_match;
use crate::weight::WeightShape;

/// Rank by default, the smaller of the SALT paper's two settings.
pub(crate) const DEFAULT_RANK: usize = 4;

/// The method.
#[derive(Debug)]
pub struct Lora;

impl Lora {
    fn rank(config: &AdapterConfig, shape: &WeightShape) -> Result<usize, PeftError> {
        let (setting, rank) = match first_match("rank_pattern", &config.rank_pattern, &shape.path)?
        {
            Some(rank) => ("rank_pattern", rank.resolve(shape.k(), None)),
            None => ("rank", Some(config.rank.unwrap_or(DEFAULT_RANK))),
        };
        match rank {
            Some(0) | None => Err(PeftError::InvalidSetting {
                setting,
                value: rank.map_or("an energy share".into(), |rank| rank.to_string()),
                expected: "a rank of at least 1, absolute or as a fraction",
            }),
            Some(rank) if rank > shape.k() => Err(PeftError::RankAboveLimit {
                setting,
                path: shape.path.clone(),
                rank,
                limit: shape.k(),
            }),
            Some(rank) => Ok(rank),
        }
    }
}

impl Method for Lora {
    fn name(&self) -> &'static str {
        "lora"
    }

    fn peft_type(&self) -> &'static str {
        "LORA"
    }

    fn about(&self) -> &'static str {
        "W + (alpha / r) B A: a trained low-rank update (arXiv 2106.09685)"
    }

    fn settings(&self) -> &'static [&'static str] {
        &["targets", "rank", "alpha", "rank_pattern"]
    }

    fn scope(&self) -> Scope {
        Scope::Targets
    }

    fn check(&self, config: &AdapterConfig) -> Result<(), PeftError> {
        if let Some(rank @ Rank::Energy(_)) = config
            .rank_pattern
            .values()
            .find(|rank| matches!(rank, Rank::Energy(_)))
        {
            return Err(PeftError::InvalidSetting {
                setting: "rank_pattern",
                value: rank.to_string(),
                expected: "an integer or a fraction; LoRA looks at no spectrum",
            });
        }
        if config.rank == Some(0) {
            return Err(PeftError::InvalidSetting {
                setting: "rank",
                value: "0".into(),
                expected: "a rank of at least 1",
            });
        }
        match config.alpha {
            Some(alpha) if !alpha.is_finite() || alpha <= 0.0 => Err(PeftError::InvalidSetting {
                setting: "alpha",
                value: alpha.to_string(),
                expected: "a number above 0",
            }),
            _ => Ok(()),
        }
    }

    fn spectrum(&self, _config: &AdapterConfig) -> Spectrum {
        Spectrum::Unused
    }

    fn plan(
        &self,
        config: &AdapterConfig,
        shape: &WeightShape,
        _values: Option<&[f32]>,
    ) -> Result<LayerPlan, PeftError> {
        let rank = Self::rank(config, shape)?;
        Ok(LayerPlan {
            rank: rank.to_string(),
            trainable: rank * (shape.out() + shape.fan_in()),
        })
    }

    fn file_fields(&self, config: &AdapterConfig, layers: &[WeightShape]) -> Vec<(String, Value)> {
        let rank = config.rank.unwrap_or(DEFAULT_RANK);
        // Exceptions by full path; without an explicit alpha each layer's is its rank.
        let (mut ranks, mut alphas) = (Map::new(), Map::new());
        for shape in layers {
            if let Ok(own) = Self::rank(config, shape)
                && own != rank
            {
                ranks.insert(shape.path.clone(), json!(own));
                alphas.insert(
                    shape.path.clone(),
                    json!(config.alpha.unwrap_or(own as f64)),
                );
            }
        }
        let fields = [
            ("r", json!(rank)),
            ("lora_alpha", json!(config.alpha.unwrap_or(rank as f64))),
            ("lora_dropout", json!(0.0)),
            ("bias", json!("none")),
            ("fan_in_fan_out", json!(false)),
            ("use_rslora", json!(false)),
            ("use_dora", json!(false)),
            ("init_lora_weights", json!(true)),
            ("rank_pattern", Value::Object(ranks)),
            ("alpha_pattern", Value::Object(alphas)),
        ];
        fields.map(|(key, value)| (key.to_string(), value)).to_vec()
    }

    fn build(&self, layer: LayerContext<'_>) -> Result<Option<Adapter>, PeftError> {
        let LayerContext {
            config,
            shape,
            device,
            ..
        } = layer;
        let rank = Self::rank(config, shape)?;
        let (out, fan_in) = (shape.out(), shape.fan_in());
        let mut stream = random::stream(config.seed, &shape.path, "a");
        let a = random::kaiming_uniform(&mut stream, rank * fan_in, fan_in);
        Ok(Some(Adapter::from(LoraAdapter {
            a: Param::from_tensor(constant(a, [rank, fan_in], device)),
            b: Param::from_tensor(constant(vec![0.0; out * rank], [out, rank], device)),
            scaling: config.alpha.map_or(1.0, |alpha| alpha / rank as f64),
            transposed: shape.is_transposed(),
        })))
    }
}

/// LoRA's factors at one layer: `W' = W + scaling B A`, `scaling = alpha / r`.
#[derive(Module, Debug)]
pub struct LoraAdapter {
    /// Down-projection `[r, in]`, starts kaiming-uniform.
    pub a: Param<Tensor<2>>,
    /// Up-projection `[out, r]`, starts at 0.
    pub b: Param<Tensor<2>>,
    scaling: f64,
    transposed: bool,
}

impl LayerAdapter for LoraAdapter {
    fn negated_update(&self) -> Tensor<2> {
        let (a, b) = (self.a.val(), self.b.val() * -self.scaling);
        if self.transposed {
            a.transpose().matmul(b.transpose())
        } else {
            b.matmul(a)
        }
    }

    fn file_key(field: &str) -> String {
        format!("lora_{}.weight", field.to_uppercase())
    }

    /// HF peft writes the factors of a convolution as convolutions: `[r, in, kh, kw]`, `[out, r, 1, 1]`.
    fn file_shape(field: &str, weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
        match (field, weight.dims.as_slice()) {
            ("a", [_, rest @ ..]) if rest.len() > 1 => [&dims[..1], rest].concat(),
            ("b", [_, rest @ ..]) if rest.len() > 1 => [dims, &[1, 1]].concat(),
            _ => dims.to_vec(),
        }
    }
}
