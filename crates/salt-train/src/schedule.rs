//! Learning rate over steps: linear warm-up, then constant or half a cosine.
//!
//! ```text
//! factor(t) = (t + 1) / w                                          t < w
//!           = 1                                                    constant
//!           = f + (1 - f) (1 + cos(pi (t - w) / (T - w))) / 2      cosine
//! ```
//!
//! `t` the step from 0, `T` all steps, `w = round(warmup * T)`, `f` the floor. A pure function
//! of the step, so a resumed run needs no scheduler state. Source: Loshchilov and Hutter 2017
//! (SGDR, one cycle).

use serde::{Deserialize, Serialize};

/// Shape of the rate after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decay {
    /// Stay at the full rate.
    Constant,
    /// Half a cosine down to `floor`.
    Cosine,
}

/// The factor every base learning rate is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// Steps of the linear rise.
    pub warmup_steps: u64,
    /// All steps of the run.
    pub total_steps: u64,
    /// Shape after the rise.
    pub decay: Decay,
    /// Factor at the end of the cosine.
    pub floor: f64,
}

impl Schedule {
    /// A schedule over `total_steps`, the share `warmup` of which rises.
    pub fn new(decay: Decay, warmup: f64, floor: f64, total_steps: u64) -> Self {
        let warmup_steps = (warmup.clamp(0.0, 1.0) * total_steps as f64).round() as u64;
        Self {
            warmup_steps,
            total_steps,
            decay,
            floor,
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
                let span = self.total_steps.saturating_sub(self.warmup_steps).max(1);
                let progress = ((step - self.warmup_steps) as f64 / span as f64).min(1.0);
                let wave = (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0;
                self.floor + (1.0 - self.floor) * wave
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schedule: Schedule, step: u64, expected: f64) {
        let factor = schedule.factor(step);
        assert!(
            (factor - expected).abs() < 1e-12,
            "step {step}: {factor} != {expected}"
        );
    }

    #[test]
    fn warm_up_rises_in_equal_steps_and_never_starts_at_zero() {
        let s = Schedule::new(Decay::Cosine, 0.1, 0.0, 100);
        check(s, 0, 0.1);
        check(s, 4, 0.5);
        check(s, 9, 1.0);
        check(s, 10, 1.0);
    }

    #[test]
    fn cosine_passes_one_half_in_the_middle_and_ends_at_the_floor() {
        let s = Schedule::new(Decay::Cosine, 0.0, 0.2, 100);
        check(s, 0, 1.0);
        check(s, 50, 0.6);
        check(s, 100, 0.2);
        check(s, 1000, 0.2);
    }

    #[test]
    fn constant_stays() {
        let s = Schedule::new(Decay::Constant, 0.0, 0.0, 10);
        (0..20).for_each(|step| check(s, step, 1.0));
    }

    #[test]
    fn degenerate_lengths_do_not_divide_by_zero() {
        for total in 0..3 {
            for warmup in [0.0, 0.5, 1.0] {
                let s = Schedule::new(Decay::Cosine, warmup, 0.0, total);
                (0..4).for_each(|step| assert!((0.0..=1.0).contains(&s.factor(step))));
            }
        }
    }
}
