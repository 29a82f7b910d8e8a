//! Gradients of a batch in the memory of one block: the blocks of the image encoder are computed twice.
//!
//! Forward runs off the tape and keeps the input of every block from the first trained part on. The tape of neck,
//! decoder and loss then gives the gradient of the last block's output. Backward goes through the blocks from the
//! last to the first: block `y = f(x)` is computed again from its kept input, now with a tape, and the gradients of
//! `sum(y * dL/dy)` are those of the loss with respect to its parameters and to `x` (Chen et al. 2016, "Training Deep
//! Nets with Sublinear Memory Cost", with one segment a block). No operation is replaced, so it works on every
//! backend.

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use salt_sam::Sam;

use crate::sharded::backward;

/// The loss of `head(embedding)`, and its gradients. `input` is normalised and off the autodiff device.
///
/// The same sums as with everything on one tape; only a parameter with more than two contributions to its gradient,
/// such as a penalty on its size beside two uses, may have them added in another order.
///
/// # Shapes
/// - `input`: `[batch, 3, side, side]`
/// - the head's: `[batch, out_chans, grid, grid]` to `[1]`
pub(crate) fn recomputed(
    model: &Sam,
    input: Tensor<4>,
    head: impl FnOnce(Tensor<4>) -> Tensor<1>,
) -> (f64, GradientsParams) {
    let encoder = &model.image_encoder;
    let first = encoder.first_trained();
    let neck = encoder.parts() - 1;
    if first >= neck {
        // No block has a tape.
        return backward(model, head(encoder.forward(input)));
    }
    let mut x = (0..first).fold(input, |x, part| encoder.forward_part_off_tape(part, x));
    let mut inputs = Vec::with_capacity(neck - first);
    for part in first..neck {
        inputs.push(x.clone());
        x = encoder.forward_part_off_tape(part, x);
    }
    let output = x.autodiff().require_grad();
    let loss = head(encoder.forward_part(neck, output.clone()));
    let value = loss.clone().inner().into_scalar::<f32>();
    let mut gradients = loss.backward();
    let mut above = output.grad_remove(&mut gradients);
    let mut sum = GradientsAccumulator::new();
    sum.accumulate(model, GradientsParams::from_grads(gradients, model));
    for (part, input) in (first..neck).zip(inputs).rev() {
        let Some(gradient) = above else { break };
        let mut x = input.autodiff();
        if part > first {
            x = x.require_grad();
        }
        let output = encoder.forward_part(part, x.clone());
        let mut gradients = (output * gradient.autodiff()).sum().backward();
        above = x.grad_remove(&mut gradients);
        sum.accumulate(model, GradientsParams::from_grads(gradients, model));
    }
    (f64::from(value), sum.grads())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use burn::module::{Module as _, ModuleVisitor, Param};
    use burn::tensor::{Device, Distribution};
    use salt_peft::{AdapterConfig, attach};
    use salt_sam::SamConfig;

    use super::*;

    /// Of the largest gradient of a tensor, where its contributions are added in another order.
    const TOLERANCE: f32 = 1e-5;

    #[derive(Default)]
    struct Read<'a> {
        path: Vec<String>,
        gradients: Option<&'a GradientsParams>,
        found: BTreeMap<String, Vec<f32>>,
    }

    impl ModuleVisitor for Read<'_> {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = self.gradients.and_then(|all| all.get::<D>(param.id));
            if let Some(gradient) = gradient {
                let values = gradient.into_data().iter::<f32>().collect();
                self.found.insert(self.path.join("."), values);
            }
        }
    }

    fn by_path(model: &Sam, gradients: &GradientsParams) -> BTreeMap<String, Vec<f32>> {
        let mut read = Read {
            gradients: Some(gradients),
            ..Read::default()
        };
        model.visit(&mut read);
        read.found
    }

    fn model(method: &str, targets: &str, lambda: f64) -> Sam {
        let config = SamConfig {
            embed_dim: 24,
            depth: 4,
            window_size: 3,
            global_attn_indexes: vec![1, 3],
            ..SamConfig::nano().with_image_size(32)
        };
        let sam = config.init(&Device::default().autodiff()).unwrap();
        let mut adapter = AdapterConfig::new(method.parse().unwrap());
        if !targets.is_empty() {
            adapter.targets = vec![targets.to_owned()];
            adapter.modules_to_save = vec!["prompt_token".to_owned()];
        }
        if lambda > 0.0 {
            adapter.lambda = Some(lambda);
        }
        attach(sam, &adapter).unwrap().0
    }

    /// A step away from the start, where half of the factors have no gradient.
    fn check(method: &str, targets: &str, lambda: f64, first: usize) {
        let model = model(method, targets, lambda);
        assert_eq!(model.image_encoder.first_trained(), first, "{method}");
        let range = Distribution::Normal(0.0, 1.0);
        let input = Tensor::<4>::random([2, 3, 32, 32], range, &Device::default());
        let head = |embedding| {
            let masks = model.segment_classes(embedding).low_res_masks;
            let loss = masks.powi_scalar(2).mean();
            match salt_peft::penalty(&model) {
                Some(penalty) => loss + penalty,
                None => loss,
            }
        };
        let whole = head(model.image_encoder.forward(input.clone()));
        let (expected_loss, expected) = backward(&model, whole);
        let (loss, found) = recomputed(&model, input, head);
        let (found, expected) = (by_path(&model, &found), by_path(&model, &expected));
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>()
        );
        assert!(!found.is_empty());
        // On other devices kernels may add in another order whenever they run.
        let exact = Device::default() == Device::flex() && lambda == 0.0;
        if exact {
            assert_eq!(loss, expected_loss, "{method}");
        }
        for (path, found) in &found {
            let expected = &expected[path];
            if exact {
                assert_eq!(found, expected, "{method} {path}");
            }
            let largest = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
            for (found, expected) in found.iter().zip(expected) {
                let difference = (found - expected).abs();
                assert!(difference <= TOLERANCE * largest, "{method} {path}");
            }
        }
    }

    #[test]
    fn gradients_are_those_of_everything_on_one_tape() {
        check("full", "", 0.0, 0);
        check("norms", "", 0.0, 1);
        check("lora", r"blocks\.[23]\.attn\.(qkv|proj)", 0.0, 3);
        check("dora", r"blocks\.\d\.mlp\.lin1", 0.0, 1);
        check("salt", r"blocks\.[123]\.attn\.qkv", 0.0, 2);
        check("salt", r"blocks\.[13]\.attn\.qkv", 0.1, 2);
        // No block is trained.
        check("lora", r"neck\.2", 0.0, 5);
        check("decoder", "", 0.0, 6);
    }
}
