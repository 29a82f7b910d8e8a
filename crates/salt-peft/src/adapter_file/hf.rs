//! Directories that HF peft wrote: LoRA, rsLoRA, DoRA, PiSSA and OLoRA, converted or not.
//!
//! Their configuration says what to adapt by names that only match something in a model, and nothing
//! about the base's values. The tensors tell which modules were adapted; a module that the names mean
//! and the tensors lack is an error all the same, where HF peft warns and goes on with random factors.
//! A feature that would change the result and is not known here is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::Path;

use fancy_regex::escape;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::export::EXTRA_SHA256;
use super::header::AdapterHeader;
use super::meant::{Meant, is_neutral};
use super::names::Names;
use super::tensors::{KEY_PREFIX, StoredTensors};
use super::{CONFIG_FILE, Stored};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::rank::{LayerRank, Rank};
use crate::select::{compile, covers};

/// Fields that this module reads.
const READ: [&str; 15] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    EXTRA_SHA256,
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "modules_to_save",
    "peft_type",
    "r",
    "rank_pattern",
    "target_modules",
    "use_dora",
    "use_rslora",
];

/// Fields that do not change what a trained adapter computes: where it comes from, how it was started
/// and trained, and settings of features that another field switches on.
const WITHOUT_EFFECT: [&str; 14] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "inference_mode",
    "loftq_config",
    "lora_dropout",
    "lora_ga_config",
    "megatron_core",
    "peft_version",
    "qalora_group_size",
    "revision",
    "runtime_config",
    "task_type",
];

/// Starts that leave the base as it is.
const PLAIN_STARTS: [&str; 3] = ["gaussian", "eva", "orthogonal"];

/// Factors and what their keys end in.
pub(super) const FACTORS: [(&str, &str); 4] = [
    (".lora_A.weight", "lora_A.weight"),
    (".lora_B.weight", "lora_B.weight"),
    (".lora_magnitude_vector", "lora_magnitude_vector"),
    (".lora_magnitude_vector.weight", "lora_magnitude_vector"),
];

