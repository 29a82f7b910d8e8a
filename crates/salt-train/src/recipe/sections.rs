//! The sections `[model]`, `[data]` and `[train]` with their defaults.

use std::path::PathBuf;

use salt_data::{Augment, Normalise};
use salt_sam::SamConfig;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use toml::Table;

use super::cache::CacheSection;
use super::encoder::{CacheEmbeddings, Recompute};
use super::optimizer::OptimizerSection;
use super::validation::{SelectBy, ValidationKind};
use crate::loss::LossConfig;
use crate::schedule::Decay;
use crate::tail_schedule::TailSchedule;

/// Default of `train.keep_checkpoints`.
const KEEP_CHECKPOINTS: usize = 2;
/// Default of `train.cache_embeddings_mib`.
const CACHE_EMBEDDINGS_MIB: u64 = 1024;

/// `[model]`: which network, and what it starts from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Registered name: `sam_nano`, `sam_vit_b`, `sam_vit_l`, `sam_vit_h`.
    pub name: String,
    /// A checkpoint file (`.pth` or `.safetensors`), or `embedded` for the base of `sam_nano`
    /// that comes with the program.
    #[serde(default = "embedded")]
    pub weights: String,
    /// Side of the square network input, in pixels; the model's own when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// Named prompt token of the base that every new class token starts from. Left out: `thin`
    /// where the base has it, zero otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_init: Option<String>,
    /// Sizes of a network that has no registered name; `name` is then only a label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<SamConfig>,
}

/// How a case becomes network inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewKind {
    /// The whole image, longest side scaled to the input, padded.
    #[default]
    Resize,
    /// Windows of the input's size cut from the image at `scale`.
    Tiles,
}

/// `[data]`: which cases, and how they are seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// Folder of the data set, relative to where the program runs.
    pub path: PathBuf,
    /// `file`: as the data set's own split file says; `seed:N`: the same numbers of training, validation and test
    /// cases, drawn anew; `fold:K/N` or `fold:K/N:SEED`: the K-th of N parts (from 0) is the test. Groups of the
    /// table (patients) stay whole.
    #[serde(default = "file")]
    pub split: String,
    /// How pictures are brought to one range, in training and ever after.
    #[serde(default, skip_serializing_if = "is_none")]
    pub normalise: Normalise,
    /// How a case becomes network inputs.
    #[serde(default)]
    pub view: ViewKind,
    /// Side of a tile in pixels of the scaled image; equals `model.image_size`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<usize>,
    /// Scale of the image under the tiles: 1 native, 0.5 half resolution.
    #[serde(default = "native")]
    pub scale: f64,
    /// Share of a tile that neighbours have in common when a whole image is segmented.
    #[serde(default = "quarter")]
    pub overlap: f64,
    /// Share of the training cases set aside for validation when the data set has none.
    #[serde(default = "fifth")]
    pub validation: f64,
    /// What is kept of the training cases that have been decoded.
    #[serde(default, skip_serializing_if = "CacheSection::is_default")]
    pub cache: CacheSection,
    /// Distance in pixels up to which a surface counts as found (`nsd`).
    #[serde(default = "nsd_tolerance_px")]
    pub nsd_tolerance_px: f64,
}

