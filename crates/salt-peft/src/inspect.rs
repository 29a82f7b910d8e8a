//! Finds the attached adapters of a model, and exchanges them.
//!
//! Burn erases the type of a reparameterization: a visitor sees the factors as parameters, but not
//! the adapter that knows their constants (singular values and vectors), and there is no public way
//! to reach it from a generic module. Our own `Module::visit` is called, though, on the visitor's
//! thread. So it offers the adapter to a slot of that thread, and [`adapters`] opens the slot around
//! each reparameterization it enters. Outside of [`adapters`] the slot is closed and an offer costs
//! one thread-local read. [`exchange_all`] works alike, through `Module::map`: the slot holds what the
//! adapter is to become.

use std::cell::RefCell;
use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor};

use crate::adapter::Adapter;

enum Slot {
    Closed,
    Open,
    Filled(Box<Adapter>),
    New(Box<Adapter>),
}

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot::Closed) };
}

/// Called by every adapter when it is visited.
pub(crate) fn offer(adapter: &Adapter) {
    SLOT.with_borrow_mut(|slot| {
        if matches!(slot, Slot::Open) {
            *slot = Slot::Filled(Box::new(adapter.clone()));
        }
    });
}

/// Called by every adapter when it is mapped: what it is to become.
pub(crate) fn exchange(adapter: Adapter) -> Adapter {
    match SLOT.replace(Slot::Closed) {
        Slot::New(new) => *new,
        _ => adapter,
    }
}

/// The adapters of a model with the paths of the weights that carry them, in visiting order.
pub(crate) fn adapters<M: Module>(model: &M) -> Vec<(String, Adapter)> {
    let mut finder = Finder::default();
    model.visit(&mut finder);
    finder.found
}

/// The container type by which Burn announces an attached reparameterization.
pub(crate) const REPARAMETERIZATION: &str = "Reparameterization";

#[derive(Default)]
struct Finder {
    path: Vec<String>,
    found: Vec<(String, Adapter)>,
}

impl ModuleVisitor for Finder {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == REPARAMETERIZATION {
            SLOT.set(Slot::Open);
        }
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.path.pop();
        if container_type == REPARAMETERIZATION
            && let Slot::Filled(adapter) = SLOT.replace(Slot::Closed)
        {
            self.found.push((self.path.join("."), *adapter));
        }
    }
}

/// Puts other adapters in the place of those on the named weights. Weights without one stay so.
pub(crate) fn exchange_all<M: Module>(model: M, adapters: BTreeMap<String, Adapter>) -> M {
    model.map(&mut Exchanger {
        path: Vec::new(),
        adapters,
    })
}

struct Exchanger {
    path: Vec<String>,
    adapters: BTreeMap<String, Adapter>,
}

impl ModuleMapper for Exchanger {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == REPARAMETERIZATION
            && let Some(adapter) = self.adapters.remove(&self.path.join("."))
        {
            SLOT.set(Slot::New(Box::new(adapter)));
        }
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }
}
