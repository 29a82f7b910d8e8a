//! The training loop: epochs of batches, validation, the best epoch, checkpoints.
//!
//! Everything the loop does is a function of its [`Checkpoint`] and the recipe: batches are
//! addressed by (epoch, index), the rate by the step, and the optimiser's moments by path. So a
//! run that was stopped and resumed writes the bytes of one that was not.

use std::sync::Arc;
use std::time::Instant;

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::{Dataset, TrainLoader, View};
use salt_peft::tails::fit_tails;
use salt_sam::Sam;
use serde_json::json;

use crate::checkpoint::{Checkpoint, Progress, TensorMap};
use crate::curves;
use crate::data_watch::DataWatch;
use crate::ema::Ema;
use crate::embedding_cache::EmbeddingCache;
use crate::epoch_table::{self, EpochRow};
use crate::error::TrainError;
use crate::evaluate::EvaluateConfig;
use crate::failed_batch::FailedBatch;
use crate::observer::{Event, Session};
use crate::optimizer::Optimizer;
use crate::recipe::{InferenceSection, PromptSection, TrainSection};
use crate::replicas::Replicas;
use crate::run_dir::RunDir;
use crate::saves::Saves;
use crate::schedule::Schedule;
use crate::segment::Segmenter;
use crate::step::{BatchPlace, step};
use crate::tail_schedule::exchange;
use crate::val_overlays;
use crate::validate::{Validation, validate};

/// What the loop is given.
pub(crate) struct TrainerParts {
    /// Model with its adapter, on the autodiff device.
    pub model: Sam,
    pub optimizer: Optimizer,
    /// `None` where no average is kept.
    pub ema: Option<Ema>,
    pub schedule: Schedule,
    pub config: TrainSection,
    pub prompts: Option<PromptSection>,
    /// `None` for a recipe without epochs.
    pub loader: Option<TrainLoader>,
    pub steps_per_epoch: u64,
    /// The validation cases, which stay in their files.
    pub val: Dataset,
    pub watch: DataWatch,
    /// How they are scored.
    pub evaluate: EvaluateConfig,
    pub view: View,
    pub inference: InferenceSection,
    /// Autodiff device.
    pub device: Device,
    /// On it and on further ones the gradients of a step are computed.
    pub replicas: Replicas<Sam>,
    /// What is kept of an image encoder that is not trained.
    pub embeddings: Option<Arc<EmbeddingCache>>,
    /// Whether every epoch shows the same training inputs.
    pub inputs_repeat: bool,
}

/// The loop's state.
pub(crate) struct Trainer {
    parts: TrainerParts,
    progress: Progress,
    best: TensorMap,
    step_ms: Vec<f64>,
    /// Warnings of the cache that have been passed on.
    cache_warnings: usize,
    saves: Saves,
    /// Since when time has not been counted as training.
    counted: Instant,
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
    pub watch: DataWatch,
    pub embeddings: Option<Arc<EmbeddingCache>>,
    /// What to say of a stop from here on, where this state could not be saved.
    pub not_saved: Option<TrainError>,
}

impl Trainer {
    /// A loop at its beginning.
    pub(crate) fn new(parts: TrainerParts, progress: Progress) -> Self {
        Self {
            saves: Saves::new(&parts.config),
            parts,
            progress,
            best: TensorMap::new(),
            step_ms: Vec::new(),
            cache_warnings: 0,
            counted: Instant::now(),
        }
    }

    /// Continue where `checkpoint` stands.
    pub(crate) fn restore(mut self, checkpoint: Checkpoint) -> Result<Self, TrainError> {
        checkpoint.progress.origin.check(&self.progress.origin)?;
        self.parts.model = with_state(self.parts.model, checkpoint.model)?;
        self.parts
            .optimizer
            .load_state(checkpoint.optimizer, &self.parts.device)?;
        if let Some(ema) = &mut self.parts.ema {
            ema.load_state(checkpoint.ema, &self.parts.device)?;
        }
        self.best = checkpoint.best;
        self.progress = checkpoint.progress;
        self.saves.stand_at(&self.progress);
        Ok(self)
    }

    /// Optimiser steps completed.
    pub(crate) fn steps_done(&self) -> u64 {
        self.progress.step
    }

