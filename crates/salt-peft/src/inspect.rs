//! Finds the attached adapters of a model.
//!
//! Burn erases the type of a reparameterization: a visitor sees the factors as parameters, but not
//! the adapter that knows their constants (singular values and vectors), and there is no public way
//! to reach it from a generic module. Our own `Module::visit` is called, though, on the visitor's
//! thread. So it offers the adapter to a slot of that thread, and [`adapters`] opens the slot around
//! each reparameterization it enters. Outside of [`adapters`] the slot is closed and an offer costs
//! one thread-local read.

use std::cell::RefCell;

use burn::module::{Module, ModuleVisitor};

use crate::registry::Adapter;

enum Slot {
    Closed,
    Open,
    Filled(Box<Adapter>),
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
