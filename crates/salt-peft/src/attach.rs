//! Attaching an adapter to a base model, and planning to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use burn::module::{Module, Param, Reparameterizer};
use burn::tensor::{DType, Tensor};

use crate::adapter::{Adapter, DEFAULT_ADAPTER, Part, announce_composition};
use crate::allocate::{Ranks, ranks};
use crate::base_precision::{self, rounded, widening};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inspect::adapters;
use crate::inventory::{FloatParam, inventory, values};
use crate::method::{LayerContext, Spectrum};
use crate::rank::LayerRank;
use crate::report::{AttachReport, LayerReport};
use crate::select::{Selection, Target, select};
use crate::svd::{Need, SvdCache, ThinSvd, WeightMatrix, decompose_all};
use crate::weight::{WeightShape, torch_dims};

/// Attaches an adapter: every target gets its factors, the extras stay trainable, everything else is
/// frozen. With a method that starts at zero the model's outputs do not change by a bit.
///
/// The singular value decompositions, where the method needs them, run in parallel over layers on
/// the host. Training behaviour that is no gradient is left alone: dropout, and the running statistics of
/// batch norms, which are neither trained nor saved. Train such a model in evaluation mode, or they
/// leave the base that the adapter belongs to.
///
/// # Errors
/// Settings the method does not read or cannot take; patterns that match nothing; targets that are
/// no weights of linear layers or convolutions; ranks above a layer's limit; weights that are not
/// finite; a model that already carries an adapter; a `base_precision` that the device or the base does not allow.
pub fn attach<M: Module>(model: M, config: &AdapterConfig) -> Result<(M, AttachReport), PeftError> {
    let params = unadapted(&model)?;
    base_precision::check(config, &params, &select(config, &params)?)?;
    attach_ranks(model, config, None)
}

/// [`attach`] with ranks that were chosen before.
///
/// # Errors
/// Those of [`attach`]; [`PeftError::OtherRank`].
pub(crate) fn attach_ranks<M: Module>(
    model: M,
    config: &AdapterConfig,
    chosen: Option<&Ranks>,
) -> Result<(M, AttachReport), PeftError> {
    let params = unadapted(&model)?;
    let selection = select(config, &params)?;
    let model = rounded(model, config, &params, &selection)?;
    let built = build(&model, config, &params, &selection, chosen)?;
    let report = report(config, &params, &selection, &built.ranks);
    let mut adapters = built.adapters(DEFAULT_ADAPTER, config);
    let kept_in = widening(&mut adapters, config, &params, &selection)?;
    let attacher = Attacher {
        adapters,
        trained: Some(selection.trained),
        kept_in,
    };
    Ok((model.apply_reparameterization(attacher), report))
}

/// What [`attach`] would do, without doing it. Weights are decomposed only where the rank is chosen
/// from the spectrum.
///
/// # Errors
/// Those of [`attach`].
pub fn plan<M: Module>(model: &M, config: &AdapterConfig) -> Result<AttachReport, PeftError> {
    let params = unadapted(model)?;
    let selection = select(config, &params)?;
    base_precision::check(config, &params, &selection)?;
    let decompositions = if config.ranks_by_spectrum() {
        let weights = read_targets(model, &params, &selection)?;
        decompose(&weights, &selection, |_| Spectrum::Full)?
    } else {
        BTreeMap::new()
    };
    let ranks = ranks(
        config,
        &selection,
        &params,
        &singular_values(&decompositions),
    )?;
    Ok(report(config, &params, &selection, &ranks))
}

/// The parameters of a model without adapters.
///
/// # Errors
/// [`PeftError::AlreadyAttached`].
fn unadapted<M: Module>(model: &M) -> Result<Vec<FloatParam>, PeftError> {
    let params = inventory(model);
    let foreign = params.iter().find_map(|param| param.adapts.clone());
    // One without factors keeps the base in half precision.
    match foreign.or_else(|| adapters(model).into_iter().map(|(path, _)| path).next()) {
        Some(path) => Err(PeftError::AlreadyAttached { path }),
        None => Ok(params),
    }
}

