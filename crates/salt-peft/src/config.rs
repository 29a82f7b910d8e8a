//! What to train: method, targets, ranks and extras, as a recipe's `[adapter]` table writes them.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::PeftError;
use crate::registry::MethodId;

/// Keys that every method reads.
const COMMON: [&str; 3] = ["method", "modules_to_save", "seed"];

/// The configuration of an adapter.
///
/// The fields are the keys of a recipe's `[adapter]` table. Fields that are `Option` belong to some
/// methods only: leaving one out takes the method's default, giving one to a method that does not
/// read it is an error, because it would do nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdapterConfig {
    /// The method, by its name in the [registry](mod@crate::registry): `salt`, `lora`, `dora` ...
    pub method: MethodId,
    /// Regular expressions over module paths. One matches when it covers a path from a segment
    /// boundary to its end: `attn\.(qkv|proj)` matches `blocks.3.attn.qkv`. A name alone is such an
    /// expression, so lists of suffixes in the manner of HF peft work as they are. `all-linear`
    /// stands for every linear layer.
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
            rank_pattern: BTreeMap::new(),
            alpha_pattern: BTreeMap::new(),
            modules_to_save: Vec::new(),
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
        method.check(self)
    }
}

/// How a rank is chosen.
///
/// Written as an integer (absolute), a fraction in (0, 1] (share of k, the smaller side of the
/// matrix) or `"energy:0.9"` (the smallest rank whose singular values hold that share of the sum of
/// squares).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rank {
    /// This many, for every layer.
    Absolute(usize),
    /// `max(1, floor(ratio * k))`.
    Ratio(f64),
    /// The smallest r with `sum_{i<r} s_i^2 >= share * sum_i s_i^2`.
    Energy(f64),
}

impl Rank {
    /// Whether the singular values decide.
    pub(crate) fn is_of_spectrum(self) -> bool {
        matches!(self, Rank::Energy(_))
    }

    /// The rank for a matrix whose smaller side is `k` and whose singular values are `values`.
    /// Without values an energy rank is `None`. The result may exceed `k`.
    pub(crate) fn resolve(self, k: usize, values: Option<&[f32]>) -> Option<usize> {
        match self {
            Rank::Absolute(rank) => Some(rank),
            // The small slack keeps e.g. 0.3 * 10 at 3 although the product rounds below it.
            Rank::Ratio(ratio) => Some(((ratio * k as f64 + 1e-9) as usize).max(1)),
            Rank::Energy(share) => values.map(|values| energy_rank(values, share)),
        }
    }

    fn check(self, setting: &'static str) -> Result<(), PeftError> {
        let ok = match self {
            Rank::Absolute(_) => true,
            Rank::Ratio(share) | Rank::Energy(share) => share > 0.0 && share <= 1.0,
        };
        if ok {
            return Ok(());
        }
        Err(PeftError::InvalidSetting {
            setting,
            value: self.to_string(),
            expected: "an integer, a fraction in (0, 1], or \"energy:SHARE\" with SHARE in (0, 1]",
        })
    }
}

/// The smallest count of leading values that holds `share` of the energy; at least 1.
fn energy_rank(values: &[f32], share: f64) -> usize {
    let squares = values.iter().map(|v| f64::from(*v) * f64::from(*v));
    let wanted = share * squares.clone().sum::<f64>();
    let mut held = 0.0;
    for (index, square) in squares.enumerate() {
        held += square;
        if held >= wanted {
            return index + 1;
        }
    }
    values.len()
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rank::Absolute(rank) => write!(f, "{rank}"),
            Rank::Ratio(ratio) => write!(f, "{ratio:?}"),
            Rank::Energy(share) => write!(f, "energy:{share}"),
        }
    }
}

impl Serialize for Rank {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Rank::Absolute(rank) => serializer.serialize_u64(*rank as u64),
            Rank::Ratio(ratio) => serializer.serialize_f64(*ratio),
            Rank::Energy(_) => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Rank {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RankVisitor;

        impl Visitor<'_> for RankVisitor {
            type Value = Rank;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a rank: an integer, a fraction in (0, 1], or \"energy:SHARE\"")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Rank, E> {
                usize::try_from(value)
                    .map(Rank::Absolute)
                    .map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Rank, E> {
                usize::try_from(value)
                    .map(Rank::Absolute)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(value), &self))
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Rank, E> {
                Ok(Rank::Ratio(value))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Rank, E> {
                value
                    .strip_prefix("energy:")
                    .and_then(|share| share.trim().parse().ok())
                    .map(Rank::Energy)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(value), &self))
            }
        }

        deserializer.deserialize_any(RankVisitor)
    }
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

    fn check(input: &str, expected: Result<Rank, &str>) {
        let got: Result<Rank, _> = serde_json::from_str(input);
        match (got, expected) {
            (Ok(rank), Ok(expected)) => {
                assert_eq!(rank, expected);
                let back = serde_json::to_string(&rank).expect("ranks serialise");
                assert_eq!(
                    serde_json::from_str::<Rank>(&back).expect("and read back"),
                    rank
                );
            }
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (got, expected) => panic!("{input}: {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn ranks_are_written_three_ways() {
        check("8", Ok(Rank::Absolute(8)));
        check("0.1", Ok(Rank::Ratio(0.1)));
        check("1.0", Ok(Rank::Ratio(1.0)));
        check("\"energy:0.9\"", Ok(Rank::Energy(0.9)));
        check("-1", Err("integer"));
        check("\"energy\"", Err("energy:SHARE"));
        check("true", Err("a rank"));
    }

    #[test]
    fn ranks_resolve() {
        assert_eq!(Rank::Ratio(0.1).resolve(192, None), Some(19));
        assert_eq!(Rank::Ratio(0.3).resolve(10, None), Some(3));
        assert_eq!(Rank::Ratio(0.1).resolve(4, None), Some(1));
        assert_eq!(Rank::Energy(0.5).resolve(3, None), None);
        // Energies 16, 4, 1: two of them hold 20 / 21 = 0.952.
        let values = [4.0, 2.0, 1.0];
        assert_eq!(Rank::Energy(0.76).resolve(3, Some(&values)), Some(1));
        assert_eq!(Rank::Energy(0.95).resolve(3, Some(&values)), Some(2));
        assert_eq!(Rank::Energy(1.0).resolve(3, Some(&values)), Some(3));
        assert_eq!(Rank::Energy(0.9).resolve(2, Some(&[0.0, 0.0])), Some(1));
    }

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
