//! `--slurm`: the matrix as an array job, and a report once all its tasks have ended, well or not.
//!
//! What was submitted lies in `OUT/slurm/N/`: programs, documents and scripts are copies, so the sources may change while
//! jobs wait. Nothing is decided there that the output folder does not say again: to submit once more submits
//! what is missing.

mod options;
mod queue;
mod script;
mod submission;
mod task;

use std::path::Path;

use anyhow::{Context as _, bail};

use super::run_cells::Work;
use super::work_left::{self, WorkLeft};
use crate::report;
pub(crate) use options::Options;
use script::Scripts;
use submission::Submission;
pub(crate) use task::{Args as TaskArgs, run as run_task};

/// Fail early: no Slurm here, or jobs of an earlier submission that are not over.
pub(super) fn check(out: &Path) -> anyhow::Result<()> {
    queue::check()?;
    for earlier in Submission::all(out)? {
        let jobs = earlier.jobs()?;
        if queue::is_any_active(&jobs)? {
            let (jobs, out) = (jobs.join(","), out.display());
            bail!(
                "jobs {jobs} of an earlier submission are at work on {out}; see `squeue -j {jobs}`, then wait for them \
                 or end them with `scancel {}`",
                jobs.replace(',', " ")
            );
        }
    }
    Ok(())
}

/// Print the scripts that would be submitted.
pub(super) fn show(options: &Options, out: &Path, cells: &[Work]) -> anyhow::Result<()> {
    let submission = Submission::next(out)?;
    let tasks = options.tasks(missing(cells))?;
    if tasks.is_empty() {
        return Ok(());
    }
    let Scripts { cells, report } = Scripts::new(options, &submission, tasks.len())?;
    for (path, text) in [
        (submission.cells_script(), cells),
        (submission.report_script(), report),
    ] {
        println!("\n==> {} <==\n{text}", path.display());
    }
    for (index, task) in tasks.iter().enumerate() {
        let names: Vec<_> = task.iter().map(|cell| cell.id.to_string()).collect();
        println!("task {index}: {}", names.join(", "));
    }
    Ok(())
}

/// Write the scripts and what they need, and submit them.
pub(super) fn submit(
    options: &Options,
    out: &Path,
    salt: &Path,
    device: &str,
    cells: &[Work],
) -> anyhow::Result<()> {
    let missing = missing(cells);
    if missing.is_empty() {
        eprintln!("All {} cells are finished: nothing to submit", cells.len());
        return report::run(out, &[]);
    }
    let tasks = options.tasks(missing)?;
    for earlier in Submission::all(out)? {
        earlier.remove_programs()?;
    }
    let submission = Submission::next(out)?;
    let scripts = Scripts::new(options, &submission, tasks.len())?;
    submission.create(salt, device, &tasks, &scripts)?;
    // Now, and not in the task: one that runs again after a preemption goes on.
    for cell in tasks.iter().flatten().filter(|cell| cell.fresh) {
        work_left::clear(&cell.files, &cell.recipe)?;
    }

    let array = queue::submit(&submission.cells_script(), None)?;
    submission.add_job(&array)?;
    let count: usize = tasks.iter().map(Vec::len).sum();
    println!(
        "Submitted job {array}: {count} of {} cells in {} tasks",
        cells.len(),
        tasks.len()
    );
    let report = queue::submit(&submission.report_script(), Some(&array)).with_context(|| {
        format!(
            "the cells are submitted, their report is not; when job {array} is over: cargo xtask report {}",
            out.display()
        )
    })?;
    submission.add_job(&report)?;
    println!("Submitted job {report}: the report, when all tasks have ended");
    println!(
        "Watch: squeue -j {array},{report}    Logs: {}    Stop: scancel {array}",
        submission.logs().display()
    );
    println!("The same command submits what is missing then.");
    Ok(())
}

fn missing(cells: &[Work]) -> Vec<&Work> {
    let missing = |cell: &&Work| cell.left() != WorkLeft::Nothing;
    cells.iter().filter(missing).collect()
}
