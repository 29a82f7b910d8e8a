//! `salt adapter`: looking into adapters, folding them into weights, exchanging them with others.

mod adapted_base;
mod export;
mod import;
mod inspect;
mod merge;

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::failure::Failure;
use crate::output_file::new_folder;

/// Commands about adapters.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  salt adapter inspect runs/vessels
  salt adapter merge --weights embedded --adapter runs/vessels/adapter --out merged.safetensors
  salt adapter export --adapter runs/vessels --format hf-lora --out vessels-lora")]
pub(crate) enum Command {
    /// Show method, targets, ranks, counts and the base an adapter belongs to
    Inspect(inspect::Args),
    /// Fold an adapter into the weights it was trained over
    Merge(merge::Args),
    /// Write an adapter in a format that Hugging Face peft reads
    Export(export::Args),
    /// Read an adapter of Hugging Face peft or SAMed
    Import(import::Args),
}

impl Command {
    /// Do it.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Inspect(args) => inspect::run(&args),
            Self::Merge(args) => merge::run(&args),
            Self::Export(args) => export::run(&args),
            Self::Import(args) => import::run(&args),
        }
    }
}

/// The adapter folder of an argument that is one, or is a run directory.
fn folder(path: &Path) -> Result<PathBuf, Failure> {
    let holds = |folder: &Path| folder.join(salt_peft::adapter_file::CONFIG_FILE).is_file();
    let inner = path.join("adapter");
    if holds(path) {
        Ok(path.to_owned())
    } else if holds(&inner) {
        Ok(inner)
    } else {
        Err(Failure::usage(
            format!(
                "`{}` is neither an adapter nor a finished run",
                path.display()
            ),
            "give a folder with adapter_config.json, or the --out of a salt train that has finished",
        ))
    }
}
