//! A weight's values seen as the matrix `[out, in]`, in either storage order.

use faer::{Mat, MatRef};
use sha2::{Digest, Sha256};

use crate::weight::WeightShape;

/// Rows put in order at a time for the hash: 16 values fill a cache line of a transposed weight.
const PANEL: usize = 16;

/// A borrowed f32 matrix `[rows, cols]`: W in the orientation of the mathematics, `[out, in]`.
#[derive(Clone, Copy, Debug)]
pub struct WeightMatrix<'a> {
    values: &'a [f32],
    rows: usize,
    cols: usize,
    by_column: bool,
}

impl<'a> WeightMatrix<'a> {
    /// A matrix `[rows, cols]` stored row after row.
    ///
    /// # Panics
    /// If `values` does not hold `rows * cols` values.
    pub fn row_major(rows: usize, cols: usize, values: &'a [f32]) -> Self {
        Self::new(rows, cols, values, false)
    }

    /// A matrix `[rows, cols]` stored column after column.
    ///
    /// # Panics
    /// If `values` does not hold `rows * cols` values.
    pub fn column_major(rows: usize, cols: usize, values: &'a [f32]) -> Self {
        Self::new(rows, cols, values, true)
    }

    /// The matrix `[out, in]` of a weight given by its values in Burn's layout: a linear weight is
    /// stored `[in, out]`, which is column after column.
    ///
    /// # Panics
    /// If `values` does not hold the number of values that `shape` says.
    pub fn of_weight(shape: &WeightShape, values: &'a [f32]) -> Self {
        Self::new(shape.out(), shape.fan_in(), values, shape.is_transposed())
    }

    fn new(rows: usize, cols: usize, values: &'a [f32], by_column: bool) -> Self {
        assert_eq!(
            values.len(),
            rows * cols,
            "a {rows} x {cols} matrix needs {} values, received {}",
            rows * cols,
            values.len()
        );
        Self {
            values,
            rows,
            cols,
            by_column,
        }
    }

    /// Rows: output features.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of one output feature.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// min(rows, cols), the number of singular values.
    pub fn k(&self) -> usize {
        self.rows.min(self.cols)
    }

    /// The values in f64, exactly.
    pub(super) fn to_f64(self) -> Mat<f64> {
        let values = if self.by_column {
            MatRef::from_column_major_slice(self.values, self.rows, self.cols)
        } else {
            MatRef::from_row_major_slice(self.values, self.rows, self.cols)
        };
        Mat::from_fn(self.rows, self.cols, |i, j| f64::from(values[(i, j)]))
    }

    pub(super) fn is_finite(&self) -> bool {
        self.values.iter().all(|value| value.is_finite())
    }

    /// Feeds the values, row after row as little-endian f32 whatever their storage, to a hash.
    pub(super) fn hash_into(&self, hash: &mut Sha256) {
        let mut bytes = vec![0_u8; 4 * PANEL * self.cols];
        for top in (0..self.rows).step_by(PANEL) {
            let height = PANEL.min(self.rows - top);
            let (panel, _) = bytes[..4 * height * self.cols].as_chunks_mut::<4>();
            if self.by_column {
                for (j, column) in self.values.chunks_exact(self.rows).enumerate() {
                    for (i, value) in column[top..top + height].iter().enumerate() {
                        panel[i * self.cols + j] = value.to_le_bytes();
                    }
                }
            } else {
                let from = top * self.cols;
                for (place, value) in panel.iter_mut().zip(&self.values[from..]) {
                    *place = value.to_le_bytes();
                }
            }
            hash.update(panel.as_flattened());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_changes_neither_entries_nor_hash() {
        let (rows, cols) = (PANEL * 2 + 3, 5);
        let by_row: Vec<f32> = (0..rows * cols).map(|i| i as f32 - 40.5).collect();
        let by_column = crate::weight::transpose(&by_row, rows, cols);
        let a = WeightMatrix::row_major(rows, cols, &by_row);
        let b = WeightMatrix::column_major(rows, cols, &by_column);
        assert_eq!(a.to_f64(), b.to_f64());
        assert_eq!(a.to_f64()[(1, 2)], f64::from(by_row[cols + 2]));
        let digest = |matrix: WeightMatrix<'_>| {
            let mut hash = Sha256::new();
            matrix.hash_into(&mut hash);
            hash.finalize()
        };
        let bytes: Vec<u8> = by_row.iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(digest(a), Sha256::digest(bytes));
        assert_eq!(digest(a), digest(b));
    }
}
