//! The leading singular triplets only, with a bound that is checked after the computation.
//!
//! Let W be tall, `[m, k]` (a wide matrix is transposed). The eigenvectors of the Gram matrix
//! `G = Wt W [k, k]` that belong to its r largest eigenvalues span V; the thin decomposition of
//! `W V [m, r]` gives U, s and the rotation of V (Rayleigh-Ritz). That is a third to a half of the
//! work of the full decomposition while r is small. Squaring loses accuracy
//! in the small singular values, by a factor s_1 / s_r; so nothing is taken on trust.
//!
//! **The bound.** The triplets are accepted only if all of this holds, measured in f64:
//!
//! * residuals: `||W v_i - s_i u_i|| <= R s_1` and `||Wt u_i - s_i v_i|| <= R s_1` for every i, R = 1e-12
//!   ([`RESIDUAL`]). With `[u_i; v_i] / sqrt(2)` a unit vector, there is a singular value of W within
//!   `R s_1` of s_i (Parlett, The Symmetric Eigenvalue Problem, theorem 4.5.1, for
//!   `[[0, W], [Wt, 0]]`), and the angle between (u_i, v_i) and the true pair is at most about
//!   `R s_1 / gap`, gap the distance from s_i to the other singular values (theorem 11.7.1; Wedin,
//!   BIT 12, 1972, for subspaces): beyond f32 rounding, 6e-8, unless neighbours agree to 5 digits.
//! * orthogonality: the entries of `Ut U - I` and `Vt V - I` are at most 1e-12 ([`RESIDUAL`]).
//! * nothing missed: `(s_r^2 + M s_1^2) I - (G - V S^2 Vt)` has a Cholesky factor, M = 1e-10
//!   ([`MISSED`]). It is then positive definite, so `||W x||^2 <= s_r^2 + M s_1^2` for every unit x
//!   orthogonal to V: no direction outside the found ones exceeds the least of them.
//!
//! Otherwise, as for a matrix whose rank is below r, the caller decomposes in full.
//!
//! Why not an iteration: its cost depends on the spectrum, and a flat one (s_8 = .95 s_1, k = 768) took block
//! Krylov methods from a random start (Halko, Martinsson, Tropp, arXiv 0909.4061, section 4.5 and after)
//! 300 dimensions for r = 8 and 480 for r = 77 to such residuals, no faster than this. The
//! `partial_svd` of faer 0.24.4 is fast where it ends; for a dense 768 x 768 matrix and r = 32 it did not
//! return, even limited to five restarts: its loop that repeats orthogonalisation has no limit.

use faer::diag::Diag;
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor as llt;
use faer::linalg::evd::{self, ComputeEigenvectors};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::{Accum, Mat, MatRef, Par};

use super::full::Triplets;
use super::product;

/// R: the largest residual relative to s_1, and the largest deviation from orthogonality.
pub(super) const RESIDUAL: f64 = 1e-12;
/// M: what a missed direction may exceed the least found one by, in squares relative to s_1^2. The
/// rounding of a Cholesky factorisation is k epsilon = 2e-13 for k = 768 (Higham, Accuracy and
/// Stability of Numerical Algorithms, section 10.1).
const MISSED: f64 = 1e-10;

/// Whether r triplets of k are few enough for the truncated way to be the faster one.
///
/// Measured for k = 256 and 768 (docs/results/svd-flex.md): .3 to .5 of the full time at r = 8, .6 to .7 at
/// k / 3, as long at k / 2. The margin is for spectra whose check fails, which cost both.
pub(super) fn pays(r: usize, k: usize) -> bool {
    3 * r <= k
}

/// The r leading triplets of a matrix, or `None` when the bound above is not met.
pub(super) fn leading(matrix: MatRef<'_, f64>, r: usize) -> Option<Triplets> {
    if matrix.nrows() < matrix.ncols() {
        return leading(matrix.transpose(), r).map(Triplets::swapped);
    }
    let gram = gram(matrix);
    let subspace = leading_eigenvectors(gram.as_ref(), r)?;
    let Triplets { u, s, v: turn } = Triplets::thin(product(matrix, subspace.as_ref()).as_ref())?;
    let v = product(subspace.as_ref(), turn.as_ref());
    let triplets = Triplets { u, s, v };
    is_within_bound(matrix, gram, &triplets).then_some(triplets)
}

