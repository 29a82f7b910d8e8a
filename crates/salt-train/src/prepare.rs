//! From a recipe to everything a run needs: cases, model, adapter, identity.

use std::sync::Arc;

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::{CaseFacts, Dataset, LoaderConfig, Split, TrainLoader};
use salt_peft::AttachReport;
use salt_sam::Sam;

use crate::base_model;
use crate::checkpoint::{Origin, Progress};
use crate::data_watch::DataWatch;
use crate::ema::Ema;
use crate::embedding_cache::EmbeddingCache;
use crate::error::TrainError;
use crate::finish::evaluate_config;
use crate::observer::{Event, Session};
use crate::optimizer::Optimizer;
use crate::recipe::{CacheEmbeddings, Recipe, ViewKind};
use crate::replicas::Replicas;
use crate::split;
use crate::trainer::{Trainer, TrainerParts};

/// Batches the loader keeps ready.
const PREFETCH: usize = 4;

/// What a run keeps of its inputs besides the model.
pub(crate) struct Prepared {
    pub dataset: Dataset,
    /// Of the training cases, in their order; empty for a recipe without epochs.
    pub train: Vec<CaseFacts>,
    pub watch: DataWatch,
    pub report: AttachReport,
    pub origin: Origin,
}

/// The data set of a recipe with its splits.
///
/// # Errors
/// A data set that cannot be opened.
pub fn open_dataset(recipe: &Recipe) -> Result<Dataset, TrainError> {
    assign_splits(recipe, Dataset::open(&recipe.data.path)?)
}

fn assign_splits(recipe: &Recipe, mut dataset: Dataset) -> Result<Dataset, TrainError> {
    split::apply(&mut dataset.cases, recipe.split()?)?;
    dataset.normalise = recipe.data.normalise;
    // Without epochs nothing is lost when there are too few cases to share.
    let may_skip = recipe.train.epochs == 0 && dataset.split(Split::Train).len() < 2;
    if may_skip || recipe.data.validation == 0.0 {
        return Ok(dataset);
    }
    Ok(dataset.with_validation(recipe.data.validation, recipe.train.seed)?)
}

/// Open, load and attach; the model carries its adapter and lives on the autodiff device.
pub(crate) fn prepare(
    recipe: &Recipe,
    device: &Device,
    session: &mut Session<'_>,
) -> Result<(Prepared, Sam), TrainError> {
    session.event(Event::Stage("reading the data set"));
    let dataset = Dataset::open(&recipe.data.path)?;
    recipe.train.loss.check_classes(dataset.n_classes)?;
    // Before the splits are drawn: they are the recipe's, the hash is the data's.
    let watch = DataWatch::new(&dataset)?;
    let dataset = assign_splits(recipe, dataset)?;
    let needed = [
        (Split::Train, "assign some cases to it in the split file"),
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
    let train = if recipe.train.epochs > 0 {
        survey(&dataset, session)?
    } else {
        Vec::new()
    };
    session.event(Event::Stage("loading the base model"));
    let base = base_model::load(recipe, dataset.n_classes, device)?;
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
        data_sha256: watch.sha256().to_owned(),
    };
    let prepared = Prepared {
        dataset,
        train,
        watch,
        report,
        origin,
    };
    Ok((prepared, model))
}

/// Reads every case once: one that cannot be read must not be found out after hours. Returns what the training cases
/// show.
fn survey(dataset: &Dataset, session: &mut Session<'_>) -> Result<Vec<CaseFacts>, TrainError> {
    session.event(Event::Stage("reading every case once"));
    let (mut before, of) = (0, dataset.cases.len());
    let mut train = Vec::new();
    for split in Split::ALL {
        let facts = dataset.survey(split, |done| {
            session.event(Event::CasesRead {
                done: before + done,
                of,
            });
        })?;
        before += facts.len();
        if split == Split::Train {
            train = facts;
        }
    }
    if !train.iter().any(|case| case.has_foreground) {
        return Err(TrainError::NoClasses {
            dataset: dataset.name.clone(),
        });
    }
    Ok(train)
}

/// A training loop at its beginning, from what [`trainer_parts`] is given.
pub(crate) fn trainer(
    recipe: &Recipe,
    prepared: &Prepared,
    model: Sam,
    devices: Vec<Device>,
) -> Result<Trainer, TrainError> {
    let parts = trainer_parts(recipe, prepared, model, devices)?;
    let progress = Progress {
        origin: prepared.origin.clone(),
        ..Progress::default()
    };
    Ok(Trainer::new(parts, progress))
}

