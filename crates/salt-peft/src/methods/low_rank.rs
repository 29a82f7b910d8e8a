//! What LoRA and its kin share: rank, scaling, counts, starting values, the fields of HF peft.

use burn::module::Param;
use burn::tensor::{Device, Tensor};
use salt_kernels::matmul;
use serde_json::{Map, Value, json};

use crate::basis::constant;
use crate::config::{AdapterConfig, Init};
use crate::error::PeftError;
use crate::method::LayerContext;
use crate::random;
use crate::rank::{LayerRank, Rank};
use crate::select::first_match;
use crate::weight::{Layout, WeightShape};

/// Rank by default, the smaller of the SALT paper's two settings.
const DEFAULT_RANK: Rank = Rank::Absolute(4);

/// The settings that all of them read.
pub(super) const SETTINGS: &[&str] = &[
    "targets",
    "rank",
    "alpha",
    "rank_pattern",
    "alpha_pattern",
    "rank_budget",
];
/// The settings of those that start from random factors.
pub(super) const SETTINGS_WITH_INIT: &[&str] = &[
    "targets",
    "rank",
    "alpha",
    "rank_pattern",
    "alpha_pattern",
    "rank_budget",
    "init",
];
/// The settings of LoRA-XS, whose count is no multiple of its rank.
pub(super) const SETTINGS_WITHOUT_BUDGET: &[&str] =
    &["targets", "rank", "alpha", "rank_pattern", "alpha_pattern"];

/// What alpha is divided by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scaling {
    /// `alpha / r` (LoRA).
    Rank,
    /// `alpha / sqrt(r)` (rsLoRA).
    RootOfRank,
}

/// The rank r of a layer's update; `None` when the spectrum decides and `values` are not given.
///
/// # Errors
/// [`PeftError::RankAboveLimit`], [`PeftError::InvalidSetting`].
pub(super) fn rank(
    config: &AdapterConfig,
    shape: &WeightShape,
    values: Option<&[f32]>,
) -> Result<Option<LayerRank>, PeftError> {
    if config.rank_budget.is_some() {
        return Ok(Some(LayerRank::Single(0)));
    }
    let pattern = first_match("rank_pattern", &config.rank_pattern, &shape.path)?;
    let (setting, rank) = match pattern {
        Some(rank) => ("rank_pattern", rank),
        None => ("rank", config.rank.unwrap_or(DEFAULT_RANK)),
    };
    match rank.resolve(shape.k(), values) {
        Some(0) => Err(PeftError::InvalidSetting {
            setting,
            value: "0".into(),
            expected: "a rank of at least 1",
        }),
        Some(rank) if rank > shape.k() => Err(PeftError::RankAboveLimit {
            setting,
            path: shape.path.clone(),
            rank,
            limit: shape.k(),
        }),
        rank => Ok(rank.map(LayerRank::Single)),
    }
}

/// What LoRA and its kin answer alike, as methods of [`Method`](crate::method::Method): the check of their
/// settings, rank and limits.
macro_rules! answers_as_lora {
    () => {
        fn check(
            &self,
            config: &$crate::config::AdapterConfig,
        ) -> Result<(), $crate::error::PeftError> {
            $crate::methods::low_rank::check(config)
        }

        fn rank(
            &self,
            config: &$crate::config::AdapterConfig,
            shape: &$crate::weight::WeightShape,
            values: Option<&[f32]>,
        ) -> Result<Option<$crate::rank::LayerRank>, $crate::error::PeftError> {
            $crate::methods::low_rank::rank(config, shape, values)
        }

        fn fits(&self, shape: &$crate::weight::WeightShape, rank: $crate::rank::LayerRank) -> bool {
            $crate::methods::low_rank::fits(shape, rank)
        }
    };
}
pub(super) use answers_as_lora;

/// Whether a layer can have the rank.
pub(super) fn fits(shape: &WeightShape, rank: LayerRank) -> bool {
    matches!(rank, LayerRank::Single(rank) if (1..=shape.k()).contains(&rank))
}

/// The numerator of a layer's scaling: its own, the common one, or the rank.
///
/// # Errors
/// [`PeftError::InvalidPattern`].
fn alpha(config: &AdapterConfig, shape: &WeightShape, rank: usize) -> Result<f64, PeftError> {
    let own = first_match("alpha_pattern", &config.alpha_pattern, &shape.path)?;
    Ok(own.or(config.alpha).unwrap_or(rank as f64))
}

/// What the product of the factors is multiplied by.
///
/// # Errors
/// [`PeftError::InvalidPattern`].
pub(super) fn scaling(
    config: &AdapterConfig,
    shape: &WeightShape,
    rank: usize,
    scaling: Scaling,
) -> Result<f64, PeftError> {
    let divisor = match scaling {
        Scaling::Rank => rank as f64,
        Scaling::RootOfRank => (rank as f64).sqrt(),
    };
    Ok(alpha(config, shape, rank)? / divisor)
}

