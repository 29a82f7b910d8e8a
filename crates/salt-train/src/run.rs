//! From recipe to run directory and back: train, resume, evaluate, predict.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::{Dataset, Split};
use salt_peft::AttachReport;
use serde_json::json;

use crate::base;
use crate::case_table;
use crate::checkpoint::{Checkpoint, Progress};
use crate::error::TrainError;
use crate::evaluate::{EvaluateConfig, Evaluation, evaluate};
use crate::memory::peak_rss_mb;
use crate::observer::{Event, Session};
use crate::overlay;
use crate::predict;
use crate::prepare::{Prepared, open_dataset, prepare, trainer};
use crate::recipe::Recipe;
use crate::result::{Memory, Params, RunResult, Time, median};
use crate::run_dir::{RunDir, write_atomic};
use crate::segment::Segmenter;
use crate::trainer::{Ended, Trained, Trainer};

/// Version of Burn that this crate is built over (the workspace pins it exactly).
const BURN_VERSION: &str = "0.22.1";

/// Facts only the program knows.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Where tensors live; with or without autodiff.
    pub device: Device,
    /// The device in words, for `result.json`.
    pub name: String,
    /// Commit of the program, for `result.json`.
    pub commit: Option<String>,
}

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

/// Train a recipe into a fresh run directory.
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
    let device = machine.device.clone().autodiff();
    // Nothing is written before the inputs have proved good.
    let prepared = prepare(recipe, &device, session)?;
    let trainer = trainer(recipe, &prepared, &device)?;
    let run = RunDir::create(out)?;
    let _lock = run.lock()?;
    write_atomic(&run.recipe(), recipe.to_toml()?.as_bytes())?;
    log_begin("start", &run, &prepared, machine)?;
    drive(recipe, &prepared, trainer, &run, machine, session)
}

/// Continue a run where it stopped. A finished run gives its result again.
///
/// # Errors
/// As [`train`], and a checkpoint that is damaged or belongs to other inputs.
pub fn resume(
    run: &Path,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    let run = RunDir::open(run)?;
    let _lock = run.lock()?;
    if run.result().is_file() {
        return Ok(Outcome::Finished(Box::new(RunResult::load(&run.result())?)));
    }
    let recipe = Recipe::read(&run.recipe(), &[])?;
    let device = machine.device.clone().autodiff();
    let prepared = prepare(&recipe, &device, session)?;
    let mut trainer = trainer(&recipe, &prepared, &device)?;
    if run.last_checkpoint().is_file() {
        let checkpoint = Checkpoint::load(&run.last_checkpoint())?;
        trainer = trainer
            .map(|trainer| trainer.restore(checkpoint))
            .transpose()?;
    }
    log_begin("resume", &run, &prepared, machine)?;
    drive(&recipe, &prepared, trainer, &run, machine, session)
}

