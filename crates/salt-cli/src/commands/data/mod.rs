//! `salt data`: fetching, making and checking data sets.

mod fetch;
mod inspect;
mod list;
mod synth;
mod verify;

use std::path::Path;

use clap::Subcommand;
use salt_data::DataError;
use salt_data::verify::VerifyReport;

use crate::failure::Failure;

/// Commands about data sets.
#[derive(Debug, Subcommand)]
#[command(after_help = "Example:
  salt data fetch chase_db1 --archive CHASEDB1.zip
  salt data synth vessels --out data/vessels
  salt data verify data/vessels

A data set is a folder with images/, masks/ and data_split.csv (columns imgs,split) or pairs.csv
(columns image,mask,split). Both may have the columns group (patient, child, sequence: never in two
splits) and spacing_mm (0.5 or 0.5x0.7).")]
pub(crate) enum Command {
    /// Show the published sets that can be fetched
    List(list::Args),
    /// Fetch a published set: terms, download or your archive, masks, splits
    Fetch(fetch::Args),
    /// Draw a data set
    #[command(subcommand)]
    Synth(synth::Command),
    /// Report everything that is wrong with a data set; exit code 1 when anything is
    Verify(verify::Args),
    /// Show sizes, classes, foreground share and splits of a data set
    Inspect(inspect::Args),
}

impl Command {
    /// Do it.
    pub(super) fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(args) => list::run(&args),
            Self::Fetch(args) => fetch::run(&args),
            Self::Synth(command) => command.run(),
            Self::Verify(args) => verify::run(&args),
            Self::Inspect(args) => inspect::run(&args),
        }
    }
}

/// Look at a data set; a folder that is not there was typed wrong and is no finding.
fn look(dir: &Path) -> Result<VerifyReport, Failure> {
    if !dir.is_dir() {
        let path = dir.to_owned();
        return Err(DataError::MissingFolder { path }.into());
    }
    Ok(salt_data::verify::verify(dir))
}