/// An adapter in our terms. `beside` are the keys of parameters that HF peft has no place for.
///
/// # Errors
/// [`PeftError::UnknownMethod`] for another `peft_type`; [`PeftError::UnsupportedFeature`];
/// [`PeftError::BadConfigFile`]; [`PeftError::Misshapen`] where tensors and ranks disagree.
pub(super) fn convert(
    dir: &Path,
    fields: Map<String, Value>,
    tensors: StoredTensors,
    names: Names,
    beside: &BTreeSet<String>,
) -> Result<Stored, PeftError> {
    let fields = Fields {
        path: dir.join(CONFIG_FILE),
        fields,
    };
    fields.check_features()?;
    let (r, alpha) = (fields.rank()?, fields.number("lora_alpha", 8.0)?);
    let order = Order::read(&fields.path)?;
    let ranks = fields.pattern("rank_pattern", order.rank_pattern)?;
    if let Some((_, rank)) = ranks.iter().find(|(_, rank)| rank.fract() != 0.0) {
        return Err(fields.bad(format!(
            "a rank in `rank_pattern` is {rank}, expected an integer"
        )));
    }
    let alphas = fields.pattern("alpha_pattern", order.alpha_pattern)?;
    let use_rslora = fields.flag("use_rslora")?;
    let method = fields.method(use_rslora)?;
    let mut config = AdapterConfig::new(method.parse()?);
    config.rank = Some(Rank::Absolute(r));
    // Where the method divides by r, rsLoRA's root of r is put into alpha.
    let alpha_for = |alpha: f64, rank: usize| match use_rslora && method != "rslora" {
        true => alpha * (rank as f64).sqrt(),
        false => alpha,
    };
    config.alpha = Some(alpha_for(alpha, r));

    let (mut targets, mut whole) = (BTreeMap::new(), BTreeSet::new());
    let mut without_place = BTreeSet::new();
    let tensors = tensors.renamed(|key, dims| {
        let Some(path) = key.strip_prefix(KEY_PREFIX) else {
            return Err(fields.bad(format!("`{key}` does not begin with `{KEY_PREFIX}`")));
        };
        // Running statistics are nothing that is trained here.
        let unknown = [
            "lora_embedding_A",
            "lora_embedding_B",
            "lora_B.bias",
            "running_mean",
            "running_var",
            "num_batches_tracked",
        ];
        if let Some(feature) = unknown.into_iter().find(|end| path.ends_with(end)) {
            return Err(fields.unsupported(feature, key));
        }
        let factor = FACTORS
            .iter()
            .find_map(|(end, field)| Some((path.strip_suffix(end)?, *field)));
        let Some((module, field)) = factor else {
            let path = (names.to_model)(&path.replace(".base_layer.", "."));
            whole.insert(path.clone());
            if beside.contains(key) {
                without_place.insert(path.clone());
            }
            return Ok(format!("{KEY_PREFIX}{path}"));
        };
        let path = (names.to_model)(module);
        if field == FACTORS[0].1 {
            let rank = first(&ranks, module)?.map_or(r, |rank| rank as usize);
            if dims.first() != Some(&rank) {
                let mut expected = dims.to_vec();
                expected.iter_mut().take(1).for_each(|dim| *dim = rank);
                return Err(PeftError::Misshapen {
                    name: key.to_owned(),
                    source_name: dir.display().to_string(),
                    expected,
                    found: dims.to_vec(),
                });
            }
            let alpha = first(&alphas, module)?.unwrap_or(alpha);
            targets.insert(path.clone(), (rank, alpha_for(alpha, rank)));
        }
        Ok(format!("{KEY_PREFIX}{path}.{field}"))
    })?;
    for (path, (rank, alpha)) in &targets {
        let exact = exactly(path);
        if *rank != r {
            config
                .rank_pattern
                .insert(exact.clone(), Rank::Absolute(*rank));
        }
        if Some(*alpha) != config.alpha {
            config.alpha_pattern.insert(exact.clone(), *alpha);
        }
        config.targets.push(exact);
    }
    config.modules_to_save = whole.iter().map(|path| whole_pattern(path)).collect();
    let meant = Meant {
        targets: fields.targets()?,
        excluded: fields.rule("exclude_modules")?,
        layers: fields.value("layers_to_transform"),
        layers_pattern: fields.value("layers_pattern"),
        saved: fields.rule("modules_to_save")?,
        beside: without_place,
        bias: fields.bias()?,
        names,
    };
    if targets.is_empty() {
        return Err(fields.bad("no tensor is a factor `lora_A`".into()));
    }
    let ranks = targets.iter();
    let ranks = ranks.map(|(path, (rank, _))| (path.clone(), LayerRank::Single(*rank)));
    let header = AdapterHeader {
        peft_type: super::header::peft_type(&config),
        ranks: ranks.collect(),
        target_modules: targets.into_keys().collect(),
        trained_parameters: whole.into_iter().collect(),
        base_sha256: None,
        basis: BTreeMap::new(),
        tensors_sha256: None,
        imported: true,
        config,
    };
    Ok(Stored {
        header,
        tensors,
        fields: fields.fields,
        meant: Some(meant),
    })
}

/// An expression for one path and no other.
pub(super) fn exactly(path: &str) -> String {
    format!(r"\A{}", escape(path))
}

/// An expression for a parameter, which Burn's norms call by another name.
pub(super) fn whole_pattern(path: &str) -> String {
    let (stem, names) = match path.rsplit_once('.') {
        Some((stem, "weight")) => (stem, r"\.(weight|gamma)"),
        Some((stem, "bias")) => (stem, r"\.(bias|beta)"),
        _ => (path, ""),
    };
    format!("{}{names}", exactly(stem))
}

/// The value of the first key that matches as HF peft's `(.*\.)?(KEY)$` does.
fn first(patterns: &[(fancy_regex::Regex, f64)], module: &str) -> Result<Option<f64>, PeftError> {
    let found = patterns.iter().find(|(regex, _)| covers(regex, module));
    Ok(found.map(|(_, value)| *value))
}

/// The tables of the configuration in which order counts; [`Map`] has them by name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Order {
    rank_pattern: Pairs,
    alpha_pattern: Pairs,
}

/// The entries of a table in the order of the file; null has none.
#[derive(Default)]
struct Pairs(Vec<(String, Value)>);

impl Order {
    fn read(path: &Path) -> Result<Self, PeftError> {
        let text = fs::read_to_string(path).map_err(|source| PeftError::Io {
            action: "read",
            path: path.to_path_buf(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|error| PeftError::BadConfigFile {
            path: path.to_path_buf(),
            reason: error.to_string(),
        })
    }
}

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Pairs;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of expressions and numbers")
            }
            fn visit_unit<E>(self) -> Result<Pairs, E> {
                Ok(Pairs::default())
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_any(Entries)
    }
}

/// `adapter_config.json` as HF peft writes it.
struct Fields {
    path: std::path::PathBuf,
    fields: Map<String, Value>,
}

