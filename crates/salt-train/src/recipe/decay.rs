//! The keys of `[train]` that shape the learning rate: which belong to which decay.

use super::sections::TrainSection;
use crate::error::TrainError;
use crate::schedule::{Decay, POWER, STEP_FACTOR, STEPS, Schedule};

impl TrainSection {
    /// The rate over a run of `total_steps`.
    pub fn schedule(&self, total_steps: u64) -> Schedule {
        let steps = self.steps.as_deref().unwrap_or(&STEPS);
        Schedule::new(self.decay, self.warmup, self.lr_floor, total_steps)
            .with_power(self.power.unwrap_or(POWER))
            .with_steps(steps, self.step_factor.unwrap_or(STEP_FACTOR))
    }

    /// Writes down what the decay takes when a key is left out.
    pub(super) fn fill_in_decay(&mut self) {
        match self.decay {
            Decay::Constant | Decay::Cosine => {}
            Decay::Polynomial => {
                self.power.get_or_insert(POWER);
            }
            Decay::Step => {
                self.steps.get_or_insert_with(|| STEPS.to_vec());
                self.step_factor.get_or_insert(STEP_FACTOR);
            }
        }
    }

    /// Refuses keys of another decay and values out of range.
    pub(super) fn check_decay(&self) -> Result<(), TrainError> {
        self.check_ownership()?;
        if let Some(power) = self.power
            && !(f64::MIN_POSITIVE..=f64::MAX).contains(&power)
        {
            return Err(TrainError::value(
                "train.power",
                "an exponent above 0",
                power,
            ));
        }
        if let Some(factor) = self.step_factor
            && !(f64::MIN_POSITIVE..=1.0).contains(&factor)
        {
            return Err(TrainError::value(
                "train.step_factor",
                "a factor above 0, at most 1",
                factor,
            ));
        }
        if let Some(steps) = &self.steps {
            // A NaN is neither above nor below anything.
            let rising = steps.windows(2).all(|pair| pair[0] < pair[1]);
            let within = steps
                .iter()
                .all(|&share| share > self.warmup && share < 1.0);
            if steps.is_empty() || !rising || !within {
                return Err(TrainError::value(
                    "train.steps",
                    format!(
                        "rising shares of the run above train.warmup ({}) and below 1, at least one",
                        self.warmup
                    ),
                    format!("{steps:?}"),
                ));
            }
        }
        Ok(())
    }

    /// Refuses a key that would do nothing.
    fn check_ownership(&self) -> Result<(), TrainError> {
        let has_floor = matches!(self.decay, Decay::Cosine | Decay::Polynomial);
        let step = self.decay == Decay::Step;
        let keys = [
            (
                "train.lr_floor",
                self.lr_floor != 0.0,
                has_floor,
                "cosine or polynomial",
            ),
            (
                "train.power",
                self.power.is_some(),
                self.decay == Decay::Polynomial,
                "polynomial",
            ),
            ("train.steps", self.steps.is_some(), step, "step"),
            (
                "train.step_factor",
                self.step_factor.is_some(),
                step,
                "step",
            ),
        ];
        for (key, given, belongs, owner) in keys {
            if given && !belongs {
                let expected = format!("this key only beside train.decay = {owner}");
                let received = format!("it beside train.decay = {}", self.decay);
                return Err(TrainError::value(key, expected, received));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(section: TrainSection, words: &[&str]) {
        let error = section.check_decay().unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    }

    fn section(decay: Decay) -> TrainSection {
        TrainSection {
            decay,
            ..TrainSection::default()
        }
    }

    #[test]
    fn what_is_left_out_is_filled_in_and_makes_sense() {
        for decay in [
            Decay::Constant,
            Decay::Cosine,
            Decay::Polynomial,
            Decay::Step,
        ] {
            let mut filled = section(decay);
            let schedule = filled.schedule(40);
            filled.fill_in_decay();
            filled.check_decay().unwrap();
            assert_eq!(filled.schedule(40), schedule);
            assert_eq!(filled.power.is_some(), decay == Decay::Polynomial);
            assert_eq!(filled.steps.is_some(), decay == Decay::Step);
            assert_eq!(filled.step_factor.is_some(), decay == Decay::Step);
        }
    }

    #[test]
    fn keys_of_another_decay_are_refused() {
        for (decay, key) in [
            (Decay::Cosine, "train.power"),
            (Decay::Step, "train.power"),
            (Decay::Polynomial, "train.steps"),
            (Decay::Constant, "train.step_factor"),
            (Decay::Constant, "train.lr_floor"),
            (Decay::Step, "train.lr_floor"),
        ] {
            let mut section = section(decay);
            match key {
                "train.power" => section.power = Some(2.0),
                "train.steps" => section.steps = Some(vec![0.5]),
                "train.step_factor" => section.step_factor = Some(0.5),
                _ => section.lr_floor = 0.1,
            }
            check(section, &[key, &decay.to_string()]);
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_key() {
        for power in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let section = TrainSection {
                power: Some(power),
                ..section(Decay::Polynomial)
            };
            check(section, &["train.power", &power.to_string()]);
        }
        for factor in [0.0, 1.5, f64::NAN] {
            let section = TrainSection {
                step_factor: Some(factor),
                ..section(Decay::Step)
            };
            check(section, &["train.step_factor", &factor.to_string()]);
        }
        for steps in [
            &[][..],
            &[0.5, 0.5],
            &[0.6, 0.5],
            &[0.05],
            &[1.0],
            &[f64::NAN],
        ] {
            let section = TrainSection {
                steps: Some(steps.to_vec()),
                ..section(Decay::Step)
            };
            check(section, &["train.steps", "0.05", &format!("{steps:?}")]);
        }
    }
}
