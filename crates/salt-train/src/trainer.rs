//! The training loop: epochs of batches, validation, the best epoch, checkpoints.
//!
//! Everything the loop does is a function of its [`Checkpoint`] and the recipe: batches are
//! addressed by (epoch, index), the rate by the step, and the optimiser's moments by path. So a
//! run that was stopped and resumed writes the bytes of one that was not.

use std::time::Instant;

use burn::module::Module as _;
use burn::tensor::{Device, Tensor, TensorData};
use salt_data::{Batch, Dataset, TrainLoader, View};
use salt_peft::tails::fit_tails;
use salt_sam::{ClassPrompt, Sam, upscale_masks};
use serde_json::json;

use crate::checkpoint::{Checkpoint, Progress, TensorMap};
use crate::curves;
use crate::epoch_table::{self, EpochRow};
use crate::error::TrainError;
use crate::evaluate::quick_scores;
use crate::loss::{LossConfig, Targets};
use crate::observer::{Event, Session};
use crate::optimizer::{Optimizer, clip_scale, global_norm};
use crate::prompts::Place;
use crate::recipe::{PromptSection, TrainSection};
use crate::run_dir::{RunDir, write_atomic};
use crate::schedule::Schedule;
use crate::segment::Segmenter;
use crate::sharded::sharded_gradients;
use crate::tail_schedule::exchange;

/// What the loop is given.
pub(crate) struct TrainerParts {
    /// Model with its adapter, on the autodiff device.
    pub model: Sam,
    pub optimizer: Optimizer,
    pub schedule: Schedule,
    pub config: TrainSection,
    pub prompts: Option<PromptSection>,
    /// `None` for a recipe without epochs.
    pub loader: Option<TrainLoader>,
    pub steps_per_epoch: u64,
    /// The validation cases, which stay in their files.
    pub val: Dataset,
    pub view: View,
    /// Autodiff device.
    pub device: Device,
}

/// The loop's state.
pub(crate) struct Trainer {
    parts: TrainerParts,
    progress: Progress,
    best: TensorMap,
    step_ms: Vec<f64>,
    /// Warnings of the cache that have been passed on.
    cache_warnings: usize,
}

/// How the loop ended.
pub(crate) enum Ended {
    /// All epochs done or patience lost; the model holds the best epoch's parameters.
    Finished(Box<Trained>),
    /// Stopped on request; the checkpoint is written.
    Interrupted {
        /// Epochs completed.
        epoch: u64,
        /// Steps completed.
        step: u64,
    },
}

/// A trained model.
pub(crate) struct Trained {
    pub model: Sam,
    pub progress: Progress,
    pub step_ms: Vec<f64>,
}

/// One optimiser step.
struct StepOutcome {
    loss: f64,
    grad_norm: f64,
    lr: f64,
}

impl Trainer {
    /// A loop at its beginning.
    pub(crate) fn new(parts: TrainerParts, progress: Progress) -> Self {
        Self {
            parts,
            progress,
            best: TensorMap::new(),
            step_ms: Vec::new(),
            cache_warnings: 0,
        }
    }

    /// Continue where `checkpoint` stands.
    pub(crate) fn restore(mut self, checkpoint: Checkpoint) -> Result<Self, TrainError> {
        checkpoint.progress.origin.check(&self.progress.origin)?;
        self.parts.model = with_state(self.parts.model, checkpoint.model)?;
        self.parts
            .optimizer
            .load_state(checkpoint.optimizer, &self.parts.device)?;
        self.best = checkpoint.best;
        self.progress = checkpoint.progress;
        Ok(self)
    }

    /// Run to the end, or until the session is interrupted.
    pub(crate) fn run(
        mut self,
        run: &RunDir,
        session: &mut Session<'_>,
    ) -> Result<Ended, TrainError> {
        while self.progress.epoch < self.parts.config.epochs && !self.out_of_patience() {
            let started = Instant::now();
            let completed = self.epoch(session)?;
            self.report_cache(session);
            if completed {
                self.close_epoch(run, session)?;
            }
            self.progress.train_s += started.elapsed().as_secs_f64();
            self.checkpoint()?.save(&run.last_checkpoint())?;
            if !completed || session.interrupt.is_set() {
                let Progress { epoch, step, .. } = self.progress;
                return Ok(Ended::Interrupted { epoch, step });
            }
        }
        let mut model = self.parts.model;
        if !self.best.is_empty() {
            model = with_state(model, self.best)?;
        }
        Ok(Ended::Finished(Box::new(Trained {
            model,
            progress: self.progress,
            step_ms: self.step_ms,
        })))
    }

