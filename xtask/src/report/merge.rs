//! `--merge OTHER`: cells that another machine finished, where there is no common file system.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use super::finished_cell::{CellState, read_all};
use super::results::About;
use crate::bench::CellId;
use crate::bench::work_left::CellFiles;
use crate::usage::UsageError;

/// Copy what `out` does not have. A cell that is finished in both stays as it is in `out`.
pub(super) fn merge(out: &Path, other: &Path) -> anyhow::Result<()> {
    ensure!(
        other.join("cells").is_dir(),
        UsageError(format!(
            "`{}` holds no benchmark: expected a folder with `cells` in it",
            other.display()
        ))
    );
    if let (None, Some(about)) = (About::read(out)?, About::read(other)?) {
        about.write(out)?;
    }
    let (mut copied, mut known) = (0, 0);
    for state in read_all(&other.join("cells"))? {
        let CellState::Finished(cell) = state else {
            continue;
        };
        if is_finished(out, &cell.id)? {
            known += 1;
        } else {
            copy_cell(&cell.id, other, out)?;
            copied += 1;
        }
    }
    eprintln!(
        "{}: {copied} finished cells copied, {known} were there already",
        other.display()
    );
    Ok(())
}

fn is_finished(out: &Path, id: &CellId) -> anyhow::Result<bool> {
    let run = CellFiles::new(out, id).run;
    let state = super::finished_cell::read(id.clone(), &run)?;
    Ok(matches!(state, CellState::Finished(_)))
}

/// The run directory comes last and under another name first: a copy that is cut off is done again.
fn copy_cell(id: &CellId, from: &Path, to: &Path) -> anyhow::Result<()> {
    let (from, to) = (CellFiles::new(from, id), CellFiles::new(to, id));
    for (from, to) in [
        (&from.recipe, &to.recipe),
        (&from.log, &to.log),
        (&from.machine, &to.machine),
    ] {
        // Cells of other origin come without.
        if from.is_file() {
            copy_file(from, to)?;
        }
    }
    let partial = to.run.with_file_name(format!("{id}.partial"));
    for folder in [&partial, &to.run] {
        if folder.is_dir() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    copy_folder(&from.run, &partial)?;
    fs::rename(&partial, &to.run)
        .with_context(|| format!("cannot put {} in place", to.run.display()))
}

fn copy_folder(from: &Path, to: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot copy {}", from.display());
    fs::create_dir_all(to).with_context(cannot)?;
    for entry in from.read_dir().with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let target = to.join(path.file_name().with_context(cannot)?);
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            copy_file(&path, &target)?;
        }
    }
    Ok(())
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to.parent().with_context(cannot)?).with_context(cannot)?;
    fs::copy(from, to).map(drop).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finished_cell::tests::write_cell;
    use crate::report::results::Results;

    #[test]
    fn cells_of_two_machines_become_one_table() {
        let tmp = tempfile::tempdir().unwrap();
        let (a, b) = (tmp.path().join("a"), tmp.path().join("b"));
        write_cell(&a.join("cells"), "salt__x__s0", 4.0, &[0.5, 0.6]);
        write_cell(&b.join("cells"), "salt__x__s0", 4.0, &[0.1, 0.2]);
        write_cell(&b.join("cells"), "lora__x__s0", 2.0, &[0.4, 0.5]);
        fs::create_dir_all(b.join("cells/full__x__s0/checkpoints")).unwrap();
        fs::create_dir_all(b.join("cells/lora__x__s0/adapter")).unwrap();
        fs::write(b.join("cells/lora__x__s0/adapter/x"), "x").unwrap();
        fs::create_dir_all(b.join("recipes")).unwrap();
        fs::write(b.join("recipes/lora__x__s0.toml"), "# matrix = m0\n").unwrap();
        for _ in 0..2 {
            merge(&a, &b).unwrap();
            let results = Results::read(&a).unwrap();
            let rows: Vec<_> = results.rows("x").map(|row| row.method.as_str()).collect();
            assert_eq!(rows, ["lora", "salt"]);
            let dice = |row: usize| results.table[row].dice.unwrap().mean;
            assert!((dice(1) - 0.55).abs() < 1e-12, "{}", dice(1));
        }
        assert!(a.join("cells/lora__x__s0/adapter/x").is_file());
        assert!(a.join("recipes/lora__x__s0.toml").is_file());
        assert!(!a.join("cells/full__x__s0").exists());
    }

    #[test]
    fn a_folder_without_cells_is_wrong_use() {
        let tmp = tempfile::tempdir().unwrap();
        let error = merge(tmp.path(), &tmp.path().join("absent")).unwrap_err();
        assert!(error.is::<UsageError>(), "{error:?}");
    }
}