    /// Run to the end, or until the session is interrupted.
    pub(crate) fn run(
        mut self,
        run: &RunDir,
        session: &mut Session<'_>,
    ) -> Result<Ended, TrainError> {
        self.counted = Instant::now();
        let mut not_saved = None;
        while self.has_epochs_left() {
            let completed = self.epoch(run, session)?;
            self.report_cache(session);
            self.parts.watch.check()?;
            self.count_time();
            let closed = completed && self.close_epoch(run, session)?;
            let stopped = !closed || session.interrupt.is_set();
            let due = self.saves.due_after_epoch(self.progress.step);
            if stopped || due || !self.has_epochs_left() {
                not_saved = self.save(run, session, !stopped)?;
            }
            if stopped {
                let Progress { epoch, step, .. } = self.progress;
                return not_saved.map_or(Ok(Ended::Interrupted { epoch, step }), Err);
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
            watch: self.parts.watch,
            embeddings: self.parts.embeddings,
            not_saved,
        })))
    }

    fn has_epochs_left(&self) -> bool {
        self.progress.epoch < self.parts.config.epochs && !self.out_of_patience()
    }

    /// The batches of the epoch that runs now, from where it stands. False when interrupted.
    fn epoch(&mut self, run: &RunDir, session: &mut Session<'_>) -> Result<bool, TrainError> {
        if self.progress.batch >= self.parts.steps_per_epoch {
            // Stopped between the last batch and the validation.
            return Ok(true);
        }
        let (epoch, first) = (self.progress.epoch, self.progress.batch as usize);
        let loader = self.parts.loader.as_ref();
        let mut batches = loader.map(|loader| loader.batches(epoch, first));
        loop {
            let waiting = Instant::now();
            let Some(batch) = batches.as_mut().and_then(Iterator::next) else {
                break;
            };
            let wait_s = waiting.elapsed().as_secs_f64();
            self.progress.data_wait_s += wait_s;
            let started = Instant::now();
            let batch = batch?;
            let place = BatchPlace {
                epoch,
                batch: self.progress.batch,
            };
            let factor = self.parts.schedule.factor(self.progress.step);
            let outcome = match step(&mut self.parts, &batch, place, factor) {
                Ok(outcome) => outcome,
                Err(failed) => {
                    let step = self.progress.step + 1;
                    let lr = factor * self.parts.config.lr;
                    let failed = FailedBatch {
                        parts: &self.parts,
                        batch: &batch,
                        place,
                        failed: &failed,
                        step,
                        lr,
                    };
                    return Err(failed.keep(run, session));
                }
            };
            let step_ms = started.elapsed().as_secs_f64() * 1e3;
            self.step_ms.push(step_ms);
            self.progress.batch += 1;
            self.progress.step += 1;
            self.progress.loss_sum += outcome.loss;
            self.progress.norm_sum += outcome.grad_norm;
            self.exchange_tails()?;
            if let Some(ema) = &mut self.parts.ema {
                ema.update(&self.parts.model, self.progress.step);
            }
            session.event(Event::Step {
                epoch: epoch + 1,
                epochs: self.parts.config.epochs,
                step: self.progress.step,
                steps: self.parts.schedule.total_steps,
                loss: outcome.loss,
                lr: outcome.lr,
                step_ms,
                wait_ms: wait_s * 1e3,
            });
            if session.interrupt.is_set() {
                break;
            }
            // At the end of an epoch its validation belongs into the checkpoint.
            if self.progress.batch < self.parts.steps_per_epoch
                && self.saves.due_within_epoch(self.progress.step)
            {
                // It has been said, and the next one tries again.
                self.save(run, session, true)?;
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

    /// Lets SALT's tails exchange directions when it is time.
    fn exchange_tails(&mut self) -> Result<(), TrainError> {
        let p = &mut self.parts;
        let (step, total) = (self.progress.step, p.schedule.total_steps);
        let due = p.config.tails.and_then(|tails| tails.share_at(step, total));
        if let Some(share) = due {
            let model = p.model.clone();
            p.model = exchange(model, &mut p.optimizer, share, p.config.seed, step)?;
            p.replicas.forget();
        }
        Ok(())
    }

    /// Validate when it is time, write the epoch's row and make ready for the next. False, with nothing changed,
    /// when interrupted in the validation.
    fn close_epoch(&mut self, run: &RunDir, session: &mut Session<'_>) -> Result<bool, TrainError> {
        let epoch = self.progress.epoch + 1;
        let config = &self.parts.config;
        let due = epoch.is_multiple_of(config.validate_every) || epoch == config.epochs;
        let validation = if due {
            self.validate(epoch, run, session)?
        } else {
            Some(Validation::none(config.validation))
        };
        let Some(validation) = validation else {
            return Ok(false);
        };
        let p = &mut self.progress;
        let batches = p.batch.max(1) as f64;
        p.epoch = epoch;
        // No defined score (every validation mask empty and nothing predicted) counts as 0.
        let score = validation.selected(config.select_by).unwrap_or(0.0);
        let best = due && (p.best_epoch == 0 || score > p.best_score);
        if best {
            p.best_epoch = p.epoch;
            p.best_score = score;
            self.best = match &self.parts.ema {
                Some(ema) => ema.state()?,
                None => salt_peft::trainable_state(&self.parts.model)?,
            };
        }
        let row = EpochRow {
            epoch: p.epoch,
            step: p.step,
            lr: self.parts.schedule.factor(p.step.saturating_sub(1)) * config.lr,
            train_loss: p.loss_sum / batches,
            grad_norm: p.norm_sum / batches,
            val_dice: validation.dice,
            val_iou: validation.iou,
            best,
            full: validation.full,
        };
        p.rows.push(row);
        (p.batch, p.loss_sum, p.norm_sum) = (0, 0.0, 0.0);
        let table = epoch_table::to_csv(&p.rows)?;
        // They are written again after the next epoch and at the end.
        let written = [
            run.write(&run.metrics(), &table),
            run.write(&run.curves(), curves::render(&p.rows).as_bytes()),
            run.append_log(&json!({
                "event": "epoch",
                "row": row,
                "train_s": p.train_s,
                "embeddings": self.parts.embeddings.as_ref().map(|cache| cache.counts()),
            })),
        ];
        for error in written.into_iter().filter_map(Result::err) {
            run.warn(session, &format!("{error}; training goes on"));
        }
        session.event(Event::Epoch(&row));
        Ok(true)
    }

    /// Scores of the model that would be kept after `epoch`; draws some of what it says when it is time. `None` when
    /// interrupted.
    fn validate(
        &self,
        epoch: u64,
        run: &RunDir,
        session: &mut Session<'_>,
    ) -> Result<Option<Validation>, TrainError> {
        let p = &self.parts;
        let model = salt_peft::merge(kept_model(p)?.valid())?;
        let segmenter = Segmenter::new(model, p.view, p.config.eval_batch, &p.device)
            .with_inference(p.inference)
            .with_embeddings(p.embeddings.clone());
        let (kind, interrupt) = (p.config.validation, &session.interrupt);
        let Some(validation) = validate(&segmenter, &p.val, kind, p.evaluate, interrupt)? else {
            return Ok(None);
        };
        let dice = &validation.case_dice;
        let count = epoch.div_ceil(p.config.validate_every);
        if p.config.overlay_every > 0
            && count.is_multiple_of(p.config.overlay_every)
            && let Err(error) = val_overlays::draw(run, epoch, &segmenter, &p.val, p.evaluate, dice)
        {
            // They are there to be looked at: no reason to lose the run.
            let warning = format!("{error}; training goes on without overlays of epoch {epoch}");
            run.warn(session, &warning);
        }
        Ok(Some(validation))
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

    /// Count the time since it was last counted as training.
    fn count_time(&mut self) {
        self.progress.train_s += self.counted.elapsed().as_secs_f64();
        self.counted = Instant::now();
    }

    /// Save where the run stands. Gives what a run says that stops here without having been saved.
    fn save(
        &mut self,
        run: &RunDir,
        session: &mut Session<'_>,
        goes_on: bool,
    ) -> Result<Option<TrainError>, TrainError> {
        self.count_time();
        // What was trained on anything else than what was hashed is not kept.
        self.parts.watch.check()?;
        let checkpoint = self.checkpoint()?;
        let saved = self.saves.save(&checkpoint, goes_on, run, session);
        Ok(saved.err())
    }

    fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        Ok(Checkpoint {
            progress: self.progress.clone(),
            model: salt_peft::trainable_state(&self.parts.model)?,
            best: self.best.clone(),
            optimizer: self.parts.optimizer.state(),
            ema: match &self.parts.ema {
                Some(ema) => ema.state()?,
                None => TensorMap::new(),
            },
        })
    }
}

/// The model that is validated and kept: the average where there is one.
fn kept_model(parts: &TrainerParts) -> Result<Sam, TrainError> {
    let model = parts.model.clone();
    match &parts.ema {
        Some(ema) => with_state(model, ema.state()?),
        None => Ok(model),
    }
}

/// The model with other trained values, of whatever ranks its tails had then.
fn with_state(model: Sam, state: TensorMap) -> Result<Sam, TrainError> {
    let model = fit_tails(model, &state)?;
    Ok(salt_peft::load_trainable_state(model, state)?)
}
