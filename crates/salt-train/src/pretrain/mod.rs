//! `salt pretrain`: the small base model, from generated images alone.
//!
//! Every image is encoded once and asked many times: one point with three candidate masks, a box
//! or several points on top of the mask that the first point gave, and learned tokens of dense
//! classes. Loss: focal + dice + IoU regression (Kirillov et al. 2023, section 3).
//!
//! A run is a function of its [`PretrainConfig`]: scene `i` is drawn from `(seed, i)`, the network
//! starts from `seed`, and an interrupted run continues from its state file.

mod objective;
mod questions;
mod score;
mod state_file;

pub use score::{PretrainScores, held_out_scores};
pub use state_file::state_path;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use salt_data::synth::scenes::DENSE_CLASSES;
use salt_sam::weights::{Precision, SaveOptions, TOKEN_NAMES, save};
use salt_sam::{Sam, SamConfig};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::checkpoint::{Checkpoint, Origin, Progress};
use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::optimizer::{Groups, Optimizer, Rule, clip_scale, global_norm};
use crate::schedule::{Decay, Schedule};
use crate::scratch::redraw;
use crate::sharded::{backward, sharded_gradients};
use objective::loss;
use questions::Questions;
use state_file::StateFile;

/// What a pretraining run is a function of, and how often it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PretrainConfig {
    /// Registered model name.
    pub model: String,
    /// Optimiser steps.
    pub steps: u64,
    /// Images a step.
    pub batch_size: usize,
    /// Parts of a batch that are computed side by side.
    pub shards: usize,
    /// Peak learning rate.
    pub lr: f64,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// Share of the steps that warms up; half a cosine follows.
    pub warmup: f64,
    /// Limit of the global gradient norm.
    pub grad_clip: f64,
    /// Share of the images over which scenes grow from easiest to full difficulty
    /// ([`salt_data::synth::scenes::draw_eased`]).
    pub curriculum: f64,
    /// Seed of network and scenes.
    pub seed: u64,
    /// Steps between two writes of the state file. Nothing that is trained depends on it, so it belongs neither to the
    /// run's identity nor to its card.
    #[serde(skip, default = "save_every")]
    pub save_every: u64,
}

fn save_every() -> u64 {
    250
}

impl PretrainConfig {
    /// Ease of the scene of that index: 1 at the beginning, 0 after the curriculum.
    fn ease(&self, index: u64) -> f32 {
        let images = (self.steps * self.batch_size as u64) as f64 * self.curriculum;
        (1.0 - index as f64 / images.max(1.0)).max(0.0) as f32
    }
}

impl Default for PretrainConfig {
    fn default() -> Self {
        Self {
            model: "sam_nano".to_owned(),
            steps: 13_000,
            batch_size: 4,
            shards: 2,
            lr: 1e-3,
            weight_decay: 0.02,
            warmup: 0.03,
            grad_clip: 1.0,
            curriculum: 0.25,
            seed: 0,
            save_every: save_every(),
        }
    }
}

/// Steps between two looks at held-out scenes, which are shown and decide nothing.
const SCORE_EVERY: u64 = 250;

/// How a pretraining run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PretrainOutcome {
    /// All steps are done and the weights are written.
    Finished,
    /// Stopped on request after this step; the same call continues.
    Interrupted(u64),
}

/// What is written beside the weights as `<stem>.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct BaseCard {
    /// The run's configuration.
    pub recipe: PretrainConfig,
    /// Images seen.
    pub images: u64,
    /// Mean loss of the last steps.
    pub last_loss: f64,
    /// Wall time over all sessions of the run, in seconds.
    pub train_s: f64,
    /// Scores on scenes that no training run draws.
    pub held_out: PretrainScores,
}

fn token_metadata() -> BTreeMap<String, String> {
    BTreeMap::from([(TOKEN_NAMES.to_owned(), DENSE_CLASSES.join(","))])
}

