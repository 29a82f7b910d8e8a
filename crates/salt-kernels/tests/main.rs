//! Every kernel against Burn's own operations, forward and backward, and against finite differences.

use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use salt_kernels::{gelu, layer_norm, set_enabled, softmax_rows};

fn device() -> Device {
    Device::flex().autodiff()
}

fn normal<const D: usize>(shape: [usize; D], spread: f64) -> Tensor<D> {
    Tensor::random(shape, Distribution::Normal(0.3, spread), &device())
}

/// Output and gradients of `sum(weights * f(inputs))`.
fn run<const N: usize>(
    inputs: &[Tensor<2>; N],
    weights: &Tensor<2>,
    f: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) -> Vec<Tensor<2>> {
    let leaves = inputs.clone().map(|x| x.detach().require_grad());
    let output = f(leaves.clone());
    let gradients = (output.clone() * weights.clone()).sum().backward();
    let mut all = vec![output.inner()];
    all.extend(leaves.iter().map(|x| x.grad(&gradients).expect("reached")));
    all
}

/// The kernel and the plain form agree, on contiguous inputs and on transposed views.
fn check<const N: usize>(
    inputs: [Tensor<2>; N],
    tolerance: f32,
    f: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    let weights = normal(inputs[0].dims(), 1.0);
    let fast = run(&inputs, &weights, &f);
    set_enabled(false);
    let plain = run(&inputs, &weights, &f);
    set_enabled(true);
    for (fast, plain) in fast.iter().zip(&plain) {
        plain
            .clone()
            .into_data()
            .assert_approx_eq::<f32>(&fast.clone().into_data(), Tolerance::absolute(tolerance));
    }
}

/// One test: the switch is one for the whole process.
#[test]
fn kernels_equal_burns_own_operations() {
    device().seed(7);
    for (rows, columns) in [(1, 1), (3, 17), (5, 192), (64, 64)] {
        let x = || normal([rows, columns], 2.0);
        check([x()], 1e-5, |[x]| gelu(x));
        check([x() * 8.0], 1e-5, |[x]| softmax_rows(x));
        check([normal([columns, rows], 2.0)], 1e-5, |[x]| {
            softmax_rows(x.transpose()).transpose()
        });
        check([normal([columns, rows], 2.0)], 1e-5, |[x]| {
            gelu(x.transpose()).transpose()
        });
        // Sums over rows of products of order one: the gradient of gamma has the widest rounding.
        let parameters = || normal([1, columns], 1.0);
        check([x(), parameters(), parameters()], 1e-4, |[x, g, b]| {
            let flat = |p: Tensor<2>| p.reshape([columns]);
            layer_norm(x, flat(g), flat(b), 1e-6)
        });
    }
    // Far tails: GELU underflows to zero below and is the identity above.
    let x = Tensor::<1>::from_floats([-40.0, -12.0, 0.0, 12.0, 40.0], &device());
    let expected = Tensor::<1>::from_floats([0.0, 0.0, 0.0, 12.0, 40.0], &device());
    gelu(x)
        .into_data()
        .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-30));
}

#[test]
fn gradients_equal_finite_differences() {
    device().seed(11);
    let x = normal([2, 9], 1.0);
    let (gamma, beta) = (normal([9], 1.0), normal([9], 1.0));
    let weights = normal([2, 9], 1.0);
    let forms: [(&str, &dyn Fn(Tensor<2>) -> Tensor<2>); 3] = [
        ("gelu", &|x| gelu(x)),
        ("softmax", &|x| softmax_rows(x)),
        ("layer norm", &|x| {
            layer_norm(x, gamma.clone(), beta.clone(), 1e-6)
        }),
    ];
    for (name, f) in forms {
        let leaf = x.clone().detach().require_grad();
        let gradients = (f(leaf.clone()) * weights.clone()).sum().backward();
        let analytic: Vec<f32> = leaf
            .grad(&gradients)
            .unwrap()
            .into_data()
            .try_to_vec()
            .unwrap();
        let values: Vec<f32> = x.clone().into_data().try_to_vec().unwrap();
        for i in 0..values.len() {
            let at = |shift: f32| {
                let mut moved = values.clone();
                moved[i] += shift;
                let data = burn::tensor::TensorData::new(moved, [2, 9]);
                let moved = Tensor::<2>::from_data(data, &device());
                let product: Vec<f32> = (f(moved) * weights.clone())
                    .into_data()
                    .try_to_vec()
                    .unwrap();
                product.iter().map(|v| f64::from(*v)).sum::<f64>()
            };
            // A central difference with step h is off by order h^2 and by rounding / h.
            let h = 2f32.powi(-7);
            let numeric = (at(h) - at(-h)) / f64::from(2.0 * h);
            let error = (numeric - f64::from(analytic[i])).abs();
            assert!(error < 2e-3, "{name}[{i}]: {numeric} {}", analytic[i]);
        }
    }
}

#[test]
fn what_is_not_trained_needs_no_gradient() {
    let x = normal([4, 8], 1.0);
    let (gamma, beta) = (normal([8], 1.0), normal([8], 1.0).require_grad());
    let y = layer_norm(softmax_rows(gelu(x)), gamma, beta.clone(), 1e-6);
    let gradients = y.sum().backward();
    let d_beta: Vec<f32> = beta
        .grad(&gradients)
        .unwrap()
        .into_data()
        .try_to_vec()
        .unwrap();
    assert_eq!(d_beta, vec![4.0; 8]);
}
