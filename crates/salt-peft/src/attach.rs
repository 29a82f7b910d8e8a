//! Attaching an adapter to a base model, and planning to.

use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, Param, Reparameterizer};
use burn::tensor::Tensor;
use rayon::prelude::*;

use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::{FloatParam, inventory, values};
use crate::method::{LayerContext, LayerPlan, Spectrum};
use crate::registry::Adapter;
use crate::report::{AttachReport, LayerReport};
use crate::select::{Selection, select};
use crate::svd::ThinSvd;
use crate::weight::{WeightShape, torch_dims};

/// Attaches an adapter: every target gets its factors, the extras stay trainable, everything else is
/// frozen. With a method that starts at zero the model's outputs do not change by a bit.
///
/// The singular value decompositions, where the method needs them, run in parallel over layers on
/// the host. Training behaviour that is no gradient (dropout, running statistics) is left alone.
///
/// # Errors
/// Settings the method does not read or cannot take; patterns that match nothing; targets that are
/// no weights of linear layers or convolutions; ranks above a layer's limit; weights that are not
/// finite; a model that already carries an adapter.
pub fn attach<M: Module>(model: M, config: &AdapterConfig) -> Result<(M, AttachReport), PeftError> {
    let params = inventory(&model);
    let selection = select(config, &params)?;
    let weights = read_targets(&model, &selection)?;
    let needs_svd = config.method.get().spectrum(config) != Spectrum::Unused;
    let svds = if needs_svd {
        decompose(&selection, &weights)?
    } else {
        BTreeMap::new()
    };

    let mut adapters = BTreeMap::new();
    let mut plans = BTreeMap::new();
    for param in params
        .iter()
        .filter(|param| selection.targets.contains_key(&param.path))
    {
        let shape = &selection.targets[&param.path];
        let svd = svds.get(&param.path);
        let context = LayerContext {
            config,
            shape,
            weight: &weights[&param.path],
            svd,
            device: &param.device,
        };
        if let Some(adapter) = config.method.get().build(context)? {
            adapters.insert(param.path.clone(), adapter);
        }
        let values = svd.map(ThinSvd::values);
        let plan = config.method.get().plan(config, shape, values.as_deref())?;
        plans.insert(param.path.clone(), plan);
    }
    let report = report(config, &params, &selection, plans);
    let attacher = Attacher {
        adapters,
        trained: selection.trained,
    };
    Ok((model.apply_reparameterization(attacher), report))
}

/// What [`attach`] would do, without doing it. Weights are decomposed only where the rank is chosen
/// from the spectrum.
///
/// # Errors
/// Those of [`attach`].
pub fn plan<M: Module>(model: &M, config: &AdapterConfig) -> Result<AttachReport, PeftError> {
    let params = inventory(model);
    let selection = select(config, &params)?;
    let svds = if config.method.get().spectrum(config) == Spectrum::ForPlanning {
        decompose(&selection, &read_targets(model, &selection)?)?
    } else {
        BTreeMap::new()
    };
    let mut plans = BTreeMap::new();
    // In the model's order, so that both report the same error first.
    for path in params.iter().map(|param| &param.path) {
        let Some(shape) = selection.targets.get(path) else {
            continue;
        };
        let values = svds.get(path).map(ThinSvd::values);
        plans.insert(
            path.clone(),
            config.method.get().plan(config, shape, values.as_deref())?,
        );
    }
    Ok(report(config, &params, &selection, plans))
}

/// The values of the target weights, all finite.
fn read_targets<M: Module>(
    model: &M,
    selection: &Selection,
) -> Result<BTreeMap<String, Vec<f32>>, PeftError> {
    let weights = values(model, |path| selection.targets.contains_key(path))?;
    match weights
        .iter()
        .find(|(_, values)| values.iter().any(|value| !value.is_finite()))
    {
        Some((path, _)) => Err(PeftError::NonFinite {
            path: path.clone(),
            context: "",
        }),
        None => Ok(weights),
    }
}

/// Decomposes the target weights, read as `[out, in]`, in parallel over layers.
fn decompose(
    selection: &Selection,
    weights: &BTreeMap<String, Vec<f32>>,
) -> Result<BTreeMap<String, ThinSvd>, PeftError> {
    let decomposed: Vec<(String, Option<ThinSvd>)> = weights
        .par_iter()
        .map(|(path, values)| {
            let shape = &selection.targets[path];
            (path.clone(), decompose_weight(shape, values))
        })
        .collect();
    decomposed
        .into_iter()
        .map(|(path, svd)| match svd {
            Some(svd) => Ok((path, svd)),
            None => {
                let shape = &selection.targets[&path];
                let (rows, cols) = (shape.out(), shape.fan_in());
                Err(PeftError::NoConvergence { path, rows, cols })
            }
        })
        .collect()
}

/// Decomposes one weight given by its values in Burn's layout.
fn decompose_weight(shape: &WeightShape, values: &[f32]) -> Option<ThinSvd> {
    ThinSvd::new(shape.out(), shape.fan_in(), |i, j| {
        values[shape.stored_index(i, j)]
    })
}

fn report(
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
    mut plans: BTreeMap<String, LayerPlan>,
) -> AttachReport {
    let (mut adapted, mut whole) = (Vec::new(), Vec::new());
    for param in params {
        if let Some(LayerPlan { rank, trainable }) = plans.remove(&param.path) {
            let WeightShape { path, dims } = selection.targets[&param.path].clone();
            let method = config.method.to_string();
            adapted.push(LayerReport {
                path,
                shape: dims,
                method,
                rank,
                trainable,
            });
        } else if selection.trained.contains(&param.path) {
            let shape = torch_dims(&param.dims, param.container == "Linear");
            whole.push(LayerReport::whole(&param.path, shape, param.len()));
        }
    }
    let base = params.iter().map(FloatParam::len).sum();
    AttachReport::new(config.method, base, adapted, whole)
}

/// Hands each parameter its adapter and its state.
struct Attacher {
    adapters: BTreeMap<String, Adapter>,
    trained: BTreeSet<String>,
}

impl Reparameterizer for Attacher {
    type Reparam = Adapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Adapter>) {
        (
            param.set_require_grad(self.trained.contains(path)),
            self.adapters.remove(path),
        )
    }
}
