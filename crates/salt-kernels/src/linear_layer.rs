//! A linear layer whose weight may be another one less a product of thin factors.

use std::sync::{PoisonError, RwLock};

use burn::module::Param;
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::{linear, matmul, subtract_product, widened};

/// A weight `base - sum_i left_i right_i`.
#[derive(Clone, Debug)]
pub struct LessProducts {
    /// `[inputs, outputs]`, in f32 or half precision
    pub base: Tensor<2>,
    /// `[inputs, r_i]` and `[r_i, outputs]`
    pub products: Vec<(Tensor<2>, Tensor<2>)>,
}

impl LessProducts {
    /// The weight itself, in f32 also where the base is in half precision.
    pub fn value(self) -> Tensor<2> {
        let products = self.products.into_iter();
        products.fold(widened(self.base), |weight, (left, right)| {
            subtract_product(weight, left, right)
        })
    }
}

/// Tells of a parameter's value how it is composed, `None` where it is no [`LessProducts`].
pub type Composition = fn(&Param<Tensor<2>>) -> Option<LessProducts>;

static COMPOSITIONS: RwLock<Vec<Composition>> = RwLock::new(Vec::new());

/// Lets [`linear_layer`] see how weights are composed, in the whole process: one function for each kind of
/// reparameterization, added once, before the first of its kind is attached.
pub fn add_composition(composition: Composition) {
    let all = COMPOSITIONS.write();
    all.unwrap_or_else(PoisonError::into_inner)
        .push(composition);
}

/// `layer.forward(x)` over rows.
///
/// A weight that is composed of thin factors need not be built: `x base - (x left) right` gives the same, and its
/// backward has no gradient of the size of the weight. For t rows, n inputs, m outputs and r columns of the
/// factors together, beyond the product with the base and the gradient of `x`, multiplications are
///
/// - with the weight: `n m r` to build it, `t n m` for its gradient, `2 n m r` for those of the factors;
/// - with the factors: `t r (n + m)` forward, `2 t r (n + m)` backward.
///
/// The factors are taken where that is less in sum: for few columns, or few rows. The sum is that of a training step
/// also where nothing is trained, so that a forward pass that is computed again without a tape gives the same bytes;
/// an adapter that is only used should be merged. Another number of rows may take the other way, and round otherwise.
///
/// # Shapes
/// - `x`: `[rows, inputs]`, output: `[rows, outputs]`
pub fn linear_layer(layer: &Linear, x: Tensor<2>) -> Tensor<2> {
    let bias = layer.bias.as_ref().map(|bias| bias.val());
    match composed(&layer.weight) {
        None => linear(x, layer.weight.val(), bias),
        Some(weight) if takes_factors(&x, &weight) => by_factors(x, weight, bias),
        Some(weight) => linear(x, weight.value(), bias),
    }
}

fn composed(weight: &Param<Tensor<2>>) -> Option<LessProducts> {
    if !crate::enabled() {
        return None;
    }
    let all = COMPOSITIONS.read().unwrap_or_else(PoisonError::into_inner);
    all.iter().find_map(|composition| composition(weight))
}

/// The cost model of [`linear_layer`].
fn takes_factors(x: &Tensor<2>, weight: &LessProducts) -> bool {
    let ([t, _], [n, m]) = (x.dims(), weight.base.dims());
    let columns = weight.products.iter().map(|(left, _)| left.dims()[1]);
    factors_are_cheaper([t, n, m], columns.sum())
}

fn factors_are_cheaper([t, n, m]: [usize; 3], r: usize) -> bool {
    3 * t * r * (n + m) < n * m * (3 * r + t)
}

fn by_factors(x: Tensor<2>, weight: LessProducts, bias: Option<Tensor<1>>) -> Tensor<2> {
    let y = linear(x.clone(), weight.base, bias);
    let products = weight.products.into_iter();
    products.fold(y, |y, (left, right)| {
        subtract_product(y, matmul(x.clone(), left), right)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheaper_way() {
        // ViT-B at 512 px: LoRA of rank 16 on qkv, SALT on lin1 and on qkv.
        let tokens = 1024;
        assert!(factors_are_cheaper([tokens, 768, 2304], 16));
        assert!(factors_are_cheaper([tokens, 768, 3072], 306));
        assert!(!factors_are_cheaper([tokens, 768, 2304], 768));
        // A few rows.
        assert!(factors_are_cheaper([6, 256, 256], 16));
    }
}
