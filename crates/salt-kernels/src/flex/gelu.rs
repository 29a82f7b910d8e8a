//! GELU over a slice.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::simd::{exp, half_erfc, share, vectorised};

/// `Phi(x)`.
#[inline(always)]
fn normal_cdf(x: f32) -> f32 {
    let tail = half_erfc(x.abs() * std::f32::consts::FRAC_1_SQRT_2);
    if x < 0.0 { tail } else { 1.0 - tail }
}

struct Forward<'a>(&'a [f32], &'a mut [f32]);

impl NullaryFnOnce for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        for (y, &x) in self.1.iter_mut().zip(self.0) {
            *y = x * normal_cdf(x);
        }
    }
}

/// `x Phi(x)`.
pub(super) fn forward(x: &[f32]) -> Vec<f32> {
    let mut y = vec![0.0; x.len()];
    let shares = y.par_chunks_mut(share(1)).zip(x.par_chunks(share(1)));
    shares.for_each(|(y, x)| vectorised(Forward(x, y)));
    y
}

struct Backward<'a>(&'a [f32], &'a [f32], &'a mut [f32]);

impl NullaryFnOnce for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        // 1 / sqrt(2 pi)
        const PEAK: f32 = 0.398_942_3;
        for ((dx, &x), &dy) in self.2.iter_mut().zip(self.0).zip(self.1) {
            *dx = dy * (normal_cdf(x) + x * PEAK * exp(-0.5 * x * x));
        }
    }
}

/// `dy (Phi(x) + x phi(x))`.
pub(super) fn backward(x: &[f32], dy: &[f32]) -> Vec<f32> {
    let mut dx = vec![0.0; x.len()];
    let given = x.par_chunks(share(1)).zip(dy.par_chunks(share(1)));
    let shares = dx.par_chunks_mut(share(1)).zip(given);
    shares.for_each(|(dx, (x, dy))| vectorised(Backward(x, dy, dx)));
    dx
}
