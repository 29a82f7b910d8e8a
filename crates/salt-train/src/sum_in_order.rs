//! The sum of a tensor, the same bits every time.

use burn::tensor::Tensor;

/// Sum of all elements, along the last dimension first.
///
/// On GPUs Burn adds up a whole tensor with atomics, in whatever order the threads arrive, so the
/// last bits of [`Tensor::sum`] change from run to run: through the gradient's norm every weight
/// follows. Sums along a dimension have one order.
///
/// # Shapes
/// - output: `[1]`
pub(crate) fn sum_in_order<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let rows = x.sum_dim(D - 1);
    let count = rows.shape().num_elements();
    rows.reshape([1, count]).sum_dim(1).reshape([1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_up_everything_whatever_the_shape() {
        let device = burn::tensor::Device::default();
        let x = Tensor::<1>::from_floats([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &device);
        let sum = |x: Tensor<1>| x.into_scalar::<f32>();
        assert_eq!(sum(sum_in_order(x.clone())), 21.0);
        assert_eq!(sum(sum_in_order(x.clone().reshape([2, 3]))), 21.0);
        assert_eq!(sum(sum_in_order(x.reshape([3, 1, 2]))), 21.0);
    }
}