/// Checks alphas and start.
///
/// # Errors
/// [`PeftError::InvalidSetting`].
pub(super) fn check(config: &AdapterConfig) -> Result<(), PeftError> {
    let common = config.alpha.iter().map(|alpha| ("alpha", *alpha));
    let own = config.alpha_pattern.values();
    for (setting, alpha) in common.chain(own.map(|alpha| ("alpha_pattern", *alpha))) {
        if !alpha.is_finite() || alpha <= 0.0 {
            return Err(PeftError::InvalidSetting {
                setting,
                value: alpha.to_string(),
                expected: "a number above 0",
            });
        }
    }
    match config.init {
        Some(Init::Reference) => Err(PeftError::InvalidSetting {
            setting: "init",
            value: "reference".into(),
            expected: "`zero` (A kaiming-uniform) or `gaussian` (A normal); B is zero in both",
        }),
        _ => Ok(()),
    }
}

/// Parameters of A and B.
pub(super) fn of_factors(shape: &WeightShape, rank: LayerRank) -> usize {
    rank.shared() * (shape.out() + shape.fan_in())
}

/// LoRA's start: A `[r, in]` kaiming-uniform or normal of deviation 1/r, B `[out, r]` zero.
pub(super) fn start(layer: &LayerContext<'_>, rank: usize) -> (Param<Tensor<2>>, Param<Tensor<2>>) {
    let (out, fan_in) = (layer.shape.out(), layer.shape.fan_in());
    let mut stream = random::stream(layer.config.seed, &layer.shape.path, "a");
    let a = match layer.config.init {
        Some(Init::Gaussian) => random::normal(&mut stream, rank * fan_in, 1.0 / rank as f64),
        _ => random::kaiming_uniform(&mut stream, rank * fan_in, fan_in),
    };
    (
        factor(a, [rank, fan_in], layer.device),
        factor(vec![0.0; out * rank], [out, rank], layer.device),
    )
}

/// A trained matrix.
pub(super) fn factor(values: Vec<f32>, dims: [usize; 2], device: &Device) -> Param<Tensor<2>> {
    Param::from_tensor(constant(values, dims, device))
}

/// `scaling B A` in the layout of the stored weight.
///
/// # Shapes
/// - a: `[r, in]`, b: `[out, r]`
/// - output: `[in, out]` when Burn stores the weight transposed, else `[out, in]`
pub(super) fn product(a: Tensor<2>, b: Tensor<2>, scaling: f64, transposed: bool) -> Tensor<2> {
    let (left, right) = factors(a, b, scaling, transposed);
    matmul(left, right)
}

/// The two factors of [`product`].
pub(super) fn factors(
    a: Tensor<2>,
    b: Tensor<2>,
    scaling: f64,
    transposed: bool,
) -> (Tensor<2>, Tensor<2>) {
    let b = b * scaling;
    if transposed {
        (a.transpose(), b.transpose())
    } else {
        (b, a)
    }
}

/// The fields of `adapter_config.json` that HF peft reads for a LoRA, given the rank of every layer.
pub(super) fn file_fields(
    config: &AdapterConfig,
    layers: &[(WeightShape, LayerRank)],
    use_rslora: bool,
    use_dora: bool,
) -> Vec<(String, Value)> {
    let common = match config.rank {
        Some(Rank::Absolute(rank)) => rank,
        _ => layers.iter().map(|l| l.1.shared()).max().unwrap_or(1),
    };
    let common_alpha = config.alpha.unwrap_or(common as f64);
    // Exceptions by full path; without an explicit alpha each layer's is its rank.
    let (mut ranks, mut alphas) = (Map::new(), Map::new());
    for (shape, own) in layers {
        let own = own.shared();
        // HF peft takes keys for the ends of paths, and as expressions: from the beginning, and escaped.
        let key = format!("^{}", fancy_regex::escape(&shape.path));
        if own != common {
            ranks.insert(key.clone(), json!(own));
        }
        if let Ok(alpha) = alpha(config, shape, own)
            && alpha != common_alpha
        {
            alphas.insert(key, json!(alpha));
        }
    }
    let init = match config.init {
        Some(Init::Gaussian) => json!("gaussian"),
        _ => json!(true),
    };
    let fields = [
        ("r", json!(common)),
        ("lora_alpha", json!(common_alpha)),
        ("lora_dropout", json!(0.0)),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("use_rslora", json!(use_rslora)),
        ("use_dora", json!(use_dora)),
        ("init_lora_weights", init),
        ("rank_pattern", Value::Object(ranks)),
        ("alpha_pattern", Value::Object(alphas)),
    ];
    fields.map(|(key, value)| (key.to_string(), value)).to_vec()
}

/// The key of a factor in adapter files, HF peft's.
pub(super) fn file_key(field: &str) -> String {
    format!("lora_{}.weight", field.to_uppercase())
}

/// HF peft writes the factors of a convolution as convolutions: `[r, in, kh, kw]`, `[out, r, 1, 1]`. Those
/// of a transposed one, which it does not know, stay matrices.
pub(super) fn file_shape(field: &str, weight: &WeightShape, dims: &[usize]) -> Vec<usize> {
    match (field, weight.layout) {
        ("a", Layout::Conv) => [&dims[..1], &weight.dims[1..]].concat(),
        ("b", Layout::Conv) => [dims, &[1, 1]].concat(),
        _ => dims.to_vec(),
    }
}
