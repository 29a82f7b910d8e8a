//! Any adapter as a LoRA or DoRA that HF peft reads.
//!
//! An update that is a product of thin factors is a LoRA, whatever trained it: SALT's is one of rank
//! r + d (method.md section 1), PiSSA's one of rank 2r. One that has full rank (S-SAM, SVFT, SALT with relu
//! on the whole matrix) is given as its best approximation of a chosen rank, with the error.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Tensor, TensorData};
use fancy_regex::escape;
use serde_json::{Map, Value, json};

use super::header::{header, write_json};
use super::names::Names;
use super::tensors::{KEY_PREFIX, NamedTensors, slots, to_file_values};
use super::{CONFIG_FILE, Carried, TENSOR_FILE, write_file};
use crate::adapter::{DEFAULT_ADAPTER, Part};
use crate::config::AdapterConfig;
use crate::error::PeftError;
use crate::inventory::{to_f32, values};
use crate::svd::ThinSvd;
use crate::weight::{Layout, WeightShape};

/// Trained parameters that HF peft has no place for, by their names in the model.
pub const EXTRA_FILE: &str = "extra_parameters.safetensors";

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
/// parameter that is no module of its own.
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
    // Refuses a configuration that is another adapter's.
    header(model, config, &carried)?;
    let bases = values(model, |path| {
        carried.parts().any(|(weight, _)| weight == path)
    })?;
    let mut layers: BTreeMap<String, Layer> = BTreeMap::new();
    for (weight, part) in carried.parts() {
        let whole = carried.param(weight).weight_shape();
        let layer = Layer::new(
            &whole,
            carried.shape(weight, part),
            part,
            &bases[weight],
            options,
        )?;
        match layers.get_mut(&whole.path) {
            Some(first) => first.join(layer),
            None => {
                layers.insert(whole.path, layer);
            }
        }
    }
    if layers.is_empty() {
        return Err(PeftError::NoLowRank {
            path: "the model".into(),
            reason: format!("method `{}` attaches no factors", config.method),
        });
    }

    let mut tensors = NamedTensors::new();
    for (path, layer) in &layers {
        let module = (options.names.to_file)(path);
        for (field, dims, values) in layer.tensors() {
            tensors.insert(format!("{KEY_PREFIX}{module}.{field}"), (dims, values));
        }
    }
    let extras = extras(model, &carried, options.names)?;
    for (path, tensor) in extras.in_modules {
        tensors.insert(format!("{KEY_PREFIX}{path}"), tensor);
    }
    let fields = fields(&layers, extras.modules, options.names);
    write_file(dir, TENSOR_FILE, &super::tensors::serialise(&tensors, dir)?)?;
    if !extras.beside.is_empty() {
        let bytes = super::tensors::serialise(&extras.beside, dir)?;
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
    whole: WeightShape,
    rank: usize,
    /// `[rank, in]`.
    a: Vec<f32>,
    /// `[out, rank]`.
    b: Vec<f32>,
    magnitude: Option<Vec<f32>>,
    error: f64,
}

impl Layer {
    fn new(
        whole: &WeightShape,
        shape: WeightShape,
        part: &Part,
        base: &[f32],
        options: &ExportOptions,
    ) -> Result<Self, PeftError> {
        let refuse = |reason: &str| PeftError::NoLowRank {
            path: shape.path.clone(),
            reason: reason.into(),
        };
        if shape.layout == Layout::ConvTranspose {
            return Err(refuse("HF peft has no LoRA of a transposed convolution"));
        }
        let factors = part.factors.hf_factors();
        let rank = factors.as_ref().map(|factors| factors.a.dims()[0]);
        let fits = |rank| options.rank.is_none_or(|most| rank <= most);
        let (rank, a, b, magnitude, error) = match (factors, rank) {
            (Some(factors), Some(rank)) if fits(rank) => {
                let magnitude = factors.magnitude;
                if magnitude.is_some() && part.slice.is_some() {
                    return Err(refuse("HF peft has no DoRA of rows of a weight"));
                }
                let read = |tensor| to_f32(&shape.path, tensor);
                let magnitude = magnitude.map(|m| to_f32(&shape.path, m)).transpose()?;
                (rank, read(factors.a)?, read(factors.b)?, magnitude, 0.0)
            }
            (Some(factors), Some(_)) if factors.magnitude.is_some() => {
                return Err(refuse("a DoRA is written with the rank it has"));
            }
            _ => {
                let Some(rank) = options.rank else {
                    return Err(refuse("its update has full rank"));
                };
                let (a, b, rank, error) = approximate(whole, &shape, part, base, rank)?;
                (rank, a, b, None, error)
            }
        };
        let mut layer = Self {
            whole: whole.clone(),
            rank,
            a,
            b,
            magnitude,
            error,
        };
        if let Some(slice) = &part.slice {
            let mut rows = vec![0.0; whole.out() * rank];
            rows[slice.rows.start * rank..slice.rows.end * rank].copy_from_slice(&layer.b);
            layer.b = rows;
        }
        Ok(layer)
    }

