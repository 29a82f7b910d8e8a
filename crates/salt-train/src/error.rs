//! What can go wrong between a recipe and a finished run.

use std::path::{Path, PathBuf};

/// Errors of this crate: what was expected, what was received, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A key that no recipe has.
    #[error("unknown key `{key}` in the recipe{}; known here: {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key received, with its section.
        key: String,
        /// The most similar known key of that section.
        nearest: Option<String>,
        /// All known keys of that section.
        known: String,
    },
    /// A recipe that is not TOML, or a value of the wrong type.
    #[error("the recipe cannot be read: {message}")]
    RecipeSyntax {
        /// The parser's word, with place.
        message: String,
    },
    /// A value that is of the right type but makes no sense.
    #[error("recipe key `{key}`: expected {expected}, received {received}")]
    RecipeValue {
        /// The key with its section.
        key: &'static str,
        /// What would be accepted.
        expected: String,
        /// What was given.
        received: String,
    },
    /// A `--set` argument that is not `section.key=value`.
    #[error("cannot apply `{argument}`: expected section.key=value, for example train.epochs=3")]
    Override {
        /// The argument received.
        argument: String,
    },
    /// A file could not be read or written.
    #[error("cannot access `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// The weights file of the recipe is not there.
    #[error(
        "the base weights `{path}` do not exist; give model.weights the path of a SAM checkpoint \
         (.pth or .safetensors), or \"embedded\" for sam_nano"
    )]
    WeightsMissing {
        /// The file.
        path: PathBuf,
    },
    /// A split without cases where some are needed.
    #[error("the {split} split of `{dataset}` has no cases; {hint}")]
    EmptySplit {
        /// The split.
        split: salt_data::Split,
        /// The data set.
        dataset: String,
        /// What to do.
        hint: &'static str,
    },
    /// A group of the optimiser that nothing belongs to.
    #[error(
        "`{group}` names nothing that {method} trains; expected at least one trained parameter, see \
         salt params for what is"
    )]
    EmptyGroup {
        /// The group.
        group: String,
        /// The recipe's method.
        method: String,
    },
    /// No foreground to learn from.
    #[error(
        "the training cases of `{dataset}` have no foreground: every mask is empty, so there is nothing to learn; check the masks with salt data verify"
    )]
    NoClasses {
        /// The data set.
        dataset: String,
    },
    /// Loss or gradient stopped being a number.
    #[error(
        "the {what} of epoch {epoch}, batch {batch} is {value} (cases: {}){}; lower train.lr, \
         set train.grad_clip, or look at these cases with salt data verify",
        ids.join(", "),
        saved.as_ref().map_or(String::new(), |folder| format!("; what the network was given is in `{}`", folder.display())),
    )]
    NonFinite {
        /// loss or gradient.
        what: &'static str,
        /// The value.
        value: f64,
        /// Epoch, from 1.
        epoch: u64,
        /// Batch in the epoch, from 1.
        batch: usize,
        /// Cases of the batch.
        ids: Vec<String>,
        /// Folder of what the network was given, where it could be kept.
        saved: Option<PathBuf>,
    },
    /// A range test of learning rates that makes no sense.
    #[error(
        "{what} of the range test: expected {expected}, received {received}; see salt lr-find --help"
    )]
    RangeTest {
        /// What of it.
        what: &'static str,
        /// What would be accepted.
        expected: String,
        /// What was given.
        received: String,
    },
    /// A directory that already holds a run.
    #[error(
        "`{path}` already holds a run; continue it with salt resume {path}, or choose another --out"
    )]
    RunExists {
        /// The directory.
        path: PathBuf,
    },
    /// A directory without a run.
    #[error(
        "`{path}` is not a run directory: it has no recipe.toml; give the --out of an earlier salt train"
    )]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// A run directory that another process writes into.
    #[error(
        "{} is writing into `{path}`; wait for it or choose another --out",
        holder.as_deref().unwrap_or("another process")
    )]
    Locked {
        /// The directory.
        path: PathBuf,
        /// Process and host that hold the lock, where the lock file tells.
        holder: Option<String>,
    },
    /// A run that has not finished, where a finished one is needed.
    #[error("the run in `{path}` has no trained adapter yet; finish it with salt resume {path}")]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// A checkpoint that cannot be continued from.
    #[error(
        "the checkpoint cannot be used: {reason}; start the run again with salt train into a fresh directory"
    )]
    Checkpoint {
        /// What is wrong with it.
        reason: String,
    },
    /// Checkpoints of which none can be used.
    #[error(
        "no checkpoint in `{path}` can be used: {problems}; put a good copy back, or remove that folder to let salt \
         resume begin again from the first step"
    )]
    NoGoodCheckpoint {
        /// Their folder.
        path: PathBuf,
        /// What is wrong with each.
        problems: String,
    },
    /// A checkpoint that is whole, and says something this version does not know.
    #[error(
        "the checkpoint `{path}` is whole, but of another version of salt ({what}); resume the run with the version that \
         began it"
    )]
    UnknownCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is not known.
        what: String,
    },
    /// A run that was stopped and could not save where it stands.
    #[error(
        "stopped after step {step}, which could not be saved ({source}): {} lost; see to the disk, then salt resume goes on \
         from {}",
        saved.map_or("all steps are".to_owned(), |saved| format!("the steps after step {saved} are")),
        saved.map_or("the beginning".to_owned(), |saved| format!("step {saved}")),
    )]
    NotSaved {
        /// Step at which the run stands.
        step: u64,
        /// Step of the newest checkpoint; `None` without one.
        saved: Option<u64>,
        /// Why it could not be saved.
        source: Box<TrainError>,
    },
    /// Something the run depends on is not what it was when the run began.
    #[error(
        "{what} changed since the run began (was {was}, is {is}); a resumed run must see the same \
         bytes: restore it, or start a fresh run"
    )]
    Changed {
        /// recipe, data set or base weights.
        what: &'static str,
        /// Hash when the run began.
        was: String,
        /// Hash now.
        is: String,
    },
    /// A folder without images to predict.
    #[error("`{path}` holds no image (png, jpg, jpeg); give --images a folder with some")]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// Two images whose masks would have the same name.
    #[error("`{first}` and `{second}` would both give the mask of that stem; rename one of them")]
    SameStem {
        /// One file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A `result.json` that is no result.
    #[error(
        "`{path}` is not the result of a run ({problem}); remove it and let salt resume finish the run again"
    )]
    DamagedResult {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A folder of something else where a run is to be written.
    #[error(
        "expected an empty or new folder for the run, `{path}` holds other files; choose another --out"
    )]
    NotVacant {
        /// The folder.
        path: PathBuf,
    },
    /// A mask that a prediction would replace.
    #[error(
        "the mask `{path}` is there already and would be replaced; choose another --out, or say --overwrite if it is an \
         earlier prediction"
    )]
    MaskExists {
        /// The file.
        path: PathBuf,
    },
    /// A method that leaves nothing to train, with epochs to train it in.
    #[error(
        "method `{method}` trains no parameter with these settings, yet train.epochs is above 0; \
         name something in adapter.modules_to_save, choose another method, or set train.epochs = 0"
    )]
    NothingToTrain {
        /// The method.
        method: String,
    },
    /// Devices that would have nothing to do.
    #[error(
        "expected at most {batch_size} devices, one for each sample of a batch (train.batch_size), received {devices}; give \
         fewer devices or a larger train.batch_size"
    )]
    MoreDevicesThanSamples {
        /// The devices.
        devices: usize,
        /// Samples of a batch.
        batch_size: usize,
    },
    /// A run that is resumed on more devices than its batches have parts.
    #[error(
        "expected at most {shards} devices, as many as the parts of a batch in this run (train.shards), received {devices}; \
         resume on fewer devices: other parts would be another run"
    )]
    MoreDevicesThanShards {
        /// The devices.
        devices: usize,
        /// Parts of a batch.
        shards: usize,
    },
    /// An image could not be encoded.
    #[error("cannot encode `{path}`: {source}")]
    Encode {
        /// The file.
        path: PathBuf,
        /// The encoder's word.
        source: image::ImageError,
    },
    /// Tensors could not be written.
    #[error("cannot write tensors: {reason}")]
    Tensors {
        /// The format's word.
        reason: String,
    },
    /// A table could not be written.
    #[error("cannot write a table: {0}")]
    Csv(#[from] csv::Error),
    /// A JSON document could not be written or read.
    #[error("cannot handle a JSON document: {0}")]
    Json(#[from] serde_json::Error),
    /// From the model.
    #[error(transparent)]
    Sam(#[from] salt_sam::SamError),
    /// From the adapters.
    #[error(transparent)]
    Peft(#[from] salt_peft::PeftError),
    /// From the data set.
    #[error(transparent)]
    Data(#[from] salt_data::DataError),
    /// From the metrics.
    #[error(transparent)]
    Metric(#[from] salt_metrics::MetricError),
}

impl TrainError {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn checkpoint(reason: impl Into<String>) -> Self {
        Self::Checkpoint {
            reason: reason.into(),
        }
    }

    pub(crate) fn value(
        key: &'static str,
        expected: impl Into<String>,
        received: impl ToString,
    ) -> Self {
        Self::RecipeValue {
            key,
            expected: expected.into(),
            received: received.to_string(),
        }
    }
}
