//! Weights in half precision beside rows in f32.

use std::sync::PoisonError;

use burn::tensor::{DType, Tensor, Tolerance};
use salt_kernels::{linear, matmul, set_enabled, widened};

use crate::{SWITCH, kernels_on, normal};

const FORMATS: [DType; 2] = [DType::F16, DType::BF16];

/// Output and the gradients of rows, offset and, where it is trained, weight.
fn run(inputs: [&Tensor<2>; 2], weight: &Tensor<2>, trained: bool) -> Vec<Tensor<2>> {
    let [x, bias] = inputs.map(|t| t.clone().require_grad());
    let weight = weight.clone().detach().set_require_grad(trained);
    let offset = bias.clone().squeeze_dim(0);
    let y = linear(x.clone(), weight.clone(), Some(offset));
    let gradients = y.clone().powi_scalar(2).sum().backward();
    let mut all = vec![y.inner()];
    all.extend([&x, &bias].map(|leaf| leaf.grad(&gradients).expect("reached")));
    assert_eq!(weight.grad(&gradients).is_some(), trained);
    all.extend(weight.grad(&gradients));
    all
}

/// Large enough for several shares of the work, and no multiple of one.
#[test]
fn a_weight_in_half_precision_counts_as_the_f32_values_it_stands_for() {
    let _on = kernels_on();
    let (x, bias) = (normal([19, 301], 1.0), normal([1, 457], 1.0));
    for format in FORMATS {
        let stored = normal([301, 457], 1.0).cast(format);
        let wide = stored.clone().cast(DType::F32);
        let same = |a: Tensor<2>, b: Tensor<2>, what: &str| {
            assert_eq!(a.into_data(), b.into_data(), "{format:?}: {what}");
        };
        same(widened(stored.clone()), wide.clone(), "values");
        let turned = stored.clone().transpose();
        same(widened(turned), wide.clone().transpose(), "a view");
        let product = matmul(x.clone(), stored.clone());
        same(product, matmul(x.clone(), wide.clone()), "product");
        for trained in [false, true] {
            let found = run([&x, &bias], &stored, trained);
            let expected = run([&x, &bias], &wide, trained);
            for (found, expected) in found.into_iter().zip(expected) {
                // The gradient of a trained weight has the weight's own format.
                let expected = expected.cast(found.dtype());
                same(found, expected, "layer");
            }
        }
    }
}

#[test]
fn the_plain_form_agrees() {
    let _switch = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
    let (x, bias) = (normal([5, 70], 1.0), normal([1, 33], 1.0));
    for format in FORMATS {
        let weight = normal([70, 33], 1.0).cast(format);
        let fast = run([&x, &bias], &weight, false);
        set_enabled(false);
        let plain = run([&x, &bias], &weight, false);
        set_enabled(true);
        for (fast, plain) in fast.into_iter().zip(plain) {
            let tolerance = Tolerance::relative(1e-5).set_absolute(1e-4);
            let fast = fast.into_data();
            fast.assert_approx_eq::<f32>(&plain.into_data(), tolerance);
        }
    }
}

#[test]
fn what_is_not_in_half_precision_stays_as_it_is() {
    let x = normal([3, 4], 1.0);
    assert_eq!(widened(x.clone()).into_data(), x.into_data());
}
