//! A recipe: everything a run is a function of, as a TOML document.
//!
//! Read with [`Recipe::read`], which applies overrides, refuses unknown keys by their nearest
//! known name and fills in every default; [`Recipe::to_toml`] gives the resolved document that
//! is kept with the run, and reading that gives an equal recipe.

mod adapter;
mod cache;
mod decay;
mod document;
mod encoder;
mod inference;
mod optimizer;
mod prompts;
mod sections;
#[cfg(test)]
mod tests;
mod validation;

use std::path::Path;

use salt_data::View;
use salt_data::splits::SplitPlan;
use salt_sam::SamConfig;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use adapter::{AdapterSection, SCRATCH};
pub use cache::CacheSection;
pub use encoder::{CacheEmbeddings, Recompute};
pub use inference::InferenceSection;
pub use optimizer::{GroupSection, OptimizerSection, RuleName};
pub use prompts::{EvaluationPrompts, PromptSection};
pub use sections::{DataSection, ModelSection, TrainSection, ViewKind};
pub use validation::{SelectBy, ValidationKind};

use crate::error::TrainError;

/// Most samples of an epoch: 80 MB of indices.
const MOST_SAMPLES: usize = 10_000_000;
/// Factor between `lr` and the default `spectrum_lr`: scale and shift of singular values want a
/// far larger rate than weights (Han et al. 2023, SVDiff, use 1000 times; ten is safe for all of
/// the head at once).
pub(crate) const SPECTRUM_LR_FACTOR: f64 = 10.0;

/// `[model]`, `[adapter]`, `[data]`, `[train]`, `[prompts]`, `[inference]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Which network, and what it starts from.
    pub model: ModelSection,
    /// What is trained.
    pub adapter: AdapterSection,
    /// Which cases, and how they are seen.
    pub data: DataSection,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainSection,
    /// Points and boxes beside the class tokens. Left out: class tokens alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompts: Option<PromptSection>,
    /// How the trained model answers.
    #[serde(default, skip_serializing_if = "InferenceSection::is_default")]
    pub inference: InferenceSection,
}

/// How training, validation and test cases are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitRule {
    /// As the data set's own split file says.
    File,
    /// Drawn anew with this seed, in the same numbers.
    Seed(u64),
    /// One of several parts is the test, the others are for training.
    Fold {
        /// Which part, from 0.
        fold: usize,
        /// Number of parts.
        of: usize,
        /// Seed of the parts.
        seed: u64,
    },
}

