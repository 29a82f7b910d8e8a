//! A finished run, loaded again from its directory: evaluate, predict.

use std::path::{Path, PathBuf};

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::Split;

use crate::base_model;
use crate::error::TrainError;
use crate::evaluate::{Evaluation, evaluate};
use crate::finish::{evaluate_config, evaluation_stage};
use crate::machine::Machine;
use crate::observer::{Event, Session};
use crate::predict::{self, PredictOptions};
use crate::prepare::open_dataset;
use crate::recipe::Recipe;
use crate::result::RunResult;
use crate::run_dir::RunDir;
use crate::segment::Segmenter;

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
    let changed = run.result().is_file()
        && RunResult::load(&run.result())?.data_sha256 != dataset.sha256()?;
    if dataset.split(split).is_empty() {
        return Err(TrainError::EmptySplit {
            split,
            dataset: dataset.name,
            hint: "choose another --split, or assign cases to it in the split file",
        });
    }
    let segmenter = load_segmenter(&run, &recipe, dataset.n_classes, &machine.device, session)?;
    session.event(Event::Stage(evaluation_stage(&recipe)));
    let mut evaluation = evaluate(
        &segmenter,
        &dataset,
        split,
        evaluate_config(&recipe, &dataset),
        session,
        |_, _, _| Ok(()),
    )?;
    evaluation.data_changed = changed;
    Ok(evaluation)
}

/// Segment every image of a folder with the adapter of a finished run; gives the mask files.
///
/// # Errors
/// An unfinished run, a folder without images, images that cannot be read.
pub fn predict_run(
    run: &Path,
    images: &Path,
    out: &Path,
    options: PredictOptions,
    machine: &Machine,
    session: &mut Session<'_>,
) -> Result<Vec<PathBuf>, TrainError> {
    let run = RunDir::open(run)?;
    let recipe = Recipe::read(&run.recipe(), &[])?;
    let n_classes = adapter_classes(&run)?;
    let segmenter = load_segmenter(&run, &recipe, n_classes, &machine.device, session)?;
    let normalise = recipe.data.normalise;
    predict::folder(
        &segmenter, normalise, n_classes, images, out, options, session,
    )
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
    let base = base_model::load(recipe, n_classes, &device.clone().autodiff())?;
    let (model, _) = salt_peft::load_adapter(base.sam.train(), &run.adapter())?;
    let merged = salt_peft::merge(model.valid())?;
    Ok(
        Segmenter::new(merged, recipe.view(), recipe.train.eval_batch, device)
            .with_inference(recipe.inference),
    )
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
