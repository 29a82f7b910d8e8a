//! What sits on a weight: the factors of one adapter, of some rows each, or of several adapters.

use std::sync::{Arc, Once};

use burn::module::{Devices, Module, ModuleMapper, ModuleVisitor, Param, Reparameterization};
use burn::tensor::{DType, Device, Tensor};
use salt_kernels::{LessProducts, widened};

use crate::config::AdapterConfig;
use crate::inspect;
use crate::methods::Factors;
use crate::slice::Slice;
use crate::weight::{WeightShape, as_matrix, updated};

/// The name of an adapter that was attached without one, as in HF peft.
pub const DEFAULT_ADAPTER: &str = "default";

/// The container type that a part announces to visitors.
const PART: &str = "AdapterPart";

/// All that adapters add to one weight: `W' = W + sum_p strength_p delta_p(W)`.
///
/// Burn allows one reparameterization per parameter and one type of it, so all methods, all rows and
/// all adapters share this one. Factors are found at `<weight>.adapter.<factor>`; rows of a weight and
/// adapters with a name of their own add a segment each:
/// `<weight>.adapter.[q].<factor>`, `<weight>.adapter.<name>.<factor>`.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Rows of one adapter are next to each other, in their order.
    pub(crate) parts: Vec<Part>,
    /// The dimension of the stored matrix that holds the output features.
    pub(crate) along: usize,
    /// Whether the weight is kept in half precision and is f32 wherever it is used, see
    /// [`base_precision`](crate::base_precision). Without parts that is all that it does.
    pub(crate) widens: bool,
}

/// The factors of one adapter for one weight, or for rows of it.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The adapter they belong to.
    pub(crate) name: String,
    /// The rows they change, unless it is the whole weight.
    pub(crate) slice: Option<Slice>,
    /// How much of the update is applied: 1 all, 0 none.
    pub(crate) strength: f64,
    /// What they were attached with.
    pub(crate) config: Arc<AdapterConfig>,
    /// The factors.
    pub(crate) factors: Factors,
}

impl Part {
    /// Segments between `adapter` and a factor's name.
    pub(crate) fn segments(&self) -> Vec<String> {
        let name = (self.name != DEFAULT_ADAPTER).then(|| self.name.clone());
        let slice = self.slice.as_ref().map(Slice::segment);
        name.into_iter().chain(slice).collect()
    }

    /// The path of its factors on `weight`, without their names.
    pub(crate) fn prefix(&self, weight: &str) -> String {
        let mut prefix = format!("{weight}.{}", Adapter::NAME);
        for segment in self.segments() {
            prefix.push('.');
            prefix.push_str(&segment);
        }
        prefix
    }

    /// Whether `path`, a factor's, lies in this part of the adapter on `weight`.
    pub(crate) fn holds(&self, weight: &str, path: &str) -> bool {
        let rest = path.strip_prefix(&self.prefix(weight));
        let name = rest.and_then(|rest| rest.strip_prefix('.'));
        name.is_some_and(|name| !name.contains('.'))
    }

    fn is_on(&self) -> bool {
        self.strength != 0.0
    }

    /// Whether all of it changes all of the weight.
    fn is_whole(&self) -> bool {
        self.slice.is_none() && self.strength == 1.0
    }
}

impl Adapter {
    /// Parts on a weight of that shape.
    pub(crate) fn on(shape: &WeightShape, parts: Vec<Part>) -> Self {
        Self {
            parts,
            along: usize::from(shape.is_transposed()),
            widens: false,
        }
    }

    /// What the adapter of that name has here.
    pub(crate) fn parts_of<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.name == name)
    }

    /// The update of all that is switched on, with its sign turned, see
    /// [`LayerAdapter::negated_update`](crate::method::LayerAdapter::negated_update); `None` when nothing is.
    pub(crate) fn negated_update(&self, base: Tensor<2>) -> Option<Tensor<2>> {
        let mut sum: Option<Tensor<2>> = None;
        let mut at = 0;
        let on: Vec<&Part> = self.parts.iter().filter(|part| part.is_on()).collect();
        while at < on.len() {
            let run = on[at..]
                .iter()
                .take_while(|part| part.name == on[at].name)
                .count();
            let parts = &on[at..at + run];
            at += run;
            let update = match parts {
                [part] if part.slice.is_none() => part.factors.negated_update(base.clone()),
                parts => of_rows(parts, &base, self.along),
            };
            let update = match parts[0].strength {
                1.0 => update,
                strength => update * strength,
            };
            sum = Some(match sum {
                Some(sum) => sum + update,
                None => update,
            });
        }
        sum
    }

    /// What is switched on, where it is one part that changes the whole weight.
    fn only_whole(&self) -> Option<&Part> {
        let mut on = self.parts.iter().filter(|part| part.is_on());
        let only = on.next().filter(|part| part.is_whole());
        only.filter(|_| on.next().is_none())
    }

    /// The sum of the penalties of what is switched on.
    pub(crate) fn penalty(&self) -> Option<Tensor<1>> {
        let on = self.parts.iter().filter(|part| part.is_on());
        on.filter_map(|part| part.factors.penalty())
            .reduce(|a, b| a + b)
    }
}

