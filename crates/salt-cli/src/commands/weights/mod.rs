//! `salt weights`: published checkpoints, and their formats.

mod convert;
mod fetch;
mod list;

use clap::Subcommand;

use crate::failure::Failure;

/// Commands about weights.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  salt weights list
  salt weights fetch sam_vit_b
  salt weights convert --from weights/sam_vit_b_01ec64.pth --out weights/sam_vit_b.safetensors")]
pub(crate) enum Command {
    /// Show the published checkpoints that can be fetched
    List(list::Args),
    /// Download a published checkpoint, or continue to, and compare its checksum
    Fetch(fetch::Args),
    /// Write a checkpoint in another format, with other names or in half precision
    Convert(convert::Args),
}

impl Command {
    /// Do it.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(args) => list::run(&args),
            Self::Fetch(args) => fetch::run(&args),
            Self::Convert(args) => convert::run(&args),
        }
    }
}
