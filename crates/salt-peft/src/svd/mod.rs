//! The thin singular value decomposition of a weight: one deterministic host computation.
//!
//! `W = U diag(s) Vt` with `W [out, in]`, `U [out, k]`, s descending, `Vt [k, in]`,
//! `k = min(out, in)`, or its first r triplets. Computed in f64, single-threaded within a matrix,
//! and in parallel over matrices, so that the basis has the same bytes on every run and for every
//! number of threads, and is the same on every machine far below f32 precision (vectors of equal
//! singular values excepted). It is handed out, and kept on disk, rounded to f32.
//!
//! **Sign rule** (method.md section 1): in every left singular vector the entry of largest
//! magnitude is positive; among equals, the first.
//!
//! The files: `matrix` a weight in either storage order, `full` all triplets by faer, `truncated`
//! the leading ones with the bound they are checked against, `probe` a basis in four numbers,
//! `cache` the folder of decompositions already made, `cache_file` one file of it, `scope` when it is used.

mod cache;
mod cache_file;
mod full;
mod matrix;
mod probe;
mod scope;
mod truncated;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par};
use rayon::prelude::*;

use self::full::Triplets;
pub use cache::{CacheReport, CacheUsage, SvdCache};
pub use matrix::WeightMatrix;
pub use probe::PROBE_TOLERANCE;
pub(crate) use probe::probe_columns;

/// Which singular triplets a caller reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// All k.
    Full,
    /// The r of the largest singular values; all of them when r is k or more.
    ///
    /// Where r is at most k / 3 they come from the Gram matrix, at .3 to .7 of the cost, provided
    /// that afterwards, in f64, `||W v_i - s_i u_i|| <= 1e-12 s_1`, `||Wt u_i - s_i v_i|| <= 1e-12 s_1`,
    /// the vectors are orthonormal to 1e-12, and no direction orthogonal to them has `||W x||^2` above
    /// `s_r^2 + 1e-10 s_1^2`. By Parlett's theorems 4.5.1 and 11.7.1 (The Symmetric Eigenvalue Problem)
    /// singular values are then off by at most 1e-12 s_1, and vectors by about 1e-12 s_1 / gap.
    /// Otherwise the full decomposition is made and cut.
    Leading(usize),
}

impl Need {
    /// Triplets of a matrix with k singular values.
    fn count(self, k: usize) -> usize {
        match self {
            Self::Full => k,
            Self::Leading(r) => r.min(k),
        }
    }
}

/// A decomposed weight on the host: all its singular triplets, or the leading ones.
#[derive(Clone, Debug, PartialEq)]
pub struct ThinSvd {
    rows: usize,
    cols: usize,
    /// `[k, rows]`.
    ut: Vec<f32>,
    s: Vec<f32>,
    /// `[k, cols]`.
    vt: Vec<f32>,
    probe: [f64; 4],
}

impl ThinSvd {
    /// All triplets of the `[rows, cols]` matrix whose entry (i, j) is `entry(i, j)`. `None` when the
    /// iteration does not converge or an entry is not finite.
    pub fn new(rows: usize, cols: usize, entry: impl Fn(usize, usize) -> f32) -> Option<Self> {
        let at = (0..rows).flat_map(|i| (0..cols).map(move |j| (i, j)));
        let values: Vec<f32> = at.map(|(i, j)| entry(i, j)).collect();
        let matrix = WeightMatrix::row_major(rows, cols, &values);
        decompose(matrix, Need::Full, None)
    }

    fn from_triplets(triplets: &Triplets) -> Self {
        let Triplets { u, s, v } = triplets;
        let narrow = |matrix: &faer::Mat<f64>| {
            let columns = matrix.col_iter();
            let mut out = Vec::with_capacity(matrix.nrows() * matrix.ncols());
            columns.for_each(|column| out.extend(column.iter().map(|x| *x as f32)));
            out
        };
        Self {
            rows: u.nrows(),
            cols: v.nrows(),
            ut: narrow(u),
            s: s.iter().map(|value| *value as f32).collect(),
            vt: narrow(v),
            probe: probe_columns([u.as_ref(), v.as_ref()]),
        }
    }

    /// The number of triplets held: min(out, in) after [`Need::Full`], r after [`Need::Leading`].
    pub fn k(&self) -> usize {
        self.s.len()
    }

    /// The singular values held, descending.
    pub fn values(&self) -> Vec<f32> {
        self.s.clone()
    }

