//! The curve of a range test: rates, losses, their running mean, and what they say.
//!
//! ```text
//! rate(i)     = from (to / from)^(i / (n - 1))                          i = 0 .. n - 1
//! smoothed(i) = sum_j b^(i-j) loss(j) / sum_j b^(i-j)                   j = 0 .. i
//! slope(i)    = d smoothed / d log10(rate), of the parabola through i - 1, i and i + 1
//! ```
//!
//! `b` the smoothing: the mean is Adam's, with the bias of its start taken out (Kingma and Ba 2015, section 3).
//! The rates are equally far apart on the logarithmic scale, so the slope is the central difference.

use serde::Serialize;

/// How far above the best smoothed loss the test ends, as a multiple of it.
const DIVERGED: f64 = 4.0;
/// What the rate at the minimum is divided by: there the loss no longer falls.
const BELOW_MINIMUM: f64 = 10.0;

/// One step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// From 1.
    pub step: u64,
    /// Rate of the step.
    pub lr: f64,
    /// Loss before it.
    pub loss: f64,
    /// Running mean of the losses up to it.
    pub smoothed_loss: f64,
}

/// Rate of step `index` of `steps`, counted from 0.
pub(super) fn rate(from: f64, to: f64, steps: u64, index: u64) -> f64 {
    let along = index as f64 / (steps - 1).max(1) as f64;
    from * (to / from).powf(along)
}

/// The points so far.
#[derive(Clone, Debug)]
pub(super) struct Curve {
    smoothing: f64,
    sum: f64,
    weight: f64,
    points: Vec<Point>,
}

/// What the curve recommends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Suggestion {
    /// Rate at which the smoothed loss falls most steeply over the logarithm of the rate.
    pub steepest: f64,
    /// A tenth of the rate at which the smoothed loss is lowest.
    pub tenth_of_minimum: f64,
    /// Rate at which the smoothed loss is lowest.
    pub minimum: f64,
}

impl Suggestion {
    /// The lower of the two, which are both rules of thumb, with two digits.
    pub fn lr(&self) -> f64 {
        two_digits(self.steepest.min(self.tenth_of_minimum))
    }
}

/// The nearest number of two significant decimal digits.
pub(super) fn two_digits(x: f64) -> f64 {
    // Through text, so that 1.2e-4 is the number that a recipe would read.
    format!("{x:.1e}").parse().unwrap_or(x)
}

impl Curve {
    pub(super) fn new(smoothing: f64) -> Self {
        Self {
            smoothing,
            sum: 0.0,
            weight: 0.0,
            points: Vec::new(),
        }
    }

    /// Add the next point, and say whether the loss has left its best value behind.
    pub(super) fn push(&mut self, lr: f64, loss: f64) -> bool {
        self.sum = self.smoothing * self.sum + loss;
        self.weight = self.smoothing * self.weight + 1.0;
        let smoothed_loss = self.sum / self.weight;
        self.points.push(Point {
            step: self.points.len() as u64 + 1,
            lr,
            loss,
            smoothed_loss,
        });
        let best = self.smoothed().fold(f64::INFINITY, f64::min);
        // A multiple, written so that losses below zero have one too.
        !smoothed_loss.is_finite() || smoothed_loss > best + (DIVERGED - 1.0) * best.abs()
    }