/// The update of rows, each at its place between zeros.
///
/// # Shapes
/// - base, output: the weight as stored; `along` is its dimension of output features
fn of_rows(parts: &[&Part], base: &Tensor<2>, along: usize) -> Tensor<2> {
    let dims = base.dims();
    let zeros = |rows: usize| {
        let mut shape = dims;
        shape[along] = rows;
        Tensor::zeros(shape, (&base.device(), base.dtype()))
    };
    let mut blocks = Vec::new();
    let mut done = 0;
    for part in parts {
        let Some(slice) = &part.slice else { continue };
        if slice.rows.start > done {
            blocks.push(zeros(slice.rows.start - done));
        }
        let rows = base
            .clone()
            .narrow(along, slice.rows.start, slice.rows.len());
        blocks.push(part.factors.negated_update(rows));
        done = slice.rows.end;
    }
    if dims[along] > done {
        blocks.push(zeros(dims[along] - done));
    }
    Tensor::cat(blocks, along)
}

/// Lets the kernels see how adapted weights are composed, see [`salt_kernels::linear_layer`].
pub(crate) fn announce_composition() {
    static ANNOUNCED: Once = Once::new();
    ANNOUNCED.call_once(|| salt_kernels::add_composition(composition));
}

fn composition(weight: &Param<Tensor<2>>) -> Option<LessProducts> {
    let adapter = weight.reparameterization::<Adapter>()?;
    let products = match adapter.only_whole() {
        Some(part) => part.factors.negated_products()?,
        None if adapter.widens && !adapter.parts.iter().any(Part::is_on) => Vec::new(),
        None => return None,
    };
    let base = weight.base();
    let is_f32 = adapter.widens || base.dtype() == DType::F32;
    is_f32.then_some(LessProducts { base, products })
}

impl Reparameterization for Adapter {
    const NAME: &'static str = "adapter";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let base = match self.widens {
            true => widened(base),
            false => base,
        };
        if self.parts.iter().all(|part| !part.is_on()) {
            return base;
        }
        if let Some(part) = self.only_whole() {
            // A value trained whole is that value, without the rounding of a difference.
            if let Factors::Whole(whole) = &part.factors {
                return whole.value(base);
            }
            if base.dtype() == DType::F32
                && let Some(products) = part.factors.negated_products()
            {
                let dims = base.dims();
                let base = as_matrix(base);
                return LessProducts { base, products }.value().reshape(dims);
            }
        }
        updated(base, |base| {
            self.negated_update(base).expect("a part is switched on")
        })
    }
}

impl Module for Adapter {
    fn collect_devices(&self, devices: Devices) -> Devices {
        let parts = self.parts.iter();
        parts.fold(devices, |devices, part| {
            part.factors.collect_devices(devices)
        })
    }

    fn fork(self, device: &Device) -> Self {
        self.each(|factors| factors.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        self.each(|factors| factors.to_device(device))
    }

    fn train(self) -> Self {
        self.each(Module::train)
    }

    fn valid(&self) -> Self {
        self.clone().each(|factors| factors.valid())
    }

    fn materialize(self) -> Self {
        self.each(Module::materialize)
    }

    fn visit<V: ModuleVisitor>(&self, visitor: &mut V) {
        inspect::offer(self);
        for part in &self.parts {
            let segments = part.segments();
            for segment in &segments {
                visitor.enter_module(segment, PART);
            }
            part.factors.visit(visitor);
            for segment in segments.iter().rev() {
                visitor.exit_module(segment, PART);
            }
        }
    }

    fn map<M: ModuleMapper>(self, mapper: &mut M) -> Self {
        let mut adapter = inspect::exchange(self);
        let old = std::mem::take(&mut adapter.parts);
        adapter.parts.reserve(old.len());
        for part in old {
            let segments = part.segments();
            for segment in &segments {
                mapper.enter_module(segment, PART);
            }
            // By value, and not by a clone that would share the tensors while they are changed.
            adapter.parts.push(Part {
                factors: part.factors.map(mapper),
                ..part
            });
            for segment in segments.iter().rev() {
                mapper.exit_module(segment, PART);
            }
        }
        adapter
    }
}

impl Adapter {
    fn each(mut self, change: impl Fn(Factors) -> Factors) -> Self {
        let parts = std::mem::take(&mut self.parts).into_iter();
        self.parts = parts
            .map(|part| Part {
                factors: change(part.factors),
                ..part
            })
            .collect();
        self
    }
}
