//! The adapter on disk: `adapter_config.json` and `adapter_model.safetensors`, after the Hugging Face
//! peft format.
//!
//! Only what was trained is written: factors and extras, never the base, never the singular basis.
//! Names and layouts are PyTorch's: `base_model.model.<module>.lora_A.weight` `[r, in]`, norms as
//! `weight` and `bias`, linear weights `[out, in]`. Keys are sorted and nothing depends on time or
//! machine: the same adapter gives the same bytes.
//!
//! Loading is strict. The file must have been made over the very base weights it meets (sha256) and
//! in the same singular basis (a probe with tolerance, see [`crate::svd`]); every tensor must have
//! its place, its shape and finite values.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::TensorData;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::attach::attach;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::base_sha256;
use crate::inspect::adapters;
use crate::inventory::{FloatParam, inventory};
use crate::method::Scope;
use crate::nearest::nearest;
use crate::registry::{Adapter, MethodId};
use crate::report::AttachReport;
use crate::select::select;
use crate::state::{load_trainable_state, trainable_state};
use crate::svd::PROBE_TOLERANCE;
use crate::weight::{WeightShape, torch_dims, transpose};

/// The configuration's file name.
pub const CONFIG_FILE: &str = "adapter_config.json";
/// The tensors' file name.
pub const TENSOR_FILE: &str = "adapter_model.safetensors";
/// What HF peft puts before every module path.
const KEY_PREFIX: &str = "base_model.model.";

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

/// Writes the adapter of `model` into `dir`, which is created if missing.
///
/// # Errors
/// [`PeftError::OtherMethod`] and [`PeftError::OtherLayers`] when `config` is not the one the model
/// was attached with; [`PeftError::NonFinite`] for diverged factors; [`PeftError::Io`].
pub fn save_adapter<M: Module>(
    model: &M,
    config: &AdapterConfig,
    dir: &Path,
) -> Result<(), PeftError> {
    let params = inventory(model);
    let adapters: BTreeMap<String, Adapter> = adapters(model).into_iter().collect();
    let header = header(model, config, &params, &adapters)?;
    let adapted = params.iter().filter(|param| adapters.contains_key(&param.path));
    let shapes: Vec<WeightShape> = adapted.map(FloatParam::weight_shape).collect();
    let mut state = trainable_state(model)?;
    let mut tensors = BTreeMap::new();
    for slot in slots(&params, &adapters) {
        let Some(data) = state.remove(&slot.path) else { continue };
        let values: Vec<f32> = data.iter::<f32>().collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite { path: slot.path, context: ", it is not saved" });
        }
        let values = match slot.dims.as_slice() {
            [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
            _ => values,
        };
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        tensors.insert(slot.key, (slot.file_dims, bytes));
    }

    let io = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| PeftError::Io { action, path, source }
    };
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    for (name, bytes) in [
        (TENSOR_FILE, tensor_bytes(&tensors, dir)?),
        (CONFIG_FILE, config_bytes(&header, &shapes)),
    ] {
        // Written beside and renamed, so that a killed run leaves no half file.
        let (path, partial) = (dir.join(name), dir.join(format!("{name}.partial")));
        fs::write(&partial, bytes).map_err(io("write", &partial))?;
        fs::rename(&partial, &path).map_err(io("write", &path))?;
    }
    Ok(())
}

/// Attaches the adapter in `dir` to the base model it was made over.
///
/// # Errors
/// Those of [`attach`]; [`PeftError::OtherMethod`], [`PeftError::OtherLayers`],
/// [`PeftError::WrongBase`], [`PeftError::WrongBasis`]; for tensors that are missing, left over,
/// misshapen, of another type or not finite, the error of that name.
pub fn load_adapter<M: Module>(base: M, dir: &Path) -> Result<(M, AttachReport), PeftError> {
    let header = read_header(dir)?;
    let params = inventory(&base);
    let selection = select(&header.config, &params)?;
    let modules = selection.targets.values().map(|shape| shape.path.clone());
    same_names(modules, &header.target_modules)?;
    same_names(selection.trained.iter().cloned(), &header.modules_to_save)?;
    let is_base = |param: &FloatParam| match header.config.method.get().scope() {
        Scope::Targets => selection.targets.contains_key(&param.path),
        Scope::Extras | Scope::Everything => !selection.trained.contains(&param.path),
    };
    let found = base_sha256(&base, &params, is_base)?;
    if found != header.base_sha256 {
        let show = |hash: Option<String>| hash.unwrap_or_else(|| "none".into());
        return Err(PeftError::WrongBase { expected: show(header.base_sha256), found: show(found) });
    }

    let (model, report) = attach(base, &header.config)?;
    let adapters: BTreeMap<String, Adapter> = adapters(&model).into_iter().collect();
    check_basis(&header, &selection.targets, &adapters)?;
    let state = read_state(&dir.join(TENSOR_FILE), slots(&inventory(&model), &adapters))?;
    Ok((load_trainable_state(model, state)?, report))
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
        MethodId::from_peft_type(peft_type)?;
    }
    let header: AdapterHeader = serde_json::from_value(value).map_err(bad)?;
    let expected = header.config.method.get().peft_type();
    if header.peft_type != expected {
        return Err(PeftError::OtherMethod { expected: expected.into(), found: header.peft_type });
    }
    Ok(header)
}

