//! Learning rate over steps: linear warm-up, then constant, half a cosine, a polynomial or steps.
//!
//! ```text
//! factor(t) = (t + 1) / w                                          t < w
//!           = 1                                                    constant
//!           = f + (1 - f) (1 + cos(pi u)) / 2                      cosine
//!           = f + (1 - f) (1 - u)^power                            polynomial
//!           = step_factor^n                                        step
//! ```
//!
//! `t` the step from 0, `T` all steps, `w = round(warmup * T)`, `u = (t - w) / (T - w)`, at most 1, `f`
//! the floor, `n` the number of milestones `round(share * T)` up to `t`. A pure function of the step,
//! so a resumed run needs no scheduler state. After the rise these are PyTorch's `CosineAnnealingLR`,
//! `PolynomialLR` (which has no floor) and `MultiStepLR`. Sources: Loshchilov and Hutter 2017 (SGDR,
//! one cycle); Chen et al. 2017 (DeepLab: polynomial, power 0.9).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Shape of the rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stay at the full rate.
    Constant,
    /// Half a cosine down to `floor`.
    Cosine,
    /// A power of what is left of the run, down to `floor`.
    Polynomial,
    /// A factor at every milestone.
    Step,
}

impl fmt::Display for Decay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Constant => "constant",
            Self::Cosine => "cosine",
            Self::Polynomial => "polynomial",
            Self::Step => "step",
        })
    }
}

/// The factor every base learning rate is multiplied by.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Steps of the linear rise.
    pub warmup_steps: u64,
    /// All steps of the run.
    pub total_steps: u64,
    /// Shape after the rise.
    pub decay: Decay,
    /// Factor at the end of cosine and polynomial.
    pub floor: f64,
    /// Exponent of the polynomial.
    pub power: f64,
    /// First steps at which `step_factor` applies once more, rising.
    pub milestones: Vec<u64>,
    /// What every milestone multiplies the rate by.
    pub step_factor: f64,
}

/// Exponent of the polynomial when nothing else is said.
pub const POWER: f64 = 0.9;
/// Milestones, as shares of the run, when nothing else is said.
pub const STEPS: [f64; 2] = [0.5, 0.75];
/// What they multiply the rate by when nothing else is said.
pub const STEP_FACTOR: f64 = 0.1;

impl Schedule {
    /// A schedule over `total_steps`, the share `warmup` of which rises, with [`POWER`], [`STEPS`]
    /// and [`STEP_FACTOR`].
    pub fn new(decay: Decay, warmup: f64, floor: f64, total_steps: u64) -> Self {
        let warmup_steps = (warmup.clamp(0.0, 1.0) * total_steps as f64).round() as u64;
        Self {
            warmup_steps,
            total_steps,
            decay,
            floor,
            power: POWER,
            milestones: milestones(&STEPS, total_steps),
            step_factor: STEP_FACTOR,
        }
    }

    /// The same with another exponent of the polynomial.
    #[must_use]
    pub fn with_power(self, power: f64) -> Self {
        Self { power, ..self }
    }

    /// The same with other milestones, as rising shares of the run, and another factor.
    #[must_use]
    pub fn with_steps(self, shares: &[f64], step_factor: f64) -> Self {
        let milestones = milestones(shares, self.total_steps);
        Self {
            milestones,
            step_factor,
            ..self
        }
    }

    /// The factor for step `step`, counted from 0.
    pub fn factor(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return (step + 1) as f64 / self.warmup_steps as f64;
        }
        match self.decay {
            Decay::Constant => 1.0,
            Decay::Cosine => {
                let wave = (1.0 + (std::f64::consts::PI * self.progress(step)).cos()) / 2.0;
                self.floor + (1.0 - self.floor) * wave
            }
            Decay::Polynomial => {
                let left = (1.0 - self.progress(step)).powf(self.power);
                self.floor + (1.0 - self.floor) * left
            }
            Decay::Step => {
                let passed = self.milestones.iter().filter(|&&at| at <= step);
                passed.fold(1.0, |factor, _| factor * self.step_factor)
            }
        }
    }

    /// Share of what follows the rise that is over before `step`.
    fn progress(&self, step: u64) -> f64 {
        let span = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        ((step - self.warmup_steps) as f64 / span as f64).min(1.0)
    }
}

fn milestones(shares: &[f64], total_steps: u64) -> Vec<u64> {
    let at = |share: &f64| (share.clamp(0.0, 1.0) * total_steps as f64).round() as u64;
    shares.iter().map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: &Schedule, step: u64, expected: f64) {
        let factor = schedule.factor(step);
        assert!(
            (factor - expected).abs() < 1e-12,
            "step {step}: {factor} != {expected}"
        );
    }

    #[test]
    fn warm_up_rises_in_equal_steps_and_never_starts_at_zero() {
        let s = Schedule::new(Decay::Cosine, 0.1, 0.0, 100);
        check(&s, 0, 0.1);
        check(&s, 4, 0.5);
        check(&s, 9, 1.0);
        check(&s, 10, 1.0);
    }

    #[test]
    fn cosine_passes_one_half_in_the_middle_and_ends_at_the_floor() {
        let s = Schedule::new(Decay::Cosine, 0.0, 0.2, 100);
        check(&s, 0, 1.0);
        check(&s, 50, 0.6);
        check(&s, 100, 0.2);
        check(&s, 1000, 0.2);
    }

    #[test]
    fn constant_stays() {
        let s = Schedule::new(Decay::Constant, 0.0, 0.0, 10);
        (0..20).for_each(|step| check(&s, step, 1.0));
    }

    #[test]
    fn degenerate_lengths_do_not_divide_by_zero() {
        for decay in [Decay::Cosine, Decay::Polynomial, Decay::Step] {
            for total in 0..3 {
                for warmup in [0.0, 0.5, 1.0] {
                    let s = Schedule::new(decay, warmup, 0.0, total);
                    (0..4).for_each(|step| assert!((0.0..=1.0).contains(&s.factor(step))));
                }
            }
        }
    }

    #[test]
    fn polynomial_ends_at_the_floor() {
        let s = Schedule::new(Decay::Polynomial, 0.0, 0.2, 100).with_power(2.0);
        check(&s, 0, 1.0);
        check(&s, 50, 0.4);
        check(&s, 100, 0.2);
        check(&s, 1000, 0.2);
    }

    #[test]
    fn every_milestone_multiplies_once() {
        let s = Schedule::new(Decay::Step, 0.1, 0.0, 100).with_steps(&[0.3, 0.6], 0.5);
        check(&s, 4, 0.5);
        check(&s, 29, 1.0);
        check(&s, 30, 0.5);
        check(&s, 60, 0.25);
        check(&s, 1000, 0.25);
    }
}