impl Recipe {
    /// Read a recipe file and apply `section.key=value` overrides.
    ///
    /// # Errors
    /// Unreadable file, bad TOML, unknown keys, values that make no sense.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::io(path, e))?;
        Self::parse(&text, overrides)
    }

    /// [`Recipe::read`] on a text.
    ///
    /// # Errors
    /// As [`Recipe::read`], but for the file.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, TrainError> {
        let table = document::parse(text, overrides)?;
        let mut recipe: Self = table.try_into().map_err(|e| document::explain(&e))?;
        recipe.resolve()?;
        Ok(recipe)
    }

    /// The resolved document.
    ///
    /// # Errors
    /// [`TrainError::RecipeSyntax`] when a value has no TOML form.
    pub fn to_toml(&self) -> Result<String, TrainError> {
        toml::to_string(self).map_err(|e| TrainError::RecipeSyntax {
            message: e.to_string(),
        })
    }

    /// SHA-256 of the resolved document, in hexadecimal.
    ///
    /// # Errors
    /// As [`Recipe::to_toml`].
    pub fn sha256(&self) -> Result<String, TrainError> {
        Ok(crate::base_model::hex(&Sha256::digest(self.to_toml()?)))
    }

    /// Sizes of the network without class tokens.
    ///
    /// # Errors
    /// An unknown model name, or sizes that do not fit together.
    pub fn sam_config(&self) -> Result<SamConfig, TrainError> {
        let config = match &self.model.config {
            Some(config) => config.clone(),
            None => SamConfig::by_name(&self.model.name)?,
        };
        let config = match self.model.image_size {
            Some(size) => config.with_image_size(size),
            None => config,
        };
        config.validate()?;
        Ok(config)
    }

    /// How a case becomes network inputs.
    pub fn view(&self) -> View {
        let size = self.model.image_size.unwrap_or_default();
        match self.data.view {
            ViewKind::Resize => View::Resize { image_size: size },
            ViewKind::Tiles => View::Tiles {
                tile: size,
                scale: self.data.scale,
                overlap: self.data.overlap,
            },
        }
    }

    /// How the splits are made.
    ///
    /// # Errors
    /// [`TrainError::RecipeValue`] for anything but `file`, `seed:N` and `fold:K/N`.
    pub fn split(&self) -> Result<SplitRule, TrainError> {
        let text = self.data.split.as_str();
        match text.parse() {
            _ if text == "file" => Ok(SplitRule::File),
            Ok(SplitPlan::Seed(seed)) => Ok(SplitRule::Seed(seed)),
            Ok(SplitPlan::Fold { fold, of, seed }) => Ok(SplitRule::Fold { fold, of, seed }),
            // Those are the publisher's, and are made by `salt data fetch`.
            Ok(SplitPlan::Official | SplitPlan::Paper { .. }) | Err(_) => {
                let expected = "\"file\", \"seed:N\" or \"fold:K/N\"";
                Err(TrainError::value("data.split", expected, text))
            }
        }
    }

    /// Settings of the adapter with the seed that applies.
    pub fn adapter_config(&self) -> salt_peft::AdapterConfig {
        let mut config = self.adapter.config.clone();
        if !self.adapter.own_seed {
            config.seed = self.train.seed;
        }
        config
    }

    /// What stands beside the class token when cases are scored.
    pub fn evaluation_prompts(&self) -> EvaluationPrompts {
        self.prompts
            .map_or(EvaluationPrompts::None, |prompts| prompts.evaluate)
    }

    /// Fill in what was left out and refuse what makes no sense.
    fn resolve(&mut self) -> Result<(), TrainError> {
        self.adapter.config.check()?;
        self.split()?;
        self.data.normalise.check()?;
        self.data.cache.check()?;
        self.train.optimizer.check()?;
        self.inference.check(self.evaluation_prompts())?;
        let size = self.sam_config()?.image_size;
        self.model.image_size = Some(size);
        if self.data.view == ViewKind::Tiles && *self.data.tile.get_or_insert(size) != size {
            let expected =
                format!("model.image_size ({size} px), because a tile is one network input");
            return Err(TrainError::value(
                "data.tile",
                expected,
                self.data.tile.unwrap_or_default(),
            ));
        }
        if self.adapter.config.method.to_string() == "frozen" {
            self.train.epochs = 0;
        }
        let train = &mut self.train;
        train
            .spectrum_lr
            .get_or_insert(train.lr * SPECTRUM_LR_FACTOR);
        train.fill_in_decay();
        self.check_ranges()
    }

    fn check_ranges(&self) -> Result<(), TrainError> {
        let (t, d) = (&self.train, &self.data);
        let share = 0.0..=1.0;
        let positive = f64::MIN_POSITIVE..=f64::MAX;
        let any = 0.0..=f64::MAX;
        let numbers = [
            (
                "data.scale",
                d.scale,
                &(1.0 / 64.0..=64.0),
                "a factor from 1/64 to 64",
            ),
            (
                "data.overlap",
                d.overlap,
                &(0.0..=0.9),
                "a share from 0 to 0.9",
            ),
            (
                "data.validation",
                d.validation,
                &(0.0..=0.9),
                "a share from 0 to 0.9",
            ),
            (
                "data.nsd_tolerance_px",
                d.nsd_tolerance_px,
                &any,
                "a distance of at least 0",
            ),
            ("train.lr", t.lr, &positive, "a positive rate"),
            (
                "train.spectrum_lr",
                t.spectrum_lr.unwrap_or(t.lr),
                &positive,
                "a positive rate",
            ),
            ("train.weight_decay", t.weight_decay, &any, "at least 0"),
            (
                "train.ema",
                t.ema,
                &(0.0..=1.0 - f64::EPSILON),
                "a decay from 0, and below 1",
            ),
            ("train.warmup", t.warmup, &share, "a share from 0 to 1"),
            ("train.lr_floor", t.lr_floor, &share, "a share from 0 to 1"),
            (
                "train.grad_clip",
                t.grad_clip,
                &any,
                "a norm of at least 0 (0 does not clip)",
            ),
        ];
        for (key, value, range, expected) in numbers {
            // A NaN is in no range.
            if !range.contains(&value) {
                return Err(TrainError::value(key, expected, value));
            }
        }
        t.loss.check()?;
        t.check_decay()?;
        t.check_validation()?;
        self.check_encoder()?;
        if let Some(prompts) = &self.prompts {
            prompts.check(d.view)?;
        }
        if let Some(tails) = &t.tails {
            tails.check()?;
            let adapter = &self.adapter.config;
            if adapter.method.to_string() != "salt" || adapter.tail_rank == Some(0) {
                return Err(TrainError::value(
                    "train.tails",
                    "the method salt with a tail, whose ranks it changes",
                    self.adapter.method(),
                ));
            }
            if t.ema > 0.0 {
                let expected = "no train.tails beside it, which change the shapes it averages";
                return Err(TrainError::value("train.ema", expected, t.ema));
            }
            if t.optimizer.rule == RuleName::Sgd && t.optimizer.momentum == 0.0 {
                let expected = "an optimiser that remembers gradients: adamw, or sgd with momentum";
                return Err(TrainError::value(
                    "train.tails",
                    expected,
                    "sgd without momentum",
                ));
            }
        }
        let counts = [
            ("train.batch_size", t.batch_size as u64),
            ("train.accumulate", t.accumulate as u64),
            ("train.shards", t.shards as u64),
            ("train.validate_every", t.validate_every),
            ("train.keep_checkpoints", t.keep_checkpoints as u64),
            ("train.eval_batch", t.eval_batch as u64),
        ];
        if let Some((key, _)) = counts.into_iter().find(|(_, n)| *n == 0) {
            return Err(TrainError::value(key, "at least 1", 0));
        }
        if t.samples_per_epoch > MOST_SAMPLES {
            let expected = format!("at most {MOST_SAMPLES} (their order is drawn at once)");
            return Err(TrainError::value(
                "train.samples_per_epoch",
                expected,
                t.samples_per_epoch,
            ));
        }
        Ok(())
    }
}