/// Score a finished run on a split, with the adapter from its directory.
///
/// # Errors
/// An unfinished run, an empty split, another base than the adapter's.
pub fn evaluate_run(
    run: &Path,
    split: Split,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Evaluation, TrainError> {
    let run = RunDir::open(run)?;
    let recipe = Recipe::read(&run.recipe(), &[])?;
    let dataset = open_dataset(&recipe)?;
    if dataset.split(split).is_empty() {
        return Err(TrainError::EmptySplit {
            split,
            dataset: dataset.name,
            hint: "choose another --split, or assign cases to it in the split file",
        });
    }
    let segmenter = load_segmenter(&run, &recipe, dataset.n_classes, &machine.device, session)?;
    evaluate(
        &segmenter,
        &dataset,
        split,
        evaluate_config(&recipe, &dataset),
        session,
        |_, _, _| Ok(()),
    )
}

/// Segment every image of a folder with the adapter of a finished run; gives the mask files.
///
/// # Errors
/// An unfinished run, a folder without images, images that cannot be read.
pub fn predict_run(
    run: &Path,
    images: &Path,
    out: &Path,
    overlays: bool,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Vec<PathBuf>, TrainError> {
    let run = RunDir::open(run)?;
    let recipe = Recipe::read(&run.recipe(), &[])?;
    let n_classes = adapter_classes(&run)?;
    let segmenter = load_segmenter(&run, &recipe, n_classes, &machine.device, session)?;
    predict::folder(&segmenter, n_classes, images, out, overlays, session)
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
    let base = base::load(recipe, n_classes, &device.clone().autodiff())?;
    Ok(salt_peft::plan(
        &base.sam.train(),
        &recipe.adapter_config(),
    )?)
}

/// Train what is left to train, then finish.
fn drive(
    recipe: &Recipe,
    prepared: &Prepared,
    trainer: Option<Trainer>,
    run: &RunDir,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    let trained = match trainer {
        None => {
            let progress = Progress {
                origin: prepared.origin.clone(),
                ..Progress::default()
            };
            Trained {
                model: prepared.model.clone(),
                progress,
                step_ms: Vec::new(),
            }
        }
        Some(trainer) => {
            session.event(Event::Stage("training"));
            match trainer.run(run, session)? {
                Ended::Finished(trained) => *trained,
                Ended::Interrupted(progress) => return interrupted(run, &progress),
            }
        }
    };
    finish(recipe, prepared, trained, run, machine, session)
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

/// Write the adapter, score validation and test with it, write tables, pictures and the result.
fn finish(
    recipe: &Recipe,
    prepared: &Prepared,
    trained: Trained,
    run: &RunDir,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Outcome, TrainError> {
    let started = Instant::now();
    let Trained {
        model,
        progress,
        step_ms,
    } = trained;
    write_atomic(&run.metrics(), &crate::epoch_table::to_csv(&progress.rows)?)?;
    write_atomic(
        &run.curves(),
        crate::curves::render(&progress.rows).as_bytes(),
    )?;
    salt_peft::save_adapter(&model, &recipe.adapter_config(), &run.adapter())?;

    session.event(Event::Stage("evaluating"));
    let merged = salt_peft::merge(model.valid())?;
    drop(model);
    let segmenter = Segmenter::new(
        merged,
        recipe.view(),
        recipe.train.eval_batch,
        &machine.device,
    );
    let config = evaluate_config(recipe, &prepared.dataset);
    let has_val = !prepared.dataset.split(Split::Val).is_empty();
    let val = has_val
        .then(|| {
            evaluate(
                &segmenter,
                &prepared.dataset,
                Split::Val,
                config,
                session,
                |_, _, _| Ok(()),
            )
        })
        .transpose()?;
    let test = evaluate(
        &segmenter,
        &prepared.dataset,
        Split::Test,
        config,
        session,
        |i, case, prediction| {
            if i < recipe.train.overlays {
                let picture = overlay::draw(&case.image, prediction, Some(&case.labels));
                predict::write_rgb(
                    &run.overlays()
                        .join(format!("{}.png", predict::file_stem(&case.id))),
                    &picture,
                )?;
            }
            Ok(())
        },
    )?;
    if session.interrupt.is_set() {
        return interrupted(run, &progress);
    }
    let rows: Vec<_> = val
        .iter()
        .flat_map(|v| v.rows.clone())
        .chain(test.rows)
        .collect();
    write_atomic(&run.cases(), &case_table::to_csv(&rows)?)?;

    let adapter_file = run.adapter().join("adapter_model.safetensors");
    let adapter_bytes = std::fs::metadata(&adapter_file)
        .map_err(|e| TrainError::io(&adapter_file, e))?
        .len();
    let report = &prepared.report;
    let result = RunResult {
        status: "finished".into(),
        method: recipe.adapter.method(),
        model: recipe.model.name.clone(),
        dataset: prepared.dataset.name.clone(),
        split: recipe.data.split.clone(),
        seed: recipe.train.seed,
        device: machine.name.clone(),
        commit: machine.commit.clone(),
        burn: BURN_VERSION.into(),
        metric_impl: salt_metrics::METRIC_IMPL.into(),
        recipe_sha256: progress.origin.recipe_sha256,
        weights_sha256: progress.origin.weights_sha256,
        data_sha256: progress.origin.data_sha256,
        params: Params {
            trainable: report.trainable,
            total: report.total,
            percent: report.percent,
            adapter_bytes,
        },
        time: Time {
            train_s: progress.train_s,
            step_ms_median: median(&step_ms),
            eval_s: started.elapsed().as_secs_f64(),
        },
        memory: Memory {
            peak_rss_mb: peak_rss_mb(),
        },
        best_epoch: progress.best_epoch,
        val: val.map(|v| v.summary),
        test: test.summary,
        test_classes: test.classes,
    };
    run.append_log(&json!({"event": "finish", "unix_s": unix_seconds(), "time": result.time, "memory": result.memory}))?;
    // The result comes last: where it is, everything else is.
    result.save(&run.result())?;
    remove_if_there(&run.last_checkpoint())?;
    Ok(Outcome::Finished(Box::new(result)))
}

fn interrupted(run: &RunDir, progress: &Progress) -> Result<Outcome, TrainError> {
    let (epoch, step) = (progress.epoch, progress.step);
    run.append_log(
        &json!({"event": "interrupt", "unix_s": unix_seconds(), "epoch": epoch, "step": step}),
    )?;
    Ok(Outcome::Interrupted { epoch, step })
}

fn evaluate_config(recipe: &Recipe, dataset: &Dataset) -> EvaluateConfig {
    EvaluateConfig {
        n_classes: dataset.n_classes,
        nsd_tolerance_px: recipe.data.nsd_tolerance_px,
        seed: recipe.train.seed,
    }
}

fn load_segmenter(
    run: &RunDir,
    recipe: &Recipe,
    n_classes: usize,
    device: &Device,
    session: &mut Session<'_>,
) -> Result<Segmenter, TrainError> {
    if !run.result().is_file() {
        return Err(TrainError::Unfinished {
            path: run.root().to_owned(),
        });
    }
    session.event(Event::Stage("loading the model"));
    let base = base::load(recipe, n_classes, &device.clone().autodiff())?;
    let (model, _) = salt_peft::load_adapter(base.sam.train(), &run.adapter())?;
    let merged = salt_peft::merge(model.valid())?;
    Ok(Segmenter::new(
        merged,
        recipe.view(),
        recipe.train.eval_batch,
        device,
    ))
}

/// Number of classes of a finished run, from its result.
fn adapter_classes(run: &RunDir) -> Result<usize, TrainError> {
    if !run.result().is_file() {
        return Err(TrainError::Unfinished {
            path: run.root().to_owned(),
        });
    }
    Ok(RunResult::load(&run.result())?.test_classes.len().max(1))
}

fn remove_if_there(path: &Path) -> Result<(), TrainError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(TrainError::io(path, e)),
        _ => Ok(()),
    }
}

fn unix_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_secs())
}
