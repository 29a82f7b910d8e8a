//! Every kernel against Burn's own operations, forward and backward, and against finite differences.

use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use burn::tensor::{Device, Distribution, Tensor, Tolerance};
use salt_kernels::{
    gelu, grid_attention, layer_norm, linear, matmul, set_enabled, softmax_rows, subtract_product,
};

mod attention;
mod half_weights;
mod linear_layer;

/// The switch is one for the whole process: who turns it writes, who needs the kernels on reads.
static SWITCH: RwLock<()> = RwLock::new(());

fn kernels_on() -> RwLockReadGuard<'static, ()> {
    SWITCH.read().unwrap_or_else(PoisonError::into_inner)
}

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
    let weights = normal(f(inputs.clone()).dims(), 1.0);
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

#[test]
fn kernels_equal_burns_own_operations() {
    let _alone = SWITCH.write().unwrap_or_else(PoisonError::into_inner);
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
    // Sums of up to 64 products of order one.
    for [n, k, m] in [[1, 1, 1], [3, 17, 5], [64, 48, 32]] {
        let factors = || {
            [
                normal([n, k], 1.0),
                normal([k, m], 1.0),
                normal([1, m], 1.0),
            ]
        };
        let offset = |b: Tensor<2>| Some(b.reshape([m]));
        check(factors(), 1e-4, |[x, w, b]| linear(x, w, offset(b)));
        let [a, b, _] = factors();
        check([a, b], 1e-4, |[a, b]| matmul(a, b));
        let [a, b, _] = factors();
        check([a.transpose(), b.transpose()], 1e-4, |[a, b]| {
            matmul(a.transpose(), b.transpose())
        });
    }
    for [n, k, m] in [[1, 1, 1], [7, 3, 20], [40, 17, 33]] {
        let inputs = [[n, m], [n, k], [k, m]].map(|dims| normal(dims, 1.0));
        check(inputs, 1e-4, |[w, a, b]| subtract_product(w, a, b));
    }
    attention::equals_burns_own_operations();
    // Far tails: GELU underflows to zero below and is the identity above.
    let x = Tensor::<1>::from_floats([-40.0, -12.0, 0.0, 12.0, 40.0], &device());
    let expected = Tensor::<1>::from_floats([0.0, 0.0, 0.0, 12.0, 40.0], &device());
    gelu(x)
        .into_data()
        .assert_approx_eq::<f32>(&expected.into_data(), Tolerance::absolute(1e-30));
}

#[test]
fn gradients_equal_finite_differences() {
    let _on = kernels_on();
    device().seed(11);
    let x = normal([2, 9], 1.0);
    let (gamma, beta) = (normal([9], 1.0), normal([9], 1.0));
    let weights = normal([2, 9], 1.0);
    let forms: [(&str, &dyn Fn(Tensor<2>) -> Tensor<2>); 4] = [
        ("gelu", &|x| gelu(x)),
        ("softmax", &|x| softmax_rows(x)),
        ("layer norm", &|x| {
            layer_norm(x, gamma.clone(), beta.clone(), 1e-6)
        }),
        // Two rows of three tokens with a head of width one, in windows of two by two.
        ("attention", &|x| {
            let rows = Tensor::from_floats([[0.3], [-0.2], [0.5]], &device());
            let columns = Tensor::from_floats([[0.1], [0.4], [-0.6]], &device());
            let padding = Tensor::from_floats([0.0, 0.2, -0.7], &device());
            let qkv = x.reshape([1, 2, 3, 3]);
            let y = grid_attention(qkv, Some(padding), rows, columns, 1, Some(2));
            y.reshape([2, 3]).repeat_dim(1, 3)
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
    let _on = kernels_on();
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

#[test]
fn subtracting_a_product_of_zeros_changes_no_bit() {
    let _on = kernels_on();
    let base = [0.0, -0.0, 1.5, -1e-40, f32::INFINITY, f32::MIN];
    let base = Tensor::<1>::from_floats(base, &device()).reshape([2, 3]);
    for zero in [0.0, -0.0] {
        let a = Tensor::<2>::full([2, 4], zero, &device());
        let y = subtract_product(base.clone(), a, normal([4, 3], 1.0));
        let bits = |x: Tensor<2>| -> Vec<u32> {
            let values: Vec<f32> = x.inner().into_data().try_to_vec().unwrap();
            values.into_iter().map(f32::to_bits).collect()
        };
        assert_eq!(bits(y), bits(base.clone()));
    }
}
