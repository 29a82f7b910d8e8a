//! `result.json`: what a finished run amounts to.

use std::path::Path;

use salt_metrics::CohortSummary;
use serde::{Deserialize, Serialize};

use crate::embedding_cache::EmbeddingCounts;
use crate::error::TrainError;
use crate::recipe::EvaluationPrompts;

/// The document; names are a contract with the benchmark and its readers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// `finished`.
    pub status: String,
    /// Name of the method in the recipe.
    pub method: String,
    /// Name of the model in the recipe.
    pub model: String,
    /// Name of the data set.
    pub dataset: String,
    /// `file` or `seed:N`.
    pub split: String,
    /// Seed of the run.
    pub seed: u64,
    /// Device, in the words of the program that ran it.
    pub device: String,
    /// Commit of the program, where it is known.
    pub commit: Option<String>,
    /// Version of Burn.
    pub burn: String,
    /// Which definitions the scores follow.
    pub metric_impl: String,
    /// SHA-256 of the resolved recipe.
    pub recipe_sha256: String,
    /// SHA-256 of the base weights; `random:<seed>` from scratch.
    pub weights_sha256: String,
    /// SHA-256 of the data set.
    pub data_sha256: String,
    /// Sizes.
    pub params: Params,
    /// Durations.
    pub time: Time,
    /// Memory.
    pub memory: Memory,
    /// Image embeddings of the last session's training and validations; left out where the image encoder is trained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingCounts>,
    /// Epoch whose parameters were kept; 0 when nothing was trained.
    pub best_epoch: u64,
    /// What `val` and `test` were given beside the images; left out where that is nothing.
    #[serde(default, skip_serializing_if = "EvaluationPrompts::is_none")]
    pub evaluation_prompts: EvaluationPrompts,
    /// Scores of the kept parameters on the validation split.
    pub val: Option<CohortSummary>,
    /// Scores on the test split, read once.
    pub test: CohortSummary,
    /// Test scores per class, when there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_classes: Vec<CohortSummary>,
}

/// Sizes of what was trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Params {
    /// Trained parameters.
    pub trainable: usize,
    /// All parameters.
    pub total: usize,
    /// `100 * trainable / total`.
    pub percent: f64,
    /// Size of `adapter/adapter_model.safetensors`.
    pub adapter_bytes: u64,
}

/// Durations of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Time {
    /// Seconds of training with its validations, over all sessions of the run.
    pub train_s: f64,
    /// Of them, seconds in which no step could run because its batch was not ready.
    #[serde(default)]
    pub data_wait_s: f64,
    /// Median milliseconds of an optimiser step of the last session; `None` without steps.
    pub step_ms_median: Option<f64>,
    /// Seconds of the final evaluation.
    pub eval_s: f64,
}

/// Memory of a run.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// Highest resident set of the process in MiB; `None` where the system does not tell.
    pub peak_rss_mb: Option<f64>,
}

impl RunResult {
    /// The document.
    ///
    /// # Errors
    /// A number that JSON does not know.
    pub fn to_json(&self) -> Result<String, TrainError> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Read a file of it.
    ///
    /// # Errors
    /// The file cannot be read or is another document.
    pub fn load(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::io(path, e))?;
        serde_json::from_str(&text).map_err(|error| TrainError::DamagedResult {
            path: path.to_owned(),
            problem: error.to_string(),
        })
    }
}

/// The middle of the values; the mean of the two middle ones for an even count.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mid = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[mid]),
        _ => Some((sorted[mid - 1] + sorted[mid]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }
}
