//! Smooth random deformation that never folds.

use super::{Strength, within};
use crate::augment::Warp;
use crate::draw_rng::DrawRng;
use crate::error::DataError;

/// A free-form deformation by uniform cubic B-splines.
///
/// ```text
/// d(x, y) = sum_ij B(x / h - i) B(y / h - j) c_ij
/// ```
/// Control points lie `h = step_px` apart; both components of `c_ij` are uniform in `[-a, a]`, `a` uniform
/// from 0 to `alpha_px`. Input pixel `p` shows what was at `p + d(p)` before, in image and labels alike.
///
/// The map does not fold while `a < h / 2.0464` (Choi and Lee 2000, "Injectivity conditions of 2D and 3D
/// uniform cubic B-spline functions": the largest `sum_ij |B'B ± BB'|`, which keeps the Jacobian's
/// diagonal dominant); hence `alpha_px` is at most `0.48 step_px`.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Elastic {
    /// Probability that a sample is deformed.
    pub probability: f64,
    /// Largest displacement of a control point along each axis, input pixels. What a pixel moves is
    /// about half of it, since it is the mean of sixteen.
    pub alpha_px: f64,
    /// Distance of the control points, input pixels.
    pub step_px: usize,
}

impl Default for Elastic {
    fn default() -> Self {
        Self {
            probability: 0.0,
            alpha_px: 10.0,
            step_px: 32,
        }
    }
}

/// Largest share of the distance of control points that they may move.
const NO_FOLD: f64 = 0.48;

impl Elastic {
    pub(super) fn check(&self) -> Result<(), DataError> {
        if !(4..=8192).contains(&self.step_px) {
            return Err(DataError::Setting {
                name: "elastic.step_px",
                expected: "from 4 to 8192 pixels",
                received: self.step_px.to_string(),
            });
        }
        within(
            "elastic.alpha_px",
            self.alpha_px,
            [0.0, NO_FOLD * self.step_px as f64],
            "from 0 to 0.48 of elastic.step_px, beyond which pictures fold",
        )
    }
}

/// A drawn deformation of one input.
#[derive(Debug, Clone)]
pub(crate) struct Bend {
    step: usize,
    /// Control points a row: those of the input's cells, one before and two behind.
    columns: usize,
    /// Displacements of the control points, pixels.
    control: Vec<[f32; 2]>,
    /// The four weights of every position between two control points.
    weights: Vec<[f32; 4]>,
}

/// `B` at the four control points around a position `t` of the way through a cell.
fn weights(t: f64) -> [f32; 4] {
    let (s, t2, t3) = (1.0 - t, t * t, t * t * t);
    [
        s * s * s,
        3.0 * t3 - 6.0 * t2 + 4.0,
        3.0 * (t + t2 - t3) + 1.0,
        t3,
    ]
    .map(|sixfold| (sixfold / 6.0) as f32)
}

impl Bend {
    /// Draws the control points for an input of side `size`.
    pub(crate) fn new(strength: Strength, step: usize, size: usize) -> Self {
        let columns = size.div_ceil(step) + 3;
        let mut rng = DrawRng::new(strength.seed, 0);
        let most = strength.amount as f32;
        let control = (0..columns * columns)
            .map(|_| [rng.uniform(-most, most), rng.uniform(-most, most)])
            .collect();
        let weights = (0..step)
            .map(|at| weights((at as f64 + 0.5) / step as f64))
            .collect();
        Self {
            step,
            columns,
            control,
            weights,
        }
    }

    /// Displacement at the centre of the input pixel that contains `at`, pixels.
    pub(crate) fn at(&self, at: [f64; 2]) -> [f64; 2] {
        let last = (self.columns - 3) * self.step - 1;
        let [x, y] = at.map(|at| (at.max(0.0) as usize).min(last));
        let row = self.row(y);
        let across = self.weights[x % self.step];
        [0, 1].map(|axis| {
            let points = row[x / self.step..].iter().zip(across);
            f64::from(
                points
                    .map(|(point, weight)| weight * point[axis])
                    .sum::<f32>(),
            )
        })
    }

    /// The control points of one row of pixels, combined along y.
    fn row(&self, y: usize) -> Vec<[f32; 2]> {
        let down = self.weights[y % self.step];
        let first = y / self.step * self.columns;
        (first..first + self.columns)
            .map(|at| {
                [0, 1].map(|axis| {
                    let points = (0..4).map(|k| self.control[at + k * self.columns][axis]);
                    points.zip(down).map(|(point, weight)| weight * point).sum()
                })
            })
            .collect()
    }