    /// The batches of the epoch that runs now, from where it stands. False when interrupted.
    fn epoch(&mut self, session: &mut Session<'_>) -> Result<bool, TrainError> {
        let (epoch, first) = (self.progress.epoch, self.progress.batch as usize);
        let loader = self.parts.loader.as_ref();
        let mut batches = loader.map(|loader| loader.batches(epoch, first));
        loop {
            let waiting = Instant::now();
            let Some(batch) = batches.as_mut().and_then(Iterator::next) else {
                break;
            };
            self.progress.data_wait_s += waiting.elapsed().as_secs_f64();
            let started = Instant::now();
            let outcome = self.step(batch?)?;
            let step_ms = started.elapsed().as_secs_f64() * 1e3;
            self.step_ms.push(step_ms);
            self.progress.batch += 1;
            self.progress.step += 1;
            self.progress.loss_sum += outcome.loss;
            self.progress.norm_sum += outcome.grad_norm;
            self.exchange_tails()?;
            session.event(Event::Step {
                epoch: epoch + 1,
                epochs: self.parts.config.epochs,
                step: self.progress.step,
                steps: self.parts.schedule.total_steps,
                loss: outcome.loss,
                lr: outcome.lr,
                step_ms,
            });
            if session.interrupt.is_set() {
                break;
            }
        }
        Ok(self.progress.batch >= self.parts.steps_per_epoch)
    }

    /// Passes on what the cache of cases has found wrong since the last epoch.
    fn report_cache(&mut self, session: &mut Session<'_>) {
        let report = self.parts.loader.as_ref().map(TrainLoader::cache_report);
        let warnings = report.map_or_else(Vec::new, |report| report.warnings);
        for warning in &warnings[self.cache_warnings..] {
            session.event(Event::Warning(&warning.to_string()));
        }
        self.cache_warnings = warnings.len();
    }

    fn step(&mut self, batch: Batch) -> Result<StepOutcome, TrainError> {
        let TrainerParts {
            model,
            config,
            prompts,
            device,
            schedule,
            ..
        } = &self.parts;
        let (size, ids) = (batch.size as f64, batch.ids.clone());
        let mut place = Place {
            seed: config.seed,
            epoch: self.progress.epoch,
            sample: self.progress.batch as usize * config.batch_size,
        };
        let with_prompts = |shard: Batch| {
            let drawn = prompts.map(|prompts| prompts.draw(place, &shard, model.n_classes()));
            place.sample += shard.size;
            (shard, drawn)
        };
        let shards = split_batch(batch, config.shards);
        let shards = shards.into_iter().map(with_prompts).collect();
        let sharded = sharded_gradients(model, shards, |model, (shard, prompts)| {
            let share = shard.size as f64 / size;
            batch_loss(model, &config.loss, shard, prompts.as_deref(), device) * share
        });
        let not_finite = |what, value| TrainError::NonFinite {
            what,
            value,
            epoch: self.progress.epoch + 1,
            batch: self.progress.batch as usize + 1,
            ids: ids.clone(),
        };
        let value: f64 = sharded.losses.iter().sum();
        if !value.is_finite() {
            return Err(not_finite("loss", value));
        }
        let gradients = sharded.gradients;
        let grad_norm = global_norm(model, &gradients);
        if !grad_norm.is_finite() {
            return Err(not_finite("gradient norm", grad_norm));
        }
        let limit = (config.grad_clip > 0.0).then_some(config.grad_clip);
        let factor = schedule.factor(self.progress.step);
        let lr = factor * config.lr;
        let model = self.parts.model.clone();
        self.parts.model =
            self.parts
                .optimizer
                .step(model, gradients, clip_scale(grad_norm, limit), factor);
        Ok(StepOutcome {
            loss: value,
            grad_norm,
            lr,
        })
    }

    /// Lets SALT's tails exchange directions when it is time.
    fn exchange_tails(&mut self) -> Result<(), TrainError> {
        let p = &mut self.parts;
        let (step, total) = (self.progress.step, p.schedule.total_steps);
        let due = p.config.tails.and_then(|tails| tails.share_at(step, total));
        if let Some(share) = due {
            let model = p.model.clone();
            p.model = exchange(model, &mut p.optimizer, share, p.config.seed, step)?;
        }
        Ok(())
    }

    /// Validate when it is time, write the epoch's row and make ready for the next.
    fn close_epoch(&mut self, run: &RunDir, session: &mut Session<'_>) -> Result<(), TrainError> {
        let p = &mut self.progress;
        let config = &self.parts.config;
        let batches = p.batch.max(1) as f64;
        p.epoch += 1;
        let due = p.epoch.is_multiple_of(config.validate_every) || p.epoch == config.epochs;
        let [val_dice, val_iou] = if due {
            let model = salt_peft::merge(self.parts.model.valid())?;
            let segmenter = Segmenter::new(
                model,
                self.parts.view,
                config.eval_batch,
                &self.parts.device,
            );
            let prompts = self.parts.prompts.unwrap_or_default().evaluate;
            quick_scores(&segmenter, &self.parts.val, prompts)?
        } else {
            [None; 2]
        };
        // No defined Dice (every validation mask empty and nothing predicted) counts as 0.
        let score = val_dice.unwrap_or(0.0);
        let best = due && (p.best_epoch == 0 || score > p.best_score);
        if best {
            p.best_epoch = p.epoch;
            p.best_score = score;
            self.best = salt_peft::trainable_state(&self.parts.model)?;
        }
        let row = EpochRow {
            epoch: p.epoch,
            step: p.step,
            lr: self.parts.schedule.factor(p.step.saturating_sub(1)) * config.lr,
            train_loss: p.loss_sum / batches,
            grad_norm: p.norm_sum / batches,
            val_dice,
            val_iou,
            best,
        };
        p.rows.push(row);
        (p.batch, p.loss_sum, p.norm_sum) = (0, 0.0, 0.0);
        write_atomic(&run.metrics(), &epoch_table::to_csv(&p.rows)?)?;
        write_atomic(&run.curves(), curves::render(&p.rows).as_bytes())?;
        run.append_log(&json!({"event": "epoch", "row": row, "train_s": p.train_s}))?;
        session.event(Event::Epoch(&row));
        Ok(())
    }

