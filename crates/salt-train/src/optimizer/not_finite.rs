//! Which trained parameters, or their gradients, have stopped being numbers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use serde::Serialize;

/// How many values of a tensor are no finite numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Not a number.
    pub nan: usize,
    /// Plus or minus infinity.
    pub infinite: usize,
}

/// A parameter with such a value, or with one in its gradient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotFinite {
    /// The parameter.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// In its gradient.
    pub gradient: Counts,
    /// In the parameter itself, before the step.
    pub value: Counts,
}

/// All of them, in the order of the module. Only parameters that have a gradient are looked at.
pub fn not_finite<M: Module>(module: &M, gradients: &GradientsParams) -> Vec<NotFinite> {
    let mut visitor = Search {
        gradients,
        path: Vec::new(),
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}

struct Search<'a> {
    gradients: &'a GradientsParams,
    path: Vec<String>,
    found: Vec<NotFinite>,
}

impl ModuleVisitor for Search<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else {
            return;
        };
        let gradient = count(gradient);
        let value = count(param.val().inner());
        if gradient != Counts::default() || value != Counts::default() {
            self.found.push(NotFinite {
                path: self.path.join("."),
                shape: param.shape().to_vec(),
                gradient,
                value,
            });
        }
    }
}

fn count<const D: usize>(tensor: Tensor<D>) -> Counts {
    let mut counts = Counts::default();
    for value in tensor.into_data().iter::<f64>() {
        counts.nan += usize::from(value.is_nan());
        counts.infinite += usize::from(value.is_infinite());
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::toy::{gradients, toy};
    use burn::module::Param;
    use burn::tensor::Device;

    #[test]
    fn what_is_no_number_is_counted_by_parameter() {
        let device = Device::default().autodiff();
        let mut model = toy(&device);
        assert_eq!(not_finite(&model, &gradients(&model)), []);
        // Their gradients, 3 w^2 and 4 w, are as little of a number.
        let broken = [[f32::NAN, f32::INFINITY], [f32::NEG_INFINITY, 0.5]];
        model.matrix = Param::from_tensor(Tensor::from_data(broken, &device));
        model.scale = Param::from_tensor(Tensor::from_data([1f32, 2e38], &device));
        let counts = |nan, infinite| Counts { nan, infinite };
        let found = |path: &str, shape: &[usize], gradient, value| NotFinite {
            path: path.to_owned(),
            shape: shape.to_vec(),
            gradient,
            value,
        };
        assert_eq!(
            not_finite(&model, &gradients(&model)),
            [
                found("matrix", &[2, 2], counts(1, 2), counts(1, 2)),
                found("scale", &[2], counts(0, 1), counts(0, 0)),
            ]
        );
    }
}
