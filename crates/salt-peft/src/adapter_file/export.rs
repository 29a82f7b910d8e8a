//! Any adapter as a LoRA or DoRA that HF peft reads.
//!
//! An update that is a product of thin factors is a LoRA, whatever trained it: SALT's is one of rank
//! r + d (method.md section 1), PiSSA's one of rank 2r. One that has full rank (S-SAM, SVFT, SALT with relu
//! on the whole matrix) is given as its best approximation of a chosen rank, with the error.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use serde_json::{Map, Value, json};

use super::header::{Told, agree, hf_fields, write_json};
use super::names::Names;
use super::tensors::{KEY_PREFIX, NamedTensors, slots, to_file_values};
use super::{CONFIG_FILE, Carried, TENSOR_FILE, remove_file, write_file};
use crate::adapter::{Adapter, DEFAULT_ADAPTER, Part};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::fingerprint::sha256;
use crate::inventory::{to_f32, values};
use crate::method::LayerAdapter;
use crate::methods::dora::DoraAdapter;
use crate::rank::LayerRank;
use crate::svd::{ThinSvd, energy};
use crate::weight::{Layout, WeightShape};

/// Trained parameters that HF peft has no place for, by their names in the model.
pub const EXTRA_FILE: &str = "extra_parameters.safetensors";

/// The field of the configuration that says there is an [`EXTRA_FILE`], and its hash.
pub(super) const EXTRA_SHA256: &str = "extra_parameters_sha256";

/// The factors of an update in PyTorch's orientation: `W' = W + B A`, or with a magnitude
/// `m (W + B A) / ||W + B A||` by output row.
#[derive(Clone, Debug)]
pub struct HfFactors {
    /// `[r, in]`.
    pub a: Tensor<2>,
    /// `[out, r]`, the scaling multiplied in.
    pub b: Tensor<2>,
    /// DoRA's magnitude `[out]`.
    pub magnitude: Option<Tensor<1>>,
}

impl HfFactors {
    /// Of a product `left right` that is to be subtracted from a stored weight, see
    /// [`LayerAdapter::negated_update`](crate::method::LayerAdapter::negated_update).
    pub(crate) fn of_negated(left: Tensor<2>, right: Tensor<2>, transposed: bool) -> Self {
        let (a, b) = match transposed {
            true => (left.transpose(), right.transpose()),
            false => (right, left),
        };
        Self {
            a,
            b: b.neg(),
            magnitude: None,
        }
    }
}

