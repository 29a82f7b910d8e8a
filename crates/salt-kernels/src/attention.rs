//! Attention over a grid of tokens, in windows, with decomposed relative positions.

use burn::tensor::{Int, Tensor, TensorData};

use crate::softmax_rows;

/// The sides of a grid of tokens and how it attends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) heads: usize,
    pub(crate) head_dim: usize,
    /// Side of a window in tokens; `None` attends globally.
    pub(crate) window: Option<usize>,
}

impl Grid {
    /// Sides of what a token sees: the window, or all of the grid.
    pub(crate) fn seen(&self) -> [usize; 2] {
        self.window
            .map_or([self.height, self.width], |side| [side, side])
    }

    pub(crate) fn dim(&self) -> usize {
        self.heads * self.head_dim
    }
}

/// Multi-head attention `softmax(q k^T / sqrt(d) + rel) v` of every token to the tokens of its window, with
/// `rel[(y, x), (y', x')] = q . rows[y - y' + H - 1] + q . columns[x - x' + W - 1]` over windows of H rows
/// and W columns (`add_decomposed_rel_pos` of Segment Anything; MViTv2, Li et al. 2022).
///
/// Windows that reach over the lower or right edge of the grid are filled up with tokens whose projection is
/// `padding`, as if a zero had gone through the projection. They are attended to and give no output.
///
/// The kernel keeps no scores: blocks of queries are computed anew in backward, so that memory grows linearly
/// with the tokens (FlashAttention, Dao et al. 2022).
///
/// # Shapes
/// - `qkv`: `[batch, height, width, 3 * heads * d]`, queries, keys and values, each by heads
/// - `padding`: `[3 * heads * d]`, the offset of the projection; zeros when there is none
/// - `rows`: `[2 * H - 1, d]`, `columns`: `[2 * W - 1, d]`; H and W are `window`, or the sides of the grid
/// - output: `[batch, height, width, heads * d]`
///
/// # Panics
/// When the shapes do not fit together, or a side of the window, the number of heads or d is 0.
pub fn grid_attention(
    qkv: Tensor<4>,
    padding: Option<Tensor<1>>,
    rows: Tensor<2>,
    columns: Tensor<2>,
    heads: usize,
    window: Option<usize>,
) -> Tensor<4> {
    let [batch, height, width, channels] = qkv.dims();
    let [_, head_dim] = rows.dims();
    let grid = Grid {
        batch,
        height,
        width,
        heads,
        head_dim,
        window,
    };
    let [seen_rows, seen_columns] = grid.seen();
    let padding_dims = padding.as_ref().map(|padding| padding.dims());
    assert!(
        seen_rows * seen_columns * grid.dim() > 0
            && channels == 3 * grid.dim()
            && padding_dims.is_none_or(|dims| dims == [channels])
            && rows.dims() == [2 * seen_rows - 1, head_dim]
            && columns.dims() == [2 * seen_columns - 1, head_dim],
        "attention of {heads} heads over windows of {seen_rows} x {seen_columns} tokens with projections \
         {:?}, padding {padding_dims:?}, positions {:?} and {:?}",
        qkv.dims(),
        rows.dims(),
        columns.dims()
    );
    let padding =
        padding.unwrap_or_else(|| Tensor::zeros([channels], (&qkv.device(), qkv.dtype())));
    #[cfg(feature = "flex")]
    if crate::flex::runs(&qkv)
        && crate::flex::runs(&padding)
        && [&rows, &columns].into_iter().all(crate::flex::runs)
    {
        return crate::flex::grid_attention(qkv, padding, rows, columns, grid);
    }
    plain(qkv, padding, rows, columns, grid)
}

/// By Burn's own operations, on every backend.
///
/// The bias is not added to the N x N scores: `q' = [q / sqrt(d), q.R_h, q.R_w]` and
/// `k' = [k, onehot(y'), onehot(x')]` give the same sum inside the one product `q' k'^T`.
fn plain(
    qkv: Tensor<4>,
    padding: Tensor<1>,
    rows: Tensor<2>,
    columns: Tensor<2>,
    grid: Grid,
) -> Tensor<4> {
    let sides = [grid.height, grid.width];
    let (windows, padded) = match grid.window {
        Some(size) => partition(qkv, padding, size),
        None => (qkv, sides),
    };
    let [count, height, width, _] = windows.dims();
    let Grid {
        heads, head_dim, ..
    } = grid;
    let tokens = height * width;
    let qkv = windows
        .reshape([count, tokens, 3, heads, head_dim])
        .permute([2, 0, 3, 1, 4])
        .reshape([3, count * heads, tokens, head_dim]);
    let part = |i: usize| qkv.clone().narrow(0, i, 1).squeeze_dim::<3>(0);
    let (q, k, v) = (part(0), part(1), part(2));
    let relative = relative_terms(q.clone(), rows, columns, [height, width]);
    let q = Tensor::cat(vec![q / (head_dim as f64).sqrt(), relative], 2);
    let positions = one_hot_positions([height, width], &k);
    let k = Tensor::cat(vec![k, positions], 2);
    let attended = softmax_rows(q.matmul(k.transpose()))
        .matmul(v)
        .reshape([count, heads, height, width, head_dim])
        .permute([0, 2, 3, 1, 4])
        .reshape([count, height, width, heads * head_dim]);
    match grid.window {
        Some(_) => unpartition(attended, padded, sides),
        None => attended,
    }
}

