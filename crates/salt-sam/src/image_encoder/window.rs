//! Cutting a token grid into windows and back.

use burn::tensor::Tensor;

/// Cuts `[batch, height, width, channels]` into `[batch * windows, size, size, channels]`, padded
/// with zeros at the bottom and right where `size` does not divide the sides. Also returns the
/// padded sides, which [`unpartition`] needs.
pub(super) fn partition(x: Tensor<4>, size: usize) -> (Tensor<4>, [usize; 2]) {
    let [batch, height, width, channels] = x.dims();
    let padded = [height.next_multiple_of(size), width.next_multiple_of(size)];
    let mut x = x;
    if padded[0] > height {
        let rows = Tensor::zeros([batch, padded[0] - height, width, channels], &x.device());
        x = Tensor::cat(vec![x, rows], 1);
    }
    if padded[1] > width {
        let columns = Tensor::zeros([batch, padded[0], padded[1] - width, channels], &x.device());
        x = Tensor::cat(vec![x, columns], 2);
    }
    let (down, across) = (padded[0] / size, padded[1] / size);
    let windows = x
        .reshape([batch, down, size, across, size, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch * down * across, size, size, channels]);
    (windows, padded)
}

/// Undoes [`partition`]: back to `[batch, height, width, channels]`, padding removed.
pub(super) fn unpartition(windows: Tensor<4>, padded: [usize; 2], sides: [usize; 2]) -> Tensor<4> {
    let [count, size, _, channels] = windows.dims();
    let (down, across) = (padded[0] / size, padded[1] / size);
    let batch = count / (down * across);
    let x = windows
        .reshape([batch, down, across, size, size, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch, padded[0], padded[1], channels]);
    if padded == sides {
        x
    } else {
        x.slice([0..batch, 0..sides[0], 0..sides[1]])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Int};

    #[test]
    fn partition_and_back_is_the_identity() {
        let device = Device::default();
        for (height, width, size) in [(6, 6, 3), (5, 7, 3), (2, 2, 4)] {
            let x = Tensor::<1, Int>::arange(0..(2 * height * width * 3) as i64, &device)
                .float()
                .reshape([2, height, width, 3]);
            let (windows, padded) = partition(x.clone(), size);
            let back = unpartition(windows, padded, [height, width]);
            back.into_data().assert_eq(&x.into_data(), true);
        }
    }
}