/// `[train]`: how it is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSection {
    /// Passes over the samples; 0 evaluates the model as attached.
    pub epochs: u64,
    /// Samples of an epoch; 0 takes every case once (resize) or as many tiles as cover the
    /// training images once.
    pub samples_per_epoch: usize,
    /// Samples that go through the network at once.
    pub batch_size: usize,
    /// Batches of an optimiser step, one after the other: its gradient is their mean over samples, in the memory of
    /// one. Terms of the loss that count over a batch (dice) count over each.
    #[serde(skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// Parts a batch is cut into, each computed on a thread of its own, on the devices in turn. The dice term is then
    /// taken over each part, so this belongs to the recipe and not to the machine.
    pub shards: usize,
    /// Learning rate.
    pub lr: f64,
    /// Learning rate of scale and shift of singular values; 10 times `lr` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spectrum_lr: Option<f64>,
    /// Decoupled weight decay of matrices.
    pub weight_decay: f64,
    /// The update rule, and rates by group.
    #[serde(skip_serializing_if = "OptimizerSection::is_default")]
    pub optimizer: OptimizerSection,
    /// Decay of a moving average of what is trained, which is validated and kept instead of the last values; 0 keeps
    /// none.
    #[serde(skip_serializing_if = "is_zero")]
    pub ema: f64,
    /// Share of all steps in which the rate rises.
    pub warmup: f64,
    /// `cosine`, `constant`, `polynomial` or `step`.
    pub decay: Decay,
    /// Share of the rate left at the end of cosine or polynomial.
    pub lr_floor: f64,
    /// Exponent of the polynomial; 0.9 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
    /// Where the rate steps down: rising shares of the run; 0.5 and 0.75 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<f64>>,
    /// What every step multiplies the rate by; 0.1 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step_factor: Option<f64>,
    /// Largest global gradient norm; 0 does not clip.
    pub grad_clip: f64,
    /// Seed of everything random: factors, validation split, order, augmentation.
    pub seed: u64,
    /// Threads that load and augment; 0 does it between the steps.
    pub workers: usize,
    /// Validate after every so many epochs, and after the last.
    pub validate_every: u64,
    /// What a validation measures.
    #[serde(skip_serializing_if = "ValidationKind::is_default")]
    pub validation: ValidationKind,
    /// What chooses the epoch that is kept.
    #[serde(skip_serializing_if = "SelectBy::is_default")]
    pub select_by: SelectBy,
    /// Draw the best, the median and the worst case of every so many validations; 0 draws none.
    #[serde(skip_serializing_if = "is_ten")]
    pub overlay_every: u64,
    /// Stop after so many validations without improvement; 0 never stops early.
    pub patience: u64,
    /// Save a checkpoint after every so many steps; 0 saves at the end of every epoch.
    #[serde(skip_serializing_if = "is_zero")]
    pub checkpoint_every: u64,
    /// Checkpoints kept, the newest ones. More than one, so that a damaged file costs an interval and not the run.
    #[serde(skip_serializing_if = "is_default_keep")]
    pub keep_checkpoints: usize,
    /// Inputs segmented at once in validation and test.
    pub eval_batch: usize,
    /// Test cases drawn into `overlays/`.
    pub overlays: usize,
    /// Whether embeddings are kept where nothing of the image encoder is trained.
    #[serde(skip_serializing_if = "CacheEmbeddings::is_default")]
    pub cache_embeddings: CacheEmbeddings,
    /// Most MiB of them in the host's memory.
    #[serde(skip_serializing_if = "is_default_embeddings_mib")]
    pub cache_embeddings_mib: u64,
    /// What backward computes again instead of keeping it.
    #[serde(skip_serializing_if = "Recompute::is_default")]
    pub recompute: Recompute,
    /// Terms of the loss.
    pub loss: LossConfig,
    /// SALT: tails exchange directions while they are trained. Left out: ranks stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tails: Option<TailSchedule>,
    /// Augmentation of training samples; what the table leaves out stays at
    /// [`Augment::standard`].
    #[serde(deserialize_with = "over_standard")]
    pub augment: Augment,
}

impl Default for TrainSection {
    fn default() -> Self {
        Self {
            epochs: 50,
            samples_per_epoch: 0,
            batch_size: 8,
            accumulate: 1,
            shards: 1,
            lr: 1e-4,
            spectrum_lr: None,
            weight_decay: 1e-2,
            optimizer: OptimizerSection::default(),
            ema: 0.0,
            warmup: 0.05,
            decay: Decay::Cosine,
            lr_floor: 0.0,
            power: None,
            steps: None,
            step_factor: None,
            grad_clip: 1.0,
            seed: 0,
            workers: 1,
            validate_every: 1,
            validation: ValidationKind::Quick,
            select_by: SelectBy::Dice,
            overlay_every: 10,
            patience: 0,
            checkpoint_every: 0,
            keep_checkpoints: KEEP_CHECKPOINTS,
            eval_batch: 8,
            overlays: 4,
            cache_embeddings: CacheEmbeddings::Auto,
            cache_embeddings_mib: CACHE_EMBEDDINGS_MIB,
            recompute: Recompute::None,
            loss: LossConfig::default(),
            tails: None,
            augment: Augment::standard(),
        }
    }
}

fn embedded() -> String {
    "embedded".to_owned()
}

fn is_none(normalise: &Normalise) -> bool {
    *normalise == Normalise::None
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_one(n: &usize) -> bool {
    *n == 1
}

/// Left out of the document: the hash of an older run's recipe stays what it was.
fn is_zero<T: Default + PartialEq>(x: &T) -> bool {
    *x == T::default()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_default_keep(kept: &usize) -> bool {
    *kept == KEEP_CHECKPOINTS
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_default_embeddings_mib(mib: &u64) -> bool {
    *mib == CACHE_EMBEDDINGS_MIB
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_ten(n: &u64) -> bool {
    *n == 10
}

fn file() -> String {
    "file".to_owned()
}

fn native() -> f64 {
    1.0
}

fn quarter() -> f64 {
    0.25
}

fn fifth() -> f64 {
    0.2
}

fn nsd_tolerance_px() -> f64 {
    2.0
}

fn over_standard<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Augment, D::Error> {
    let mut table = Table::try_from(Augment::standard()).map_err(D::Error::custom)?;
    table.extend(Table::deserialize(deserializer)?);
    Augment::deserialize(table).map_err(|e| D::Error::custom(e.message()))
}
