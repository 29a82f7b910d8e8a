//! Runs cells one after the other, whatever is left of each.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use super::cell::CellId;
use super::cell_lock;
use super::launch::{self, Outcome};
use super::machine::Machine;
use super::progress::Progress;
use super::stop::Stop;
use super::work_left::{self, CellFiles, WorkLeft, work_left};
use crate::replaced_file::replace;
use crate::report::finished_cell::{self, CellState};

/// A cell with what it takes to run it.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) id: CellId,
    pub(super) files: CellFiles,
    /// Its document.
    pub(super) recipe: String,
    /// Whether it starts over, whatever is there.
    pub(super) fresh: bool,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum Ending {
    /// Every cell was run or skipped; these failed.
    Done { failed: Vec<String> },
    /// We were asked to stop.
    Stopped {
        /// The cell that ran.
        cell: String,
        /// Whether a cell has finished or saved a checkpoint since we began.
        progressed: bool,
    },
}

impl Work {
    /// What is left to do now.
    pub(super) fn left(&self) -> WorkLeft {
        if self.fresh {
            WorkLeft::Everything
        } else {
            work_left(&self.id, &self.files, &self.recipe)
        }
    }
}

/// Run what is left.
pub(super) fn run_cells<'a>(
    salt: &Path,
    device: &str,
    cells: impl IntoIterator<Item = &'a Work>,
    stop: &Stop,
) -> anyhow::Result<Ending> {
    let cells: Vec<&Work> = cells.into_iter().collect();
    let todo: Vec<&Work> = cells
        .iter()
        .copied()
        .filter(|cell| cell.left() != WorkLeft::Nothing)
        .collect();
    let skipped = cells.len() - todo.len();
    if skipped > 0 {
        eprintln!("{skipped} of {} cells are finished already", cells.len());
    }
    let mut progress = Progress::new(todo.len());
    let mut failed = Vec::new();
    let mut progressed = false;
    for work in todo {
        let name = work.id.to_string();
        let before = work.files.newest_checkpoint();
        let outcome = if stop.is_asked() {
            Outcome::Interrupted
        } else {
            run_cell(salt, device, work, &mut progress, stop)?
        };
        match outcome {
            Outcome::Finished => match score(&work.id, &work.files) {
                Ok(score) => {
                    progressed = true;
                    progress.end(&format!("finished, {score}"));
                }
                Err(error) => {
                    progress.end(&format!("FAILED: {error:#};"));
                    failed.push(name);
                }
            },
            Outcome::Failed(how) => {
                progress.end(&format!("FAILED: {how}\n   "));
                failed.push(name);
            }
            Outcome::Interrupted => {
                progress.close();
                let after = work.files.newest_checkpoint();
                return Ok(Ending::Stopped {
                    cell: name,
                    progressed: progressed || after.is_some() && after != before,
                });
            }
        }
    }
    progress.close();
    Ok(Ending::Done { failed })
}

fn run_cell(
    salt: &Path,
    device: &str,
    work: &Work,
    progress: &mut Progress,
    stop: &Stop,
) -> anyhow::Result<Outcome> {
    let Work {
        id, files, recipe, ..
    } = work;
    let Some(_lock) = cell_lock::take(files)? else {
        progress.begin(&id.to_string(), "is locked");
        return Ok(Outcome::Failed(
            "another process is at work on this cell".to_owned(),
        ));
    };
    // Looked at again: it may have been another's until now.
    let left = work.left();
    if left == WorkLeft::Everything {
        work_left::clear(files, recipe)?;
    }
    let doing = match left {
        WorkLeft::Nothing => "was finished by another process",
        WorkLeft::TheRest => "goes on",
        WorkLeft::Everything => "starts",
    };
    progress.begin(&id.to_string(), doing);
    if left == WorkLeft::Nothing {
        return Ok(Outcome::Finished);
    }
    let machine = serde_json::to_string(&Machine::this()).context("a machine is JSON")?;
    if let Some(folder) = files.machine.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    replace(&files.machine, &machine)?;
    let mut command = launch::command(salt, files, left, device);
    launch::run(&mut command, &files.log, progress, stop)
}

/// The score of a cell whose process ended well; an error when it left no finished result.
fn score(id: &CellId, files: &CellFiles) -> anyhow::Result<String> {
    match finished_cell::read(id.clone(), &files.run)? {
        CellState::Finished(cell) => {
            let dice = finished_cell::mean(cell.cases.values().filter_map(|case| case.dice));
            Ok(dice.map_or_else(
                || "Dice undefined".to_owned(),
                |dice| format!("Dice {dice:.3}"),
            ))
        }
        CellState::Unfinished(_) => {
            let log = files.log.display();
            bail!("the process ended well and left no finished result; its log is {log}")
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn work(out: &Path, name: &str) -> Work {
        let id = CellId::parse(name).unwrap();
        Work {
            files: CellFiles::new(out, &id),
            id,
            recipe: "a = 1".into(),
            fresh: false,
        }
    }

    fn failed(ending: Ending) -> Vec<String> {
        match ending {
            Ending::Done { failed } => failed,
            Ending::Stopped { .. } => panic!("{ending:?}"),
        }
    }

    #[test]
    fn a_cell_of_another_process_is_left_alone_and_the_others_run() {
        let tmp = tempfile::tempdir().unwrap();
        let cells = ["salt__a__s0", "lora__a__s0"].map(|name| work(tmp.path(), name));
        let lock = cell_lock::take(&cells[0].files).unwrap();
        // Ends well and leaves no result.
        let run =
            || failed(run_cells(Path::new("true"), "flex", &cells, &Stop::default()).unwrap());
        assert_eq!(run(), ["salt__a__s0", "lora__a__s0"]);
        assert!(!cells[0].files.recipe.exists());
        assert!(cells[1].files.recipe.exists() && cells[1].files.machine.exists());
        drop(lock);
        run();
        assert!(cells[0].files.recipe.exists());
    }

    #[test]
    fn who_is_asked_to_stop_starts_no_cell() {
        let tmp = tempfile::tempdir().unwrap();
        let cells = [work(tmp.path(), "salt__a__s0")];
        let ending = run_cells(Path::new("true"), "flex", &cells, &Stop::asked()).unwrap();
        assert!(
            matches!(
                ending,
                Ending::Stopped {
                    progressed: false,
                    ..
                }
            ),
            "{ending:?}"
        );
        assert!(!cells[0].files.recipe.exists());
    }
}
