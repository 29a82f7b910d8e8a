//! Parameter-efficient fine-tuning for any Burn module: SALT and its rivals.
//!
//! An adapter changes what a frozen weight *is* without touching the module that owns it: it is a
//! Burn [`Reparameterization`](burn::module::Reparameterization), so a `Linear` or `Conv2d` keeps
//! its code and sees `W' = W + delta` instead of `W`. This crate knows no image, no model and no
//! data set; it works on module paths.
//!
//! ```no_run
//! # use burn::{module::Module, nn::Linear};
//! # fn demo<M: Module>(base: M) -> Result<(), salt_peft::PeftError> {
//! use salt_peft::{AdapterConfig, Rank};
//!
//! let mut config = AdapterConfig::new("salt".parse()?);
//! config.targets = vec![r"blocks\.\d+\.attn\.(qkv|proj)".into()];
//! config.head_rank = Some(Rank::Ratio(0.1));
//! config.modules_to_save = vec!["norms".into()];
//! let (model, report) = salt_peft::attach(base, &config)?;
//! assert!(report.trainable < report.total);
//! // ... train `model` with any Burn optimiser ...
//! salt_peft::save_adapter(&model, &config, std::path::Path::new("adapter"))?;
//! let merged = salt_peft::merge(model)?;
//! # Ok(()) }
//! ```
//!
//! # Layouts
//! The mathematics speaks of a weight as the matrix `[out, in]` (PyTorch); Burn stores a linear
//! weight as `[in, out]`. The two meet in one place, [`weight`].
//!
//! # Map of the crate
//! [`config`] what to train, [`methods`] the visible list of methods, one file each,
//! [`attach`](mod@attach) selection and attachment, [`svd`] the spectral basis, [`penalty`](mod@penalty), [`merge`](mod@merge),
//! [`unload`](mod@unload), [`base_precision`] a frozen base in 16 bits,
//! [`state`] the trained values, [`adapter_file`] the files on disk, [`presets`] the paper's counts.

/// The example of README.md, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[macro_use]
mod method_list;

pub mod adapter;
pub mod adapter_file;
mod allocate;
pub mod attach;
pub mod base_precision;
mod basis;
pub mod budget;
pub mod config;
pub mod error;
mod fingerprint;
mod inspect;
mod inventory;
pub mod merge;
pub mod method;
pub mod method_id;
pub mod methods;
mod nearest;
pub mod penalty;
pub mod presets;
mod random;
pub mod rank;
pub mod report;
mod select;
pub mod several;
mod slice;
pub mod state;
pub mod svd;
pub mod tails;
pub mod unload;
pub mod weight;
pub mod whole;

pub use adapter_file::{
    AdapterHeader, ExportOptions, ExportReport, Names, export_hf_lora, import_adapter,
    load_adapter, load_named, load_renamed, read_header, save_adapter, save_named,
};
pub use attach::{attach, plan};
pub use base_precision::BasePrecision;
pub use config::{AdapterConfig, Init, Relu};
pub use error::PeftError;
pub use merge::{MergeReport, merge, merge_with_report};
pub use method::Method;
pub use method_id::{MethodId, methods as all_methods};
pub use penalty::penalty;
pub use rank::{LayerRank, Rank};
pub use report::{AttachReport, LayerReport};
pub use several::{CarriedAdapter, activate, add_adapter, carried_adapters, remove_adapter};
pub use state::{load_trainable_state, spectrum_group, trainable_state};
pub use unload::unload;
