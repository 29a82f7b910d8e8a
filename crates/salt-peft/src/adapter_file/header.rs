//! `adapter_config.json`: what an adapter is and what it was made over.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use burn::module::Module;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::base_sha256;
use crate::inventory::FloatParam;
use crate::method::Scope;
use crate::registry::{Adapter, check_peft_type};
use crate::select::select;
use crate::weight::WeightShape;

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
    /// Paths of the parameters trained whole.
    pub modules_to_save: Vec<String>,
    /// Fingerprint of the base weights; `None` when the adapter holds every parameter.
    pub base_sha256: Option<String>,
    /// Probe of each adapted module's singular basis, for methods that have one.
    #[serde(default)]
    pub basis: BTreeMap<String, [f64; 4]>,
}
/// Reads what an adapter is, without its tensors.
///
/// # Errors
/// [`PeftError::Io`], [`PeftError::BadConfigFile`], [`PeftError::UnknownMethod`],
/// [`PeftError::OtherMethod`] when the file contradicts itself.
pub fn read_header(dir: &Path) -> Result<AdapterHeader, PeftError> {
    let path = dir.join(CONFIG_FILE);
    let text = fs::read_to_string(&path).map_err(|source| PeftError::Io {
        action: "read",
        path: path.clone(),
        source,
    })?;
    let bad = |error: serde_json::Error| PeftError::BadConfigFile {
        path: path.clone(),
        reason: error.to_string(),
    };
    let value: Value = serde_json::from_str(&text).map_err(bad)?;
    // An unknown method gets its own message, before the rest is read.
    if let Some(peft_type) = value.get("peft_type").and_then(Value::as_str) {
        check_peft_type(peft_type)?;
    }
    let header: AdapterHeader = serde_json::from_value(value).map_err(bad)?;
    let expected = header.config.method.get().peft_type();
    if header.peft_type != expected {
        return Err(PeftError::OtherMethod {
            expected: expected.into(),
            found: header.peft_type,
        });
    }
    Ok(header)
}

/// The header of the adapter a model carries, which must be the one `config` describes.
pub(super) fn header<M: Module>(
    model: &M,
    config: &AdapterConfig,
    params: &[FloatParam],
    adapters: &BTreeMap<String, Adapter>,
) -> Result<AdapterHeader, PeftError> {
    let method = config.method.get();
    if let Some(other) = adapters
        .values()
        .map(Adapter::method)
        .find(|m| *m != config.method)
    {
        return Err(PeftError::OtherMethod {
            expected: method.name().into(),
            found: other.to_string(),
        });
    }
    let base: Vec<FloatParam> = params
        .iter()
        .filter(|p| p.adapts.is_none())
        .cloned()
        .collect();
    let selection = select(config, &base)?;
    same_names(
        selection.targets.keys().cloned(),
        &adapters.keys().cloned().collect::<Vec<_>>(),
    )?;
    let trained = base
        .iter()
        .filter(|param| param.trainable)
        .map(|param| param.path.clone());
    same_names(
        selection.trained.iter().cloned(),
        &trained.collect::<Vec<_>>(),
    )?;
    let is_base = |param: &FloatParam| match method.scope() {
        Scope::Targets => adapters.contains_key(&param.path),
        Scope::Extras | Scope::Everything => !param.trainable,
    };
    let basis = adapters
        .iter()
        .filter_map(|(path, adapter)| {
            Some((selection.targets[path].path.clone(), adapter.basis_probe()?))
        })
        .collect();
    Ok(AdapterHeader {
        peft_type: method.peft_type().into(),
        config: config.clone(),
        target_modules: selection
            .targets
            .values()
            .map(|shape| shape.path.clone())
            .collect(),
        modules_to_save: selection.trained.into_iter().collect(),
        base_sha256: base_sha256(model, &base, is_base)?,
        basis,
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

/// The bytes of the file: our header, what HF peft expects beside it, keys in alphabetical order.
pub(super) fn config_bytes(header: &AdapterHeader, ranks: &[(WeightShape, usize)]) -> Vec<u8> {
    let mut value = serde_json::to_value(header).expect("a header is plain data");
    if let Value::Object(fields) = &mut value {
        // What HF peft expects beside our fields; it ignores the ones it does not know.
        for key in [
            "base_model_name_or_path",
            "revision",
            "task_type",
            "auto_mapping",
        ] {
            fields.insert(key.into(), Value::Null);
        }
        fields.insert("inference_mode".into(), Value::Bool(true));
        fields.extend(
            header
                .config
                .method
                .get()
                .file_fields(&header.config, ranks),
        );
    }
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
