//! What is left to do of a cell, told from what lies in the output folder.
//!
//! `recipes/<cell>.toml` is the document that the cell was started with. The cell is skipped when
//! that document is the one it would be started with now and its result says `finished`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::cell::CellId;
use crate::report::finished_cell::{self, CellState};

/// Where a cell's files are.
#[derive(Debug)]
pub(crate) struct CellFiles {
    /// The run directory.
    pub(crate) run: PathBuf,
    /// The document it is started with.
    pub(crate) recipe: PathBuf,
    /// Everything that the program printed.
    pub(crate) log: PathBuf,
    /// What it ran on ([`super::machine::Machine`]).
    pub(crate) machine: PathBuf,
    /// See [`super::cell_lock`].
    pub(crate) lock: PathBuf,
}

impl CellFiles {
    pub(crate) fn new(out: &Path, cell: &CellId) -> Self {
        Self {
            run: out.join("cells").join(cell.to_string()),
            recipe: out.join("recipes").join(format!("{cell}.toml")),
            log: out.join("logs").join(format!("{cell}.log")),
            machine: out.join("machines").join(format!("{cell}.json")),
            lock: out.join("locks").join(cell.to_string()),
        }
    }

    /// Name of the newest checkpoint; `salt train` has the step in it.
    pub(crate) fn newest_checkpoint(&self) -> Option<String> {
        let entries = self.run.join("checkpoints").read_dir().ok()?;
        let names = entries.flatten().map(|entry| entry.file_name());
        let names = names.filter_map(|name| name.into_string().ok());
        names.filter(|name| name.ends_with(".safetensors")).max()
    }
}

/// What is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkLeft {
    /// Nothing: the cell is finished.
    Nothing,
    /// The rest of a run that was stopped.
    TheRest,
    /// All of it.
    Everything,
}

/// Compare what lies in the output folder with the document of now.
pub(crate) fn work_left(cell: &CellId, files: &CellFiles, recipe: &str) -> WorkLeft {
    let started_with = fs::read_to_string(&files.recipe).ok();
    if started_with.as_deref() != Some(recipe) {
        return WorkLeft::Everything;
    }
    // A result that cannot be read is as good as none: the run is done again.
    match finished_cell::read(cell.clone(), &files.run) {
        Ok(CellState::Finished(_)) => WorkLeft::Nothing,
        _ if files.newest_checkpoint().is_some() => WorkLeft::TheRest,
        _ => WorkLeft::Everything,
    }
}

/// Make way for a run from the start: the old run directory goes, then the document is written.
/// In this order a process killed between the two leaves nothing that could be mistaken.
pub(crate) fn clear(files: &CellFiles, recipe: &str) -> anyhow::Result<()> {
    // First what says that the run has finished: a report may be reading beside us.
    let _ = fs::remove_file(files.run.join("result.json"));
    if files.run.is_dir() {
        fs::remove_dir_all(&files.run)
            .with_context(|| format!("cannot remove the old run {}", files.run.display()))?;
    }
    for file in [&files.run, &files.recipe, &files.log, &files.machine] {
        let folder = file
            .parent()
            .context("a cell's files lie in the output folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
    }
    fs::write(&files.recipe, recipe)
        .with_context(|| format!("cannot write {}", files.recipe.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finished_cell::tests::write_cell;

    fn cell() -> CellId {
        CellId::parse("salt__vessels__s0").unwrap()
    }

    fn check(out: &Path, recipe: &str, expected: WorkLeft) {
        let cell = cell();
        assert_eq!(
            work_left(&cell, &CellFiles::new(out, &cell), recipe),
            expected
        );
    }

    #[test]
    fn a_finished_cell_with_the_same_document_is_skipped_and_another_document_is_not() {
        let tmp = tempfile::tempdir().unwrap();
        let out = tmp.path();
        check(out, "a = 1", WorkLeft::Everything);
        clear(&CellFiles::new(out, &cell()), "a = 1").unwrap();
        check(out, "a = 1", WorkLeft::Everything);
        write_cell(&out.join("cells"), "salt__vessels__s0", 3.0, &[0.5]);
        check(out, "a = 1", WorkLeft::Nothing);
        check(out, "a = 2", WorkLeft::Everything);
    }

    #[test]
    fn a_result_without_its_document_is_not_trusted() {
        let tmp = tempfile::tempdir().unwrap();
        write_cell(&tmp.path().join("cells"), "salt__vessels__s0", 3.0, &[0.5]);
        check(tmp.path(), "a = 1", WorkLeft::Everything);
    }

    #[test]
    fn a_stopped_run_goes_on_from_its_checkpoint() {
        let tmp = tempfile::tempdir().unwrap();
        let files = CellFiles::new(tmp.path(), &cell());
        clear(&files, "a = 1").unwrap();
        let checkpoints = files.run.join("checkpoints");
        fs::create_dir_all(&checkpoints).unwrap();
        fs::write(
            checkpoints.join("step-0000000009.safetensors.7.partial"),
            "x",
        )
        .unwrap();
        check(tmp.path(), "a = 1", WorkLeft::Everything);
        for step in [8, 10, 9] {
            fs::write(
                checkpoints.join(format!("step-{step:010}.safetensors")),
                "x",
            )
            .unwrap();
        }
        let newest = files.newest_checkpoint();
        assert_eq!(newest.as_deref(), Some("step-0000000010.safetensors"));
        check(tmp.path(), "a = 1", WorkLeft::TheRest);
        fs::write(files.run.join("result.json"), r#"{"status":"interrupted"}"#).unwrap();
        check(tmp.path(), "a = 1", WorkLeft::TheRest);
        check(tmp.path(), "a = 2", WorkLeft::Everything);
    }

    #[test]
    fn clearing_removes_the_old_run() {
        let tmp = tempfile::tempdir().unwrap();
        let files = CellFiles::new(tmp.path(), &cell());
        write_cell(&tmp.path().join("cells"), "salt__vessels__s0", 3.0, &[0.5]);
        clear(&files, "a = 2").unwrap();
        assert!(!files.run.exists());
        assert_eq!(fs::read_to_string(&files.recipe).unwrap(), "a = 2");
    }
}
