//! `cargo xtask slurm-task`: what a task of the array job runs.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::super::all_well;
use super::super::run_cells::{Ending, run_cells};
use super::super::stop::{self, Stop};
use super::queue;
use super::submission::Submission;

/// Slurm is asked to say so many seconds before the end of a task's time that it is near.
pub(super) const NOTICE_S: u32 = 120;

/// The variable in which Slurm says which job this is: for a task of an array, a number of its own.
const JOB: &str = "SLURM_JOB_ID";

/// Run the cells of a task of a submitted array (the array's script calls this)
#[derive(Debug, clap::Args)]
#[command(
    hide = true,
    after_help = "Example:\n  cargo xtask slurm-task runs/bench/quick/slurm/1 --task 0"
)]
pub(crate) struct Args {
    /// OUT/slurm/N
    submission: PathBuf,
    /// Which task, from 0 on
    #[arg(long)]
    task: usize,
}

/// Run the command. A task whose time is up goes back into the queue, if it got anywhere.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let submission = Submission::open(&args.submission)?;
    let (device, cells) = submission.task(args.task)?;
    let stop = Stop::listen_as_task()?;
    let (cell, progressed) = match run_cells(&submission.salt(), &device, &cells, &stop)? {
        Ending::Done { failed } => return all_well(&failed, cells.len()),
        Ending::Stopped { cell, progressed } => (cell, progressed),
    };
    if stop.time_is_up() {
        if !progressed {
            bail!(
                "the time of the task was up before {cell} had saved a checkpoint: submit again with a longer \
                 --slurm-arg=--time=..."
            );
        }
        let job = std::env::var(JOB).with_context(|| format!("{JOB} is not set"))?;
        queue::requeue(&job)?;
        eprintln!(
            "The time of the task is up; {cell} is saved, and goes on when the task runs again."
        );
    } else {
        eprintln!(
            "Stopped in {cell}; it goes on from its last checkpoint when the task runs again."
        );
    }
    std::process::exit(stop::TERMINATED);
}