    /// The sum of two updates of one weight, as one of the sum of the ranks.
    fn join(&mut self, other: Self) {
        let b = self.b.chunks(self.rank).zip(other.b.chunks(other.rank));
        self.b = b.flat_map(|(x, y)| [x, y].concat()).collect();
        self.a.extend(other.a);
        self.rank += other.rank;
        self.error = self.error.max(other.error);
    }

    /// Field, shape and values of every tensor.
    fn tensors(&self) -> Vec<(&'static str, Vec<usize>, Vec<f32>)> {
        let out = self.whole.out();
        let (mut a, mut b, mut m) = (vec![self.rank], vec![out, self.rank], vec![out]);
        a.extend(&self.whole.dims[1..]);
        if self.whole.layout == Layout::Conv {
            b.extend([1, 1]);
            m = vec![1, out, 1, 1];
        }
        let magnitude = self.magnitude.clone();
        let magnitude = magnitude.map(|values| ("lora_magnitude_vector", m, values));
        [
            ("lora_A.weight", a, self.a.clone()),
            ("lora_B.weight", b, self.b.clone()),
        ]
        .into_iter()
        .chain(magnitude)
        .collect()
    }
}

/// The best approximation of an update of a given rank (Eckart and Young): A, B, the rank, which is less
/// where the weight's sides are, and the relative error.
fn approximate(
    whole: &WeightShape,
    shape: &WeightShape,
    part: &Part,
    base: &[f32],
    rank: usize,
) -> Result<(Vec<f32>, Vec<f32>, usize, f64), PeftError> {
    let base = match &part.slice {
        Some(slice) => slice.values(whole, base),
        None => base.to_vec(),
    };
    let device = part.factors.device();
    let base = Tensor::<2>::from_data(TensorData::new(base, shape.stored()), (&device, DType::F32));
    let negated = to_f32(&shape.path, part.factors.negated_update(base))?;
    let (out, fan_in, rank) = (shape.out(), shape.fan_in(), rank.clamp(1, shape.k()));
    let entry = |i, j| -negated[shape.stored_index(i, j)];
    let svd = ThinSvd::new(out, fan_in, entry).ok_or_else(|| PeftError::NoConvergence {
        path: shape.path.clone(),
        rows: out,
        cols: fan_in,
    })?;
    let values = svd.values();
    let energy = |values: &[f32]| -> f64 {
        let squares = values.iter().map(|s| f64::from(*s) * f64::from(*s));
        squares.sum()
    };
    let (all, lost) = (energy(&values), energy(&values[rank..]));
    let error = if all > 0.0 { (lost / all).sqrt() } else { 0.0 };
    let mut b = svd.u(0, rank);
    for row in b.chunks_mut(rank) {
        row.iter_mut().zip(&values).for_each(|(x, s)| *x *= s);
    }
    Ok((svd.vt(0, rank), b, rank, error))
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
        let module = slot.path.rsplit_once('.').map(|(module, _)| module);
        // HF peft saves modules, whatever they hold.
        let is_whole = module.is_some_and(|module| {
            let prefix = format!("{module}.");
            let mut below = carried.base().filter(|p| p.path.starts_with(&prefix));
            below.all(|param| whole.contains(&param.path))
        });
        let key = slot.key.strip_prefix(KEY_PREFIX).unwrap_or(&slot.key);
        let key = (names.to_file)(key);
        let tensor = (slot.file_dims.clone(), to_file_values(&slot, values)?);
        match module.filter(|_| is_whole) {
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

/// `adapter_config.json`. The scaling is in B, so alpha is the rank everywhere.
fn fields(
    layers: &BTreeMap<String, Layer>,
    modules_to_save: Vec<String>,
    names: Names,
) -> Map<String, Value> {
    let common = layers.values().map(|layer| layer.rank).max().unwrap_or(1);
    let use_dora = layers.values().any(|layer| layer.magnitude.is_some());
    let (mut ranks, mut modules) = (Map::new(), Vec::new());
    for (path, layer) in layers {
        let module = (names.to_file)(path);
        if layer.rank != common {
            // From the beginning of the path, so that no other path ends alike.
            ranks.insert(format!("^{}", escape(&module)), json!(layer.rank));
        }
        modules.push(module);
    }
    modules.sort();
    let save = match modules_to_save.is_empty() {
        true => Value::Null,
        false => json!(modules_to_save),
    };
    let fields = [
        ("peft_type", json!("LORA")),
        ("task_type", Value::Null),
        ("auto_mapping", Value::Null),
        ("base_model_name_or_path", Value::Null),
        ("revision", Value::Null),
        ("inference_mode", json!(true)),
        ("r", json!(common)),
        ("lora_alpha", json!(common)),
        ("lora_dropout", json!(0.0)),
        ("bias", json!("none")),
        ("fan_in_fan_out", json!(false)),
        ("use_rslora", json!(false)),
        ("use_dora", json!(use_dora)),
        ("init_lora_weights", json!(true)),
        ("rank_pattern", Value::Object(ranks.clone())),
        ("alpha_pattern", Value::Object(ranks)),
        ("target_modules", json!(modules)),
        ("modules_to_save", save),
    ];
    fields
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}
