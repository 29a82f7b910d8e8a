//! The table against the folder: lines without files, files without a line.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use super::report::{Check, Finding};
use crate::counted::{ARE, agreeing, counted};
use crate::dataset::Case;
use crate::error::DataError;
use crate::picture_name::stem_of;
use crate::table::Table;

/// Columns of the table that mean nothing.
pub(super) fn ignored_columns(table: &Table) -> Option<Finding> {
    if table.ignored.is_empty() {
        return None;
    }
    Some(Finding::warning(
        Check::Table,
        Some(&table.path),
        format!("the columns {:?} are not used", table.ignored),
        "remove them, or name them `group` (patient, child, sequence) or `spacing_mm` if that is what they hold",
    ))
}

/// The cases whose files exist, and what is wrong with the other lines.
pub(super) fn listed(mut table: Table) -> (Vec<Case>, Vec<Finding>) {
    let (mut cases, mut findings) = (Vec::new(), Vec::new());
    for row in std::mem::take(&mut table.rows) {
        match row.and_then(|row| Ok((row.line, table.resolve(&row)?))) {
            Ok(case) => cases.push(case),
            Err(error) => {
                let check = match error {
                    DataError::MissingImage { .. } | DataError::MissingMask { .. } => {
                        Check::Pairing
                    }
                    DataError::BadSpacing { .. } => Check::Spacing,
                    _ => Check::Table,
                };
                findings.push(Finding::from_error(check, &error));
            }
        }
    }
    while let Err(error) = table.unique_ids(&mut cases) {
        findings.push(Finding::from_error(Check::Table, &error));
        let DataError::DuplicateCase { line, .. } = error else {
            break;
        };
        cases.retain(|(other, _)| *other != line);
    }
    let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
    let leaks = table.leaks(&cases);
    findings.extend(
        leaks
            .iter()
            .map(|leak| Finding::from_error(Check::Leakage, leak)),
    );
    (cases, findings)
}

/// Images and masks that lie in the folder but are in no line of the table, one finding each.
pub(super) fn orphans(dir: &Path, table: &Table) -> Vec<Finding> {
    let (mut images, mut masks) = (BTreeSet::new(), BTreeSet::new());
    for row in table.rows.iter().flatten() {
        let image = names(&row.image);
        match &row.mask {
            Some(mask) => masks.extend(names(mask)),
            None => masks.extend(
                image
                    .iter()
                    .flat_map(|name| [name.clone(), format!("{name}_mask")]),
            ),
        }
        images.extend(image);
    }
    let found = [("images", images), ("masks", masks)].map(|(folder, named)| {
        let extra = files(&dir.join(folder), &named);
        let first = extra.first()?;
        Some(Finding::warning(
            Check::Pairing,
            Some(first),
            format!(
                "{} in {folder}/ {} in no line of the table",
                counted(extra.len(), "file"),
                agreeing(extra.len(), ARE)
            ),
            "add a line for each, or move them out of the folder",
        ))
    });
    found.into_iter().flatten().collect()
}

/// A field may give a file's name with its extension or without; a dot may be part of either.
fn names(field: &str) -> Vec<String> {
    let path = Path::new(field);
    let whole = path.file_name().and_then(OsStr::to_str);
    let names = [Some(stem_of(path)), whole];
    names.into_iter().flatten().map(str::to_owned).collect()
}

/// The files of a folder whose stem is not named, but for hidden ones and those of file browsers.
fn files(folder: &Path, named: &BTreeSet<String>) -> Vec<PathBuf> {
    let mut extra: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            let stem = stem_of(path);
            !stem.is_empty() && !stem.starts_with('.') && stem != "Thumbs" && !named.contains(stem)
        })
        .collect();
    extra.sort();
    extra
}
