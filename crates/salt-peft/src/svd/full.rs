//! All singular triplets of a matrix in f64, by faer, on one thread.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::{Mat, MatRef, Par};

/// Magnitudes this close (relative) count as equal in the sign rule, so that rounding cannot decide.
const TIE: f64 = 1e-9;

/// n singular triplets of a `[rows, cols]` matrix.
#[derive(Clone, Debug)]
pub(super) struct Triplets {
    /// Left vectors as columns, `[rows, n]`.
    pub(super) u: Mat<f64>,
    /// Singular values, descending, `[n]`.
    pub(super) s: Vec<f64>,
    /// Right vectors as columns, `[cols, n]`.
    pub(super) v: Mat<f64>,
}

impl Triplets {
    /// The thin decomposition, `n = min(rows, cols)`; `None` when the iteration does not converge.
    ///
    /// faer takes the R of a QR decomposition first where one side is over 11/6 of the other, reduces
    /// to bidiagonal form and divides and conquers. One thread, so that the thread count cannot
    /// change a sum's order; callers run matrices side by side instead.
    pub(super) fn thin(matrix: MatRef<'_, f64>) -> Option<Self> {
        let (rows, cols) = matrix.shape();
        let n = rows.min(cols);
        let (mut u, mut v) = (Mat::zeros(rows, n), Mat::zeros(cols, n));
        let mut s = Diag::<f64>::zeros(n);
        let thin = ComputeSvdVectors::Thin;
        let scratch = svd::svd_scratch::<f64>(rows, cols, thin, thin, Par::Seq, Default::default());
        svd::svd(
            matrix,
            s.as_mut(),
            Some(u.as_mut()),
            Some(v.as_mut()),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
            Default::default(),
        )
        .ok()?;
        let s = (0..n).map(|i| s.column_vector()[i].max(0.0)).collect();
        Some(Self { u, s, v })
    }

    /// No triplets of a `[rows, cols]` matrix.
    pub(super) fn none(rows: usize, cols: usize) -> Self {
        Self {
            u: Mat::zeros(rows, 0),
            s: Vec::new(),
            v: Mat::zeros(cols, 0),
        }
    }

    /// The first n triplets.
    pub(super) fn leading(self, n: usize) -> Self {
        if n >= self.s.len() {
            return self;
        }
        Self {
            u: self.u.get(.., ..n).to_owned(),
            v: self.v.get(.., ..n).to_owned(),
            s: self.s[..n].to_vec(),
        }
    }

    /// Those of the transpose.
    pub(super) fn swapped(self) -> Self {
        let Self { u, s, v } = self;
        Self { u: v, s, v: u }
    }

    /// Makes the entry of largest magnitude of every left vector positive; among equals, the first.
    pub(super) fn with_sign_rule(mut self) -> Self {
        for col in 0..self.s.len() {
            let left = self.u.col(col);
            let largest = left.iter().fold(0.0_f64, |max, x| max.max(x.abs()));
            let leading = left.iter().find(|x| x.abs() >= largest * (1.0 - TIE));
            if leading.is_some_and(|x| *x < 0.0) {
                for matrix in [&mut self.u, &mut self.v] {
                    matrix.col_mut(col).iter_mut().for_each(|x| *x = -*x);
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_product_is_the_matrix_far_below_f32() {
        for (rows, cols) in [(3, 5), (5, 3), (40, 7), (7, 40), (1, 1)] {
            let matrix = Mat::from_fn(rows, cols, |i, j| ((i * 7 + j * 13 + 3) % 11) as f64 - 5.0);
            let Triplets { u, s, v } = Triplets::thin(matrix.as_ref()).expect("converges");
            let product = Mat::from_fn(rows, cols, |i, j| {
                (0..s.len())
                    .map(|c| u[(i, c)] * s[c] * v[(j, c)])
                    .sum::<f64>()
            });
            assert!((&product - &matrix).norm_max() < 1e-12, "{rows} x {cols}");
            assert!(s.is_sorted_by(|a, b| a >= b));
        }
    }

    #[test]
    fn the_sign_rule_takes_the_first_of_equals() {
        let triplets = Triplets {
            u: faer::mat![[-0.5], [0.5]],
            s: vec![1.0],
            v: faer::mat![[1.0]],
        };
        let Triplets { u, v, .. } = triplets.with_sign_rule();
        assert_eq!((u[(0, 0)], u[(1, 0)], v[(0, 0)]), (0.5, -0.5, -1.0));
    }
}
