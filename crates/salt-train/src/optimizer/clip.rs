//! The norm of all gradients together, and the factor that keeps it below a limit.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

use crate::sum_in_order::sum_in_order;

/// Euclidean norm of all gradients of the module together (one read-back).
pub fn global_norm<M: Module>(module: &M, gradients: &GradientsParams) -> f64 {
    let mut visitor = SquaredNorms {
        gradients,
        sums: Vec::new(),
    };
    module.visit(&mut visitor);
    if visitor.sums.is_empty() {
        return 0.0;
    }
    let sums = Tensor::cat(visitor.sums, 0).into_data();
    sums.iter::<f64>().sum::<f64>().sqrt()
}

/// The factor that brings a gradient of this norm to at most `limit`; 1 without a limit.
pub fn clip_scale(norm: f64, limit: Option<f64>) -> f64 {
    match limit {
        Some(limit) if norm > limit => limit / norm,
        _ => 1.0,
    }
}

struct SquaredNorms<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorms<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.get::<D>(param.id) {
            self.sums.push(sum_in_order(gradient.square()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizer::toy::{gradients, toy};
    use burn::tensor::Device;

    #[test]
    fn the_global_norm_is_that_of_all_gradients_and_clipping_meets_the_limit() {
        let device = Device::default().autodiff();
        let model = toy(&device);
        let g = gradients(&model);
        // 3 w^2: 3, 12, 27, .75; 4 w: 4, 8; 2 w: 2, -4, 6, 1.
        let squares = [3.0, 12.0, 27.0, 0.75, 4.0, 8.0, 2.0, 4.0, 6.0, 1.0f64].map(|x| x * x);
        let norm = squares.iter().sum::<f64>().sqrt();
        assert!((global_norm(&model, &g) - norm).abs() < 1e-4);
        assert_eq!(clip_scale(10.0, Some(1.0)), 0.1);
        assert_eq!(clip_scale(0.5, Some(1.0)), 1.0);
        assert_eq!(clip_scale(10.0, None), 1.0);
    }
}
