//! The thin singular value decomposition of a weight: one deterministic host computation.
//!
//! `W = U diag(s) Vt` with `W [out, in]`, `U [out, k]`, s descending, `Vt [k, in]`,
//! `k = min(out, in)`. Computed in f64 by faer, single-threaded within a matrix, so that the basis
//! is the same on every machine far below f32 precision (vectors of equal singular values excepted).
//!
//! **Sign rule** (method.md section 1): in every left singular vector the entry of largest
//! magnitude is positive; among equals, the first.

use faer::linalg::svd::{self, ComputeSvdVectors};
use faer::{Mat, MatRef, Par};

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};

/// Magnitudes this close (relative) count as equal in the sign rule, so that rounding cannot decide.
const TIE: f64 = 1e-9;

/// A decomposed weight, in f64 on the host.
#[derive(Clone, Debug)]
pub struct ThinSvd {
    u: Mat<f64>,
    s: Vec<f64>,
    v: Mat<f64>,
}

impl ThinSvd {
    /// Decomposes the `[rows, cols]` matrix whose entry (i, j) is `entry(i, j)`. `None` when the
    /// iteration does not converge. Entries must be finite.
    pub fn new(rows: usize, cols: usize, entry: impl Fn(usize, usize) -> f32) -> Option<Self> {
        let matrix = Mat::from_fn(rows, cols, |i, j| f64::from(entry(i, j)));
        let k = rows.min(cols);
        let mut u = Mat::zeros(rows, k);
        let mut v = Mat::zeros(cols, k);
        let mut s = Diag::<f64>::zeros(k);
        let thin = ComputeSvdVectors::Thin;
        let scratch = svd::svd_scratch::<f64>(rows, cols, thin, thin, Par::Seq, Default::default());
        svd::svd(
            matrix.as_ref(),
            s.as_mut(),
            Some(u.as_mut()),
            Some(v.as_mut()),
            Par::Seq,
            MemStack::new(&mut MemBuffer::new(scratch)),
            Default::default(),
        )
        .ok()?;
        let s = (0..k).map(|i| s.column_vector()[i].max(0.0)).collect();
        let mut svd = Self { u, s, v };
        svd.apply_sign_rule();
        Some(svd)
    }

    /// k, the number of singular values.
    pub fn k(&self) -> usize {
        self.s.len()
    }

    /// The leading `count` triplets.
    pub fn leading(&self, count: usize) -> Self {
        let count = count.min(self.k());
        Self {
            u: self.u.get(.., ..count).to_owned(),
            s: self.s[..count].to_vec(),
            v: self.v.get(.., ..count).to_owned(),
        }
    }

    /// The singular values, descending.
    pub fn values(&self) -> Vec<f32> {
        self.s.iter().map(|value| *value as f32).collect()
    }

    /// Columns `from..to` of U, row-major `[out, to - from]`.
    pub fn u(&self, from: usize, to: usize) -> Vec<f32> {
        columns(&self.u, from, to)
    }

    /// Columns `from..to` of V, row-major `[in, to - from]`.
    pub fn v(&self, from: usize, to: usize) -> Vec<f32> {
        columns(&self.v, from, to)
    }

    /// Rows `from..to` of Ut, row-major `[to - from, out]`.
    pub fn ut(&self, from: usize, to: usize) -> Vec<f32> {
        rows(&self.u, from, to)
    }

    /// Rows `from..to` of Vt, row-major `[to - from, in]`.
    pub fn vt(&self, from: usize, to: usize) -> Vec<f32> {
        rows(&self.v, from, to)
    }

    fn apply_sign_rule(&mut self) {
        for col in 0..self.s.len() {
            let largest = self
                .u
                .col(col)
                .iter()
                .fold(0.0_f64, |max, x| max.max(x.abs()));
            let leading = self
                .u
                .col(col)
                .iter()
                .find(|x| x.abs() >= largest * (1.0 - TIE));
            if leading.is_some_and(|x| *x < 0.0) {
                for matrix in [&mut self.u, &mut self.v] {
                    matrix.col_mut(col).iter_mut().for_each(|x| *x = -*x);
                }
            }
        }
    }

    /// Four numbers that identify the basis: weighted sums over fixed pseudo-random projections of
    /// the singular vectors. Equal to about 1e-9 for the same basis computed elsewhere; another sign
    /// or rotation of any vector moves them by far more than [`PROBE_TOLERANCE`].
    pub fn probe(&self) -> [f64; 4] {
        probe_columns([self.u.as_ref(), self.v.as_ref()])
    }
}

