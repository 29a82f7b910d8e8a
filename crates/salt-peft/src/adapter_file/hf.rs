//! Directories that HF peft wrote: LoRA, rsLoRA, DoRA, PiSSA and OLoRA, converted or not.
//!
//! Their configuration says what to adapt by names that only match something in a model, and nothing
//! about the base's values. The tensors tell which modules were adapted; a module that the names mean
//! and the tensors lack is an error all the same, where HF peft warns and goes on with random factors.
//! A feature that would change the result and is not known here is an error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fancy_regex::escape;
use serde_json::{Map, Value};

use super::header::AdapterHeader;
use super::names::Names;
use super::tensors::{KEY_PREFIX, StoredTensors};
use super::{CONFIG_FILE, Stored};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::FloatParam;
use crate::rank::{LayerRank, Rank};
use crate::select::{compile, covers};

/// Fields that this module reads.
const READ: [&str; 13] = [
    "alpha_pattern",
    "bias",
    "exclude_modules",
    "init_lora_weights",
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
const WITHOUT_EFFECT: [&str; 15] = [
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "inference_mode",
    "layers_pattern",
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
const FACTORS: [(&str, &str); 4] = [
    (".lora_A.weight", "lora_A.weight"),
    (".lora_B.weight", "lora_B.weight"),
    (".lora_magnitude_vector", "lora_magnitude_vector"),
    (".lora_magnitude_vector.weight", "lora_magnitude_vector"),
];

/// The modules that the names of a configuration mean, in the file's names.
pub(super) struct Meant {
    targets: Value,
    excluded: Value,
    by_layer: bool,
    names: Names,
}

/// An adapter in our terms.
///
/// # Errors
/// [`PeftError::UnknownMethod`] for another `peft_type`; [`PeftError::UnsupportedFeature`];
/// [`PeftError::BadConfigFile`]; [`PeftError::Misshapen`] where tensors and ranks disagree.
pub(super) fn convert(
    dir: &Path,
    fields: Map<String, Value>,
    tensors: StoredTensors,
    names: Names,
) -> Result<Stored, PeftError> {
    let fields = Fields {
        path: dir.join(CONFIG_FILE),
        fields,
    };
    fields.check_features()?;
    let (r, alpha) = (fields.rank()?, fields.number("lora_alpha", 8.0)?);
    let ranks = fields.pattern("rank_pattern")?;
    let alphas = fields.pattern("alpha_pattern")?;
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
    let tensors = tensors.renamed(|key, dims| {
        let Some(path) = key.strip_prefix(KEY_PREFIX) else {
            return Err(fields.bad(format!("`{key}` does not begin with `{KEY_PREFIX}`")));
        };
        let unknown = ["lora_embedding_A", "lora_embedding_B", "lora_B.bias"];
        if let Some(feature) = unknown.into_iter().find(|end| path.ends_with(end)) {
            return Err(fields.unsupported(feature, key));
        }
        let factor = FACTORS
            .iter()
            .find_map(|(end, field)| Some((path.strip_suffix(end)?, *field)));
        let Some((module, field)) = factor else {
            let path = (names.to_model)(&path.replace(".base_layer.", "."));
            whole.insert(path.clone());
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
        targets: fields.value("target_modules"),
        excluded: fields.value("exclude_modules"),
        by_layer: !is_neutral(&fields.value("layers_to_transform")),
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
        modules_to_save: whole.into_iter().collect(),
        base_sha256: None,
        basis: BTreeMap::new(),
        tensors_sha256: None,
        imported: true,
        config,
    };
    Ok(Stored {
        header,
        tensors,
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

/// Whether a value switches nothing on.
fn is_neutral(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
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

    /// A table of expressions and numbers.
    fn pattern(&self, key: &'static str) -> Result<Vec<(fancy_regex::Regex, f64)>, PeftError> {
        let fields = match self.value(key) {
            Value::Null => Map::new(),
            Value::Object(fields) => fields,
            other => {
                return Err(self.bad(format!("`{key}` is {other}, expected a table")));
            }
        };
        let pairs = fields.into_iter().map(|(pattern, value)| {
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

impl Meant {
    /// A module of the model that the names mean and the tensors do not have.
    ///
    /// # Errors
    /// [`PeftError::MissingTensor`], [`PeftError::InvalidPattern`].
    pub(super) fn check(
        &self,
        base: &[FloatParam],
        header: &AdapterHeader,
        source_name: &str,
    ) -> Result<(), PeftError> {
        // Which number of a path is a layer's is a question of more settings: the tensors decide.
        if self.by_layer {
            return Ok(());
        }
        let adaptable = base.iter().filter(|param| param.is_adaptable());
        for path in adaptable.filter_map(FloatParam::module_path) {
            let is_saved = || {
                let prefix = format!("{path}.");
                let mut whole = header.modules_to_save.iter();
                whole.any(|whole| whole.starts_with(&prefix))
            };
            let name = (self.names.to_file)(path);
            if header.target_modules.iter().any(|module| module == path)
                || !means(&self.targets, &name)?
                || means(&self.excluded, &name)?
                || is_saved()
            {
                continue;
            }
            return Err(PeftError::MissingTensor {
                name: format!("{KEY_PREFIX}{name}.{}", FACTORS[0].1),
                source_name: source_name.into(),
                nearest: crate::nearest::nearest(
                    path,
                    header.target_modules.iter().map(String::as_str),
                    1,
                ),
            });
        }
        Ok(())
    }
}

/// HF peft's rule: a name of a list is a path or the end of one, a string is an expression for all of a
/// path.
fn means(rule: &Value, path: &str) -> Result<bool, PeftError> {
    Ok(match rule {
        Value::Array(names) => names.iter().filter_map(Value::as_str).any(|name| {
            let rest = path.strip_suffix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
        Value::String(pattern) => covers(&compile("targets", &format!(r"\A(?:{pattern})"))?, path),
        _ => false,
    })
}
