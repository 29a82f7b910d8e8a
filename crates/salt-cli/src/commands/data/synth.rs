//! `salt data synth`: data sets that need no download.

use std::path::PathBuf;

use clap::Subcommand;
use salt_data::DataError;
use salt_data::synth::vessels;

use crate::failure::Failure;
use crate::screen;

/// What can be drawn.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  salt data synth vessels --out data/vessels")]
pub(crate) enum Command {
    /// Vessel trees in tissue, with masks
    Vessels(Vessels),
}

/// Options of `salt data synth vessels`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt data synth vessels --out data/vessels --count 40 --size 256 --seed 0

The same count, size and seed give the same files.")]
pub(crate) struct Vessels {
    /// Folder to make
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Number of images
    #[arg(long, value_name = "N", default_value_t = vessels::DEFAULT_COUNT)]
    count: usize,
    /// Width and height of an image, in pixels
    #[arg(long, value_name = "PX", default_value_t = vessels::DEFAULT_SIZE)]
    size: usize,
    /// Seed of the drawing
    #[arg(long, value_name = "S", default_value_t = 0)]
    seed: u64,
}

impl Command {
    /// Do it.
    pub(super) fn run(self) -> Result<(), Failure> {
        let Self::Vessels(args) = self;
        let written = vessels::write_dataset(&args.out, args.count, args.size, args.seed);
        written.map_err(|error| {
            let from_option = match &error {
                DataError::Setting { name, .. } => Some(format!("give another --{name}")),
                _ => None,
            };
            let failure = Failure::from(error);
            match from_option {
                Some(hint) => failure.with_hint(hint),
                None => failure,
            }
        })?;
        screen::result(format_args!(
            "{} images of {2} x {2} pixels in {1}",
            args.count,
            args.out.display(),
            args.size
        ))
    }
}
