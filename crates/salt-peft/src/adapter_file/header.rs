//! `adapter_config.json`: what an adapter is and what it was made over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use burn::module::Module;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::adapter_file::carried::Carried;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::base_sha256;
use crate::inventory::FloatParam;
use crate::method::Scope;
use crate::method_id::check_peft_type;
use crate::rank::LayerRank;
use crate::select::{Selection, select};
use crate::slice::split;
use crate::weight::WeightShape;

/// What the type of an adapter for rows of weights begins with.
pub(crate) const SLICED: &str = "SLICED_";

/// The configuration's file name.
pub const CONFIG_FILE: &str = "adapter_config.json";

/// What `adapter_config.json` says, beside fields that only HF peft reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdapterHeader {
    /// The method, in peft's manner: `SALT`, `LORA` ...
    pub peft_type: String,
    /// The configuration the adapter was attached with.
    pub config: AdapterConfig,
    /// Paths of the adapted modules.
    pub target_modules: Vec<String>,
    /// Paths of the parameters trained whole; of an imported adapter, as PyTorch calls them.
    pub trained_parameters: Vec<String>,
    /// Fingerprint of the base weights; `None` when the adapter holds every parameter.
    pub base_sha256: Option<String>,
    /// Probe of each adapted module's singular basis, for methods that have one.
    #[serde(default)]
    pub basis: BTreeMap<String, [f64; 4]>,
    /// The rank of each adapted module, whatever chose it.
    #[serde(default)]
    pub ranks: BTreeMap<String, LayerRank>,
    /// sha256 of the file of tensors; files of before it was kept have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensors_sha256: Option<String>,
    /// Whether it was made elsewhere, so that nothing is known of the base it was made over.
    #[serde(default, skip_serializing_if = "is_false")]
    pub imported: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands the field over by reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The fields of `adapter_config.json`, its `peft_type` a known one.
