//! Taking an adapter off again.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use salt_kernels::widened;

use crate::inspect::adapters;

/// Removes the factors and leaves every adapted weight as it was before [`attach`](fn@crate::attach),
/// bit for bit and in its own element type; weights that [`base_precision`](crate::base_precision) rounded, as the f32
/// values they were rounded to. Adapters never change the weight they sit on;
/// to have both, merge or unload a clone, which shares its tensors with the model.
///
/// Parameters trained whole (`modules_to_save`, norms, full) have no other value than the one they were
/// trained to, and keep it. What was frozen stays frozen.
#[doc(alias = "unmerge")]
pub fn unload<M: Module>(model: M) -> M {
    let mut bases = Bases::default();
    for (path, adapter) in adapters(&model) {
        if adapter.widens {
            bases.widen.insert(path.clone());
        }
        bases.tensors.insert(path, None);
    }
    model.visit(&mut bases);
    // Burn takes an adapter off by folding it in; the stored weights are put back.
    model.materialize().map(&mut bases)
}

/// Takes the stored weights of some parameters, then gives them back.
#[derive(Default)]
struct Bases {
    path: Vec<String>,
    /// By path: a `Tensor` of the parameter's rank, once seen.
    tensors: BTreeMap<String, Option<Box<dyn Any>>>,
    /// Those of them that are given back in f32.
    widen: BTreeSet<String>,
}

impl ModuleVisitor for Bases {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if let Some(tensor) = self.tensors.get_mut(&path) {
            let base = param.base();
            *tensor = Some(Box::new(match self.widen.contains(&path) {
                true => widened(base),
                false => base,
            }));
        }
    }
}

impl ModuleMapper for Bases {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let stored = self.tensors.remove(&self.path.join(".")).flatten();
        match stored.and_then(|tensor| tensor.downcast::<Tensor<D>>().ok()) {
            Some(tensor) => param.map(|_| *tensor),
            None => param,
        }
    }
}