/// What is written, and how.
#[derive(Clone, Copy, Debug)]
pub struct ExportOptions {
    /// The names in the file.
    pub names: Names,
    /// The largest rank of a layer; updates of a larger one are approximated. `None` writes exact
    /// factors only.
    pub rank: Option<usize>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportReport {
    /// By module: rank, and the error of the update, `||D - B A||_F / ||D||_F`; 0 for exact factors.
    pub layers: Vec<(String, usize, f64)>,
    /// Parameters in [`EXTRA_FILE`], by their names there.
    pub beside: Vec<String>,
}

/// Writes the adapter of `model` into `dir` as HF peft's LoRA, or DoRA. What is trained whole goes into
/// `modules_to_save` where that names a module, and into [`EXTRA_FILE`] where HF peft has no place for it: a
/// parameter that is no module of its own. Of several adapters it is the one called `default`, whole: as with
/// [`save_adapter`](super::save_adapter), strengths are the model's and not the file's.
///
/// # Errors
/// Those of [`save_adapter`](super::save_adapter); [`PeftError::NoLowRank`].
pub fn export_hf_lora<M: Module>(
    model: &M,
    config: &AdapterConfig,
    dir: &Path,
    options: &ExportOptions,
) -> Result<ExportReport, PeftError> {
    let carried = Carried::of(model, DEFAULT_ADAPTER);
    agree(config, &carried)?;
    let bases = values(model, |path| {
        carried.parts().any(|(weight, _)| weight == path)
    })?;
    let mut by_weight: BTreeMap<&str, Vec<&Part>> = BTreeMap::new();
    for (weight, part) in carried.parts() {
        by_weight.entry(weight).or_default().push(part);
    }
    let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
    for (weight, parts) in by_weight {
        let shape = carried.param(weight).weight_shape();
        let layer = Layer::new(&shape, &parts, &bases[weight], options.rank)?;
        layers.insert(shape.path, layer);
    }
    if layers.is_empty() {
        return Err(PeftError::NoLowRank {
            path: "the model".into(),
            reason: format!("method `{}` attaches no factors", config.method),
            hint: "Save its parameters, or the whole model",
        });
    }

    let mut tensors = NamedTensors::new();
    for (path, layer) in &layers {
        let module = (options.names.to_file)(path);
        for (field, dims, values) in layer.tensors() {
            tensors.insert(
                format!("{KEY_PREFIX}{module}.{field}"),
                (dims, values.to_vec()),
            );
        }
    }
    let extras = extras(model, &carried, options.names)?;
    for (path, tensor) in extras.in_modules {
        tensors.insert(format!("{KEY_PREFIX}{path}"), tensor);
    }
    let targets: Vec<String> = layers.keys().cloned().collect();
    let alike = carried.alike(&targets);
    let mut fields = fields(&layers, extras.modules, &alike, options.names)?;
    write_file(dir, TENSOR_FILE, &super::tensors::serialise(&tensors, dir)?)?;
    if extras.beside.is_empty() {
        remove_file(dir, EXTRA_FILE)?;
    } else {
        let bytes = super::tensors::serialise(&extras.beside, dir)?;
        fields.insert(EXTRA_SHA256.into(), Value::from(sha256(&bytes)));
        write_file(dir, EXTRA_FILE, &bytes)?;
    }
    write_file(dir, CONFIG_FILE, &write_json(Value::Object(fields)))?;
    let layers = layers.into_iter();
    Ok(ExportReport {
        layers: layers
            .map(|(path, layer)| (path, layer.rank, layer.error))
            .collect(),
        beside: extras.beside.into_keys().collect(),
    })
}

/// The factors of one weight.
struct Layer {
    shape: WeightShape,
    rank: usize,
    /// `[rank, in]`.
    a: Vec<f32>,
    /// `[out, rank]`.
    b: Vec<f32>,
    magnitude: Option<Vec<f32>>,
    error: f64,
}

/// A rank changes nothing about these.
const MERGE: &str = "Merge the adapter into the weights instead";

impl Layer {
    /// The parts' factors side by side, or an approximation of their sum where a part has none, or where they
    /// are more than `most`, or than there are dimensions.
    fn new(
        shape: &WeightShape,
        parts: &[&Part],
        base: &[f32],
        most: Option<usize>,
    ) -> Result<Self, PeftError> {
        let refuse = |reason: &str, hint| PeftError::NoLowRank {
            path: shape.path.clone(),
            reason: reason.into(),
            hint,
        };
        if shape.layout == Layout::ConvTranspose {
            return Err(refuse(
                "HF peft has no LoRA of a transposed convolution",
                MERGE,
            ));
        }
        let mut exact = Some(Self::empty(shape));
        for part in parts {
            let factors = part.factors.hf_factors();
            if let Some(HfFactors {
                magnitude: Some(_),
                a,
                ..
            }) = &factors
            {
                if part.slice.is_some() {
                    return Err(refuse("HF peft has no DoRA of rows of a weight", MERGE));
                }
                if most.is_some_and(|most| a.dims()[0] > most) {
                    let hint = "Leave the rank out, or make it as large as the adapter's";
                    return Err(refuse("the direction of a DoRA is not approximated", hint));
                }
            }
            exact = match (exact, factors) {
                (Some(layer), Some(factors)) => Some(layer.beside(part, factors)?),
                _ => None,
            };
        }
        let limit = most.unwrap_or(usize::MAX);
        match exact {
            Some(layer) if layer.magnitude.is_some() => Ok(layer),
            Some(layer) if layer.rank <= limit.min(shape.k()) => Ok(layer),
            // As many dimensions as there are lose nothing but rounding.
            Some(layer) => approximate(shape, &layer.update(), limit),
            None if most.is_none() => Err(refuse(
                "its update has full rank",
                "Give a rank to write the best approximation of that rank, or merge the adapter into the weights",
            )),
            None => {
                let all = parts.iter().map(|part| Part {
                    strength: 1.0,
                    ..(*part).clone()
                });
                let adapter = Adapter::on(shape, all.collect());
                let device = adapter.devices().into_iter().next().unwrap_or_default();
                let data = TensorData::new(base.to_vec(), shape.stored());
                let base = Tensor::from_data(data, (&device, DType::F32));
                let negated = adapter.negated_update(base).expect("a part is switched on");
                let negated = to_f32(&shape.path, negated)?;
                let places =
                    (0..shape.out()).flat_map(|row| (0..shape.fan_in()).map(move |col| (row, col)));
                let update = places.map(|(row, col)| -negated[shape.stored_index(row, col)]);
                approximate(shape, &update.collect::<Vec<f32>>(), limit)
            }
        }
    }