/// The factors of all targets.
pub(crate) struct Built {
    /// By the path of the weight: shape of the whole weight, and its parts.
    factors: BTreeMap<String, (WeightShape, Vec<(Target, crate::methods::Factors)>)>,
    pub(crate) ranks: Ranks,
}

impl Built {
    /// As adapters of that name, by the path of the weight.
    pub(crate) fn adapters(self, name: &str, config: &AdapterConfig) -> BTreeMap<String, Adapter> {
        let config = Arc::new(config.clone());
        let weights = self.factors.into_iter();
        let adapters = weights.map(|(path, (whole, parts))| {
            let parts = parts.into_iter().map(|(target, factors)| Part {
                name: name.to_owned(),
                slice: target.slice,
                strength: 1.0,
                config: Arc::clone(&config),
                factors,
            });
            (path, Adapter::on(&whole, parts.collect()))
        });
        adapters.collect()
    }
}

/// Decomposes, chooses ranks and makes the factors.
///
/// # Errors
/// Those of [`attach_ranks`].
pub(crate) fn build<M: Module>(
    model: &M,
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
    chosen: Option<&Ranks>,
) -> Result<Built, PeftError> {
    let method = config.method.get();
    let weights = read_targets(model, params, selection)?;
    let by_spectrum = config.ranks_by_spectrum();
    let mut svds = BTreeMap::new();
    if by_spectrum {
        svds = decompose(&weights, selection, |_| Spectrum::Full)?;
    }
    let ranks = match chosen {
        Some(chosen) => checked(config, params, selection, chosen)?,
        None => ranks(config, selection, params, &singular_values(&svds))?,
    };
    let needed = |path: &str| method.spectrum(ranks[path]);
    // Those that were decomposed whole for their values have what they need, unless it is a part.
    let missing = |path: &str| match needed(path) {
        Spectrum::Full if by_spectrum => Spectrum::Unused,
        needed => needed,
    };
    svds.extend(decompose(&weights, selection, missing)?);
    let mut factors = BTreeMap::new();
    for param in params {
        let Some(targets) = selection.targets.get(&param.path) else {
            continue;
        };
        let mut parts = Vec::new();
        for target in targets {
            let path = &target.shape.path;
            let context = LayerContext {
                config,
                shape: &target.shape,
                rank: ranks[path],
                weight: &weights[path],
                svd: svds.get(path),
                device: &param.device,
            };
            if let Some(factors) = method.build(context)? {
                parts.push((target.clone(), factors));
            }
        }
        factors.insert(param.path.clone(), (param.weight_shape(), parts));
    }
    Ok(Built { factors, ranks })
}

/// Ranks from elsewhere: one for every target, possible there, and what the configuration asks for. Where
/// the spectrum decided, and for tails that were trained to other ranks, it asks for nothing definite.
fn checked(
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
    chosen: &Ranks,
) -> Result<Ranks, PeftError> {
    let mut ranks = Ranks::new();
    for Target { shape, .. } in selection.in_order(params) {
        let rank = chosen.get(&shape.path).copied();
        let asked = match config.ranks_by_spectrum() {
            true => None,
            false => config.method.get().rank(config, shape, None)?,
        };
        let is_asked = |rank: &LayerRank| match asked {
            Some(asked @ LayerRank::HeadTail { .. }) => asked.with_shared(rank.shared()) == *rank,
            Some(asked) => asked == *rank,
            None => true,
        };
        let fits = |rank: &LayerRank| config.method.get().fits(shape, *rank);
        match rank.filter(|rank| fits(rank) && is_asked(rank)) {
            Some(rank) => ranks.insert(shape.path.clone(), rank),
            None => {
                return Err(PeftError::OtherRank {
                    path: shape.path.clone(),
                    rank: rank.map_or_else(|| "none".into(), |rank| rank.to_string()),
                    limit: shape.k(),
                });
            }
        };
    }
    Ok(ranks)
}