///
/// # Errors
/// [`PeftError::Io`], [`PeftError::BadConfigFile`], [`PeftError::UnknownMethod`].
pub(super) fn read_fields(dir: &Path) -> Result<Map<String, Value>, PeftError> {
    let path = dir.join(CONFIG_FILE);
    let text = fs::read_to_string(&path).map_err(|source| PeftError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let fields: Map<String, Value> =
        serde_json::from_str(&text).map_err(|error| bad(dir, &error))?;
    // An unknown method gets its own message, before the rest is read.
    if let Some(peft_type) = fields.get("peft_type").and_then(Value::as_str) {
        check_peft_type(peft_type)?;
    }
    Ok(fields)
}

/// Whether HF peft wrote the fields: none of ours is among them.
pub(super) fn is_foreign(fields: &Map<String, Value>) -> bool {
    let ours = ["config", "base_sha256"];
    let is_lora = fields.get("peft_type").and_then(Value::as_str) == Some("LORA");
    is_lora && !ours.iter().any(|key| fields.contains_key(*key))
}

/// What the fields say.
///
/// # Errors
/// [`PeftError::BadConfigFile`]; [`PeftError::OtherMethod`] when they contradict each other.
pub(super) fn of_fields(
    dir: &Path,
    fields: Map<String, Value>,
) -> Result<AdapterHeader, PeftError> {
    let header: AdapterHeader =
        serde_json::from_value(Value::Object(fields)).map_err(|error| bad(dir, &error))?;
    let expected = peft_type(&header.config);
    if header.peft_type != expected {
        return Err(PeftError::OtherMethod {
            expected,
            found: header.peft_type,
        });
    }
    Ok(header)
}

fn bad(dir: &Path, error: &serde_json::Error) -> PeftError {
    PeftError::BadConfigFile {
        path: dir.join(CONFIG_FILE),
        reason: error.to_string(),
    }
}

/// The `peft_type` of an adapter's files. Factors for rows of a weight are nothing that HF peft could
/// read, so they have a type that it does not know.
pub(super) fn peft_type(config: &AdapterConfig) -> String {
    let name = config.method.get().peft_type();
    match config
        .targets
        .iter()
        .any(|target| !split(target).1.is_empty())
    {
        true => format!("{SLICED}{name}"),
        false => name.into(),
    }
}

/// That a configuration is the one an adapter was attached with, and what it selects.
///
/// # Errors
/// [`PeftError::OtherMethod`], [`PeftError::OtherSettings`], [`PeftError::OtherLayers`].
pub(super) fn agree(config: &AdapterConfig, carried: &Carried) -> Result<Selection, PeftError> {
    if let Some((_, part)) = carried.parts().next() {
        same_settings(&part.config, config)?;
    }
    let base: Vec<FloatParam> = carried.base().cloned().collect();
    let selection = select(config, &base)?;
    let adapted: Vec<String> = carried.factors().map(|(shape, _)| shape.path).collect();
    same_names(selection.shapes().map(|shape| shape.path.clone()), &adapted)?;
    same_names(selection.trained.iter().cloned(), &carried.whole())?;
    Ok(selection)
}

/// The fingerprint of the base that an adapter depends on.
///
/// # Errors
/// [`PeftError::Unreadable`].
pub(super) fn base_hash<M: Module>(
    model: &M,
    config: &AdapterConfig,
    carried: &Carried,
    selection: &Selection,
) -> Result<Option<String>, PeftError> {
    let base: Vec<FloatParam> = carried.base().cloned().collect();
    base_sha256(model, &base, |param| match config.method.get().scope() {
        Scope::Targets => selection.targets.contains_key(&param.path),
        Scope::Extras | Scope::Everything => !selection.trained.contains(&param.path),
    })
}

/// The header of one of the adapters a model carries, which must be the one `config` describes.
pub(super) fn header<M: Module>(
    model: &M,
    config: &AdapterConfig,
    carried: &Carried,
) -> Result<AdapterHeader, PeftError> {
    let selection = agree(config, carried)?;
    let (mut basis, mut ranks) = (BTreeMap::new(), BTreeMap::new());
    for (shape, part) in carried.factors() {
        if let Some(probe) = part.factors.basis_probe() {
            basis.insert(shape.path.clone(), probe);
        }
        ranks.insert(shape.path, part.factors.rank());
    }
    Ok(AdapterHeader {
        peft_type: peft_type(config),
        config: config.clone(),
        target_modules: selection.shapes().map(|shape| shape.path.clone()).collect(),
        base_sha256: base_hash(model, config, carried, &selection)?,
        trained_parameters: selection.trained.into_iter().collect(),
        basis,
        ranks,
        tensors_sha256: None,
        imported: false,
    })
}

/// Refuses settings other than those an adapter was attached with.
fn same_settings(attached: &AdapterConfig, given: &AdapterConfig) -> Result<(), PeftError> {
    if attached == given {
        return Ok(());
    }
    if attached.method != given.method {
        return Err(PeftError::OtherMethod {
            expected: given.method.to_string(),
            found: attached.method.to_string(),
        });
    }
    let fields = |config: &AdapterConfig| match serde_json::to_value(config) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    };
    let (attached, given) = (fields(attached), fields(given));
    let shown = |fields: &Map<String, Value>, key: &str| match fields.get(key) {
        Some(value) => value.to_string(),
        None => "left out".into(),
    };
    let mut keys = attached.keys().chain(given.keys());
    let key = keys.find(|key| attached.get(*key) != given.get(*key));
    let setting = key.cloned().unwrap_or_default();
    Err(PeftError::OtherSettings {
        attached: shown(&attached, &setting),
        given: shown(&given, &setting),
        setting,
    })
}

/// Refuses two lists of names that differ as sets: first the model's, then the adapter's.
pub(super) fn same_names(
    model: impl Iterator<Item = String>,
    adapter: &[String],
) -> Result<(), PeftError> {
    let model: BTreeSet<String> = model.collect();
    let adapter: BTreeSet<String> = adapter.iter().cloned().collect();
    match (
        model.difference(&adapter).next(),
        adapter.difference(&model).next(),
    ) {
        (Some(name), _) => Err(PeftError::OtherLayers {
            name: name.clone(),
            only_in: "this model",
        }),
        (_, Some(name)) => Err(PeftError::OtherLayers {
            name: name.clone(),
            only_in: "the adapter",
        }),
        (None, None) => Ok(()),
    }
}

