//! `[train.tails]`: when SALT's tails exchange directions, and how many.
//!
//! After every so many steps a share of all tail directions is dropped and the freed parameters are
//! given to other layers by the rule of [`salt_peft::tails`]. The share falls as the cosine of RigL (arXiv 1911.11134,
//! section 3): at step t of the T until which it goes on, `share / 2 (1 + cos(pi t / T))`.

use std::f64::consts::PI;

use burn::module::Module;
use salt_peft::tails::{change_tails, redistribute, tails};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::optimizer::Optimizer;

/// The schedule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TailSchedule {
    /// Steps between two exchanges.
    pub every: u64,
    /// Share of the directions that the first would drop.
    #[serde(default = "share")]
    pub share: f64,
    /// Share of all steps after which ranks stay as they are.
    #[serde(default = "until")]
    pub until: f64,
}

fn share() -> f64 {
    0.3
}

fn until() -> f64 {
    0.75
}

impl TailSchedule {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`].
    pub fn check(&self) -> Result<(), TrainError> {
        if self.every == 0 {
            return Err(TrainError::value("train.tails.every", "at least 1", 0));
        }
        for (key, value) in [
            ("train.tails.share", self.share),
            ("train.tails.until", self.until),
        ] {
            // A NaN is in no range.
            if !(0.0..=1.0).contains(&value) {
                return Err(TrainError::value(key, "a share from 0 to 1", value));
            }
        }
        Ok(())
    }

    /// The share to drop once `step` of `total` steps are done; `None` when nothing is due.
    pub fn share_at(&self, step: u64, total: u64) -> Option<f64> {
        let last = self.until * total as f64;
        let is_due = step > 0 && step.is_multiple_of(self.every) && (step as f64) < last;
        is_due.then(|| self.share / 2.0 * (1.0 + (PI * step as f64 / last).cos()))
    }
}

/// Exchanges directions. The optimiser keeps its moments of those that stay; new ones begin at zero.
///
/// # Errors
/// What cannot be read from the device.
pub(crate) fn exchange<M: Module>(
    model: M,
    optimizer: &mut Optimizer,
    share: f64,
    seed: u64,
    step: u64,
) -> Result<M, TrainError> {
    let tails = tails(&model, |path| optimizer.mean_gradient(path))?;
    let changes = redistribute(&tails, share);
    let model = change_tails(model, &changes, seed, step)?;
    for tail in &tails {
        let Some(change) = changes.get(&tail.path) else {
            continue;
        };
        let (n, zeros) = (tail.n, vec![0.0; tail.n * change.grown]);
        let (x, y) = (format!("{}.x", tail.path), format!("{}.y", tail.path));
        optimizer.reshape(&x, |moment| change.columns(moment, n, &zeros));
        optimizer.reshape(&y, |moment| change.rows(moment, n));
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_falls_to_zero() {
        let schedule = TailSchedule {
            every: 10,
            share: 0.4,
            until: 0.5,
        };
        let check = |step, expected: Option<f64>| match (schedule.share_at(step, 120), expected) {
            (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{step}"),
            (found, expected) => assert_eq!(found, expected, "{step}"),
        };
        check(0, None);
        check(9, None);
        // 0.2 (1 + cos(pi / 6)), then the middle.
        check(10, Some(0.2 * (1.0 + 0.75_f64.sqrt())));
        check(30, Some(0.2));
        check(60, None);
        check(70, None);
        schedule.check().unwrap();
        for bad in [
            TailSchedule {
                every: 0,
                ..schedule
            },
            TailSchedule {
                share: f64::NAN,
                ..schedule
            },
            TailSchedule {
                until: 1.5,
                ..schedule
            },
        ] {
            bad.check().unwrap_err();
        }
    }
}
