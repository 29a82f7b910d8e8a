//! A linear layer with a weight of thin factors, by the weight and by the factors.

use burn::module::{Module, Param, Reparameterization, Reparameterizer};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, Tolerance};
use salt_kernels::{LessProducts, add_composition, linear, linear_layer, matmul, subtract_product};

use crate::{device, kernels_on, normal};

/// `base - left right`.
#[derive(Module, Debug)]
struct Thin {
    left: Param<Tensor<2>>,
    right: Param<Tensor<2>>,
}

impl Reparameterization for Thin {
    const NAME: &'static str = "thin";

    fn apply<const D: usize>(&self, base: Tensor<D>) -> Tensor<D> {
        let dims = base.dims();
        base - self.left.val().matmul(self.right.val()).reshape(dims)
    }
}

/// Of that many columns, for weights.
struct Attach(usize);

impl Reparameterizer for Attach {
    type Reparam = Thin;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<Thin>) {
        let dims = param.dims();
        let thin = path.ends_with("weight").then(|| Thin {
            left: Param::from_tensor(normal([dims[0], self.0], 1.0)),
            right: Param::from_tensor(normal([self.0, dims[D - 1]], 1.0)),
        });
        (param.set_require_grad(false), thin)
    }
}

fn composition(weight: &Param<Tensor<2>>) -> Option<LessProducts> {
    let thin = weight.reparameterization::<Thin>()?;
    Some(LessProducts {
        base: weight.base(),
        products: vec![(thin.left.val(), thin.right.val())],
    })
}

/// Output, and the gradients of the input and of both factors.
fn run(
    layer: &Linear,
    x: &Tensor<2>,
    weights: &Tensor<2>,
    forward: impl Fn(&Linear, Tensor<2>) -> Tensor<2>,
) -> [Tensor<2>; 4] {
    let x = x.clone().detach().require_grad();
    let y = forward(layer, x.clone());
    let gradients = (y.clone() * weights.clone()).sum().backward();
    let thin = layer.weight.reparameterization::<Thin>().expect("attached");
    let of = |x: &Tensor<2>| x.grad(&gradients).expect("reached");
    [y.inner(), of(&x), of(&thin.left), of(&thin.right)]
}

#[test]
fn factors_and_weight_give_the_same() {
    let _on = kernels_on();
    add_composition(composition);
    device().seed(5);
    // By the factors, but for the last, whose columns are as many as the inputs.
    for [t, n, m, r] in [[1, 1, 1, 1], [40, 32, 48, 2], [3, 32, 16, 8], [64, 8, 8, 8]] {
        let layer = LinearConfig::new(n, m).init(&device());
        let layer = layer.apply_reparameterization(Attach(r));
        let (x, weights) = (normal([t, n], 1.0), normal([t, m], 1.0));
        let fast = run(&layer, &x, &weights, linear_layer);
        let plain = run(&layer, &x, &weights, |layer, x| layer.forward(x));
        for (fast, plain) in fast.into_iter().zip(plain) {
            // Sums of some hundred products of order one.
            plain
                .into_data()
                .assert_approx_eq::<f32>(&fast.into_data(), Tolerance::rel_abs(1e-5, 1e-3));
        }
    }
}

/// A forward pass that is computed again without a tape must give what it gave with one.
#[test]
fn the_tape_changes_no_bit() {
    let _on = kernels_on();
    device().seed(6);
    let [x, w, b] = [[20, 30], [7, 30], [1, 7]].map(|dims| normal(dims, 1.0));
    let forms: [&dyn Fn([Tensor<2>; 3]) -> Tensor<2>; 4] = [
        &|[x, w, b]| linear(x, w.transpose(), Some(b.reshape([7]))),
        &|[x, w, _]| matmul(x, w.transpose()),
        &|[x, w, _]| matmul(w, x.transpose()),
        &|[x, w, b]| subtract_product(b.repeat_dim(0, 20), x, w.transpose()),
    ];
    for form in forms {
        let inputs = [&x, &w, &b];
        let with = form(inputs.map(|t| t.clone().detach().require_grad()));
        let without = form(inputs.map(|t| t.clone().inner()));
        with.into_data().assert_eq(&without.into_data(), true);
    }
}