    fn smoothed(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|point| point.smoothed_loss)
    }

    pub(super) fn points(&self) -> &[Point] {
        &self.points
    }

    /// What it recommends; `None` where the loss never falls after the first points. Those are left out, as many as the
    /// mean spans, `1 / (1 - b)`: it is a mean over fewer losses there, and what it does says little of the rate.
    pub(super) fn suggestion(&self) -> Option<Suggestion> {
        let span = (1.0 / (1.0 - self.smoothing)).round() as usize;
        let first = span.min(self.points.len() / 4);
        let lowest = |&a: &usize, &b: &usize| {
            let at = |i: usize| self.points[i].smoothed_loss;
            at(a).total_cmp(&at(b))
        };
        let minimum = (first..self.points.len()).min_by(lowest)?;
        let falls = (first + 1..minimum).map(|i| (self.slope(i), i));
        let (slope, steepest) = falls.min_by(|a, b| a.0.total_cmp(&b.0))?;
        let lr = |i: usize| self.points[i].lr;
        (slope < 0.0).then(|| Suggestion {
            steepest: lr(steepest),
            tenth_of_minimum: lr(minimum) / BELOW_MINIMUM,
            minimum: lr(minimum),
        })
    }

    fn slope(&self, i: usize) -> f64 {
        let [before, after] = [i - 1, i + 1].map(|i| &self.points[i]);
        (after.smoothed_loss - before.smoothed_loss) / (after.lr / before.lr).log10()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates, losses, and what pandas and numpy make of them.
    #[derive(serde::Deserialize)]
    struct Reference {
        from: f64,
        to: f64,
        smoothing: f64,
        loss: Vec<f64>,
        lr: Vec<f64>,
        smoothed: Vec<f64>,
        slope: Vec<f64>,
        steepest: f64,
        minimum: f64,
    }

    fn close(a: f64, b: f64, what: &str) {
        assert!((a - b).abs() <= 1e-9 * b.abs().max(1e-9), "{what}: {a} {b}");
    }

    #[test]
    fn rates_means_and_slopes_are_those_of_numpy_and_pandas() {
        let text = include_str!("../../tests/parity/lr_find.json");
        let cases: Vec<Reference> = serde_json::from_str(text).unwrap();
        assert!(cases.len() >= 3);
        for case in cases {
            let mut curve = Curve::new(case.smoothing);
            let n = case.loss.len() as u64;
            for (i, loss) in case.loss.iter().enumerate() {
                curve.push(rate(case.from, case.to, n, i as u64), *loss);
            }
            for (i, point) in curve.points().iter().enumerate() {
                close(point.lr, case.lr[i], "rate");
                close(point.smoothed_loss, case.smoothed[i], "mean");
                if (1..case.loss.len() - 1).contains(&i) {
                    close(curve.slope(i), case.slope[i], "slope");
                }
            }
            let suggestion = curve.suggestion().unwrap();
            close(suggestion.steepest, case.steepest, "steepest");
            close(suggestion.minimum, case.minimum, "minimum");
            close(suggestion.tenth_of_minimum, case.minimum / 10.0, "tenth");
        }
    }

    fn pushed(losses: &[f64], smoothing: f64) -> (Curve, Vec<bool>) {
        let mut curve = Curve::new(smoothing);
        let n = losses.len() as u64;
        let push = |(i, loss): (usize, &f64)| curve.push(rate(1e-4, 1.0, n, i as u64), *loss);
        let left = losses.iter().enumerate().map(push).collect();
        (curve, left)
    }

    #[test]
    fn a_loss_of_four_times_the_best_ends_the_test_below_zero_too() {
        for (losses, left) in [
            (&[2.0, 1.0, 4.0, 4.1][..], &[false, false, false, true][..]),
            (&[1.0, -1.0, 2.0, 2.1], &[false, false, false, true]),
            (&[1.0, f64::NAN], &[false, true]),
            (&[f64::INFINITY], &[true]),
        ] {
            assert_eq!(pushed(losses, 0.0).1, left, "{losses:?}");
        }
    }

    #[test]
    fn a_curve_that_never_falls_recommends_nothing() {
        for losses in [&[][..], &[1.0], &[1.0; 20], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]] {
            assert_eq!(pushed(losses, 0.5).0.suggestion(), None, "{losses:?}");
        }
    }

    #[test]
    fn one_step_has_the_first_rate() {
        assert_eq!(rate(1e-3, 1.0, 1, 0), 1e-3);
    }

    #[test]
    fn the_lower_of_both_is_taken_with_two_digits() {
        let of = |steepest, minimum: f64| Suggestion {
            steepest,
            tenth_of_minimum: minimum / 10.0,
            minimum,
        };
        assert_eq!(of(1.234e-4, 1e-2).lr(), 1.2e-4);
        assert_eq!(of(1.0, 5.54e-3).lr(), 5.5e-4);
    }
}
