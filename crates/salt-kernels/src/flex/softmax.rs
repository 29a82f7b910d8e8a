//! Softmax over the rows of a matrix.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::simd::{LANES, exp, share, sum, vectorised};

struct Forward<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
    columns: usize,
}

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, y, columns } = self;
        for (x, y) in x.chunks_exact(columns).zip(y.chunks_exact_mut(columns)) {
            let largest = largest(x);
            for (y, &x) in y.iter_mut().zip(x) {
                *y = exp(x - largest);
            }
            let inverse = 1.0 / sum([y], |[y]| y);
            for y in y {
                *y *= inverse;
            }
        }
    }
}

#[inline(always)]
fn largest(x: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = if x > *lane { x } else { *lane };
        }
    }
    let whole = lanes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    rest.iter().copied().fold(whole, f32::max)
}

/// `exp(x - max) / sum` of every row.
pub(super) fn forward(x: &[f32], columns: usize) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    if columns > 0 {
        let shares = y.par_chunks_mut(share(columns));
        let shares = shares.zip(x.par_chunks(share(columns)));
        shares.for_each(|(y, x)| vectorised(Forward { x, y, columns }));
    }
    y
}

struct Backward<'a> {
    y: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    columns: usize,
}

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let rows = self.dx.chunks_exact_mut(self.columns);
        let given = self.y.chunks_exact(self.columns);
        let given = given.zip(self.dy.chunks_exact(self.columns));
        for (dx, (y, dy)) in rows.zip(given) {
            let inner = sum([y, dy], |[y, dy]| y * dy);
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * (dy - inner);
            }
        }
    }
}

/// `y (dy - sum y dy)` of every row, from the output `y`.
pub(super) fn backward(y: &[f32], dy: &[f32], columns: usize) -> Vec<f32> {
    let mut dx = vec![0.0; y.len()];
    if columns > 0 {
        let given = y
            .par_chunks(share(columns))
            .zip(dy.par_chunks(share(columns)));
        let shares = dx.par_chunks_mut(share(columns)).zip(given);
        shares.for_each(|(dx, (y, dy))| vectorised(Backward { y, dy, dx, columns }));
    }
    dx
}
