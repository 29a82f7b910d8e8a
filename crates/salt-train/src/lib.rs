//! Recipe to run directory: training, evaluation, prediction, pretraining.
//!
//! A run is a function of (recipe, cases, base weights, seed, device). This crate prints nothing
//! and names no backend: the caller gives a device, an [`Observer`] and an [`Interrupt`].
//!
//! | file | job |
//! |---|---|
//! | [`recipe`] | the TOML document: defaults, overrides, nearest names for unknown keys |
//! | [`base_model`] | the model a recipe starts from, and the identity of its weights |
//! | [`scratch`] | the control without a base |
//! | `prepare`, `data_watch` | recipe to data, model and adapter; whether the data stays what was hashed |
//! | [`loss`], `batch_loss` | the terms of the loss; the loss of one batch and its gradients |
//! | [`embedding_cache`], `recomputed` | of the image encoder: what is kept between steps, what is computed twice in one |
//! | [`schedule`], [`optimizer`], `ema` | learning rates over steps; AdamW and SGD by path; a moving average |
//! | `prompts` | points and boxes beside the class tokens, drawn from the masks |
//! | `trainer`, `step`, `batch_parts`, `sharded` | the loop: batches, validation, best epoch; one step, in parts and on several threads |
//! | `failed_batch` | what is kept of a batch whose loss or gradient is not a number |
//! | [`machine`], `replicas` | what a run computes on; the model on several devices |
//! | [`checkpoint`], [`checkpoint_folder`] | the state of an unfinished run as one file; the newest of them |
//! | `saves`, [`durable`] | when a run saves, and what it says when it cannot; files that survive a crash |
//! | [`segment`], [`evaluate`], `validate`, [`predict`] | whole images: logits, scores, files |
//! | `mirror`, `components` | test-time augmentation; which components of an answer stay |
//! | [`mod@lr_find`] | a range test of learning rates |
//! | [`pretrain`] | the small base model from generated images |
//! | [`run`], `finish`, [`finished_run`] | train, resume, plan; complete the directory; evaluate and predict from it |
//! | [`run_dir`], [`run_lock`], [`epoch_table`], [`case_table`], [`result`], [`curves`], [`overlay`] | what a run leaves behind |
//! | `tensorboard`, `scalar_observer`, `val_overlays` | what it shows while it trains: curves, validation cases |
//! | [`observer`] | progress out, interrupt in |
//!
//! ```no_run
//! # fn demo(device: burn::tensor::Device) -> Result<(), salt_train::TrainError> {
//! use salt_train::{Interrupt, Machine, Recipe, Session, Silent};
//!
//! let recipe = Recipe::read("docs/recipes/vessels-sam_nano-salt.toml".as_ref(), &["train.epochs=2".into()])?;
//! let machine = Machine { device, others: Vec::new(), name: "flex".into(), commit: None };
//! let mut observer = Silent;
//! let mut session = Session::new(&mut observer, Interrupt::new());
//! let outcome = salt_train::train(&recipe, "runs/vessels".as_ref(), &machine, &mut session)?;
//! # Ok(()) }
//! ```

pub mod base_model;
mod batch_loss;
mod batch_parts;
pub mod case_table;
pub mod checkpoint;
pub mod checkpoint_folder;
mod components;
pub mod curves;
mod data_watch;
pub mod durable;
mod ema;
pub mod embedding_cache;
pub mod epoch_table;
pub mod error;
pub mod evaluate;
mod failed_batch;
mod finish;
pub mod finished_run;
mod host_name;
pub mod loss;
pub mod lr_find;
pub mod machine;
pub mod memory;
mod mirror;
pub mod observer;
pub mod optimizer;
pub mod overlay;
pub mod predict;
mod prepare;
pub mod pretrain;
mod prompts;
pub mod recipe;
mod recomputed;
mod replicas;
pub mod result;
pub mod run;
pub mod run_dir;
pub mod run_lock;
mod saves;
mod scalar_observer;
pub mod schedule;
pub mod scratch;
pub mod segment;
mod sharded;
mod split;
mod step;
mod stream;
mod sum_in_order;
pub mod tail_schedule;
mod tensorboard;
mod trainer;
mod val_overlays;
mod validate;

pub use error::TrainError;
pub use evaluate::Evaluation;
pub use finished_run::{evaluate_run, predict_run};
pub use lr_find::{LrFindConfig, LrFindOutcome, lr_find};
pub use machine::Machine;
pub use observer::{Event, Interrupt, Observer, Session, Silent};
pub use predict::PredictOptions;
pub use prepare::open_dataset;
pub use recipe::Recipe;
pub use result::RunResult;
pub use run::{Outcome, plan, resume, train};
