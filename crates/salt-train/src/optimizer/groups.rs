//! Which rate and which decay a parameter has.
//!
//! Groups are asked in order, and the last one that names a parameter and says something about its rate (or decay)
//! is heard. Where no group speaks, the rate is the run's; the decay is the run's for matrices, and none for vectors
//! (norms, biases) and for the tables in `NO_DECAY`.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup, ParamId};
use burn::tensor::Tensor;

/// Ends of paths that carry positions or prompts: decay would pull them to a meaningless origin.
const NO_DECAY: [&str; 4] = ["pos_embed", "prompt_tokens", "rel_pos_h", "rel_pos_w"];

/// Parameters with a rate or a decay of their own.
#[derive(Clone, Debug)]
pub struct Group {
    /// What messages call it.
    pub name: String,
    /// Which parameters.
    pub members: ParamGroup,
    /// Learning rate before the schedule; `None` leaves it as it is.
    pub lr: Option<f64>,
    /// Weight decay; `None` leaves it as it is.
    pub weight_decay: Option<f64>,
    /// Whether there may be none of these parameters.
    pub may_be_empty: bool,
}

/// The run's rate and decay, and those who deviate.
#[derive(Clone, Debug)]
pub struct Groups {
    /// Learning rate of everything not named otherwise.
    pub lr: f64,
    /// Decoupled weight decay of matrices not named otherwise, a share of the weight per unit of learning rate.
    pub weight_decay: f64,
    /// In the order of their say.
    pub groups: Vec<Group>,
}

impl Groups {
    /// Rate and decay of a parameter of rank `rank`.
    pub(super) fn rate_and_decay(&self, id: &ParamId, path: &str, rank: usize) -> (f64, f64) {
        let spared = rank <= 1 || NO_DECAY.iter().any(|end| path.ends_with(end));
        let mut lr = self.lr;
        let mut decay = if spared { 0.0 } else { self.weight_decay };
        for group in &self.groups {
            if group.members.matches(id, Some(path)) {
                lr = group.lr.unwrap_or(lr);
                decay = group.weight_decay.unwrap_or(decay);
            }
        }
        (lr, decay)
    }

    /// The first group that should name a trainable parameter of the module and names none.
    pub fn without_members<M: Module>(&self, module: &M) -> Option<&Group> {
        let mut members = Members {
            groups: &self.groups,
            path: Vec::new(),
            found: vec![false; self.groups.len()],
        };
        module.visit(&mut members);
        let mut groups = self.groups.iter().zip(members.found);
        groups
            .find(|(group, found)| !found && !group.may_be_empty)
            .map(|(group, _)| group)
    }
}

struct Members<'a> {
    groups: &'a [Group],
    path: Vec<String>,
    found: Vec<bool>,
}

impl ModuleVisitor for Members<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let path = self.path.join(".");
            for (group, found) in self.groups.iter().zip(&mut self.found) {
                *found |= group.members.matches(&param.id, Some(&path));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::toy::toy;
    use burn::tensor::Device;

    fn group(path: &str, lr: Option<f64>, weight_decay: Option<f64>) -> Group {
        Group {
            name: path.to_owned(),
            members: ParamGroup::from_path(path),
            lr,
            weight_decay,
            may_be_empty: false,
        }
    }

    #[test]
    fn the_last_group_that_speaks_is_heard() {
        let groups = Groups {
            lr: 1.0,
            weight_decay: 0.1,
            groups: vec![
                group("head.x", Some(2.0), Some(0.5)),
                group("head.x", Some(3.0), None),
                group("norm.gamma", None, Some(0.7)),
            ],
        };
        let check = |path: &str, rank, expected| {
            assert_eq!(
                groups.rate_and_decay(&ParamId::new(), path, rank),
                expected,
                "{path}"
            );
        };
        check("head.x", 2, (3.0, 0.5));
        check("head.y", 2, (1.0, 0.1));
        check("head.bias", 1, (1.0, 0.0));
        check("encoder.pos_embed", 4, (1.0, 0.0));
        check("norm.gamma", 1, (1.0, 0.7));
    }

    #[test]
    fn a_group_of_frozen_or_absent_parameters_has_no_members() {
        let model = toy(&Device::default().autodiff());
        let without = |paths: &[&str]| {
            let groups = Groups {
                lr: 1.0,
                weight_decay: 0.0,
                groups: paths
                    .iter()
                    .map(|path| group(path, Some(1.0), None))
                    .collect(),
            };
            groups
                .without_members(&model)
                .map(|group| group.name.clone())
        };
        assert_eq!(without(&["matrix", "scale"]), None);
        assert_eq!(without(&["matrix", "frozen"]).as_deref(), Some("frozen"));
        assert_eq!(without(&["nowhere"]).as_deref(), Some("nowhere"));
        let nowhere = Group {
            may_be_empty: true,
            ..group("nowhere", None, None)
        };
        let groups = Groups {
            lr: 1.0,
            weight_decay: 0.0,
            groups: vec![nowhere],
        };
        assert!(groups.without_members(&model).is_none());
    }
}