    /// Displacements of one row of input pixels in source pixels times `unit`.
    pub(crate) fn displace(&self, warp: &Warp, y: usize, unit: f32, out: &mut [[i64; 2]]) {
        let matrix = warp.matrix.map(|row| row.map(|value| value as f32 * unit));
        let row = self.row(y);
        let row: Vec<[f32; 2]> = row
            .iter()
            .map(|[x, y]| matrix.map(|[mx, my]| mx * x + my * y))
            .collect();
        let cells = out.chunks_mut(self.step).zip(row.windows(4));
        for (cell, points) in cells {
            for (shift, w) in cell.iter_mut().zip(&self.weights) {
                let sum = |axis: usize| {
                    w[0] * points[0][axis]
                        + w[1] * points[1][axis]
                        + w[2] * points[2][axis]
                        + w[3] * points[3][axis]
                };
                *shift = [sum(0) as i64, sum(1) as i64];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Bend, NO_FOLD, weights};
    use crate::augment::{Augment, Strength};
    use crate::draw_rng::DrawRng;

    #[test]
    fn the_weights_are_those_of_the_cubic_b_spline() {
        // At a control point 1/6, 4/6, 1/6, 0; in the middle 1/48, 23/48, 23/48, 1/48.
        let check = |t: f64, expected: [f32; 4]| {
            let sum: f32 = weights(t).iter().sum();
            assert!((sum - 1.0).abs() < 1e-6);
            for (received, expected) in weights(t).iter().zip(expected) {
                assert!(
                    (received - expected).abs() < 1e-6,
                    "{t}: {received} {expected}"
                );
            }
        };
        check(0.0, [1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0]);
        check(0.5, [1.0 / 48.0, 23.0 / 48.0, 23.0 / 48.0, 1.0 / 48.0]);
    }

    /// Random signs of full strength at every control point, the harshest there is.
    fn harshest(seed: u64, step: usize, size: usize) -> Bend {
        let amount = NO_FOLD * step as f64;
        let mut bend = Bend::new(Strength { amount, seed }, step, size);
        for point in bend.control.iter_mut().flatten() {
            *point = (amount as f32).copysign(*point);
        }
        bend
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn nothing_folds_and_nothing_moves_further_than_asked(seed: u64, step in 4_usize..40) {
            let size = 64;
            let most = NO_FOLD * step as f64;
            let gentle = Bend::new(Strength { amount: most, seed }, step, size);
            for bend in [gentle, harshest(seed, step, size)] {
                let at = |x: usize, y: usize| {
                    let [x, y] = [x as f64 + 0.5, y as f64 + 0.5];
                    let [dx, dy] = bend.at([x, y]);
                    [x + dx, y + dy]
                };
                for y in 0..size - 1 {
                    for x in 0..size - 1 {
                        let [here, right, below] = [at(x, y), at(x + 1, y), at(x, y + 1)];
                        let [ux, uy] = [right[0] - here[0], right[1] - here[1]];
                        let [vx, vy] = [below[0] - here[0], below[1] - here[1]];
                        prop_assert!(ux * vy - uy * vx > 0.0, "folds at {x} {y}");
                        let moved = here[0] - x as f64 - 0.5;
                        prop_assert!(moved.abs() <= most + 1e-4);
                    }
                }
            }
        }

        #[test]
        fn a_row_of_displacements_is_what_its_pixels_say(
            seed: u64, step in 4_usize..40, size in 8_usize..70, y in 0_usize..8,
        ) {
            let bend = Bend::new(Strength { amount: 1.5, seed }, step, size);
            let turned = Augment { rotate_deg: 180.0, scale: [0.5, 2.0], ..Augment::none() };
            let warp = turned.draw(&mut DrawRng::new(seed, 1)).warp([0, 0], [size; 2], size);
            let mut row = vec![[0; 2]; size];
            bend.displace(&warp, y, 65_536.0, &mut row);
            for (x, row) in row.iter().enumerate() {
                let [dx, dy] = bend.at([x as f64 + 0.5, y as f64 + 0.5]);
                for (axis, [mx, my]) in warp.matrix.iter().enumerate() {
                    let expected = mx * dx + my * dy;
                    let received = row[axis] as f64 / 65_536.0;
                    prop_assert!((received - expected).abs() < 1e-4, "{received} {expected}");
                }
            }
        }
    }
}
