//! What to train: method, targets, ranks and extras, as a recipe's `[adapter]` table writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base_precision::BasePrecision;
use crate::error::PeftError;
use crate::method::Scope;
use crate::method_id::MethodId;
use crate::rank::Rank;

/// Keys that every method reads.
const COMMON: [&str; 4] = ["method", "modules_to_save", "base_precision", "seed"];

/// The configuration of an adapter.
///
/// The fields are the keys of a recipe's `[adapter]` table. Fields that are `Option` belong to some
/// methods only: leaving one out takes the method's default, giving one to a method that does not
/// read it is an error, because it would do nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// The method, by its name in the [list](mod@crate::methods): `salt`, `lora`, `dora` ...
    pub method: MethodId,
    /// Regular expressions over module paths. One matches when it covers a path from a segment
    /// boundary to its end: `attn\.(qkv|proj)` matches `blocks.3.attn.qkv`. A name alone is such an
    /// expression, so lists of suffixes in the manner of HF peft work as they are, and `\A` in front
    /// makes it the whole path and no other. `all-linear`
    /// stands for every linear layer. A name with `[q,v]` behind it means these thirds of a fused
    /// projection, with `[0:64,128:192]` these rows: `attn\.qkv[q,v]` adapts q and v on their own and
    /// leaves k alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// Expressions for what is no target although `targets` matches it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
    /// Targets only in these layers: the first number in a path, as in `blocks.3.attn.qkv`, is its
    /// layer. Empty means all; otherwise a target without a number is left out, as in HF peft.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_to_transform: Vec<usize>,
    /// SALT: how many leading singular values get a scale and a shift. Default: ratio 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head_rank: Option<Rank>,
    /// SALT: inner dimension d of the tail factors X and Y; 0 trains no tail. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tail_rank: Option<usize>,
    /// SALT: where relu acts. Default: `head`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relu: Option<Relu>,
    /// SALT: how X and Y start; LoRA, rsLoRA and DoRA: how A starts. Default: `zero`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<Init>,
    /// SALT: weight of the penalty on the size of the update. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<f64>,
    /// LoRA and its kin: rank r of the update. Default: 4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    /// LoRA and its kin: numerator of the scaling, `alpha / rank` (rsLoRA: `alpha / sqrt(rank)`).
    /// Default: the rank, so that LoRA's scaling is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// SVFT: trained off-diagonals on either side of the singular values. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<usize>,
    /// SALT, LoRA and its kin: trained parameters of the whole adapter. What is left after the fixed
    /// part (SALT's heads) is shared over the layers in proportion to the energy of their tails, see
    /// [`crate::budget`]. Instead of `tail_rank` or `rank`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank_budget: Option<usize>,
    /// Exceptions to `head_rank` (SALT) or `rank` (LoRA and its kin): the first key, in alphabetical
    /// order, that matches a path like a target does gives that layer its rank.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rank_pattern: BTreeMap<String, Rank>,
    /// Exceptions to `alpha`, chosen alike.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub alpha_pattern: BTreeMap<String, f64>,
    /// What is trained whole beside the adapter: `norms`, `biases`, `decoder`, `pos_embed`,
    /// `prompt_token`, or regular expressions that match a path from a segment boundary, with
    /// everything below it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// The format that frozen weights of linear layers and convolutions are kept in, see
    /// [`base_precision`](crate::base_precision). Adapters on one model share it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub base_precision: BasePrecision,
    /// Seed of the factors' starting values.
    #[serde(default)]
    pub seed: u64,
}

impl AdapterConfig {
    /// The method with its defaults, no targets and no extras.
    pub fn new(method: MethodId) -> Self {
        Self {
            method,
            targets: Vec::new(),
            exclude: Vec::new(),
            layers_to_transform: Vec::new(),
            head_rank: None,
            tail_rank: None,
            relu: None,
            init: None,
            lambda: None,
            rank: None,
            alpha: None,
            band: None,
            rank_budget: None,
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            modules_to_save: Vec::new(),
            base_precision: BasePrecision::F32,
            seed: 0,
        }
    }

