//! Matrix products over slices.

use gemm::Parallelism;

/// A matrix that somebody else holds, by rows or, transposed, by columns.
#[derive(Clone, Copy, Debug)]
pub(super) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// `[rows, columns]`, whose rows begin `stride` elements apart.
    ///
    /// # Panics
    /// When the values end before the last row does.
    pub(super) fn new(values: &'a [f32], rows: usize, columns: usize, stride: usize) -> Self {
        assert_inside(values.len(), rows, columns, stride);
        Self {
            values,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose, of the same values.
    pub(super) fn transpose(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

fn assert_inside(len: usize, rows: usize, columns: usize, stride: usize) {
    let needed = match rows {
        0 => 0,
        _ => (rows - 1) * stride + columns,
    };
    assert!(
        needed <= len && columns <= stride,
        "{rows} rows of {columns} values, {stride} apart, in {len}"
    );
}

/// What a product does with what stood at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// Overwrites it.
    Replace,
    /// Adds to it.
    Add,
}

/// `out = scale a b`, or `out += scale a b`; rows of `out` begin `stride` elements apart.
///
/// # Panics
/// When the inner dimensions differ, or `out` ends before the last row does.
#[expect(unsafe_code, reason = "gemm takes pointers")]
pub(super) fn multiply(
    out: &mut [f32],
    stride: usize,
    a: Matrix<'_>,
    b: Matrix<'_>,
    scale: f32,
    into: Into,
    parallelism: Parallelism,
) {
    assert_eq!(a.columns, b.rows, "inner dimensions of a product");
    assert_inside(out.len(), a.rows, b.columns, stride);
    // SAFETY: the asserts here and in `Matrix::new` keep every element that the sizes and strides name
    // inside its slice; `out` is borrowed mutably and overlaps neither factor.
    unsafe {
        gemm::gemm(
            a.rows,
            b.columns,
            a.columns,
            out.as_mut_ptr(),
            1,
            stride as isize,
            into == Into::Add,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_write_their_place_and_nothing_else() {
        let factor = |n: usize| -> Vec<f32> { (0..n).map(|i| (i * 7 % 11) as f32 - 5.0).collect() };
        for [n, k, m] in [[1, 1, 1], [1, 5, 9], [9, 5, 1], [3, 17, 30], [33, 40, 54]] {
            let (lda, ldb, ldc) = (k.max(n) + 3, m.max(k) + 2, m + 4);
            let (a, b) = (factor(lda * n.max(k)), factor(ldb * m.max(k)));
            for (a_turned, b_turned) in [(false, false), (true, false), (false, true)] {
                let (a_at, b_at) = (
                    |i: usize, j: usize| a[if a_turned { j * lda + i } else { i * lda + j }],
                    |i: usize, j: usize| b[if b_turned { j * ldb + i } else { i * ldb + j }],
                );
                let left = match a_turned {
                    true => Matrix::new(&a, k, n, lda).transpose(),
                    false => Matrix::new(&a, n, k, lda),
                };
                let right = match b_turned {
                    true => Matrix::new(&b, m, k, ldb).transpose(),
                    false => Matrix::new(&b, k, m, ldb),
                };
                for into in [Into::Replace, Into::Add] {
                    let mut out = vec![1.0; ldc * (n + 2)];
                    let place = &mut out[ldc..ldc * n + m];
                    multiply(place, ldc, left, right, 2.0, into, Parallelism::None);
                    for (at, value) in out.iter().enumerate() {
                        let (i, j) = ((at / ldc).wrapping_sub(1), at % ldc);
                        let mut expected = 1.0;
                        if i < n && j < m {
                            let sum: f32 = (0..k).map(|l| a_at(i, l) * b_at(l, j)).sum();
                            expected = 2.0 * sum + f32::from(u8::from(into == Into::Add));
                        }
                        assert_eq!(*value, expected, "{n} {k} {m} at {at}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "3 rows of 2 values, 4 apart, in 9")]
    fn a_matrix_that_ends_early_is_refused() {
        Matrix::new(&[0.0; 9], 3, 2, 4);
    }
}
