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

mod carried;
pub mod export;
mod header;
mod hf;
pub mod import;
mod meant;
mod names;
mod tensors;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use serde_json::{Map, Value};

pub(crate) use self::carried::Carried;
pub use self::export::{ExportOptions, ExportReport, export_hf_lora};
pub(crate) use self::header::SLICED;
pub use self::header::{AdapterHeader, CONFIG_FILE};
pub use self::import::{LooseFactor, LooseFactors, import_adapter, import_loose};
pub use self::names::Names;
pub use self::tensors::TENSOR_FILE;

use self::export::{EXTRA_FILE, EXTRA_SHA256};
use self::header::{
    Told, agree_fields, base_hash, config_bytes, header, is_foreign, of_fields, read_fields,
    same_names,
};
use self::meant::Meant;
use self::tensors::{KEY_PREFIX, StoredTensors, read_tensors, slots, tensor_bytes};
use crate::adapter::DEFAULT_ADAPTER;
use crate::attach::attach_ranks;
use crate::base_precision::{BasePrecision, rounded};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::sha256;
use crate::inspect::adapters;
use crate::inventory::{FloatParam, inventory, values};
use crate::report::AttachReport;
use crate::select::select;
use crate::several::add_ranks;
use crate::state::put;
use crate::svd::PROBE_TOLERANCE;

/// Writes the adapter of `model` into `dir`, which is created if missing.
///
/// # Errors
/// [`PeftError::OtherMethod`], [`PeftError::OtherSettings`] and [`PeftError::OtherLayers`] when `config` is
/// not the one the model was attached with; [`PeftError::NonFinite`] for diverged factors; [`PeftError::Io`].
pub fn save_adapter<M: Module>(
    model: &M,
    config: &AdapterConfig,
    dir: &Path,
) -> Result<(), PeftError> {
    save_named(model, DEFAULT_ADAPTER, config, dir)
}

/// [`save_adapter`] for one of the adapters that a model carries. Its strength is the model's, and is not
/// saved: loaded, the adapter is on, at strength 1.
///
/// # Errors
/// Those of [`save_adapter`]; [`PeftError::UnknownAdapter`].
pub fn save_named<M: Module>(
    model: &M,
    name: &str,
    config: &AdapterConfig,
    dir: &Path,
) -> Result<(), PeftError> {
    let carried = Carried::of(model, name);
    // One that attaches nothing and has no name cannot be looked for.
    if !carried.owns_base() {
        carried.check_parts()?;
    }
    let header = header(model, config, &carried)?;
    let told = told(&carried, &header);
    let slots = slots(&carried);
    let state = values(model, |path| slots.iter().any(|slot| slot.path == path))?;
    let bytes = tensor_bytes(slots, state, dir)?;
    write(dir, header, &told, &bytes)
}

/// What HF peft is told of an adapter that a model carries.
fn told(carried: &Carried, header: &AdapterHeader) -> Told {
    let factors = carried.factors();
    Told {
        ranks: factors
            .map(|(shape, part)| (shape, part.factors.rank()))
            .collect(),
        modules: carried.whole_modules(),
        excluded: carried.alike(&header.target_modules),
    }
}

/// Writes the two files of an adapter.
///
/// # Errors
/// [`PeftError::Io`].
fn write(
    dir: &Path,
    mut header: AdapterHeader,
    told: &Told,
    tensors: &[u8],
) -> Result<(), PeftError> {
    header.tensors_sha256 = Some(sha256(tensors));
    write_file(dir, TENSOR_FILE, tensors)?;
    write_file(dir, CONFIG_FILE, &config_bytes(&header, told))
}

/// Writes a file into a folder, which is created if missing.
///
/// # Errors
/// [`PeftError::Io`].
fn write_file(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), PeftError> {
    let io = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| PeftError::Io {
            action,
            path,
            source,
        }
    };
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    // Written beside and renamed, so that a killed run leaves no half file.
    let (path, partial) = (dir.join(name), dir.join(format!("{name}.partial")));
    fs::write(&partial, bytes).map_err(io("write", &partial))?;
    fs::rename(&partial, &path).map_err(io("write", &path))
}

/// Removes a file of an earlier adapter, if there is one.
///
/// # Errors
/// [`PeftError::Io`].
fn remove_file(dir: &Path, name: &str) -> Result<(), PeftError> {
    let path = dir.join(name);
    match fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PeftError::Io {
            action: "remove",
            path,
            source,
        }),
        _ => Ok(()),
    }
}