    fn empty(shape: &WeightShape) -> Self {
        Self {
            shape: shape.clone(),
            rank: 0,
            a: Vec::new(),
            b: Vec::new(),
            magnitude: None,
            error: 0.0,
        }
    }

    /// With the factors of one more part, which are those of the whole weight or of some of its rows.
    fn beside(mut self, part: &Part, factors: HfFactors) -> Result<Self, PeftError> {
        let path = &self.shape.path;
        let (rank, out) = (factors.a.dims()[0], self.shape.out());
        let new = to_f32(path, factors.b)?;
        let rows = part
            .slice
            .as_ref()
            .map_or(0..out, |slice| slice.rows.clone());
        let mut b = Vec::with_capacity(out * (self.rank + rank));
        for row in 0..out {
            b.extend(&self.b[row * self.rank..(row + 1) * self.rank]);
            match rows.contains(&row) {
                true => b.extend(&new[(row - rows.start) * rank..(row + 1 - rows.start) * rank]),
                false => b.resize(b.len() + rank, 0.0),
            }
        }
        self.magnitude = factors.magnitude.map(|m| to_f32(path, m)).transpose()?;
        self.a.extend(to_f32(path, factors.a)?);
        self.b = b;
        self.rank += rank;
        Ok(self)
    }

    /// `B A`, row-major `[out, in]`.
    fn update(&self) -> Vec<f32> {
        let fan_in = self.shape.fan_in();
        let mut update = Vec::with_capacity(self.shape.out() * fan_in);
        for row in self.b.chunks(self.rank.max(1)) {
            let mut sums = vec![0.0_f64; fan_in];
            for (b, a) in row.iter().zip(self.a.chunks(fan_in)) {
                let products = sums.iter_mut().zip(a);
                products.for_each(|(sum, a)| *sum += f64::from(*b) * f64::from(*a));
            }
            update.extend(sums.into_iter().map(|sum| sum as f32));
        }
        update
    }