/// What HF peft is told beside the header.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Rank and shape of every target.
    pub(super) ranks: Vec<(WeightShape, LayerRank)>,
    /// Modules that are trained whole.
    pub(super) modules: Vec<String>,
    /// Modules that are no targets although their paths end like one.
    pub(super) excluded: Vec<String>,
}

/// The bytes of the file: our header, what HF peft expects beside it, keys in alphabetical order.
pub(super) fn config_bytes(header: &AdapterHeader, told: &Told) -> Vec<u8> {
    write_json(Value::Object(fields_of(header, told)))
}

fn fields_of(header: &AdapterHeader, told: &Told) -> Map<String, Value> {
    match serde_json::to_value(header).expect("a header is plain data") {
        Value::Object(mut fields) => {
            // HF peft ignores ours, which it does not know.
            fields.extend(hf_fields(&header.config, told));
            fields
        }
        _ => unreachable!("a header is a table"),
    }
}

/// Fields that say nothing of what an adapter computes.
const FREE: [&str; 6] = [
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "peft_version",
    "revision",
    "task_type",
];

/// That the fields of a file say in every place what `config` in it says: HF peft reads some of them and this
/// crate others, and a file must not mean two things.
///
/// # Errors
/// The first contradiction, or the first field that is not known.
pub(super) fn agree_fields(
    header: &AdapterHeader,
    fields: &Map<String, Value>,
    carried: &Carried,
    told: &Told,
) -> Result<(), String> {
    let mut meant = header.clone();
    let with_basis: BTreeSet<String> = carried
        .factors()
        .filter(|(_, part)| part.factors.basis_probe().is_some())
        .map(|(shape, _)| shape.path)
        .collect();
    meant.basis.retain(|path, _| with_basis.contains(path));
    let ranks = told.ranks.iter();
    meant.ranks = ranks
        .map(|(shape, rank)| (shape.path.clone(), *rank))
        .collect();
    let meant = fields_of(&meant, told);
    // No model stood by when an adapter was imported: HF peft was told what its own file said.
    let of_model =
        |key: &str| header.imported && ["exclude_modules", "modules_to_save"].contains(&key);
    for (key, found) in fields {
        if FREE.contains(&key.as_str()) || key == "config" || of_model(key) {
            continue;
        }
        match meant.get(key) {
            Some(value) if value == found => {}
            Some(value) => {
                return Err(format!(
                    "`{key}` is {}, and `config` in the same file means {}. Change settings in `config`, \
                     load, and save the adapter again",
                    shortened(found),
                    shortened(value)
                ));
            }
            None => return Err(format!("the field `{key}` is not known")),
        }
    }
    Ok(())
}

/// A value as JSON, of a long one the beginning.
fn shortened(value: &Value) -> String {
    const MOST: usize = 120;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// What HF peft expects, beside `peft_type` and `target_modules`, of an adapter of this configuration.
pub(super) fn hf_fields(config: &AdapterConfig, told: &Told) -> Map<String, Value> {
    let unknown = [
        "base_model_name_or_path",
        "revision",
        "task_type",
        "auto_mapping",
    ];
    let mut fields: Map<String, Value> = unknown
        .into_iter()
        .map(|key| (key.to_owned(), Value::Null))
        .collect();
    fields.insert("modules_to_save".into(), list(&told.modules));
    fields.insert("exclude_modules".into(), list(&told.excluded));
    fields.insert("inference_mode".into(), Value::Bool(true));
    fields.extend(config.method.get().file_fields(config, &told.ranks));
    fields
}

/// A list of names, which HF peft has no empty one of.
fn list(names: &[String]) -> Value {
    match names.is_empty() {
        true => Value::Null,
        false => Value::from(names.to_vec()),
    }
}

/// The bytes of a JSON file, keys in alphabetical order.
pub(super) fn write_json(value: Value) -> Vec<u8> {
    let mut text = serde_json::to_string_pretty(&sorted(value)).expect("JSON values serialise");
    text.push('\n');
    text.into_bytes()
}

/// The value with the keys of every object in alphabetical order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> = fields.into_iter().collect();
            Value::Object(
                fields
                    .into_iter()
                    .map(|(key, value)| (key, sorted(value)))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}
