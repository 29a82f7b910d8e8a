//! The model on several devices.
//!
//! It lives on the first, where the optimiser updates it. Every further device has a copy for the gradients of its part
//! of a batch. A copy is made once and stays: before a step it takes over what is trained, and what is frozen does not
//! travel again.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::container::TensorContainer;
use burn::tensor::{Device, Tensor};

/// The devices, and the copies on all but the first.
pub(crate) struct Replicas<M> {
    /// Autodiff devices; at least one.
    devices: Vec<Device>,
    /// Without autodiff: the tape of a copy begins anew in every step.
    copies: Vec<M>,
}

impl<M: Module> Replicas<M> {
    /// No copy is made yet.
    pub(crate) fn new(devices: Vec<Device>) -> Self {
        Self {
            devices,
            copies: Vec::new(),
        }
    }

    /// All devices, the model's own first.
    pub(crate) fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// The model and its copies, in the order of the devices.
    pub(crate) fn models<'a>(&'a self, model: &'a M) -> Vec<&'a M> {
        std::iter::once(model).chain(&self.copies).collect()
    }

    /// Makes the copies compute what `model` computes. Its structure, and what is frozen in it, must be as it was when
    /// they were made: [`Replicas::forget`] them otherwise.
    pub(crate) fn follow(&mut self, model: &M) {
        let others = self.devices.get(1..).unwrap_or_default();
        let others = others
            .iter()
            .map(|device| device.clone().without_autodiff());
        let kept = std::mem::take(&mut self.copies);
        self.copies = if kept.is_empty() {
            let plain = || model.valid();
            others.map(|device| plain().fork(&device)).collect()
        } else {
            let take_over = |(copy, device): (M, Device)| copy.map(&mut Trained::of(model, device));
            kept.into_iter().zip(others).map(take_over).collect()
        };
    }

    /// Has the copies made anew when they are needed.
    pub(crate) fn forget(&mut self) {
        self.copies.clear();
    }
}

/// What is trained in a model, on another device.
struct Trained {
    device: Device,
    values: TensorContainer<ParamId>,
}

impl Trained {
    /// Of a model on an autodiff device.
    fn of<M: Module>(model: &M, device: Device) -> Self {
        let mut trained = Self {
            device,
            values: TensorContainer::new(),
        };
        model.visit(&mut trained);
        trained
    }
}

impl ModuleVisitor for Trained {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_require_grad() {
            let value = param.base().inner().to_device(&self.device);
            self.values.register(param.id, value);
        }
    }
}

impl ModuleMapper for Trained {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.remove::<Tensor<D>>(&param.id) {
            Some(value) => param.map(|_| value),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::toy::{Toy, toy};

    fn values(model: &Toy) -> [Vec<f32>; 2] {
        [&model.scale, &model.frozen].map(|param| param.val().into_data().try_to_vec().unwrap())
    }

    fn set(param: &Param<Tensor<1>>, value: f32) -> Param<Tensor<1>> {
        param.clone().map(|old| {
            let trained = old.is_require_grad();
            (old.zeros_like().detach() + value).set_require_grad(trained)
        })
    }

    #[test]
    fn copies_take_over_what_is_trained_and_keep_what_is_frozen() {
        let device = Device::default().autodiff();
        let mut model = toy(&device);
        let mut replicas = Replicas::new(vec![device.clone(); 3]);
        replicas.follow(&model);
        let before = values(&model);
        model.scale = set(&model.scale, 7.0);
        // Nobody changes it; if somebody did, a copy would show that it was not sent again.
        model.frozen = set(&model.frozen, 8.0);
        let copied = |replicas: &Replicas<Toy>| {
            let models = replicas.models(&model).into_iter().skip(1);
            models.map(values).collect::<Vec<_>>()
        };
        assert_eq!(copied(&replicas), [before.clone(), before.clone()]);
        replicas.follow(&model);
        let followed = [vec![7.0, 7.0], before[1].clone()];
        assert_eq!(copied(&replicas), [followed.clone(), followed]);
        for copy in &replicas.copies {
            let copy = copy.valid().train();
            assert!(copy.scale.is_require_grad() && !copy.frozen.is_require_grad());
            assert_eq!(copy.scale.id, model.scale.id);
        }
        replicas.forget();
        replicas.follow(&model);
        let anew = [vec![7.0, 7.0], vec![8.0, 8.0]];
        assert_eq!(copied(&replicas), [anew.clone(), anew]);
    }

    #[test]
    fn one_device_has_no_copy() {
        let device = Device::default().autodiff();
        let model = toy(&device);
        let mut replicas = Replicas::new(vec![device]);
        replicas.follow(&model);
        assert_eq!(replicas.models(&model).len(), 1);
    }
}