fn header<M: Module>(
    model: &M,
    config: &AdapterConfig,
    params: &[FloatParam],
    adapters: &BTreeMap<String, Adapter>,
) -> Result<AdapterHeader, PeftError> {
    let method = config.method.get();
    if let Some(other) = adapters.values().map(Adapter::method).find(|m| *m != config.method) {
        return Err(PeftError::OtherMethod {
            expected: method.name().into(),
            found: other.to_string(),
        });
    }
    let base: Vec<FloatParam> = params.iter().filter(|p| p.adapts.is_none()).cloned().collect();
    let selection = select(config, &base)?;
    same_names(selection.targets.keys().cloned(), &adapters.keys().cloned().collect::<Vec<_>>())?;
    let trained = base.iter().filter(|param| param.trainable).map(|param| param.path.clone());
    same_names(selection.trained.iter().cloned(), &trained.collect::<Vec<_>>())?;
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
        target_modules: selection.targets.values().map(|shape| shape.path.clone()).collect(),
        modules_to_save: selection.trained.into_iter().collect(),
        base_sha256: base_sha256(model, &base, is_base)?,
        basis,
    })
}

/// Refuses two lists of names that differ as sets: first the model's, then the adapter's.
fn same_names(model: impl Iterator<Item = String>, adapter: &[String]) -> Result<(), PeftError> {
    let model: BTreeSet<String> = model.collect();
    let adapter: BTreeSet<String> = adapter.iter().cloned().collect();
    match (model.difference(&adapter).next(), adapter.difference(&model).next()) {
        (Some(name), _) => Err(PeftError::OtherLayers { name: name.clone(), only_in: "this model" }),
        (_, Some(name)) => Err(PeftError::OtherLayers { name: name.clone(), only_in: "the adapter" }),
        (None, None) => Ok(()),
    }
}

fn check_basis(
    header: &AdapterHeader,
    targets: &BTreeMap<String, WeightShape>,
    adapters: &BTreeMap<String, Adapter>,
) -> Result<(), PeftError> {
    for (path, adapter) in adapters {
        let Some(here) = adapter.basis_probe() else { continue };
        let module = &targets[path].path;
        let same = header.basis.get(module).is_some_and(|there| {
            here.iter().zip(there).all(|(a, b)| (a - b).abs() <= PROBE_TOLERANCE)
        });
        if !same {
            return Err(PeftError::WrongBasis { path: module.clone() });
        }
    }
    Ok(())
}

/// Where one trained parameter lives in the file.
struct Slot {
    /// Parameter path.
    path: String,
    /// Key in the file.
    key: String,
    /// Shape in Burn's layout.
    dims: Vec<usize>,
    /// Shape in the file.
    file_dims: Vec<usize>,
    /// Whether the file holds the transpose.
    transposed: bool,
}

fn slots(params: &[FloatParam], adapters: &BTreeMap<String, Adapter>) -> Vec<Slot> {
    let trained = params.iter().filter(|param| param.trainable);
    trained.map(|param| slot(param, params, adapters)).collect()
}

