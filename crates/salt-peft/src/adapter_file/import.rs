//! Adapters from elsewhere, as files of ours.

use std::collections::BTreeMap;
use std::path::Path;

use super::header::{AdapterHeader, Told, peft_type};
use super::hf::{exactly, whole_pattern};
use super::names::Names;
use super::tensors::{KEY_PREFIX, NamedTensors, StoredTensors, serialise};
use super::{CONFIG_FILE, Stored, read};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::rank::{LayerRank, Rank};
use crate::weight::WeightShape;

/// Writes the adapter that HF peft wrote into `from` as one of this crate's into `out`, its modules
/// called as the model has them. Nothing is known of the base it was made over, and the file says so: loading it
/// checks layers and shapes, but not the base's values.
///
/// # Errors
/// Those of [`load_adapter`](super::load_adapter) that need no model; [`PeftError::Io`].
pub fn import_adapter(from: &Path, out: &Path, names: Names) -> Result<AdapterHeader, PeftError> {
    let Stored {
        header, tensors, ..
    } = read(from, names)?;
    if !header.imported {
        return Err(PeftError::BadConfigFile {
            path: from.join(CONFIG_FILE),
            reason: "it is an adapter of this crate already, and needs no import".into(),
        });
    }
    write(out, &header, tensors.finite()?)?;
    Ok(header)
}

/// LoRA factors of rows of weights, for formats that keep them apart.
#[derive(Clone, Debug, Default)]
pub struct LooseFactors {
    /// By module and rows, as targets name them, `blocks.0.attn.qkv[q]`: the factors.
    pub factors: BTreeMap<String, LooseFactor>,
    /// Parameters trained whole, by path: shape in PyTorch's order, and values.
    pub whole: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

/// A LoRA of some rows: `W' = W + B A`.
#[derive(Clone, Debug)]
pub struct LooseFactor {
    /// Rank r.
    pub rank: usize,
    /// `[r, in]`, row-major.
    pub a: Vec<f32>,
    /// `[rows, r]`, row-major.
    pub b: Vec<f32>,
}

/// Writes loose factors into `out` as a LoRA adapter of this crate, with no base known.
///
/// # Errors
/// [`PeftError::NonFinite`], [`PeftError::Misshapen`] where values and rank do not divide,
/// [`PeftError::Io`].
pub fn import_loose(loose: LooseFactors, out: &Path) -> Result<AdapterHeader, PeftError> {
    let mut config = AdapterConfig::new("lora".parse()?);
    let (mut ranks, mut tensors) = (BTreeMap::new(), NamedTensors::new());
    for (path, LooseFactor { rank, a, b }) in loose.factors {
        for (field, values) in [("A", &a), ("B", &b)] {
            if rank == 0 || values.is_empty() || values.len() % rank != 0 {
                return Err(PeftError::Misshapen {
                    name: format!("{path}.lora_{field}"),
                    source_name: "the given factors".into(),
                    expected: vec![rank],
                    found: vec![values.len()],
                });
            }
        }
        let (fan_in, rows) = (a.len() / rank, b.len() / rank);
        let key = |field| format!("{KEY_PREFIX}{path}.lora_{field}.weight");
        tensors.insert(key("A"), (vec![rank, fan_in], a));
        tensors.insert(key("B"), (vec![rows, rank], b));
        // The brackets stay: they are not the expression's, but the rows'.
        let (stem, rows) = path.split_once('[').unwrap_or((&path, ""));
        let rows = path.get(stem.len()..).filter(|_| !rows.is_empty());
        let target = format!("{}{}", exactly(stem), rows.unwrap_or_default());
        config
            .rank_pattern
            .insert(target.clone(), Rank::Absolute(rank));
        config.targets.push(target);
        ranks.insert(path, LayerRank::Single(rank));
    }
    for (path, tensor) in loose.whole {
        config.modules_to_save.push(whole_pattern(&path));
        tensors.insert(format!("{KEY_PREFIX}{path}"), tensor);
    }
    let header = AdapterHeader {
        peft_type: peft_type(&config),
        target_modules: ranks.keys().cloned().collect(),
        trained_parameters: Vec::new(),
        base_sha256: None,
        basis: BTreeMap::new(),
        ranks,
        tensors_sha256: None,
        imported: true,
        config,
    };
    write(out, &header, StoredTensors::of(tensors).finite()?)?;
    Ok(header)
}

fn write(out: &Path, header: &AdapterHeader, tensors: NamedTensors) -> Result<(), PeftError> {
    // What only HF peft reads is told by ranks and paths.
    let ranks = header.ranks.iter();
    let ranks = ranks.map(|(path, rank)| (WeightShape::new(path.clone(), []), *rank));
    let told = Told {
        ranks: ranks.collect(),
        ..Told::default()
    };
    super::write(out, header.clone(), &told, &serialise(&tensors, out)?)
}
