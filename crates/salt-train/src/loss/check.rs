//! Which losses make sense.

use super::LossConfig;
use crate::error::TrainError;

/// Most erosions of the soft skeleton: each keeps about twenty tensors of the logits' size.
const MOST_ITERATIONS: usize = 64;
/// Exponents of one minus the Tversky index that are within reason.
const TVERSKY_GAMMA: std::ops::RangeInclusive<f64> = 0.1..=10.0;

impl LossConfig {
    /// Refuses values out of range, and a loss without terms.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`] with the key.
    pub fn check(&self) -> Result<(), TrainError> {
        let share = 0.0..=1.0;
        let positive = f64::MIN_POSITIVE..=f64::MAX;
        let any = 0.0..=f64::MAX;
        let pixels = "a positive number of pixels";
        let settings = [
            (
                "train.loss.focal_alpha",
                self.focal_alpha,
                &share,
                "a weight from 0 to 1",
            ),
            (
                "train.loss.focal_gamma",
                self.focal_gamma,
                &any,
                "at least 0",
            ),
            (
                "train.loss.dice_smooth",
                self.dice_smooth,
                &positive,
                pixels,
            ),
            (
                "train.loss.tversky_alpha",
                self.tversky_alpha,
                &any,
                "at least 0",
            ),
            (
                "train.loss.tversky_beta",
                self.tversky_beta,
                &any,
                "at least 0",
            ),
            (
                "train.loss.tversky_gamma",
                self.tversky_gamma,
                &TVERSKY_GAMMA,
                "an exponent from 0.1 to 10",
            ),
            (
                "train.loss.tversky_smooth",
                self.tversky_smooth,
                &positive,
                pixels,
            ),
        ];
        let terms = self.terms();
        let weights = terms
            .iter()
            .map(|&(key, weight, _)| (key, weight, &any, "at least 0"));
        let class_weights = self
            .class_weights
            .iter()
            .map(|&weight| ("train.loss.class_weights", weight, &any, "at least 0 each"));
        for (key, value, range, expected) in weights.chain(settings).chain(class_weights) {
            // A NaN is in no range.
            if !range.contains(&value) {
                return Err(TrainError::value(key, expected, value));
            }
        }
        if terms.iter().all(|term| term.1 == 0.0) {
            let keys: Vec<&str> = terms
                .iter()
                .filter_map(|term| term.0.rsplit('.').next())
                .collect();
            let expected = format!("at least one of {} above 0", keys.join(", "));
            return Err(TrainError::value("train.loss", expected, "none"));
        }
        if !self.class_weights.is_empty() && self.class_weights.iter().all(|&weight| weight == 0.0)
        {
            let expected = "at least one class with a weight above 0";
            return Err(TrainError::value(
                "train.loss.class_weights",
                expected,
                "none",
            ));
        }
        if self.cldice_iterations > MOST_ITERATIONS {
            return Err(TrainError::value(
                "train.loss.cldice_iterations",
                format!("at most {MOST_ITERATIONS}"),
                self.cldice_iterations,
            ));
        }
        Ok(())
    }

    /// Refuses class weights that are not one for each foreground class of the data.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`] with both numbers.
    pub fn check_classes(&self, n_classes: usize) -> Result<(), TrainError> {
        let weights = self.class_weights.len();
        if weights == 0 || weights == n_classes {
            return Ok(());
        }
        Err(TrainError::value(
            "train.loss.class_weights",
            format!("one weight for each of the {n_classes} foreground classes of the data"),
            format!("{weights} weights"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut LossConfig), words: &[&str]) {
        let mut config = LossConfig::default();
        change(&mut config);
        let error = config.check().unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "{error:?} lacks {word:?}");
        }
    }

    #[test]
    fn values_that_make_no_sense_are_refused_by_key() {
        LossConfig::default().check().unwrap();
        check(|c| c.ce_weight = -1.0, &["train.loss.ce_weight", "-1"]);
        check(
            |c| c.bce_weight = f64::NAN,
            &["train.loss.bce_weight", "NaN"],
        );
        check(
            |c| c.dice_smooth = 0.0,
            &["train.loss.dice_smooth", "positive"],
        );
        check(
            |c| c.tversky_gamma = 0.0,
            &["train.loss.tversky_gamma", "0.1"],
        );
        check(
            |c| c.cldice_iterations = 65,
            &["train.loss.cldice_iterations", "64", "65"],
        );
        check(
            |c| c.class_weights = vec![1.0, -2.0],
            &["train.loss.class_weights", "-2"],
        );
        check(
            |c| c.class_weights = vec![0.0, 0.0],
            &["train.loss.class_weights", "above 0"],
        );
        check(
            |c| (c.focal_weight, c.dice_weight) = (0.0, 0.0),
            &["train.loss", "ce_weight", "boundary_weight", "above 0"],
        );
    }

    #[test]
    fn class_weights_are_one_for_each_class() {
        let config = LossConfig {
            class_weights: vec![1.0, 2.0],
            ..LossConfig::default()
        };
        config.check_classes(2).unwrap();
        LossConfig::default().check_classes(9).unwrap();
        let error = config.check_classes(3).unwrap_err().to_string();
        assert!(error.contains("class_weights") && error.contains("3 f") && error.contains("2 w"));
    }
}