    /// Columns `from..to` of U, row-major `[out, to - from]`.
    ///
    /// # Panics
    /// This one and the next three, if `from..to` is no range within `0..k`.
    pub fn u(&self, from: usize, to: usize) -> Vec<f32> {
        crate::weight::transpose(&self.ut(from, to), to - from, self.rows)
    }

    /// Columns `from..to` of V, row-major `[in, to - from]`.
    pub fn v(&self, from: usize, to: usize) -> Vec<f32> {
        crate::weight::transpose(&self.vt(from, to), to - from, self.cols)
    }

    /// Rows `from..to` of Ut, row-major `[to - from, out]`.
    pub fn ut(&self, from: usize, to: usize) -> Vec<f32> {
        self.ut[from * self.rows..to * self.rows].to_vec()
    }

    /// Rows `from..to` of Vt, row-major `[to - from, in]`.
    pub fn vt(&self, from: usize, to: usize) -> Vec<f32> {
        self.vt[from * self.cols..to * self.cols].to_vec()
    }

    /// Four numbers that identify the basis: weighted sums over fixed pseudo-random projections of
    /// the singular vectors held, taken in f64. Equal to about 1e-9 for the same basis computed
    /// elsewhere; another sign or rotation of any vector moves them by far more than
    /// [`PROBE_TOLERANCE`]. The probe of r leading vectors is another than that of all.
    pub fn probe(&self) -> [f64; 4] {
        self.probe
    }
}

/// `A B` on this thread; faer's operators would use all threads, in an order that varies.
pub(crate) fn product(a: MatRef<'_, f64>, b: MatRef<'_, f64>) -> Mat<f64> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    matmul(out.as_mut(), Accum::Replace, a, b, 1.0, Par::Seq);
    out
}

/// Sum of squares of singular values.
pub(crate) fn energy(values: &[f32]) -> f64 {
    let squares = values.iter().map(|s| f64::from(*s) * f64::from(*s));
    squares.sum()
}

/// Decomposes one matrix, or takes the decomposition from the cache, where it is kept under the hash of
/// the values. Either way the result has the same bytes. `None` when the iteration does not converge
/// or a value is not finite; nothing is cached then.
///
/// A cache that cannot be read or written costs time, never the result: see [`SvdCache::report`].
pub fn decompose(
    matrix: WeightMatrix<'_>,
    need: Need,
    cache: Option<&SvdCache>,
) -> Option<ThinSvd> {
    let n = need.count(matrix.k());
    let Some(cache) = cache.filter(|_| n > 0) else {
        return compute(matrix, n);
    };
    let key = cache_file::Key::new(&matrix, n);
    if let Some(svd) = cache.load(&key) {
        return Some(svd);
    }
    let svd = compute(matrix, n)?;
    cache.store(&key, &svd);
    Some(svd)
}

/// [`decompose`] for many matrices, in parallel over them on rayon's threads; results in their order.
pub fn decompose_all(
    jobs: &[(WeightMatrix<'_>, Need)],
    cache: Option<&SvdCache>,
) -> Vec<Option<ThinSvd>> {
    // The longest first, taken one by one as a thread falls free, so that the threads end together.
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by_key(|index| {
        let matrix = &jobs[*index].0;
        std::cmp::Reverse(matrix.rows() * matrix.cols() * matrix.k())
    });
    let mut results: Vec<(usize, Option<ThinSvd>)> = order
        .into_iter()
        .par_bridge()
        .map(|index| {
            let (matrix, need) = jobs[index];
            (index, decompose(matrix, need, cache))
        })
        .collect();
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, svd)| svd).collect()
}

