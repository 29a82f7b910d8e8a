//! `[train.optimizer]`: the update rule, and parameters with rates of their own.

use burn::module::ParamGroup;
use serde::{Deserialize, Serialize};

use super::TrainSection;
use crate::error::TrainError;
use crate::optimizer::{Group, Groups, Rule};

/// Second factors of low-rank updates, `W + B A`. Between `adapter` and the factor may stand the names of an adapter
/// and of rows.
const LORA_B: &str = r"\.adapter\.([^.]+\.){0,2}b$";

/// Which rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleName {
    /// AdamW.
    #[default]
    AdamW,
    /// Stochastic gradient descent.
    Sgd,
}

/// Parameters with a rate or a decay of their own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupSection {
    /// Regular expression, found anywhere in a parameter's path.
    pub paths: String,
    /// Learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// Weight decay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

/// How weights follow gradients; rate and decay are `train.lr` and `train.weight_decay`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerSection {
    /// `adamw` or `sgd`.
    pub rule: RuleName,
    /// SGD: share of the velocity that is kept.
    pub momentum: f64,
    /// SGD: look ahead along the velocity.
    pub nesterov: bool,
    /// LoRA+ (Hayou et al. 2024): the rate of the factors B is so many times that of A. Left out: the same rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lora_plus: Option<f64>,
    /// Groups of parameters; the last one that names a parameter is heard.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupSection>,
}

impl Default for OptimizerSection {
    fn default() -> Self {
        Self {
            rule: RuleName::AdamW,
            momentum: 0.9,
            nesterov: false,
            lora_plus: None,
            groups: Vec::new(),
        }
    }
}

impl OptimizerSection {
    /// Whether nothing was asked for, so that the resolved recipe need not mention it.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Confirms that every value is in its range.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        // A NaN is in no range.
        if !(0.0..1.0).contains(&self.momentum) {
            let expected = "a share from 0, and below 1";
            return Err(TrainError::value(
                "train.optimizer.momentum",
                expected,
                self.momentum,
            ));
        }
        if self.nesterov && (self.rule != RuleName::Sgd || self.momentum == 0.0) {
            let expected = "rule = \"sgd\" with a momentum above 0 beside it";
            return Err(TrainError::value(
                "train.optimizer.nesterov",
                expected,
                true,
            ));
        }
        let positive = |rate: f64| rate.is_finite() && rate > 0.0;
        if let Some(ratio) = self.lora_plus.filter(|ratio| !positive(*ratio)) {
            return Err(TrainError::value(
                "train.optimizer.lora_plus",
                "a positive factor",
                ratio,
            ));
        }
        for group in &self.groups {
            let members = ParamGroup::from_any_regexes(vec![group.paths.as_str()]);
            if members.is_err() {
                let expected = "a regular expression";
                return Err(TrainError::value(
                    "train.optimizer.groups.paths",
                    expected,
                    &group.paths,
                ));
            }
            if let Some(lr) = group.lr.filter(|lr| !positive(*lr)) {
                return Err(TrainError::value(
                    "train.optimizer.groups.lr",
                    "a positive rate",
                    lr,
                ));
            }
            let decay = group.weight_decay;
            if let Some(decay) = decay.filter(|d| !(d.is_finite() && *d >= 0.0)) {
                return Err(TrainError::value(
                    "train.optimizer.groups.weight_decay",
                    "at least 0",
                    decay,
                ));
            }
            if group.lr.is_none() && group.weight_decay.is_none() {
                let expected = "lr or weight_decay beside `paths`";
                return Err(TrainError::value(
                    "train.optimizer.groups",
                    expected,
                    &group.paths,
                ));
            }
        }
        Ok(())
    }

    /// The rule with its settings.
    pub(crate) fn rule(&self) -> Rule {
        match self.rule {
            RuleName::AdamW => Rule::AdamW,
            RuleName::Sgd => Rule::Sgd {
                momentum: self.momentum,
                nesterov: self.nesterov,
            },
        }
    }
}

impl TrainSection {
    /// Every rate and decay of a recipe: spectrum, then LoRA+, then the recipe's own groups.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`] for a regular expression that is none.
    pub(crate) fn parameter_groups(&self) -> Result<Groups, TrainError> {
        let mut groups = vec![Group {
            name: "spectrum".to_owned(),
            members: salt_peft::spectrum_group(),
            lr: self.spectrum_lr,
            weight_decay: Some(0.0),
            // Not every method has one.
            may_be_empty: true,
        }];
        let named = |paths: &str| {
            let key = "train.optimizer.groups.paths";
            ParamGroup::from_any_regexes(vec![paths])
                .map_err(|_| TrainError::value(key, "a regular expression", paths))
        };
        if let Some(ratio) = self.optimizer.lora_plus {
            groups.push(Group {
                name: "train.optimizer.lora_plus".to_owned(),
                members: named(LORA_B)?,
                lr: Some(self.lr * ratio),
                weight_decay: None,
                may_be_empty: false,
            });
        }
        for group in &self.optimizer.groups {
            groups.push(Group {
                name: format!("train.optimizer.groups: {}", group.paths),
                members: named(&group.paths)?,
                lr: group.lr,
                weight_decay: group.weight_decay,
                may_be_empty: false,
            });
        }
        Ok(Groups {
            lr: self.lr,
            weight_decay: self.weight_decay,
            groups,
        })
    }
}
