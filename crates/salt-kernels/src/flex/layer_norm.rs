//! Layer normalisation over the rows of a matrix.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::simd::{add, share, sum, vectorised};

/// Mean and reciprocal deviation of one row.
#[inline(always)]
fn statistics(x: &[f32], epsilon: f32) -> (f32, f32) {
    let n = x.len() as f32;
    let mean = sum([x], |[x]| x) / n;
    let variance = sum([x], |[x]| (x - mean) * (x - mean)) / n;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

struct Forward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    epsilon: f32,
    y: &'a mut [f32],
}

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let columns = self.gamma.len();
        let rows = self.y.chunks_exact_mut(columns);
        for (y, x) in rows.zip(self.x.chunks_exact(columns)) {
            let (mean, scale) = statistics(x, self.epsilon);
            for (((y, &x), &gamma), &beta) in y.iter_mut().zip(x).zip(self.gamma).zip(self.beta) {
                *y = (x - mean) * scale * gamma + beta;
            }
        }
    }
}

/// `(x - mean) / sqrt(var + epsilon) * gamma + beta` of every row.
pub(super) fn forward(x: &[f32], gamma: &[f32], beta: &[f32], epsilon: f32) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    if !gamma.is_empty() {
        let elements = share(gamma.len());
        let shares = y.par_chunks_mut(elements).zip(x.par_chunks(elements));
        shares.for_each(|(y, x)| {
            vectorised(Forward {
                x,
                gamma,
                beta,
                epsilon,
                y,
            });
        });
    }
    y
}

/// Gradients of the three inputs.
pub(super) struct Gradients {
    pub(super) x: Vec<f32>,
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
}

struct Backward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    dy: &'a [f32],
    epsilon: f32,
    dx: &'a mut [f32],
    d_gamma: &'a mut [f32],
    d_beta: &'a mut [f32],
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self {
            x,
            gamma,
            dy,
            epsilon,
            dx,
            d_gamma,
            d_beta,
        } = self;
        let columns = gamma.len();
        let n = columns as f32;
        let given = x.chunks_exact(columns).zip(dy.chunks_exact(columns));
        for (dx, (x, dy)) in dx.chunks_exact_mut(columns).zip(given) {
            let (mean, scale) = statistics(x, epsilon);
            let through = sum([dy, gamma], |[dy, gamma]| dy * gamma) / n;
            let along = sum([dy, gamma, x], |[dy, gamma, x]| {
                dy * gamma * ((x - mean) * scale)
            }) / n;
            for (((dx, &x), &dy), &gamma) in dx.iter_mut().zip(x).zip(dy).zip(gamma) {
                let normed = (x - mean) * scale;
                *dx = scale * (dy * gamma - through - normed * along);
            }
            let parameters = d_gamma.iter_mut().zip(d_beta.iter_mut());
            for (((d_gamma, d_beta), &x), &dy) in parameters.zip(x).zip(dy) {
                *d_gamma += dy * ((x - mean) * scale);
                *d_beta += dy;
            }
        }
    }
}

/// With `n = (x - mean) / sqrt(var + epsilon)` and `g = dy gamma`, per row
/// `dx = (g - mean(g) - n mean(g n)) / sqrt(var + epsilon)`, and summed over rows
/// `dgamma = dy n`, `dbeta = dy`.
pub(super) fn backward(x: &[f32], gamma: &[f32], dy: &[f32], epsilon: f32) -> Gradients {
    let columns = gamma.len();
    let mut out = Gradients {
        x: vec![0.0; x.len()],
        gamma: vec![0.0; columns],
        beta: vec![0.0; columns],
    };
    if columns == 0 {
        return out;
    }
    let elements = share(columns);
    let given = x.par_chunks(elements).zip(dy.par_chunks(elements));
    let sums: Vec<_> = out
        .x
        .par_chunks_mut(elements)
        .zip(given)
        .map(|(dx, (x, dy))| {
            let (mut d_gamma, mut d_beta) = (vec![0.0; columns], vec![0.0; columns]);
            vectorised(Backward {
                x,
                gamma,
                dy,
                epsilon,
                dx,
                d_gamma: &mut d_gamma,
                d_beta: &mut d_beta,
            });
            (d_gamma, d_beta)
        })
        .collect();
    for (d_gamma, d_beta) in sums {
        add(&mut out.gamma, &d_gamma);
        add(&mut out.beta, &d_beta);
    }
    out
}