impl Fields {
    fn bad(&self, reason: String) -> PeftError {
        PeftError::BadConfigFile {
            path: self.path.clone(),
            reason,
        }
    }

    fn unsupported(&self, feature: &str, value: impl ToString) -> PeftError {
        PeftError::UnsupportedFeature {
            feature: feature.into(),
            value: value.to_string(),
            path: self.path.clone(),
        }
    }

    fn value(&self, key: &str) -> Value {
        self.fields.get(key).cloned().unwrap_or(Value::Null)
    }

    /// Refuses whatever is switched on and not known here.
    fn check_features(&self) -> Result<(), PeftError> {
        for (key, value) in &self.fields {
            let known = READ.contains(&key.as_str()) || WITHOUT_EFFECT.contains(&key.as_str());
            if !known && !is_neutral(value) {
                return Err(self.unsupported(key, value));
            }
        }
        Ok(())
    }

    fn bias(&self) -> Result<String, PeftError> {
        match self.value("bias") {
            Value::Null => Ok("none".into()),
            Value::String(bias) if ["none", "all", "lora_only"].contains(&bias.as_str()) => {
                Ok(bias)
            }
            other => Err(self.bad(format!(
                "`bias` is {other}, expected \"none\", \"all\" or \"lora_only\""
            ))),
        }
    }

    fn flag(&self, key: &str) -> Result<bool, PeftError> {
        match self.value(key) {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(flag),
            other => Err(self.bad(format!("`{key}` is {other}, expected true or false"))),
        }
    }

    fn number(&self, key: &str, default: f64) -> Result<f64, PeftError> {
        match self.value(key) {
            Value::Null => Ok(default),
            value => value
                .as_f64()
                .ok_or_else(|| self.bad(format!("`{key}` is {value}, expected a number"))),
        }
    }

    /// `r`, HF peft's default included.
    fn rank(&self) -> Result<usize, PeftError> {
        match self.value("r") {
            Value::Null => Ok(8),
            value => value
                .as_u64()
                .filter(|r| *r > 0)
                .and_then(|r| usize::try_from(r).ok())
                .ok_or_else(|| self.bad(format!("`r` is {value}, expected an integer above 0"))),
        }
    }

    /// The modules that are adapted.
    fn targets(&self) -> Result<Value, PeftError> {
        match self.rule("target_modules")? {
            Value::Null => {
                Err(self
                    .bad("`target_modules` is left out or null, expected names of modules".into()))
            }
            targets => Ok(targets),
        }
    }

    /// Names of modules, or an expression for them; null for none.
    fn rule(&self, key: &str) -> Result<Value, PeftError> {
        let value = self.value(key);
        let is_list = value
            .as_array()
            .is_some_and(|names| names.iter().all(Value::is_string));
        let may_be_text = key != "modules_to_save";
        match is_list || value.is_null() || (may_be_text && value.is_string()) {
            true => Ok(value),
            false => Err(self.bad(format!("`{key}` is {value}, expected a list of names"))),
        }
    }

    /// A table of expressions and numbers, the first of which that matches counts.
    fn pattern(
        &self,
        key: &'static str,
        pairs: Pairs,
    ) -> Result<Vec<(fancy_regex::Regex, f64)>, PeftError> {
        let pairs = pairs.0.into_iter().map(|(pattern, value)| {
            let number = value.as_f64().filter(|number| *number > 0.0);
            let number = number.ok_or_else(|| {
                self.bad(format!(
                    "`{pattern}` in `{key}` is {value}, expected a number above 0"
                ))
            })?;
            Ok((compile(key, &pattern)?, number))
        });
        pairs.collect()
    }

    fn method(&self, use_rslora: bool) -> Result<&'static str, PeftError> {
        let use_dora = self.flag("use_dora")?;
        let start = self.value("init_lora_weights");
        let method = match (&start, use_dora, use_rslora) {
            (Value::String(start), false, _) if start == "pissa" => "pissa",
            (Value::String(start), false, _) if start == "olora" => "olora",
            (Value::Number(_) | Value::Array(_) | Value::Object(_), ..) => {
                return Err(self.bad(format!(
                    "`init_lora_weights` is {start}, expected true, false or a name"
                )));
            }
            (Value::String(start), ..) if !PLAIN_STARTS.contains(&start.as_str()) => {
                // They change the base too, each in a way of its own.
                return Err(self.unsupported("init_lora_weights", start));
            }
            (_, true, _) => "dora",
            (_, _, true) => "rslora",
            _ => "lora",
        };
        Ok(method)
    }
}