/// What a training loop is given; the model is on the first of the devices.
pub(crate) fn trainer_parts(
    recipe: &Recipe,
    prepared: &Prepared,
    model: Sam,
    devices: Vec<Device>,
) -> Result<TrainerParts, TrainError> {
    let config = recipe.train.clone();
    let loader = (config.epochs > 0).then(|| loader(recipe, prepared));
    let loader = loader.transpose()?;
    let steps_per_epoch = loader.as_ref().map_or(0, TrainLoader::batches_per_epoch) as u64;
    let total = steps_per_epoch * config.epochs;
    Ok(TrainerParts {
        optimizer: optimizer(recipe, &model)?,
        embeddings: embeddings(recipe, &model)?,
        inputs_repeat: recipe.inputs_repeat(),
        ema: (config.ema > 0.0).then(|| Ema::new(config.ema, &model)),
        model,
        schedule: config.schedule(total),
        loader,
        steps_per_epoch,
        val: prepared.dataset.only(Split::Val),
        watch: prepared.watch.clone(),
        evaluate: evaluate_config(recipe, &prepared.dataset),
        prompts: recipe.prompts,
        view: recipe.view(),
        inference: recipe.inference,
        device: devices[0].clone(),
        replicas: Replicas::new(devices),
        config,
    })
}

/// Where embeddings are kept if nothing of the image encoder is trained; without room where the recipe keeps none.
fn embeddings(recipe: &Recipe, model: &Sam) -> Result<Option<Arc<EmbeddingCache>>, TrainError> {
    const MIB: u64 = 1 << 20;
    let train = &recipe.train;
    let encoder = &model.image_encoder;
    let frozen = encoder.first_trained() == encoder.parts();
    if train.cache_embeddings == CacheEmbeddings::On && !frozen {
        return Err(TrainError::value(
            "train.cache_embeddings",
            "a method and adapter.targets that train nothing of the image encoder, or \"auto\"",
            format!(
                "\"on\" with method `{}`, which does",
                recipe.adapter.method()
            ),
        ));
    }
    let room = match train.cache_embeddings {
        CacheEmbeddings::Off => 0,
        CacheEmbeddings::Auto | CacheEmbeddings::On => {
            train.cache_embeddings_mib.saturating_mul(MIB)
        }
    };
    let useful = frozen && train.epochs > 0;
    Ok(useful.then(|| Arc::new(EmbeddingCache::new(room))))
}

/// The optimiser of a recipe, every group of which has to name something that is trained.
fn optimizer(recipe: &Recipe, model: &Sam) -> Result<Optimizer, TrainError> {
    let groups = recipe.train.parameter_groups()?;
    if let Some(group) = groups.without_members(model) {
        return Err(TrainError::EmptyGroup {
            group: group.name.clone(),
            method: recipe.adapter.method(),
        });
    }
    Ok(Optimizer::new(recipe.train.optimizer.rule(), groups))
}

/// Batches of the training cases, which stay in their files.
fn loader(recipe: &Recipe, prepared: &Prepared) -> Result<TrainLoader, TrainError> {
    let config = &recipe.train;
    let samples_per_epoch = match config.samples_per_epoch {
        0 => default_samples(recipe, &prepared.train),
        n => n,
    };
    let config = LoaderConfig {
        batch_size: config.batch_size * config.accumulate,
        samples_per_epoch,
        seed: config.seed,
        workers: config.workers,
        prefetch: PREFETCH,
        view: recipe.view(),
        augment: config.augment,
    };
    let cache = recipe.data.cache.options();
    Ok(TrainLoader::open(
        &prepared.dataset,
        Split::Train,
        config,
        &cache,
    )?)
}

/// Every case once, or as many tiles as cover the training images once.
fn default_samples(recipe: &Recipe, train: &[CaseFacts]) -> usize {
    match recipe.data.view {
        ViewKind::Resize => train.len(),
        ViewKind::Tiles => {
            let tile = recipe.model.image_size.unwrap_or(1) as f64;
            let along =
                |length: usize| (length as f64 * recipe.data.scale / tile).ceil().max(1.0) as usize;
            let tiles = |case: &CaseFacts| case.size.into_iter().map(along).product::<usize>();
            train.iter().map(tiles).sum()
        }
    }
}
