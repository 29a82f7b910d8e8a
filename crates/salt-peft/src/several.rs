//! Several adapters on one model: one base, many tasks.
//!
//! `W' = W + sum_a strength_a delta_a(W)`, over the adapters that are switched on. Each adapter has a name;
//! the one that [`attach`](fn@crate::attach) makes is called `default`. What an adapter trains whole
//! (`modules_to_save`) it keeps beside the base's value, so that switching brings that back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::Tensor;

use crate::adapter::{Adapter, DEFAULT_ADAPTER, Part};
use crate::adapter_file::Carried;
use crate::allocate::Ranks;
use crate::attach::{Attacher, build, report};
use crate::base_precision::{self, rounded, widening};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inspect::{adapters, exchange_all};
use crate::inventory::{FloatParam, inventory, values};
use crate::method::Scope;
use crate::methods::Factors;
use crate::report::AttachReport;
use crate::select::{Selection, select};
use crate::unload::unload;
use crate::whole::WholeFactors;

/// One of the adapters that a model carries.
#[derive(Clone, Debug, PartialEq)]
pub struct CarriedAdapter {
    /// Its name.
    pub name: String,
    /// What it was attached with.
    pub config: AdapterConfig,
    /// How much of its update is applied: 1 all, 0 none.
    pub strength: f64,
    /// Parameters it adapts or has trained whole, by path.
    pub parameters: Vec<String>,
}

/// The adapters that a model carries, by name. One that trains parameters in place alone (norms,
/// bias, full ...) attaches nothing and is not among them.
pub fn carried_adapters<M: Module>(model: &M) -> Vec<CarriedAdapter> {
    let mut carried: BTreeMap<String, CarriedAdapter> = BTreeMap::new();
    for (path, adapter) in adapters(model) {
        for part in adapter.parts {
            let entry = carried.entry(part.name.clone());
            let entry = entry.or_insert_with(|| CarriedAdapter {
                name: part.name,
                config: (*part.config).clone(),
                strength: part.strength,
                parameters: Vec::new(),
            });
            if entry.parameters.last() != Some(&path) {
                entry.parameters.push(path.clone());
            }
        }
    }
    carried.into_values().collect()
}

/// Adds a fresh adapter under a name, beside those the model carries. It is switched on and trained;
/// the others are switched off and frozen, and so is the base. The base is the model as it is: what an
/// adapter without factors (norms, bias, decoder, full) has trained in place belongs to it.
///
/// # Errors
/// Those of [`attach`](fn@crate::attach), but for a model that carries adapters; a name that is
/// taken, `default`, or not made of letters, digits, `-` and `_`; the method `full`, which leaves no base
/// for others; [`PeftError::TrainedInPlace`].
pub fn add_adapter<M: Module>(
    model: M,
    name: &str,
    config: &AdapterConfig,
) -> Result<(M, AttachReport), PeftError> {
    if adapters(&model).is_empty() {
        let params = inventory(&model);
        base_precision::check(config, &params, &select(config, &params)?)?;
    }
    add_ranks(model, name, config, None)
}

/// [`add_adapter`] with ranks that were chosen before.
///
/// # Errors
/// Those of [`add_adapter`].
pub(crate) fn add_ranks<M: Module>(
    model: M,
    name: &str,
    config: &AdapterConfig,
    chosen: Option<&Ranks>,
) -> Result<(M, AttachReport), PeftError> {
    let old: BTreeMap<String, Adapter> = adapters(&model).into_iter().collect();
    check_name(name, &old)?;
    if config.method.get().scope() == Scope::Everything {
        return Err(PeftError::InvalidSetting {
            setting: "method",
            value: format!("`{}` for the adapter `{name}`", config.method),
            expected: "a method that leaves the base to other adapters",
        });
    }
    let carried = Carried::of(&model, DEFAULT_ADAPTER);
    let base: Vec<FloatParam> = carried.base().cloned().collect();
    if let Some(param) = base.iter().find(|param| !old.is_empty() && param.trainable) {
        return Err(PeftError::TrainedInPlace {
            path: param.path.clone(),
        });
    }
    let selection = select(config, &base)?;
    // The first adapter says what the base is.
    let is_first = old.is_empty();
    let model = match is_first {
        true => rounded(model, config, &base, &selection)?,
        false => {
            base_precision::check_carried(config, &base)?;
            model
        }
    };
    let built = build(&model, config, &base, &selection, chosen)?;
    let report = report(config, &base, &selection, &built.ranks);
    let mut new = built.adapters(name, config);
    new.extend(whole(&model, name, config, &base, &selection)?);

    // Burn keeps the adapter of a weight that has one: those are exchanged, the rest attached.
    let (mut exchanged, mut attached) = (BTreeMap::new(), BTreeMap::new());
    for (path, adapter) in new {
        match old.get(&path) {
            Some(old) => {
                let mut joined = old.clone();
                joined.parts.extend(adapter.parts);
                exchanged.insert(path, joined);
            }
            None => {
                attached.insert(path, adapter);
            }
        }
    }
    let kept_in = match is_first {
        true => widening(&mut attached, config, &base, &selection)?,
        false => None,
    };
    let model = exchange_all(model, exchanged);
    let model = model.apply_reparameterization(Attacher {
        adapters: attached,
        trained: Some(BTreeSet::new()),
        kept_in,
    });
    Ok((set_strengths(model, &[(name, 1.0)]), report))
}

