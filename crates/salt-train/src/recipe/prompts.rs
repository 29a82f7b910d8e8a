//! The `[prompts]` section: points and boxes beside the class tokens.

use serde::{Deserialize, Serialize};

use super::ViewKind;
use crate::error::TrainError;

/// Most points of one prompt: each is a token in the decoder.
const MOST_POINTS: usize = 64;

/// `[prompts]`: points and boxes beside the class tokens in training, and whether evaluation gets any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PromptSection {
    /// Probability of points.
    pub points: f64,
    /// Probability of the box.
    pub boxes: f64,
    /// Largest shift of each edge of a box, as a share of its side (SAM: 0.1).
    pub jitter: f64,
    /// Points on the class are 1 to so many, equally likely, all different.
    pub max_points: usize,
    /// Probability that one point beside the class, labelled as background, comes with the points.
    pub background: f64,
    /// What stands beside the class token at validation and test.
    pub evaluate: EvaluationPrompts,
}

impl Default for PromptSection {
    fn default() -> Self {
        Self {
            points: 0.0,
            boxes: 0.0,
            jitter: 0.1,
            max_points: 3,
            background: 0.0,
            evaluate: EvaluationPrompts::None,
        }
    }
}

/// What stands beside the class token when a case is scored. Prediction has no masks and asks by the token
/// alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EvaluationPrompts {
    /// Nothing: the image is all that is known.
    #[default]
    None,
    /// The box around every class in the reference mask, not jittered, as in studies of prompted models
    /// (MedSAM). Scores then say how well a class is outlined whose place is given, and compare with
    /// others of that kind only.
    Box,
}

impl EvaluationPrompts {
    /// Whether cases are scored without prompts.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

impl PromptSection {
    /// Refuses values out of range, and a table that asks for nothing.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`].
    pub fn check(&self, view: ViewKind) -> Result<(), TrainError> {
        for (key, value) in [
            ("prompts.points", self.points),
            ("prompts.boxes", self.boxes),
            ("prompts.background", self.background),
        ] {
            // A NaN is in no range.
            if !(0.0..=1.0).contains(&value) {
                return Err(TrainError::value(key, "a share from 0 to 1", value));
            }
        }
        // From one half on the edges of a box may pass each other.
        if !(0.0..0.5).contains(&self.jitter) {
            let expected = "a share of the box's side from 0 to below 0.5";
            return Err(TrainError::value("prompts.jitter", expected, self.jitter));
        }
        if !(1..=MOST_POINTS).contains(&self.max_points) {
            let expected = format!("from 1 to {MOST_POINTS} points");
            return Err(TrainError::value(
                "prompts.max_points",
                expected,
                self.max_points,
            ));
        }
        if self.points == 0.0 && self.boxes == 0.0 && self.evaluate.is_none() {
            let expected = "points or boxes above 0, or evaluate = \"box\"; leave the table out for no prompts";
            return Err(TrainError::value("prompts", expected, "none of them"));
        }
        if !self.evaluate.is_none() && view != ViewKind::Resize {
            return Err(TrainError::value(
                "prompts.evaluate",
                "\"none\" where data.view is \"tiles\": boxes are given once an image and not once a tile; \
                 or data.view = \"resize\"",
                "\"box\"",
            ));
        }
        Ok(())
    }
}