    /// Whether as many validations as the patience allows brought no improvement.
    fn out_of_patience(&self) -> bool {
        let patience = self.parts.config.patience;
        let since = self.progress.rows.iter().rev().take_while(|row| !row.best);
        let config = &self.parts.config;
        let validated = since
            .filter(|row| row.epoch.is_multiple_of(config.validate_every))
            .count();
        patience > 0 && validated as u64 >= patience
    }

    fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        Ok(Checkpoint {
            progress: self.progress.clone(),
            model: salt_peft::trainable_state(&self.parts.model)?,
            best: self.best.clone(),
            optimizer: self.parts.optimizer.state(),
        })
    }
}

/// The model with other trained values, of whatever ranks its tails had then.
fn with_state(model: Sam, state: TensorMap) -> Result<Sam, TrainError> {
    let model = fit_tails(model, &state)?;
    Ok(salt_peft::load_trainable_state(model, state)?)
}

/// Loss of a batch, penalty included.
///
/// # Panics
/// Never for prompts of [`PromptSection::draw`]: they are one for every class of every sample.
fn batch_loss(
    model: &Sam,
    config: &LossConfig,
    batch: Batch,
    prompts: Option<&[ClassPrompt]>,
    device: &Device,
) -> Tensor<1> {
    let plain = device.clone().without_autodiff();
    let size = [batch.size, batch.height, batch.width];
    let pixels = TensorData::new(
        batch.pixels_bchw,
        [batch.size, 3, batch.height, batch.width],
    );
    // Pixels need no gradient: what comes before the first trained parameter stays off the tape.
    let embedding = model.encode_image(Tensor::from_data(pixels, &plain));
    let answer = match prompts {
        Some(prompts) => model
            .segment_prompted(embedding, prompts)
            .expect("a valid prompt per class"),
        None => model.segment_classes(embedding),
    };
    let masks = answer.low_res_masks;
    let logits = upscale_masks(masks, [batch.height, batch.width]);
    let targets = Targets::new(&batch.labels_bhw, size, model.n_classes(), &plain);
    let loss = config.forward(logits, &targets);
    match salt_peft::penalty(model) {
        Some(penalty) => loss + penalty,
        None => loss,
    }
}

/// Cut a batch into at most `shards` parts of nearly equal size, in order.
fn split_batch(batch: Batch, shards: usize) -> Vec<Batch> {
    let shards = shards.clamp(1, batch.size.max(1));
    let area = batch.height * batch.width;
    let bounds: Vec<usize> = (0..=shards).map(|i| i * batch.size / shards).collect();
    bounds
        .windows(2)
        .map(|pair| {
            let (from, to) = (pair[0], pair[1]);
            Batch {
                size: to - from,
                height: batch.height,
                width: batch.width,
                pixels_bchw: batch.pixels_bchw[3 * area * from..3 * area * to].to_vec(),
                labels_bhw: batch.labels_bhw[area * from..area * to].to_vec(),
                ids: batch.ids[from..to].to_vec(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_batch_put_together_are_the_batch() {
        let batch = Batch {
            size: 3,
            height: 1,
            width: 2,
            pixels_bchw: (0..18).map(|i| i as f32).collect(),
            labels_bhw: vec![0, 1, 2, 3, 4, 5],
            ids: ["a", "b", "c"].map(str::to_owned).to_vec(),
        };
        for (shards, sizes) in [(1, vec![3]), (2, vec![1, 2]), (9, vec![1, 1, 1])] {
            let parts = split_batch(batch.clone(), shards);
            assert_eq!(parts.iter().map(|p| p.size).collect::<Vec<_>>(), sizes);
            let pixels: Vec<f32> = parts.iter().flat_map(|p| p.pixels_bchw.clone()).collect();
            let labels: Vec<u8> = parts.iter().flat_map(|p| p.labels_bhw.clone()).collect();
            let ids: Vec<String> = parts.iter().flat_map(|p| p.ids.clone()).collect();
            assert_eq!(
                (pixels, labels, ids),
                (
                    batch.pixels_bchw.clone(),
                    batch.labels_bhw.clone(),
                    batch.ids.clone()
                )
            );
        }
    }
}