fn slot(
    param: &FloatParam,
    params: &[FloatParam],
    adapters: &BTreeMap<String, Adapter>,
) -> Slot {
    let (path, dims) = (param.path.clone(), param.dims.clone());
    let weight = param.adapts.as_ref().and_then(|weight| {
        Some((params.iter().find(|p| &p.path == weight)?.weight_shape(), adapters.get(weight)?))
    });
    if let Some((shape, adapter)) = weight {
        let key = format!("{KEY_PREFIX}{}.{}", shape.path, adapter.file_key(param.name()));
        let file_dims = adapter.file_shape(param.name(), &shape, &dims);
        return Slot { path, key, dims, file_dims, transposed: false };
    }
    let is_linear = param.container == "Linear" && dims.len() == 2;
    let name = match param.name() {
        "gamma" if param.is_norm() => "weight",
        "beta" if param.is_norm() => "bias",
        name => name,
    };
    let stem = path.strip_suffix(param.name()).unwrap_or_default();
    let key = format!("{KEY_PREFIX}{stem}{name}");
    let file_dims = torch_dims(&dims, is_linear);
    Slot { path, key, dims, file_dims, transposed: is_linear }
}

fn tensor_bytes(
    tensors: &BTreeMap<String, (Vec<usize>, Vec<u8>)>,
    dir: &Path,
) -> Result<Vec<u8>, PeftError> {
    let bad = |error: safetensors::SafeTensorError| PeftError::BadTensorFile {
        path: dir.join(TENSOR_FILE),
        reason: error.to_string(),
    };
    let mut views = Vec::with_capacity(tensors.len());
    for (key, (dims, bytes)) in tensors {
        views.push((key, TensorView::new(Dtype::F32, dims.clone(), bytes).map_err(bad)?));
    }
    let metadata = HashMap::from([("format".to_string(), "pt".to_string())]);
    safetensors::serialize(views, Some(metadata)).map_err(bad)
}

fn config_bytes(header: &AdapterHeader, shapes: &[WeightShape]) -> Vec<u8> {
    let mut value = serde_json::to_value(header).expect("a header is plain data");
    if let Value::Object(fields) = &mut value {
        // What HF peft expects beside our fields; it ignores the ones it does not know.
        for key in ["base_model_name_or_path", "revision", "task_type", "auto_mapping"] {
            fields.insert(key.into(), Value::Null);
        }
        fields.insert("inference_mode".into(), Value::Bool(true));
        fields.extend(header.config.method.get().file_fields(&header.config, shapes));
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
            Value::Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        value => value,
    }
}

/// The tensors of a file as a state: each in the place of its key, nothing missing, nothing left.
fn read_state(
    path: &Path,
    slots: Vec<Slot>,
) -> Result<BTreeMap<String, TensorData>, PeftError> {
    let source_name = path.display().to_string();
    let bytes = fs::read(path).map_err(|source| PeftError::Io {
        action: "read",
        path: path.to_path_buf(),
        source,
    })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| PeftError::BadTensorFile {
        path: PathBuf::from(path),
        reason: error.to_string(),
    })?;
    let mut state = BTreeMap::new();
    for slot in &slots {
        let Ok(view) = file.tensor(&slot.key) else {
            return Err(PeftError::MissingTensor {
                name: slot.key.clone(),
                nearest: nearest(&slot.key, file.names(), 1),
                source_name,
            });
        };
        if view.shape() != slot.file_dims {
            return Err(PeftError::Misshapen {
                name: slot.key.clone(),
                expected: slot.file_dims.clone(),
                found: view.shape().to_vec(),
                source_name,
            });
        }
        let Some(values) = floats(view.dtype(), view.data()) else {
            let (name, found) = (slot.key.clone(), format!("{:?}", view.dtype()));
            return Err(PeftError::WrongDType { name, source_name, found });
        };
        if values.iter().any(|value| !value.is_finite()) {
            return Err(PeftError::NonFinite { path: slot.key.clone(), context: " in the adapter file" });
        }
        let values = match slot.file_dims.as_slice() {
            [rows, cols] if slot.transposed => transpose(&values, *rows, *cols),
            _ => values,
        };
        state.insert(slot.path.clone(), TensorData::new(values, slot.dims.clone()));
    }
    let known: BTreeSet<&str> = slots.iter().map(|slot| slot.key.as_str()).collect();
    let mut names = file.names();
    names.sort_unstable();
    match names.into_iter().find(|name| !known.contains(name)) {
        Some(name) => Err(PeftError::UnusedTensor {
            name: name.into(),
            nearest: nearest(name, known.iter().copied(), 1),
            source_name,
        }),
        None => Ok(state),
    }
}

/// Little-endian bytes as f32; `None` for a type that holds no real numbers.
fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let values = match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F64 => bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect(),
        Dtype::F16 => pairs.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => pairs.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        _ => return None,
    };
    rest.is_empty().then_some(values)
}