    /// Checks the settings against the method: each one given is read, each value is in range.
    ///
    /// # Errors
    /// [`PeftError::UnusedSetting`], [`PeftError::InvalidSetting`].
    pub fn check(&self) -> Result<(), PeftError> {
        let method = self.method.get();
        let given = [
            ("targets", !self.targets.is_empty()),
            ("exclude", !self.exclude.is_empty()),
            ("layers_to_transform", !self.layers_to_transform.is_empty()),
            ("head_rank", self.head_rank.is_some()),
            ("tail_rank", self.tail_rank.is_some()),
            ("relu", self.relu.is_some()),
            ("init", self.init.is_some()),
            ("lambda", self.lambda.is_some()),
            ("rank", self.rank.is_some()),
            ("alpha", self.alpha.is_some()),
            ("band", self.band.is_some()),
            ("rank_budget", self.rank_budget.is_some()),
            ("rank_pattern", !self.rank_pattern.is_empty()),
            ("alpha_pattern", !self.alpha_pattern.is_empty()),
        ];
        for (setting, is_given) in given {
            // What narrows the targets goes wherever targets go.
            let key = match setting {
                "exclude" | "layers_to_transform" => "targets",
                setting => setting,
            };
            if is_given && !method.settings().contains(&key) {
                let known = [&COMMON[..], method.settings()].concat();
                return Err(PeftError::UnusedSetting {
                    setting,
                    method: method.name(),
                    known: known.join(", "),
                });
            }
        }
        if method.settings().contains(&"targets") && self.targets.is_empty() {
            return Err(PeftError::InvalidSetting {
                setting: "targets",
                value: "empty".into(),
                expected: "at least one regular expression over module paths",
            });
        }
        let ranks = [("head_rank", &self.head_rank), ("rank", &self.rank)];
        for (setting, rank) in ranks {
            rank.map_or(Ok(()), |rank| rank.check(setting))?;
        }
        for rank in self.rank_pattern.values() {
            rank.check("rank_pattern")?;
        }
        self.check_budget()?;
        if method.scope() == Scope::Everything && self.base_precision != BasePrecision::F32 {
            return Err(PeftError::InvalidSetting {
                setting: "base_precision",
                value: format!("{} with method `{}`", self.base_precision, self.method),
                expected: "f32, because that method leaves no weight frozen",
            });
        }
        method.check(self)
    }

    /// A budget decides ranks that nothing else gives.
    fn check_budget(&self) -> Result<(), PeftError> {
        if self.rank_budget.is_none() {
            return Ok(());
        }
        let shares_heads = self.method.get().settings().contains(&"tail_rank");
        let given = if shares_heads {
            self.tail_rank.is_some()
        } else {
            self.rank.is_some() || !self.rank_pattern.is_empty()
        };
        match given {
            true => Err(PeftError::InvalidSetting {
                setting: "rank_budget",
                value: "given together with the ranks that it would choose".into(),
                expected: "one of the two: `rank_budget`, or `tail_rank` (SALT), `rank` and \
                           `rank_pattern` (LoRA and its kin)",
            }),
            false => Ok(()),
        }
    }

    /// Whether singular values decide a rank.
    pub fn ranks_by_spectrum(&self) -> bool {
        let ranks = self.head_rank.iter().chain(&self.rank);
        let mut ranks = ranks.chain(self.rank_pattern.values());
        self.rank_budget.is_some() || ranks.any(|rank| rank.is_of_spectrum())
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Where SALT's relu acts (method.md section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relu {
    /// On the scaled and shifted head: singular values stay non-negative, the update stays low-rank.
    #[default]
    Head,
    /// On the whole k x k matrix, as in the authors' code: also clamps negative entries of XY, and
    /// the update is dense. For parity.
    Full,
    /// Nowhere: the update is linear in every factor but the product XY.
    Off,
}

/// How the factors of a product start (method.md section 1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Init {
    /// One factor kaiming-uniform (SALT's X, LoRA's A), the other zero: the adapted model is the base
    /// model, bit for bit.
    #[default]
    Zero,
    /// SALT: X and Y ~ 0.01 N(0, 1), as in the authors' code: the first step does not see the base
    /// model.
    Reference,
    /// LoRA, rsLoRA, DoRA: A ~ N(0, 1) / r, B zero; HF peft's `init_lora_weights="gaussian"`.
    Gaussian,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_another_method_are_refused() {
        let mut config = AdapterConfig::new("salt".parse().expect("registered"));
        config.targets = vec!["fc".into()];
        config.check().expect("the defaults are sound");
        config.alpha = Some(8.0);
        let error = config
            .check()
            .expect_err("alpha belongs to LoRA")
            .to_string();
        assert!(
            error.contains("`alpha`") && error.contains("head_rank"),
            "{error}"
        );
    }

    #[test]
    fn unknown_keys_are_refused() {
        let text = r#"{"method": "salt", "targets": ["fc"], "head_rnk": 3}"#;
        let error = serde_json::from_str::<AdapterConfig>(text).expect_err("mistyped");
        assert!(error.to_string().contains("head_rnk"), "{error}");
    }
}