/// The values of the targets in Burn's layout, all finite, by the path of what is adapted.
fn read_targets<M: Module>(
    model: &M,
    params: &[FloatParam],
    selection: &Selection,
) -> Result<BTreeMap<String, Vec<f32>>, PeftError> {
    let mut weights = values(model, |path| selection.targets.contains_key(path))?;
    if let Some((path, _)) = weights
        .iter()
        .find(|(_, values)| values.iter().any(|value| !value.is_finite()))
    {
        return Err(PeftError::NonFinite {
            path: path.clone(),
            context: "",
        });
    }
    let mut read = BTreeMap::new();
    for param in params {
        let Some(values) = weights.remove(&param.path) else {
            continue;
        };
        let whole = param.weight_shape();
        for target in &selection.targets[&param.path] {
            let values = match &target.slice {
                Some(slice) => slice.values(&whole, &values),
                None => values.clone(),
            };
            read.insert(target.shape.path.clone(), values);
        }
    }
    Ok(read)
}

/// Decomposes the targets, read as `[out, in]`, in parallel over layers, each as far as it is needed.
fn decompose(
    weights: &BTreeMap<String, Vec<f32>>,
    selection: &Selection,
    needed: impl Fn(&str) -> Spectrum,
) -> Result<BTreeMap<String, ThinSvd>, PeftError> {
    let (mut shapes, mut jobs) = (Vec::new(), Vec::new());
    for shape in selection.shapes() {
        let need = match needed(&shape.path) {
            Spectrum::Unused => continue,
            Spectrum::Leading(count) => Need::Leading(count),
            Spectrum::Full => Need::Full,
        };
        jobs.push((WeightMatrix::of_weight(shape, &weights[&shape.path]), need));
        shapes.push(shape);
    }
    let cache = SvdCache::in_scope();
    let decomposed = decompose_all(&jobs, cache.as_deref()).into_iter();
    let named = shapes.into_iter().zip(decomposed);
    named
        .map(|(shape, svd)| match svd {
            Some(svd) => Ok((shape.path.clone(), svd)),
            None => Err(PeftError::NoConvergence {
                path: shape.path.clone(),
                rows: shape.out(),
                cols: shape.fan_in(),
            }),
        })
        .collect()
}

fn singular_values(svds: &BTreeMap<String, ThinSvd>) -> BTreeMap<String, Vec<f32>> {
    let all = svds.iter();
    all.map(|(path, svd)| (path.clone(), svd.values()))
        .collect()
}

pub(crate) fn report(
    config: &AdapterConfig,
    params: &[FloatParam],
    selection: &Selection,
    ranks: &Ranks,
) -> AttachReport {
    let (mut adapted, mut whole) = (Vec::new(), Vec::new());
    for param in params {
        if let Some(targets) = selection.targets.get(&param.path) {
            adapted.extend(targets.iter().map(|target| {
                let rank = ranks[&target.shape.path];
                LayerReport {
                    path: target.shape.path.clone(),
                    shape: target.shape.dims.clone(),
                    method: config.method.to_string(),
                    rank: rank.to_string(),
                    trainable: config.method.get().trainable(&target.shape, rank),
                }
            }));
        } else if selection.trained.contains(&param.path) {
            let shape = torch_dims(&param.dims, param.container == "Linear");
            whole.push(LayerReport::whole(&param.path, shape, param.len()));
        }
    }
    let base = params.iter().map(FloatParam::len).sum();
    AttachReport::new(config.method, base, adapted, whole)
}

/// Hands each parameter its adapter and its state.
pub(crate) struct Attacher {
    pub(crate) adapters: BTreeMap<String, Adapter>,
    /// What stays trainable; `None` leaves the parameters' states alone.
    pub(crate) trained: Option<BTreeSet<String>>,
    /// The format that weights whose adapter widens them are brought to; `None` leaves them as they are kept.
    pub(crate) kept_in: Option<DType>,
}

impl Reparameterizer for Attacher {
    type Reparam = Adapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Adapter>) {
        let param = match &self.trained {
            Some(trained) => param.set_require_grad(trained.contains(path)),
            None => param,
        };
        let Some(adapter) = self.adapters.remove(path) else {
            return (param, None);
        };
        announce_composition();
        let param = match self.kept_in {
            Some(dtype) if adapter.widens => {
                param.map(|weight| base_precision::kept_in(dtype, weight))
            }
            _ => param,
        };
        (param, Some(adapter))
    }
}