/// The parameters that an adapter trains whole, at the base's values.
fn whole<M: Module>(
    model: &M,
    name: &str,
    config: &AdapterConfig,
    base: &[FloatParam],
    selection: &Selection,
) -> Result<BTreeMap<String, Adapter>, PeftError> {
    let config = Arc::new(config.clone());
    let mut start = values(model, |path| selection.trained.contains(path))?;
    let trained = base.iter().filter_map(|param| {
        let values = start.remove(&param.path)?;
        let first = param.dims.first().copied().unwrap_or(1);
        let part = Part {
            name: name.to_owned(),
            slice: None,
            strength: 1.0,
            config: Arc::clone(&config),
            factors: Factors::Whole(WholeFactors::new(values, first, &param.device)),
        };
        let adapter = Adapter::on(&param.weight_shape(), vec![part]);
        Some((param.path.clone(), adapter))
    });
    Ok(trained.collect())
}

/// Switches adapters on, each with its strength, and all others off. What is on is trained, what is off
/// frozen. With one at strength 1 the model computes what it would with that adapter alone; none
/// gives the base.
///
/// # Errors
/// [`PeftError::UnknownAdapter`]; [`PeftError::InvalidSetting`] for a strength that is not finite and for a
/// name given twice; [`PeftError::TrainedInPlace`].
pub fn activate<M: Module>(model: M, strengths: &[(&str, f64)]) -> Result<M, PeftError> {
    for (at, (name, strength)) in strengths.iter().enumerate() {
        if strengths[..at].iter().any(|(other, _)| other == name) {
            return Err(PeftError::InvalidSetting {
                setting: "strength",
                value: format!("given twice for the adapter `{name}`"),
                expected: "one strength for an adapter",
            });
        }
        let carried = Carried::of(&model, name);
        carried.check_parts()?;
        if !strength.is_finite() {
            return Err(PeftError::InvalidSetting {
                setting: "strength",
                value: format!("{strength} for the adapter `{name}`"),
                expected: "a finite number, 1 for all of its update",
            });
        }
        if let Some(param) = carried.base().find(|param| param.trainable) {
            return Err(PeftError::TrainedInPlace {
                path: param.path.clone(),
            });
        }
    }
    Ok(set_strengths(model, strengths))
}

/// Takes one adapter off. The others stay as they are.
///
/// # Errors
/// [`PeftError::UnknownAdapter`].
pub fn remove_adapter<M: Module>(model: M, name: &str) -> Result<M, PeftError> {
    let mut left: BTreeMap<String, Adapter> = adapters(&model).into_iter().collect();
    Carried::of(&model, name).check_parts()?;
    for adapter in left.values_mut() {
        adapter.parts.retain(|part| part.name != name);
    }
    // Taking all off would bring a base in half precision to f32 for a moment, as a whole.
    if left.values().any(|adapter| adapter.widens) {
        return Ok(exchange_all(model, left));
    }
    left.retain(|_, adapter| !adapter.parts.is_empty());
    let attacher = Attacher {
        adapters: left,
        trained: None,
        kept_in: None,
    };
    Ok(unload(model).apply_reparameterization(attacher))
}

fn set_strengths<M: Module>(model: M, strengths: &[(&str, f64)]) -> M {
    let mut changed: BTreeMap<String, Adapter> = adapters(&model).into_iter().collect();
    for part in changed.values_mut().flat_map(|adapter| &mut adapter.parts) {
        let given = strengths.iter().find(|(name, _)| *name == part.name);
        part.strength = given.map_or(0.0, |(_, strength)| *strength);
        let mut grads = RequireGrad(part.strength != 0.0);
        part.factors = part.factors.clone().map(&mut grads);
    }
    exchange_all(model, changed)
}

/// Sets whether parameters are trained.
struct RequireGrad(bool);

impl ModuleMapper for RequireGrad {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.set_require_grad(self.0)
    }
}

fn check_name(name: &str, carried: &BTreeMap<String, Adapter>) -> Result<(), PeftError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let mut parts = carried.values().flat_map(|adapter| &adapter.parts);
    let problem = if name.is_empty() || !name.chars().all(is_plain) || name == DEFAULT_ADAPTER {
        "a name of letters, digits, `-` and `_` other than `default`"
    } else if parts.any(|part| part.name == name) {
        "a name that no adapter of this model has"
    } else {
        return Ok(());
    };
    Err(PeftError::InvalidSetting {
        setting: "name of an adapter",
        value: format!("`{name}`"),
        expected: problem,
    })
}
