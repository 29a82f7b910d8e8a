//! From run directories to tables: `cargo xtask report DIR`, and the end of every benchmark.
//!
//! Everything is computed anew from the cells, so a report can be rebuilt at any time, and cells
//! of several machines can be put into one folder.

mod cells_in_words;
mod comparison;
pub(crate) mod finished_cell;
mod html;
mod markdown;
mod merge;
mod plot;
mod results;
mod screen;
mod table;

use std::path::{Path, PathBuf};

use anyhow::ensure;

use crate::replaced_file::replace;
use crate::usage::UsageError;

pub(crate) use results::{About, Results};

/// Rebuild the three files and print the table, with what others have finished.
pub(crate) fn run(out: &Path, others: &[PathBuf]) -> anyhow::Result<()> {
    for other in others {
        merge::merge(out, other)?;
    }
    if !out.join("cells").is_dir() {
        let shown = out.display();
        let message = format!("`{shown}` holds no benchmark: expected a folder with `cells` in it");
        return Err(UsageError(message).into());
    }
    let results = write(out)?;
    println!("{}", screen::text(&results));
    println!("Report: {}", out.join("report.html").display());
    ensure!(
        !results.table.is_empty(),
        "no cell has finished yet in {}",
        out.display()
    );
    Ok(())
}

/// Write `results.json`, `report.md` and `report.html`.
fn write(out: &Path) -> anyhow::Result<Results> {
    let results = Results::read(out)?;
    let files = [
        ("results.json", results.json()?),
        ("report.md", markdown::text(&results)),
        ("report.html", html::text(&results)),
    ];
    for (name, text) in files {
        replace(&out.join(name), &text)?;
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_report_is_rebuilt_from_the_cells_alone() {
        let tmp = tempfile::tempdir().unwrap();
        results::tests::example(tmp.path());
        run(tmp.path(), &[]).unwrap();
        let first = fs::read_to_string(tmp.path().join("results.json")).unwrap();
        for name in ["results.json", "report.md", "report.html"] {
            fs::remove_file(tmp.path().join(name)).unwrap();
        }
        run(tmp.path(), &[]).unwrap();
        assert_eq!(
            fs::read_to_string(tmp.path().join("results.json")).unwrap(),
            first
        );
    }

    #[test]
    fn a_folder_without_cells_is_wrong_use() {
        let tmp = tempfile::tempdir().unwrap();
        let error = run(tmp.path(), &[]).unwrap_err();
        assert!(error.downcast_ref::<UsageError>().is_some(), "{error:?}");
    }

    #[test]
    fn nothing_finished_is_a_failure_that_says_so() {
        let tmp = tempfile::tempdir().unwrap();
        fs::create_dir_all(tmp.path().join("cells/salt__a__s0")).unwrap();
        let error = run(tmp.path(), &[]).unwrap_err().to_string();
        assert!(error.contains("no cell has finished"), "{error}");
    }
}