/// The n leading triplets, by the way that is faster.
fn compute(matrix: WeightMatrix<'_>, n: usize) -> Option<ThinSvd> {
    if !matrix.is_finite() {
        return None;
    }
    let k = matrix.k();
    if n == 0 {
        return Some(ThinSvd::from_triplets(&Triplets::none(
            matrix.rows(),
            matrix.cols(),
        )));
    }
    let matrix = matrix.to_f64();
    let truncated = if truncated::pays(n, k) {
        truncated::leading(matrix.as_ref(), n)
    } else {
        None
    };
    let triplets = match truncated {
        Some(triplets) => triplets,
        None => Triplets::thin(matrix.as_ref())?.leading(n),
    };
    Some(ThinSvd::from_triplets(&triplets.with_sign_rule()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompose_full(rows: usize, cols: usize, values: &[f32]) -> ThinSvd {
        ThinSvd::new(rows, cols, |i, j| values[i * cols + j]).expect("converges")
    }

    /// Values without structure.
    fn scattered(n: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 7919 + 13) % 1009) as f32 / 1009.0 - 0.5;
        (0..n).map(value).collect()
    }

    #[test]
    fn a_known_matrix() {
        // [[3, 0], [4, 5]] has singular values 3 sqrt(5) and sqrt(5).
        let svd = decompose_full(2, 2, &[3.0, 0.0, 4.0, 5.0]);
        let root = 5.0_f32.sqrt();
        let s = svd.values();
        assert!(
            (s[0] - 3.0 * root).abs() < 1e-6 && (s[1] - root).abs() < 1e-6,
            "{s:?}"
        );
        // Left vectors (1, 3) / sqrt(10) and, by the sign rule, (3, -1) / sqrt(10).
        let ten = 10.0_f32.sqrt();
        let expected = [1.0 / ten, 3.0 / ten, 3.0 / ten, -1.0 / ten];
        for (got, expected) in svd.ut(0, 2).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6, "{:?}", svd.ut(0, 2));
        }
    }

    #[test]
    fn blocks_and_transposes_agree() {
        let values = scattered(15);
        let svd = decompose_full(3, 5, &values);
        let (u, s, vt) = (svd.u(0, 3), svd.values(), svd.vt(0, 3));
        for (index, value) in values.iter().enumerate() {
            let (i, j) = (index / 5, index % 5);
            let product: f32 = (0..3).map(|c| u[i * 3 + c] * s[c] * vt[c * 5 + j]).sum();
            assert!((product - value).abs() < 1e-6, "{i} {j}");
        }
        let full = svd.v(0, 3);
        let tail: Vec<f32> = (0..5)
            .flat_map(|row| full[row * 3 + 1..row * 3 + 3].to_vec())
            .collect();
        assert_eq!(svd.v(1, 3), tail);
        assert_eq!(svd.vt(1, 3), crate::weight::transpose(&svd.v(1, 3), 5, 2));
        assert_eq!(svd.ut(0, 1), svd.u(0, 1));
    }

    #[test]
    fn the_number_of_threads_and_the_storage_change_no_bit() {
        let shapes = [
            (30, 30, Need::Leading(20)),
            (40, 90, Need::Leading(5)),
            (90, 40, Need::Full),
        ];
        let values: Vec<Vec<f32>> = shapes.map(|(m, n, _)| scattered(m * n)).into();
        let jobs: Vec<(WeightMatrix<'_>, Need)> = shapes
            .iter()
            .zip(&values)
            .map(|(&(m, n, need), values)| (WeightMatrix::row_major(m, n, values), need))
            .collect();
        let alone: Vec<Option<ThinSvd>> =
            jobs.iter().map(|(m, n)| decompose(*m, *n, None)).collect();
        assert_eq!(
            alone.iter().flatten().map(ThinSvd::k).collect::<Vec<_>>(),
            [20, 5, 40]
        );
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let together = pool.expect("a pool").install(|| decompose_all(&jobs, None));
            assert_eq!(together, alone, "{threads} threads");
        }
        let transposed = crate::weight::transpose(&values[1], 40, 90);
        let stored = WeightMatrix::column_major(40, 90, &transposed);
        assert_eq!(decompose(stored, Need::Leading(5), None), alone[1]);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused() {
        for value in [f32::NAN, f32::INFINITY] {
            let values = [1.0, value, 0.0, 2.0, 1.0, 1.0, 1.0, 0.5, 3.0];
            let matrix = WeightMatrix::row_major(3, 3, &values);
            assert_eq!(decompose(matrix, Need::Full, None), None);
            assert_eq!(decompose(matrix, Need::Leading(1), None), None);
        }
    }

    #[test]
    fn empty_matrices_and_needs() {
        for (rows, cols) in [(0, 0), (0, 4), (4, 0)] {
            let svd = decompose_full(rows, cols, &[]);
            assert_eq!((svd.k(), svd.u(0, 0).len()), (0, 0));
        }
        let values = scattered(6);
        let matrix = WeightMatrix::row_major(2, 3, &values);
        assert_eq!(
            decompose(matrix, Need::Leading(0), None).map(|svd| svd.k()),
            Some(0)
        );
        assert_eq!(
            decompose(matrix, Need::Leading(9), None),
            decompose(matrix, Need::Full, None)
        );
    }
}
