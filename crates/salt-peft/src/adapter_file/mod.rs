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

mod header;
mod tensors;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::module::Module;

pub use self::header::{AdapterHeader, CONFIG_FILE, read_header};
pub use self::tensors::TENSOR_FILE;

use self::header::{config_bytes, header, same_names};
use self::tensors::{read_state, slots, tensor_bytes};
use crate::attach::attach;
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::base_sha256;
use crate::inspect::adapters;
use crate::inventory::{FloatParam, inventory};
use crate::method::Scope;
use crate::registry::Adapter;
use crate::report::AttachReport;
use crate::select::select;
use crate::state::{load_trainable_state, trainable_state};
use crate::svd::PROBE_TOLERANCE;
use crate::weight::WeightShape;

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
    let ranks = params.iter().filter_map(|param| {
        let adapter = adapters.get(&param.path)?;
        Some((param.weight_shape(), adapter.rank()))
    });
    let ranks: Vec<(WeightShape, usize)> = ranks.collect();
    let bytes = tensor_bytes(slots(&params, &adapters), trainable_state(model)?, dir)?;

    let io = |action, path: &Path| {
        let path = path.to_path_buf();
        move |source| PeftError::Io {
            action,
            path,
            source,
        }
    };
    fs::create_dir_all(dir).map_err(io("create", dir))?;
    for (name, bytes) in [
        (TENSOR_FILE, bytes),
        (CONFIG_FILE, config_bytes(&header, &ranks)),
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
        return Err(PeftError::WrongBase {
            expected: show(header.base_sha256),
            found: show(found),
        });
    }

    let (model, report) = attach(base, &header.config)?;
    let adapters: BTreeMap<String, Adapter> = adapters(&model).into_iter().collect();
    check_basis(&header, &selection.targets, &adapters)?;
    let state = read_state(&dir.join(TENSOR_FILE), slots(&inventory(&model), &adapters))?;
    Ok((load_trainable_state(model, state)?, report))
}
fn check_basis(
    header: &AdapterHeader,
    targets: &BTreeMap<String, WeightShape>,
    adapters: &BTreeMap<String, Adapter>,
) -> Result<(), PeftError> {
    for (path, adapter) in adapters {
        let Some(here) = adapter.basis_probe() else {
            continue;
        };
        let module = &targets[path].path;
        let same = header.basis.get(module).is_some_and(|there| {
            here.iter()
                .zip(there)
                .all(|(a, b)| (a - b).abs() <= PROBE_TOLERANCE)
        });
        if !same {
            return Err(PeftError::WrongBasis {
                path: module.clone(),
            });
        }
    }
    Ok(())
}
