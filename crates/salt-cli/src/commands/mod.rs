//! The list of commands. A new one is one file and one line here.

mod adapter;
mod automask;
mod data;
mod doctor;
mod eval;
mod lr_find;
mod naming;
mod params;
mod predict;
mod pretrain;
mod resume;
mod run_outcome;
mod scores;
mod segment;
mod train;
mod weights;

use clap::Subcommand;

use crate::failure::Failure;
use crate::svd_cache;

/// What `salt` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make and check data sets
    #[command(subcommand)]
    Data(data::Command),
    /// Train a recipe into a run directory
    Train(train::Args),
    /// Test which learning rates a recipe can be trained with
    LrFind(lr_find::Args),
    /// Continue a run exactly where it stopped
    Resume(resume::Args),
    /// Score a finished run on a split, at the images' own resolution
    Eval(eval::Args),
    /// Segment a folder of images with a finished run
    Predict(predict::Args),
    /// Segment one image from points and a box, with plain SAM
    Segment(segment::Args),
    /// Find every object of an image without a prompt, with plain SAM
    Automask(automask::Args),
    /// Look into adapters, and fold them into weights
    #[command(subcommand)]
    Adapter(adapter::Command),
    /// Fetch published weights, and change the format of weights
    #[command(subcommand)]
    Weights(weights::Command),
    /// Count what a recipe or a preset of the paper would train
    Params(params::Args),
    /// Make the small base model from generated images
    Pretrain(pretrain::Args),
    /// Show devices, drivers, cores and memory, with advice
    Doctor(doctor::Args),
}

impl Command {
    /// Do it.
    pub(crate) fn run(self) -> Result<(), Failure> {
        match self {
            Self::Data(command) => command.run(),
            Self::Train(args) => svd_cache::around(|| train::run(&args)),
            Self::LrFind(args) => svd_cache::around(|| lr_find::run(&args)),
            Self::Resume(args) => svd_cache::around(|| resume::run(&args)),
            Self::Eval(args) => svd_cache::around(|| eval::run(&args)),
            Self::Predict(args) => svd_cache::around(|| predict::run(&args)),
            Self::Segment(args) => segment::run(&args),
            Self::Automask(args) => automask::run(&args),
            Self::Adapter(command) => svd_cache::around(|| command.run()),
            Self::Weights(command) => command.run(),
            Self::Params(args) => svd_cache::around(|| params::run(&args)),
            Self::Pretrain(args) => pretrain::run(&args),
            Self::Doctor(args) => doctor::run(&args),
        }
    }
}