/// Attaches the adapter in `dir` to the base model it was made over. A directory that HF peft wrote
/// (LoRA, rsLoRA, DoRA, PiSSA, OLoRA) says nothing about the base's values, so those are not checked.
///
/// # Errors
/// Those of [`attach`](fn@crate::attach); [`PeftError::OtherMethod`], [`PeftError::OtherLayers`],
/// [`PeftError::WrongBase`], [`PeftError::WrongBasis`]; for tensors that are missing, left over,
/// misshapen, of another type or not finite, the error of that name; [`PeftError::BadConfigFile`] for a
/// configuration that contradicts itself.
pub fn load_adapter<M: Module>(base: M, dir: &Path) -> Result<(M, AttachReport), PeftError> {
    load(base, DEFAULT_ADAPTER, read(dir, Names::SAME)?)
}

/// [`load_adapter`] for a directory of HF peft whose modules are called otherwise than the model's.
///
/// # Errors
/// Those of [`load_adapter`].
pub fn load_renamed<M: Module>(
    base: M,
    dir: &Path,
    names: Names,
) -> Result<(M, AttachReport), PeftError> {
    load(base, DEFAULT_ADAPTER, read(dir, names)?)
}

/// [`load_adapter`] beside the adapters that a model carries, under a name, as
/// [`add_adapter`](crate::add_adapter) does.
///
/// # Errors
/// Those of [`load_adapter`] and [`add_adapter`](crate::add_adapter).
pub fn load_named<M: Module>(
    model: M,
    name: &str,
    dir: &Path,
) -> Result<(M, AttachReport), PeftError> {
    load(model, name, read(dir, Names::SAME)?)
}

/// Reads what an adapter is. The tensors of one that HF peft wrote are read for it.
///
/// # Errors
/// [`PeftError::Io`], [`PeftError::BadConfigFile`], [`PeftError::UnknownMethod`],
/// [`PeftError::OtherMethod`] when the file contradicts itself; [`PeftError::UnsupportedFeature`].
pub fn read_header(dir: &Path) -> Result<AdapterHeader, PeftError> {
    let fields = read_fields(dir)?;
    match is_foreign(&fields) {
        true => Ok(read(dir, Names::SAME)?.header),
        false => of_fields(dir, fields),
    }
}

/// An adapter as its files have it.
struct Stored {
    header: AdapterHeader,
    tensors: StoredTensors,
    /// The configuration as it is written.
    fields: Map<String, Value>,
    /// What the names in a configuration of HF peft mean beside what the tensors have.
    meant: Option<Meant>,
}

/// Reads an adapter; `names` are those of directories that HF peft wrote.
fn read(dir: &Path, names: Names) -> Result<Stored, PeftError> {
    let fields = read_fields(dir)?;
    let is_foreign = is_foreign(&fields);
    // Ours first: its errors are told before those of the tensors.
    let header = (!is_foreign).then(|| of_fields(dir, fields.clone()));
    let header = header.transpose()?;
    let pickle = dir.join("adapter_model.bin");
    if is_foreign && pickle.is_file() && !dir.join(TENSOR_FILE).exists() {
        return Err(PeftError::BadTensorFile {
            path: pickle,
            reason: "it is a pickle, which would be executed to be read; save it with safe_serialization=True".into(),
        });
    }
    let mut tensors = read_tensors(&dir.join(TENSOR_FILE))?;
    match header {
        Some(header) => Ok(Stored {
            header,
            tensors,
            fields,
            meant: None,
        }),
        None => {
            // What HF peft has no place for, see `export`.
            let beside = read_extra(dir, &fields)?;
            let keys = beside.iter().flat_map(StoredTensors::keys);
            let keys: BTreeSet<String> = keys.map(|name| format!("{KEY_PREFIX}{name}")).collect();
            if let Some(beside) = beside {
                tensors.add_extra(beside)?;
            }
            hf::convert(dir, fields, tensors, names, &keys)
        }
    }
}