/// Trains from the state file beside `out`, or from the seed, until all steps are done, and writes
/// half-precision weights to `out` and a card with scores beside them.
///
/// # Errors
/// An unknown model, a state file of another recipe, a non-finite loss, files that cannot be written at the end; a
/// state that cannot be written when it stops ([`TrainError::NotSaved`]). In between, that is a warning.
pub fn pretrain(
    config: &PretrainConfig,
    out: &Path,
    device: &Device,
    session: &mut Session<'_>,
) -> Result<PretrainOutcome, TrainError> {
    if config.batch_size == 0 || config.shards == 0 || config.shards > config.batch_size {
        return Err(TrainError::RecipeValue {
            key: "shards",
            expected: "at least 1 and at most the batch size".to_owned(),
            received: config.shards.to_string(),
        });
    }
    if config.save_every == 0 {
        return Err(TrainError::value("save_every", "at least 1", 0));
    }
    let device = device.clone().autodiff();
    let sam_config = SamConfig::by_name(&config.model)?.with_prompt_tokens(DENSE_CLASSES.len());
    let mut sam = redraw(sam_config.init(&device)?, config.seed);
    let groups = Groups {
        lr: config.lr,
        weight_decay: config.weight_decay,
        groups: Vec::new(),
    };
    let mut optimizer = Optimizer::new(Rule::AdamW, groups);
    let mut progress = Progress {
        origin: origin(config)?,
        ..Progress::default()
    };
    let mut state = StateFile::beside(out);
    if let Some(stored) = state.load(session)? {
        stored.progress.origin.check(&progress.origin)?;
        sam = salt_peft::load_trainable_state(sam, stored.model)?;
        optimizer.load_state(stored.optimizer, &device)?;
        progress = stored.progress;
    }
    let schedule = Schedule::new(Decay::Cosine, config.warmup, 0.01, config.steps);
    let mut smooth = Smooth(progress.loss_sum);
    session.event(Event::Stage("pretraining on generated images"));

    while progress.step < config.steps {
        let started = Instant::now();
        let step = progress.step;
        let per_shard = config.batch_size.div_ceil(config.shards);
        let first = step * config.batch_size as u64;
        let shards: Vec<std::ops::Range<u64>> = (0..config.batch_size)
            .step_by(per_shard)
            .map(|i| first + i as u64..first + (i + per_shard).min(config.batch_size) as u64)
            .collect();
        let count = shards.len() as f64;
        let size = sam.image_size();
        let result = sharded_gradients(&[&sam], &device, vec![shards], |_, sam, scenes| {
            let questions = Questions::draw(size, config.seed, scenes, |i| config.ease(i), &device);
            backward(sam, loss(sam, &questions, step))
        });
        let value = result.losses.iter().sum::<f64>() / count;
        let norm = global_norm(&sam, &result.gradients) / count;
        if !value.is_finite() || !norm.is_finite() {
            return Err(TrainError::NonFinite {
                what: if value.is_finite() {
                    "gradient"
                } else {
                    "loss"
                },
                value: if value.is_finite() { norm } else { value },
                epoch: 1,
                batch: usize::try_from(step)
                    .unwrap_or(usize::MAX)
                    .saturating_add(1),
                ids: (first..first + config.batch_size as u64)
                    .map(|i| format!("scene {i}"))
                    .collect(),
                // They are drawn from their numbers.
                saved: None,
            });
        }
        let factor = schedule.factor(step);
        let scale = clip_scale(norm, Some(config.grad_clip)) / count;
        sam = optimizer.step(sam, result.gradients, scale, factor);
        progress.step += 1;
        progress.loss_sum = smooth.update(value, progress.step);
        let elapsed = started.elapsed().as_secs_f64();
        progress.train_s += elapsed;
        session.event(Event::Step {
            epoch: 1,
            epochs: 1,
            step: progress.step,
            steps: config.steps,
            loss: progress.loss_sum,
            lr: config.lr * factor,
            step_ms: elapsed * 1e3,
            // Its scenes are generated as part of the step.
            wait_ms: 0.0,
        });
        let stop = session.interrupt.is_set();
        let last = progress.step == config.steps;
        // The last state too: what follows it may fail, and then need not be trained again.
        let due = progress.step.is_multiple_of(config.save_every) || last;
        if stop || due {
            let checkpoint = Checkpoint {
                progress: progress.clone(),
                model: salt_peft::trainable_state(&sam)?,
                optimizer: optimizer.state(),
                ..Checkpoint::default()
            };
            let saved = state.save(&checkpoint, !stop, session);
            if (stop || !last)
                && let Err(error) = write_weights(&sam, out)
            {
                let what = format!(
                    "the weights of step {} are not written: {error}",
                    progress.step
                );
                session.event(Event::Warning(&what));
            }
            if stop {
                saved?;
            }
        }
        if progress.step.is_multiple_of(SCORE_EVERY) && progress.step < config.steps {
            let scores = held_out_scores(&sam.valid(), score::QUICK_SCENES);
            session.event(Event::Stage(&scores.in_words(progress.step)));
        }
        if stop {
            return Ok(PretrainOutcome::Interrupted(progress.step));
        }
    }
    write_weights(&sam, out)?;
    session.event(Event::Stage("scoring held-out images"));
    let card = BaseCard {
        recipe: config.clone(),
        images: config.steps * config.batch_size as u64,
        last_loss: progress.loss_sum,
        train_s: progress.train_s,
        held_out: held_out_scores(&sam.valid(), score::HELD_OUT_SCENES),
    };
    let json = serde_json::to_string_pretty(&card)
        .map_err(|e| TrainError::checkpoint(format!("the card cannot be written ({e})")))?;
    crate::run_dir::write_atomic(&out.with_extension("json"), format!("{json}\n").as_bytes())?;
    Ok(PretrainOutcome::Finished)
}

fn write_weights(sam: &Sam, out: &Path) -> Result<(), TrainError> {
    let options = SaveOptions {
        precision: Precision::Half,
        metadata: token_metadata(),
        ..SaveOptions::default()
    };
    Ok(save(sam, out, &options)?)
}

fn origin(config: &PretrainConfig) -> Result<Origin, TrainError> {
    let text = toml::to_string(config)
        .map_err(|e| TrainError::checkpoint(format!("the recipe cannot be written ({e})")))?;
    let recipe_sha256 = crate::base_model::hex(&Sha256::digest(text.as_bytes()));
    Ok(Origin {
        recipe_sha256,
        ..Origin::default()
    })
}

/// Exponential mean of the loss over about 200 steps.
struct Smooth(f64);

impl Smooth {
    fn update(&mut self, value: f64, step: u64) -> f64 {
        let weight = 1.0 / (step.min(200) as f64);
        self.0 += (value - self.0) * weight;
        self.0
    }
}
