//! `salt train`: a recipe into a fresh run directory.

use std::path::PathBuf;

use salt_train::{Recipe, Session};

use super::run_outcome;
use crate::device_list::TrainDevices;
use crate::failure::Failure;
use crate::interrupt;
use crate::run_progress::{DashboardArgs, RunProgress};

/// Options of `salt train`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt train docs/recipes/vessels-sam_nano-salt.toml --out runs/vessels --set train.epochs=5
  salt train docs/recipes/vessels-sam_nano-salt.toml --out runs/two --devices cuda:0,cuda:1

Ctrl-C and SIGTERM save and stop; salt resume goes on from there.")]
pub(crate) struct Args {
    /// The recipe, a TOML document
    recipe: PathBuf,
    /// Run directory to make
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Change a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    #[command(flatten)]
    devices: TrainDevices,
    #[command(flatten)]
    progress: DashboardArgs,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let recipe = Recipe::read(&args.recipe, &args.overrides)?;
    let machine = args.devices.list().machine()?;
    let interrupt = interrupt::listen()?;
    let mut progress = RunProgress::new(args.progress, &args.out, &interrupt);
    let mut session = Session::new(&mut progress, interrupt);
    let outcome = salt_train::train(&recipe, &args.out, &machine, &mut session)?;
    drop(progress);
    run_outcome::show(&outcome, &args.out)
}
