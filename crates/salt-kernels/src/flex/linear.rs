//! Products as large as a layer, on all threads.

use gemm::Parallelism;
use rayon::prelude::*;

use super::product::{Into, Matrix, multiply};

/// Side of the tiles in which a matrix is transposed: both of a tile's sides stay in the cache.
const TILE: usize = 32;

/// `scale dy weight^T`.
///
/// A product reads a second factor that lies by columns at two thirds of its speed: the weight is transposed
/// first.
///
/// # Shapes
/// - `weight`: `[inputs, outputs]`, `dy`: `[rows, outputs]`
/// - output: `[rows, inputs]`
pub(super) fn input_gradient(
    weight: &[f32],
    dy: &[f32],
    [rows, inputs, outputs]: [usize; 3],
    scale: f32,
) -> Vec<f32> {
    let turned = transposed(weight, [inputs, outputs]);
    let mut dx = vec![0.0; rows * inputs];
    multiply(
        &mut dx,
        inputs,
        Matrix::new(dy, rows, outputs, outputs),
        Matrix::new(&turned, outputs, inputs, inputs),
        scale,
        Into::Replace,
        Parallelism::Rayon(0),
    );
    dx
}

/// `scale x^T dy`.
///
/// # Shapes
/// - `x`: `[rows, inputs]`, `dy`: `[rows, outputs]`
/// - output: `[inputs, outputs]`
pub(super) fn weight_gradient(
    x: &[f32],
    dy: &[f32],
    [inputs, outputs]: [usize; 2],
    scale: f32,
) -> Vec<f32> {
    let rows = x.len() / inputs.max(1);
    let mut gradient = vec![0.0; inputs * outputs];
    multiply(
        &mut gradient,
        outputs,
        Matrix::new(x, rows, inputs, inputs).transpose(),
        Matrix::new(dy, rows, outputs, outputs),
        scale,
        Into::Replace,
        Parallelism::Rayon(0),
    );
    gradient
}

/// `base -= a b`. Where a factor is nothing but zeros, no bit changes, not even that of a zero's sign.
///
/// # Shapes
/// - `base`: `[rows, outputs]`, `a`: `[rows, inputs]`, `b`: `[inputs, outputs]`
pub(super) fn subtract(base: &mut [f32], a: &[f32], b: &[f32], [inputs, outputs]: [usize; 2]) {
    let vanishes = |zeros: &[f32], other: &[f32]| {
        zeros.iter().all(|x| *x == 0.0) && other.iter().all(|x| x.is_finite())
    };
    if vanishes(a, b) || vanishes(b, a) {
        return;
    }
    let rows = base.len() / outputs.max(1);
    multiply(
        base,
        outputs,
        Matrix::new(a, rows, inputs, inputs),
        Matrix::new(b, inputs, outputs, outputs),
        -1.0,
        Into::Add,
        Parallelism::Rayon(0),
    );
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(values: &[f32], [rows, columns]: [usize; 2]) -> Vec<f32> {
    let mut turned = vec![0.0; values.len()];
    if rows == 0 {
        return turned;
    }
    turned
        .par_chunks_mut(rows * TILE)
        .enumerate()
        .for_each(|(strip, out)| {
            let from = strip * TILE;
            for top in (0..rows).step_by(TILE) {
                for row in top..(top + TILE).min(rows) {
                    let values = &values[row * columns..][from..columns.min(from + TILE)];
                    for (column, value) in values.iter().enumerate() {
                        out[column * rows + row] = *value;
                    }
                }
            }
        });
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transposing_twice_is_the_identity() {
        for dims @ [rows, columns] in [[0, 0], [1, 1], [3, 70], [70, 3], [64, 33]] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let turned = transposed(&values, dims);
            if let [row, column] = [rows / 2, columns / 3]
                && rows > 0
            {
                assert_eq!(turned[column * rows + row], values[row * columns + column]);
            }
            assert_eq!(transposed(&turned, [columns, rows]), values);
        }
    }
}