/// `[q.R_h, q.R_w]`, shape `[windows * heads, tokens, height + width]`.
fn relative_terms(
    q: Tensor<3>,
    rows: Tensor<2>,
    columns: Tensor<2>,
    [height, width]: [usize; 2],
) -> Tensor<3> {
    let [count, tokens, head_dim] = q.dims();
    let grid = q.reshape([count, height, width, head_dim]);
    let along_rows = grid
        .clone()
        .permute([1, 0, 2, 3])
        .reshape([height, count * width, head_dim])
        .matmul(relative_table(rows, height))
        .reshape([height, count, width, height])
        .permute([1, 0, 2, 3])
        .reshape([count, tokens, height]);
    let along_columns = grid
        .permute([2, 0, 1, 3])
        .reshape([width, count * height, head_dim])
        .matmul(relative_table(columns, width))
        .reshape([width, count, height, width])
        .permute([1, 2, 0, 3])
        .reshape([count, tokens, width]);
    Tensor::cat(vec![along_rows, along_columns], 2)
}

/// For every query row the vectors of all key rows, transposed for a product with the queries:
/// `[side, head_dim, side]` with entry `[q, :, k] = positions[q - k + side - 1]`.
fn relative_table(positions: Tensor<2>, side: usize) -> Tensor<3> {
    let device = positions.device();
    let [_, head_dim] = positions.dims();
    let index: Vec<i64> = (0..side)
        .flat_map(|q| (0..side).map(move |k| (q + side - 1 - k) as i64))
        .collect();
    let index = Tensor::<1, Int>::from_data(TensorData::new(index, [side * side]), &device);
    positions
        .select(0, index)
        .reshape([side, side, head_dim])
        .transpose()
}

/// The row and the column of every token, one-hot: `[windows * heads, tokens, height + width]`.
fn one_hot_positions([height, width]: [usize; 2], k: &Tensor<3>) -> Tensor<3> {
    let columns = height + width;
    let mut values = vec![0f32; height * width * columns];
    for (token, row) in values.chunks_exact_mut(columns).enumerate() {
        row[token / width] = 1.0;
        row[height + token % width] = 1.0;
    }
    let data = TensorData::new(values, [1, height * width, columns]);
    let [count, tokens, _] = k.dims();
    Tensor::<3>::from_data(data, (&k.device(), k.dtype())).expand([count, tokens, columns])
}

/// Cuts `[batch, height, width, channels]` into `[batch * windows, size, size, channels]`, filled up with
/// `padding` at the bottom and right where `size` does not divide the sides. Also returns the filled sides,
/// which [`unpartition`] needs.
fn partition(x: Tensor<4>, padding: Tensor<1>, size: usize) -> (Tensor<4>, [usize; 2]) {
    let [batch, height, width, channels] = x.dims();
    let padded = [height.next_multiple_of(size), width.next_multiple_of(size)];
    let fill = |rows: usize, columns: usize| {
        let padding = padding.clone().reshape([1, 1, 1, channels]);
        padding.expand([batch, rows, columns, channels])
    };
    let mut x = x;
    if padded[0] > height {
        x = Tensor::cat(vec![x, fill(padded[0] - height, width)], 1);
    }
    if padded[1] > width {
        x = Tensor::cat(vec![x, fill(padded[0], padded[1] - width)], 2);
    }
    let (down, across) = (padded[0] / size, padded[1] / size);
    let windows = x
        .reshape([batch, down, size, across, size, channels])
        .permute([0, 1, 3, 2, 4, 5])
        .reshape([batch * down * across, size, size, channels]);
    (windows, padded)
}

/// Undoes [`partition`]: back to `[batch, height, width, channels]`, what was filled up removed.
fn unpartition(windows: Tensor<4>, padded: [usize; 2], sides: [usize; 2]) -> Tensor<4> {
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
    use burn::tensor::Device;

    #[test]
    fn partition_and_back_is_the_identity() {
        let device = Device::default();
        for (height, width, size) in [(6, 6, 3), (5, 7, 3), (2, 2, 4)] {
            let x = Tensor::<1, Int>::arange(0..(2 * height * width * 3) as i64, &device)
                .float()
                .reshape([2, height, width, 3]);
            let (windows, padded) = partition(x.clone(), Tensor::zeros([3], &device), size);
            let back = unpartition(windows, padded, [height, width]);
            back.into_data().assert_eq(&x.into_data(), true);
        }
    }
}
