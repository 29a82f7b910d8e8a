//! From a recipe to everything a run needs: cases, model, adapter, identity.

use std::sync::Arc;

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::{Dataset, LoadedCase, LoaderConfig, Split, TrainLoader};
use salt_peft::AttachReport;
use salt_sam::Sam;

use crate::base;
use crate::checkpoint::{Origin, Progress};
use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::optimizer::{Optimizer, OptimizerConfig};
use crate::recipe::{Recipe, ViewKind};
use crate::schedule::Schedule;
use crate::split;
use crate::trainer::{Trainer, TrainerParts};

/// Batches the loader keeps ready.
const PREFETCH: usize = 4;

/// Data and model of a run.
pub(crate) struct Prepared {
    pub dataset: Dataset,
    /// With its adapter, on the autodiff device.
    pub model: Sam,
    pub report: AttachReport,
    pub origin: Origin,
}

/// The data set of a recipe with its splits.
///
/// # Errors
/// A data set that cannot be opened or has no foreground.
pub fn open_dataset(recipe: &Recipe) -> Result<Dataset, TrainError> {
    let mut dataset = Dataset::open(&recipe.data.path)?;
    split::apply(&mut dataset.cases, recipe.split()?);
    if dataset.n_classes == 0 {
        return Err(TrainError::NoClasses {
            dataset: dataset.name,
        });
    }
    if recipe.train.epochs == 0 || recipe.data.validation == 0.0 {
        return Ok(dataset);
    }
    Ok(dataset.with_validation(recipe.data.validation, recipe.train.seed)?)
}

/// Open, load and attach.
pub(crate) fn prepare(
    recipe: &Recipe,
    device: &Device,
    session: &mut Session<'_>,
) -> Result<Prepared, TrainError> {
    session.event(Event::Stage("reading the data set"));
    let dataset = open_dataset(recipe)?;
    let needed = [
        (
            Split::Train,
            "assign some cases to it in the split file, or draw one with data.split = \"seed:N\"",
        ),
        (
            Split::Val,
            "set data.validation above 0 to take some from training, or assign cases in the split file",
        ),
        (
            Split::Test,
            "assign some cases to it in the split file: the score of a run is its test score",
        ),
    ];
    let skip = if recipe.train.epochs == 0 { 2 } else { 0 };
    for (split, hint) in &needed[skip..] {
        if dataset.split(*split).is_empty() {
            return Err(TrainError::EmptySplit {
                split: *split,
                dataset: dataset.name.clone(),
                hint,
            });
        }
    }
    let data_sha256 = dataset.sha256()?;
    session.event(Event::Stage("loading the base model"));
    let base = base::load(recipe, dataset.n_classes, device)?;
    session.event(Event::Stage("attaching the adapter"));
    let (model, report) = salt_peft::attach(base.sam.train(), &recipe.adapter_config())?;
    if report.trainable == 0 && recipe.train.epochs > 0 {
        return Err(TrainError::NothingToTrain {
            method: recipe.adapter.method(),
        });
    }
    let origin = Origin {
        recipe_sha256: recipe.sha256()?,
        weights_sha256: base.weights_sha256,
        data_sha256,
    };
    Ok(Prepared {
        dataset,
        model,
        report,
        origin,
    })
}

/// A training loop at its beginning, with training and validation cases in memory; `None` for a
/// recipe without epochs.
pub(crate) fn trainer(
    recipe: &Recipe,
    prepared: &Prepared,
    device: &Device,
) -> Result<Option<Trainer>, TrainError> {
    if recipe.train.epochs == 0 {
        return Ok(None);
    }
    let train = prepared.dataset.load_split(Split::Train)?;
    let config = recipe.train.clone();
    let samples = match config.samples_per_epoch {
        0 => default_samples(recipe, &train),
        n => n,
    };
    let loader = TrainLoader::new(
        Arc::new(train),
        LoaderConfig {
            batch_size: config.batch_size,
            samples_per_epoch: samples,
            seed: config.seed,
            workers: config.workers,
            prefetch: PREFETCH,
            view: recipe.view(),
            augment: config.augment,
        },
    )?;
    let steps_per_epoch = loader.batches_per_epoch() as u64;
    let total = steps_per_epoch * config.epochs;
    let parts = TrainerParts {
        model: prepared.model.clone(),
        optimizer: Optimizer::new(OptimizerConfig {
            lr: config.lr,
            spectrum_lr: config.spectrum_lr.unwrap_or(config.lr),
            weight_decay: config.weight_decay,
            spectrum: salt_peft::spectrum_group(),
        }),
        schedule: Schedule::new(config.decay, config.warmup, config.lr_floor, total),
        loader,
        steps_per_epoch,
        val: prepared.dataset.load_split(Split::Val)?,
        view: recipe.view(),
        device: device.clone(),
        config,
    };
    let progress = Progress {
        origin: prepared.origin.clone(),
        ..Progress::default()
    };
    Ok(Some(Trainer::new(parts, progress)))
}

/// Every case once, or as many tiles as cover the training images once.
fn default_samples(recipe: &Recipe, train: &[LoadedCase]) -> usize {
    match recipe.data.view {
        ViewKind::Resize => train.len(),
        ViewKind::Tiles => {
            let tile = recipe.model.image_size.unwrap_or(1) as f64;
            let along =
                |length: usize| (length as f64 * recipe.data.scale / tile).ceil().max(1.0) as usize;
            train
                .iter()
                .map(|case| along(case.image.width) * along(case.image.height))
                .sum()
        }
    }
}