    /// Key, shape and values of every tensor: those of LoRA, and of DoRA where there is a magnitude.
    fn tensors(&self) -> impl Iterator<Item = (String, Vec<usize>, &[f32])> {
        let (out, fan_in) = (self.shape.out(), self.shape.fan_in());
        let magnitude = self.magnitude.as_deref();
        let magnitude = magnitude.map(|values| ("magnitude", vec![out], values));
        let factors = [
            ("a", vec![self.rank, fan_in], self.a.as_slice()),
            ("b", vec![out, self.rank], self.b.as_slice()),
        ];
        factors
            .into_iter()
            .chain(magnitude)
            .map(|(field, dims, values)| {
                let dims = DoraAdapter::file_shape(field, &self.shape, &dims);
                (DoraAdapter::file_key(field), dims, values)
            })
    }
}

/// The best approximation of an update `[out, in]` of a rank of at most `limit` (Eckart and Young), with
/// its relative error.
fn approximate(shape: &WeightShape, update: &[f32], limit: usize) -> Result<Layer, PeftError> {
    let (out, fan_in) = (shape.out(), shape.fan_in());
    let svd = ThinSvd::new(out, fan_in, |i, j| update[i * fan_in + j]);
    let svd = svd.ok_or_else(|| PeftError::NoConvergence {
        path: shape.path.clone(),
        rows: out,
        cols: fan_in,
    })?;
    let (rank, values) = (limit.clamp(1, shape.k()), svd.values());
    let (all, lost) = (energy(&values), energy(&values[rank..]));
    let mut b = svd.u(0, rank);
    for row in b.chunks_mut(rank) {
        row.iter_mut().zip(&values).for_each(|(x, s)| *x *= s);
    }
    Ok(Layer {
        shape: shape.clone(),
        rank,
        a: svd.vt(0, rank),
        b,
        magnitude: None,
        error: if all > 0.0 { (lost / all).sqrt() } else { 0.0 },
    })
}

/// What is trained whole.
struct Extras {
    modules: Vec<String>,
    in_modules: NamedTensors,
    beside: NamedTensors,
}

fn extras<M: Module>(model: &M, carried: &Carried, names: Names) -> Result<Extras, PeftError> {
    let whole = carried.whole();
    let mut state = values(model, |path| whole.iter().any(|whole| whole == path))?;
    let mut extras = Extras {
        modules: Vec::new(),
        in_modules: NamedTensors::new(),
        beside: NamedTensors::new(),
    };
    let slots = slots(carried).into_iter();
    for slot in slots.filter(|slot| whole.contains(&slot.path)) {
        let Some(values) = state.remove(&slot.path) else {
            continue;
        };
        let key = slot.key.strip_prefix(KEY_PREFIX).unwrap_or(&slot.key);
        let key = (names.to_file)(key);
        let tensor = (slot.file_dims.clone(), to_file_values(&slot, values)?);
        match carried.whole_module(&slot.path, &whole) {
            Some(module) => {
                extras.modules.push((names.to_file)(module));
                extras.in_modules.insert(key, tensor);
            }
            None => {
                extras.beside.insert(key, tensor);
            }
        }
    }
    extras.modules.sort();
    extras.modules.dedup();
    Ok(extras)
}

/// `adapter_config.json`. The scaling is in B, so alpha is the rank everywhere, which is what a
/// configuration without one means.
fn fields(
    layers: &BTreeMap<String, Layer>,
    modules: Vec<String>,
    alike: &[String],
    names: Names,
) -> Result<Map<String, Value>, PeftError> {
    let renamed = |path: &str| (names.to_file)(path);
    let use_dora = layers.values().any(|layer| layer.magnitude.is_some());
    let method = if use_dora { "dora" } else { "lora" };
    let config = AdapterConfig::new(method.parse()?);
    let told = Told {
        ranks: layers
            .iter()
            .map(|(path, layer)| {
                let shape = WeightShape::new(renamed(path), layer.shape.dims.clone());
                (shape, LayerRank::Single(layer.rank))
            })
            .collect(),
        modules,
        excluded: alike.iter().map(|path| renamed(path)).collect(),
    };
    let mut targets: Vec<String> = layers.keys().map(|path| renamed(path)).collect();
    targets.sort();
    let mut fields = hf_fields(&config, &told);
    fields.insert("peft_type".into(), json!(config.method.get().peft_type()));
    fields.insert("target_modules".into(), json!(targets));
    Ok(fields)
}
