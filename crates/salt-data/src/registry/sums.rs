//! `SHA256SUMS` of a prepared folder: what its files were when they were written, in the form of the tool `sha256sum`
//! (`sha256sum -c SHA256SUMS` says the same).

use std::ops::ControlFlow;
use std::path::{Component, Path};

use rayon::prelude::*;

use super::error::RegistryError;
use crate::download::{self, Checksum};
use crate::table::Table;

/// Name of the list.
const LIST: &str = "SHA256SUMS";

/// Files compared between two reports.
const CHUNK: usize = 64;

/// A file of the folder, and what it hashes to.
pub(super) type Sum = (String, String);

/// What was compared in a folder that was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// So many files are as they were written.
    Content(usize),
    /// So many cases have their files; the folder has no checksums, because it was prepared before they were written.
    Presence(usize),
}

/// The checksum of a file of the folder.
pub(super) fn of(dir: &Path, name: &str) -> Result<Sum, RegistryError> {
    let path = dir.join(name);
    let digits = download::digits_of(Checksum::Sha256(""), &path, &mut |_| {
        ControlFlow::Continue(())
    })?;
    Ok((name.to_owned(), digits))
}

/// Writes the list.
pub(super) fn write(dir: &Path, sums: &[Sum]) -> Result<(), RegistryError> {
    let path = dir.join(LIST);
    let lines = sums
        .iter()
        .map(|(name, digits)| format!("{digits}  {name}\n"));
    std::fs::write(&path, lines.collect::<String>()).map_err(RegistryError::io("write", &path))
}

/// Compares the files of the folder with the list, or, where there is none, looks whether those of the table exist.
///
/// # Errors
/// [`RegistryError::Damaged`] with the first file that is gone or has changed.
pub(super) fn check(
    dir: &Path,
    report: &mut dyn FnMut(usize, usize) -> Result<(), RegistryError>,
) -> Result<Checked, RegistryError> {
    let damaged = |received: String| RegistryError::Damaged {
        path: dir.to_owned(),
        received,
    };
    let path = dir.join(LIST);
    if !path.exists() {
        let table = Table::read(dir).map_err(|error| damaged(error.problem()))?;
        for row in &table.rows {
            let Ok(row) = row else {
                return Err(damaged(format!(
                    "a broken line in {}",
                    table.path.display()
                )));
            };
            table.resolve(row).map_err(|error| {
                damaged(format!(
                    "line {} without its files ({})",
                    row.line,
                    error.problem()
                ))
            })?;
        }
        return Ok(Checked::Presence(table.rows.len()));
    }
    let text = std::fs::read_to_string(&path).map_err(RegistryError::io("read", &path))?;
    let sums: Option<Vec<(&str, &str)>> = text.lines().map(parsed).collect();
    let sums = sums
        .filter(|sums| !sums.is_empty())
        .ok_or_else(|| damaged(format!("a {LIST} that cannot be understood")))?;
    for (k, chunk) in sums.chunks(CHUNK).enumerate() {
        report(k * CHUNK, sums.len())?;
        chunk.par_iter().try_for_each(|&(digits, name)| {
            if !dir.join(name).is_file() {
                return Err(damaged(format!("{name} gone")));
            }
            let (_, received) = of(dir, name)?;
            if received == digits {
                Ok(())
            } else {
                Err(damaged(format!("{name} changed")))
            }
        })?;
    }
    Ok(Checked::Content(sums.len()))
}

/// Digits and name of a line; the name must lead to a file inside of the folder.
fn parsed(line: &str) -> Option<(&str, &str)> {
    let (digits, name) = line.split_once("  ")?;
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    (inside && !name.is_empty()).then_some((digits, name))
}