/// The parameters beside an exported adapter, where its configuration says that there are any.
///
/// # Errors
/// [`PeftError::Io`] where the file is missing, [`PeftError::ChangedTensors`] where it is another,
/// [`PeftError::BadTensorFile`] where nothing is known of it.
fn read_extra(dir: &Path, fields: &Map<String, Value>) -> Result<Option<StoredTensors>, PeftError> {
    let path = dir.join(EXTRA_FILE);
    let Some(written) = fields.get(EXTRA_SHA256) else {
        return match path.exists() {
            true => Err(PeftError::BadTensorFile {
                path,
                reason: format!(
                    "`{EXTRA_SHA256}` in {CONFIG_FILE} does not name it, it is of another adapter"
                ),
            }),
            false => Ok(None),
        };
    };
    let tensors = read_tensors(&path)?;
    match written.as_str() == Some(&tensors.sha256()) {
        true => Ok(Some(tensors)),
        false => Err(PeftError::ChangedTensors {
            path,
            field: EXTRA_SHA256,
        }),
    }
}

fn load<M: Module>(model: M, name: &str, stored: Stored) -> Result<(M, AttachReport), PeftError> {
    let Stored {
        mut header,
        tensors,
        fields,
        meant,
    } = stored;
    let is_foreign = meant.is_some();
    let carried = adapters(&model);
    if header.imported && !carried.is_empty() {
        // Made elsewhere, it says nothing of how the base is kept here.
        header.config.base_precision = BasePrecision::carried(&inventory(&model));
    }
    // The base of such an adapter is the rounded one; beside others it is rounded already.
    let model = match header.config.base_precision {
        BasePrecision::F32 => model,
        _ if !carried.is_empty() => model,
        _ => {
            let params = inventory(&model);
            let selection = select(&header.config, &params)?;
            rounded(model, &header.config, &params, &selection)?
        }
    };
    check_base(&model, &header)?;
    if let Some(meant) = meant {
        let base: Vec<FloatParam> = Carried::of(&model, name).base().cloned().collect();
        meant.check(&base, &header, tensors.source_name())?;
    }
    let ranks = (!header.ranks.is_empty()).then_some(&header.ranks);
    let (model, report) = match name {
        DEFAULT_ADAPTER => attach_ranks(model, &header.config, ranks)?,
        name => add_ranks(model, name, &header.config, ranks)?,
    };
    let carried = Carried::of(&model, name);
    if !header.imported {
        check_basis(&header, &carried)?;
    }
    let (path, found) = (PathBuf::from(tensors.source_name()), tensors.sha256());
    let state = tensors.place(&slots(&carried))?;
    // Last, so that what is wrong with a tensor is told before that something is.
    let written = header.tensors_sha256.as_ref();
    if written.is_some_and(|written| *written != found) {
        let field = "tensors_sha256";
        return Err(PeftError::ChangedTensors { path, field });
    }
    if !is_foreign {
        agree_fields(&header, &fields, &carried, &told(&carried, &header)).map_err(|reason| {
            PeftError::BadConfigFile {
                path: path.with_file_name(CONFIG_FILE),
                reason,
            }
        })?;
    }
    Ok((put(model, state), report))
}

/// That the adapter means this model's layers, and their very values.
fn check_base<M: Module>(model: &M, header: &AdapterHeader) -> Result<(), PeftError> {
    // Whatever the model carries already, what counts is what is below it.
    let carried = Carried::of(model, DEFAULT_ADAPTER);
    let base: Vec<FloatParam> = carried.base().cloned().collect();
    let selection = select(&header.config, &base)?;
    let modules = selection.shapes().map(|shape| shape.path.clone());
    same_names(modules, &header.target_modules)?;
    if header.imported {
        // Nothing is known of the values, and norms have other names where it was made.
        return Ok(());
    }
    same_names(
        selection.trained.iter().cloned(),
        &header.trained_parameters,
    )?;
    let found = base_hash(model, &header.config, &carried, &selection)?;
    if found != header.base_sha256 {
        let show = |hash: Option<String>| hash.unwrap_or_else(|| "none".into());
        return Err(PeftError::WrongBase {
            expected: show(header.base_sha256.clone()),
            found: show(found),
        });
    }
    Ok(())
}

fn check_basis(header: &AdapterHeader, carried: &Carried) -> Result<(), PeftError> {
    for (shape, part) in carried.factors() {
        let Some(here) = part.factors.basis_probe() else {
            continue;
        };
        let same = header.basis.get(&shape.path).is_some_and(|there| {
            here.iter()
                .zip(there)
                .all(|(a, b)| (a - b).abs() <= PROBE_TOLERANCE)
        });
        if !same {
            return Err(PeftError::WrongBasis { path: shape.path });
        }
    }
    Ok(())
}