/// [`ThinSvd::probe`] of any two matrices with as many columns as each other.
pub(crate) fn probe_columns(sides: [MatRef<'_, f64>; 2]) -> [f64; 4] {
    let mut out = [0.0; 4];
    let n_columns = sides[0].ncols();
    for (side, matrix) in sides.into_iter().enumerate() {
        for col in 0..n_columns {
            let projection: f64 = matrix
                .col(col)
                .iter()
                .enumerate()
                .map(|(row, x)| if unit(side, row) < 0.5 { -x } else { *x })
                .sum();
            out[2 * side] += (0.5 + unit(2, col)) * projection;
            out[2 * side + 1] += (0.5 + unit(3, col)) * projection;
        }
    }
    // Rounded so that the file stays readable; zero is never written as -0.
    out.map(|x| (x / (n_columns.max(1) as f64).sqrt() * 1e6).round() / 1e6 + 0.0)
}

/// How far two probes of one basis may lie apart.
pub const PROBE_TOLERANCE: f64 = 1e-4;

/// A fixed pseudo-random number in [0, 1): the splitmix64 finaliser of (stream, index).
fn unit(stream: usize, index: usize) -> f64 {
    let mut z = (stream as u64) << 32 | index as u64;
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

fn columns(matrix: &Mat<f64>, from: usize, to: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(matrix.nrows() * (to - from));
    for row in 0..matrix.nrows() {
        out.extend((from..to).map(|col| matrix[(row, col)] as f32));
    }
    out
}

fn rows(matrix: &Mat<f64>, from: usize, to: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(matrix.nrows() * (to - from));
    for col in from..to {
        out.extend(matrix.col(col).iter().map(|x| *x as f32));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decompose(rows: usize, cols: usize, values: &[f32]) -> ThinSvd {
        ThinSvd::new(rows, cols, |i, j| values[i * cols + j]).expect("converges")
    }

    /// The largest deviation of `U diag(s) Vt` from the matrix.
    fn residual(svd: &ThinSvd, cols: usize, values: &[f32]) -> f64 {
        let mut worst = 0.0_f64;
        for (index, value) in values.iter().enumerate() {
            let (i, j) = (index / cols, index % cols);
            let product: f64 = (0..svd.k())
                .map(|c| svd.u[(i, c)] * svd.s[c] * svd.v[(j, c)])
                .sum();
            worst = worst.max((product - f64::from(*value)).abs());
        }
        worst
    }

    #[test]
    fn a_known_matrix() {
        // [[3, 0], [4, 5]] has singular values 3 sqrt(5) and sqrt(5).
        let values = [3.0, 0.0, 4.0, 5.0];
        let svd = decompose(2, 2, &values);
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
        assert!(residual(&svd, 2, &values) < 1e-12);
    }

    #[test]
    fn blocks_and_transposes_agree() {
        let values: Vec<f32> = (0..15).map(|i| ((i * 7 + 3) % 11) as f32 - 5.0).collect();
        let svd = decompose(3, 5, &values);
        assert!(residual(&svd, 5, &values) < 1e-12);
        let full = svd.v(0, 3);
        let tail: Vec<f32> = (0..5)
            .flat_map(|row| full[row * 3 + 1..row * 3 + 3].to_vec())
            .collect();
        assert_eq!(svd.v(1, 3), tail);
        assert_eq!(svd.vt(1, 3), crate::weight::transpose(&svd.v(1, 3), 5, 2));
        assert_eq!(svd.ut(0, 1), svd.u(0, 1));
    }

    #[test]
    fn the_probe_sees_a_flipped_vector() {
        let values: Vec<f32> = (0..30).map(|i| ((i * 13 + 5) % 17) as f32 - 8.0).collect();
        let svd = decompose(6, 5, &values);
        for col in 0..5 {
            let mut flipped = svd.clone();
            for matrix in [&mut flipped.u, &mut flipped.v] {
                matrix.col_mut(col).iter_mut().for_each(|x| *x = -*x);
            }
            let moved = svd
                .probe()
                .iter()
                .zip(flipped.probe())
                .any(|(a, b)| (a - b).abs() > 1e-3);
            assert!(moved, "column {col}");
        }
    }
}