/// The lower triangle of `Wt W`.
fn gram(matrix: MatRef<'_, f64>) -> Mat<f64> {
    let k = matrix.ncols();
    let mut gram = Mat::zeros(k, k);
    add_to_lower(&mut gram, Accum::Replace, matrix.transpose(), matrix, 1.0);
    gram
}

/// The lower triangle of `alpha A B`, added to `target` or in its place.
fn add_to_lower(
    target: &mut Mat<f64>,
    accum: Accum,
    a: MatRef<'_, f64>,
    b: MatRef<'_, f64>,
    alpha: f64,
) {
    triangular::matmul(
        target.as_mut(),
        BlockStructure::TriangularLower,
        accum,
        a,
        BlockStructure::Rectangular,
        b,
        BlockStructure::Rectangular,
        alpha,
        Par::Seq,
    );
}

/// The eigenvectors `[k, r]` of the r largest eigenvalues, the largest first.
fn leading_eigenvectors(gram: MatRef<'_, f64>, r: usize) -> Option<Mat<f64>> {
    let k = gram.nrows();
    let mut vectors = Mat::zeros(k, k);
    let mut values = Diag::<f64>::zeros(k);
    let compute = ComputeEigenvectors::Yes;
    let scratch = evd::self_adjoint_evd_scratch::<f64>(k, compute, Par::Seq, Default::default());
    evd::self_adjoint_evd(
        gram,
        values.as_mut(),
        Some(vectors.as_mut()),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .ok()?;
    // faer sorts ascending.
    Some(vectors.get(.., k - r..).reverse_cols().to_owned())
}

/// Whether triplets of a tall matrix meet the bound of the module. `gram` is its Gram matrix.
fn is_within_bound(matrix: MatRef<'_, f64>, gram: Mat<f64>, triplets: &Triplets) -> bool {
    let Triplets { u, s, v } = triplets;
    let (Some(first), Some(last)) = (s.first(), s.last()) else {
        return true;
    };
    let limit = RESIDUAL * first;
    let worst = residual(matrix, u, s, v).max(residual(matrix.transpose(), v, s, u));
    worst <= limit
        && off_identity(u).max(off_identity(v)) <= RESIDUAL
        && nothing_missed(gram, s, v, last * last + MISSED * first * first)
}

/// The largest norm of a column of `A right - left diag(s)`; infinite if one is not finite.
fn residual(a: MatRef<'_, f64>, left: &Mat<f64>, s: &[f64], right: &Mat<f64>) -> f64 {
    let difference = product(a, right.as_ref()) - scaled(left, s);
    let norms = (0..s.len()).map(|i| difference.col(i).norm_l2());
    norms.fold(0.0, |worst, x| {
        if x.is_finite() {
            worst.max(x)
        } else {
            f64::INFINITY
        }
    })
}

/// The largest magnitude in `Qt Q - I`.
fn off_identity(q: &Mat<f64>) -> f64 {
    let n = q.ncols();
    (product(q.transpose(), q.as_ref()) - Mat::<f64>::identity(n, n)).norm_max()
}

/// `Q diag(s)`.
fn scaled(q: &Mat<f64>, s: &[f64]) -> Mat<f64> {
    Mat::from_fn(q.nrows(), q.ncols(), |i, j| q[(i, j)] * s[j])
}

/// Whether `level I - (G - V S^2 Vt)` is positive definite.
fn nothing_missed(mut gram: Mat<f64>, s: &[f64], v: &Mat<f64>, level: f64) -> bool {
    let k = gram.nrows();
    let vs = scaled(v, s);
    gram *= faer::Scale(-1.0);
    add_to_lower(&mut gram, Accum::Add, vs.as_ref(), vs.transpose(), 1.0);
    for i in 0..k {
        gram[(i, i)] += level;
    }
    let scratch = llt::cholesky_in_place_scratch::<f64>(k, Par::Seq, Default::default());
    llt::cholesky_in_place(
        gram.as_mut(),
        Default::default(),
        Par::Seq,
        MemStack::new(&mut MemBuffer::new(scratch)),
        Default::default(),
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `H_a diag(s) H_b` with Householder reflections H: a `[rows, cols]` matrix of known singular values,
    /// up to the rounding of its entries to f32.
    fn with_spectrum(rows: usize, cols: usize, s: &[f64], seed: u64) -> Mat<f64> {
        let reflect = |n: usize, seed: u64| {
            let w: Vec<f64> = (0..n as u64).map(|i| noise(seed, i)).collect();
            let norm: f64 = w.iter().map(|x| x * x).sum();
            Mat::from_fn(n, n, |i, j| {
                f64::from(u8::from(i == j)) - 2.0 * w[i] * w[j] / norm
            })
        };
        let (a, b) = (reflect(rows, seed), reflect(cols, seed + 1));
        Mat::from_fn(rows, cols, |i, j| {
            let sum: f64 = (0..s.len()).map(|c| a[(i, c)] * s[c] * b[(c, j)]).sum();
            f64::from(sum as f32)
        })
    }

    /// Between -0.5 and 0.5, never 0.
    fn noise(seed: u64, index: u64) -> f64 {
        let mixed = (seed << 32 | index).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 11 | 1) as f64
            / (1_u64 << 53) as f64
            - 0.5
    }

    /// The matrix of one case: the spectra that decompositions go wrong on.
    fn matrix_of(kind: &str, rows: usize, cols: usize, seed: u64) -> Mat<f64> {
        let k = rows.min(cols);
        let spectrum = |value: fn(usize, usize) -> f64| (0..k).map(|i| value(i, k)).collect();
        let s: Vec<f64> = match kind {
            "dense" => {
                let entry = |i: usize, j: usize| noise(seed, (i * cols + j) as u64) as f32;
                return Mat::from_fn(rows, cols, |i, j| f64::from(entry(i, j)));
            }
            "decaying" => spectrum(|i, _| 1.0 / (1.0 + i as f64)),
            "steep" => spectrum(|i, _| 0.1_f64.powi(i as i32)),
            "repeated" => spectrum(|i, k| if i < k / 2 { 3.0 } else { 1.0 }),
            "deficient" => spectrum(|i, k| {
                if i < k / 2 {
                    2.0 - i as f64 / 40.0
                } else {
                    0.0
                }
            }),
            "rank one" => spectrum(|i, _| if i == 0 { 5.0 } else { 0.0 }),
            _ => vec![0.0; k],
        };
        with_spectrum(rows, cols, &s, seed)
    }

    const KINDS: [&str; 7] = [
        "dense",
        "decaying",
        "steep",
        "repeated",
        "deficient",
        "rank one",
        "zero",
    ];

    /// What an accepted result is held to, by the full decomposition, which shares no step with it but
    /// the arithmetic: values to R s_1, subspaces to R s_1 / gap, and Eckart and Young's optimum.
    fn check(matrix: &Mat<f64>, r: usize, must_be_accepted: bool) {
        let full = Triplets::thin(matrix.as_ref()).expect("converges");
        let first = full.s[0];
        let Some(Triplets { u, s, v }) = leading(matrix.as_ref(), r) else {
            assert!(
                !must_be_accepted,
                "r = {r}: the bound is not met: {:?}",
                full.s
            );
            return;
        };
        assert_eq!((s.len(), u.ncols(), v.ncols()), (r, r, r));
        // Twice, since the reference has an error of its own.
        let limit = 2.0 * RESIDUAL * first;
        for (found, expected) in s.iter().zip(&full.s) {
            assert!((found - expected).abs() <= limit, "{s:?} not {:?}", full.s);
        }
        let left_out: f64 = full.s[r..].iter().map(|x| x * x).sum();
        let rest = (matrix - scaled(&u, &s) * v.transpose()).squared_norm_l2();
        assert!(
            rest <= left_out + 1e-11 * first * first,
            "{rest} over {left_out}"
        );
        let gap = s[r - 1] - full.s.get(r).copied().unwrap_or(0.0);
        if gap > 1e-6 * first {
            let full = full.leading(r);
            for (found, expected) in [(&u, &full.u), (&v, &full.v)] {
                let difference = found * found.transpose() - expected * expected.transpose();
                let angle = difference.norm_l2();
                let bound = 4.0 * (r as f64).sqrt() * RESIDUAL * first / gap;
                assert!(angle <= bound, "r = {r}: {angle:e} over {bound:e}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn the_bound_holds_against_the_full_decomposition(
            rows in 1_usize..40,
            cols in 1_usize..40,
            kind in prop::sample::select(&KINDS[..]),
            share in 0.0_f64..1.0,
            seed in 0_u64..1_000_000,
        ) {
            let matrix = matrix_of(kind, rows, cols, seed);
            let k = rows.min(cols);
            let r = 1 + ((k - 1) as f64 * share) as usize;
            let s = Triplets::thin(matrix.as_ref()).expect("converges").s;
            // Otherwise a computation that always falls back would pass.
            check(&matrix, r, s[0] > 0.0 && s[r - 1] >= 0.01 * s[0]);
        }
    }

    #[test]
    fn shapes_beyond_the_thresholds_of_faer() {
        for (rows, cols) in [(300, 200), (150, 700), (256, 256)] {
            for kind in ["dense", "decaying", "repeated"] {
                check(&matrix_of(kind, rows, cols, 3), 20, true);
            }
        }
    }

    #[test]
    fn what_cannot_be_vouched_for_is_left_to_the_full_decomposition() {
        assert!(leading(matrix_of("zero", 9, 7, 0).as_ref(), 2).is_none());
        // s_3 is 1e-7 s_1 and rounding of the entries: its square drowns in the Gram matrix.
        let steep = with_spectrum(9, 7, &[1.0, 0.5, 1e-7], 5);
        assert!(leading(steep.as_ref(), 2).is_some());
        assert!(leading(steep.as_ref(), 3).is_none());
    }

    #[test]
    fn each_part_of_the_bound_refuses() {
        let matrix = matrix_of("decaying", 12, 8, 1);
        let full = Triplets::thin(matrix.as_ref()).expect("converges");
        let accepts = |t: &Triplets| is_within_bound(matrix.as_ref(), gram(matrix.as_ref()), t);
        let right = full.clone().leading(3);
        assert!(accepts(&right));
        let change = |change: fn(&mut Triplets)| {
            let mut wrong = right.clone();
            change(&mut wrong);
            accepts(&wrong)
        };
        assert!(!change(|t| t.s[1] += 1e-11));
        assert!(!change(|t| t.u[(4, 0)] += 1e-11));
        assert!(!change(|t| t.v[(4, 2)] += 1e-11));
        assert!(!change(|t| t.u[(0, 0)] = f64::NAN));
        assert!(!change(|t| t.s[2] = f64::NAN));
        // A triplet twice: exact residuals, no orthogonality.
        let twice = |matrix: &Mat<f64>| {
            let pick = [0, 0, 1];
            Mat::from_fn(matrix.nrows(), 3, |i, j| matrix[(i, pick[j])])
        };
        let s = vec![full.s[0], full.s[0], full.s[1]];
        assert!(!accepts(&Triplets {
            u: twice(&full.u),
            s,
            v: twice(&full.v)
        }));
        // Triplets 2 to 4: exact residuals, orthogonal, the leading one missed.
        let later = Triplets {
            u: full.u.get(.., 1..4).to_owned(),
            s: full.s[1..4].to_vec(),
            v: full.v.get(.., 1..4).to_owned(),
        };
        assert!(!accepts(&later));
    }
}
