//! From recipe to run directory: train, resume, plan.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use burn::module::Module as _;
use burn::tensor::Device;
use salt_peft::AttachReport;
use serde_json::json;

use crate::base_model;
use crate::error::TrainError;
use crate::finish::finish;
use crate::machine::Machine;
use crate::observer::{Event, Session};
use crate::prepare::{Prepared, prepare, trainer};
use crate::recipe::Recipe;
use crate::result::RunResult;
use crate::run_dir::RunDir;
use crate::scalar_observer::ScalarObserver;
use crate::trainer::{Ended, Trainer};

/// Version of Burn that this crate is built over (the workspace pins it exactly).
pub(crate) const BURN_VERSION: &str = "0.22.1";

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The run directory is complete.
    Finished(Box<RunResult>),
    /// Stopped on request; [`resume`] continues.
    Interrupted {
        /// Epochs completed.
        epoch: u64,
        /// Steps completed.
        step: u64,
    },
}

/// Train a recipe into a fresh run directory. With several devices a batch is cut into at least as many parts: where
/// `train.shards` says fewer, a warning says so and the recipe in the run directory has the number that counted.
///
/// # Errors
/// Everything in [`TrainError`]: bad data, bad weights, bad settings, a directory in use.
pub fn train(
    recipe: &Recipe,
    out: &Path,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    RunDir::check_vacant(out)?;
    let (recipe, shared) = machine.share(recipe)?;
    let devices = machine.devices();
    // Nothing is written before the inputs have proved good.
    let (prepared, model) = prepare(&recipe, &devices[0], session)?;
    let trainer = trainer(&recipe, &prepared, model, devices)?;
    let run = RunDir::create(out)?.through(Arc::clone(&session.files));
    let lock = run.lock()?;
    // Another process may have begun and ended between the first look and the lock.
    RunDir::check_no_run(out)?;
    run.write(&run.recipe(), recipe.to_toml()?.as_bytes())?;
    run.make_ready()?;
    tell(lock.warning.as_slice(), &run, session);
    tell(shared.as_slice(), &run, session);
    log_begin("start", &run, &prepared, machine)?;
    drive(&recipe, &prepared, trainer, &run, machine, session)
}

/// Continue a run where it stopped. A finished run gives its result again.
///
/// # Errors
/// As [`train`], a checkpoint that is damaged or belongs to other inputs, and more devices than the run cuts a batch into.
pub fn resume(
    run: &Path,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    let run = RunDir::open(run)?.through(Arc::clone(&session.files));
    let lock = run.lock()?;
    if run.result().is_file() {
        let result = RunResult::load(&run.result())?;
        // The run may have been cut off between its result and this.
        if let Err(e) = run.checkpoint_folder().clear() {
            run.warn(session, &e.to_string());
        }
        return Ok(Outcome::Finished(Box::new(result)));
    }
    tell(lock.warning.as_slice(), &run, session);
    run.make_ready()?;
    let found = run.checkpoint_folder().newest()?;
    tell(&found.warnings, &run, session);
    let recipe = Recipe::read(&run.recipe(), &[])?;
    machine.check_resumed(&recipe)?;
    let devices = machine.devices();
    let (prepared, model) = prepare(&recipe, &devices[0], session)?;
    let mut trainer = trainer(&recipe, &prepared, model, devices)?;
    if let Some(checkpoint) = found.checkpoint {
        trainer = trainer.restore(checkpoint)?;
    }
    log_begin("resume", &run, &prepared, machine)?;
    drive(&recipe, &prepared, trainer, &run, machine, session)
}

/// What a recipe would train, layer by layer, without training.
///
/// # Errors
/// Bad weights or settings.
pub fn plan(
    recipe: &Recipe,
    n_classes: usize,
    device: &Device,
) -> Result<AttachReport, TrainError> {
    let base = base_model::load(recipe, n_classes, &device.clone().autodiff())?;
    Ok(salt_peft::plan(
        &base.sam.train(),
        &recipe.adapter_config(),
    )?)
}

/// Train what is left to train, then finish.
fn drive(
    recipe: &Recipe,
    prepared: &Prepared,
    trainer: Trainer,
    run: &RunDir,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    session.event(Event::Stage("training"));
    let mut scalars = ScalarObserver::begin(run, trainer.steps_done(), session.observer);
    let mut watched = Session::new(&mut scalars, session.interrupt.clone());
    let mut trained = match trainer.run(run, &mut watched)? {
        Ended::Finished(trained) => *trained,
        Ended::Interrupted { epoch, step } => {
            return Ok(interrupted(run, epoch, step, session));
        }
    };
    let (epoch, step) = (trained.progress.epoch, trained.progress.step);
    let not_saved = trained.not_saved.take();
    match (
        finish(recipe, prepared, trained, run, machine, session)?,
        not_saved,
    ) {
        (Some(result), _) => Ok(Outcome::Finished(Box::new(result))),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(interrupted(run, epoch, step, session)),
    }
}

fn interrupted(run: &RunDir, epoch: u64, step: u64, session: &mut Session<'_>) -> Outcome {
    let line =
        json!({"event": "interrupt", "unix_s": unix_seconds(), "epoch": epoch, "step": step});
    if let Err(e) = run.append_log(&line) {
        run.warn(session, &e.to_string());
    }
    Outcome::Interrupted { epoch, step }
}

/// Passes warnings on.
fn tell(warnings: &[String], run: &RunDir, session: &mut Session<'_>) {
    for warning in warnings {
        run.warn(session, warning);
    }
}

fn log_begin(
    event: &str,
    run: &RunDir,
    prepared: &Prepared,
    machine: &Machine,
) -> Result<(), TrainError> {
    run.append_log(&json!({
        "event": event,
        "unix_s": unix_seconds(),
        "device": machine.name,
        "commit": machine.commit,
        "burn": BURN_VERSION,
        "trainable": prepared.report.trainable,
        "total": prepared.report.total,
    }))
}

pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
