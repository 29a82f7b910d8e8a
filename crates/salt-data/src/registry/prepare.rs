//! Found cases to a folder that [`crate::Dataset::open`] reads: `images/`, `masks/`, `pairs.csv`, `SHA256SUMS`, and
//! `dataset.json`, which says where everything came from.
//!
//! Pictures are kept as their authors encoded them; masks become PNG files with 0 and 255, or class ids. The folder
//! appears at once and whole: it is written beside its place and renamed.

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::error::RegistryError;
use super::found::{FoundCase, Picture};
use super::sums;
use super::truth::same_size;
use crate::dataset::Split;
use crate::decode_image::dimensions;
use crate::encode::{write_image, write_mask};
use crate::error::DataError;
use crate::folder_sync::folder_of;
use crate::pixels::IGNORE_LABEL;

/// Name of the record in a prepared folder.
pub(super) const RECORD: &str = "dataset.json";

/// Counts up when an importer would write other files than before.
pub(super) const FORMAT: u32 = 1;

/// Cases written between two reports.
const CHUNK: usize = 64;

/// An archive or folder that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub file: String,
    /// SHA-256 of an archive; a folder has none.
    pub sha256: Option<String>,
    /// Whether it is known to be the published file.
    pub as_published: bool,
}

/// What a prepared folder holds; kept in it as `dataset.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepared {
    /// Version of this record and of the importers.
    pub format: u32,
    /// The set.
    pub name: String,
    /// What its authors call it.
    pub title: String,
    /// The way it was read.
    pub variant: String,
    /// The split, as on the command line.
    pub split: String,
    /// Whether an incomplete copy was accepted.
    pub partial: bool,
    /// One name per class.
    pub classes: Vec<String>,
    /// Name of the licence.
    pub licence: String,
    /// What the licence asks for.
    pub terms: String,
    /// Whom to cite.
    pub citation: String,
    /// The set's page.
    pub home: String,
    /// What was read.
    pub sources: Vec<Source>,
    /// Cases in each split.
    pub splits: BTreeMap<Split, usize>,
    /// Cases that were found and are in no split.
    pub left_out: usize,
}

impl Prepared {
    /// The record of a prepared folder, where there is one.
    pub(super) fn read(dir: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join(RECORD)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Whether another preparation would write the same files, as far as the request tells.
    pub(super) fn answers(&self, other: &Self) -> bool {
        (
            self.format,
            &self.name,
            &self.variant,
            &self.split,
            self.partial,
        ) == (
            other.format,
            &other.name,
            &other.variant,
            &other.split,
            other.partial,
        )
    }
}

/// A folder that goes away with its owner.
pub(super) struct Scratch {
    path: PathBuf,
    /// Held by the outer one of a fetch. The system drops it with the process, however that ends.
    _lock: Option<File>,
}

impl Scratch {
    /// A new folder beside `out`, with what a killed process has left there removed.
    pub(super) fn beside(out: &Path, purpose: &str) -> Result<Self, RegistryError> {
        let path = place(out, purpose);
        let folder = folder_of(&path);
        std::fs::create_dir_all(folder).map_err(RegistryError::io("create", folder))?;
        if path.exists() {
            std::fs::remove_dir_all(&path).map_err(RegistryError::io("remove", &path))?;
        }
        std::fs::create_dir(&path).map_err(RegistryError::io("create", &path))?;
        Ok(Self { path, _lock: None })
    }

    /// The same, for one process at a time.
    pub(super) fn alone_beside(out: &Path, purpose: &str) -> Result<Self, RegistryError> {
        let mut scratch = match lock_of(out, purpose) {
            Some(lock) if lock.try_lock().is_err() => {
                let path = out.to_owned();
                return Err(RegistryError::Busy { path });
            }
            // Nobody's: what a killed process has left.
            _ => Self::beside(out, purpose)?,
        };
        let path = scratch.path.join(LOCK);
        let lock = File::create(&path).map_err(RegistryError::io("create", &path))?;
        // Some network file systems have no locks; two processes at once would then spoil each other's work.
        let _ = lock.try_lock();
        scratch._lock = Some(lock);
        Ok(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Name of the lock in a folder that is used alone.
const LOCK: &str = "lock";

fn place(out: &Path, purpose: &str) -> PathBuf {
    let name = out
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
    let folder = folder_of(out);
    folder.join(format!(".{name}.{purpose}"))
}

/// The lock of a folder that is there.
fn lock_of(out: &Path, purpose: &str) -> Option<File> {
    File::open(place(out, purpose).join(LOCK)).ok()
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Gone already when it was renamed into place; otherwise the next call removes it.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Writes the cases that have a split. Files below `movable` are moved, others are copied.
pub(super) fn write(
    cases: &[(FoundCase, Option<Split>)],
    record: &Prepared,
    out: &Path,
    movable: &Path,
    report: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<(), RegistryError> {
    let scratch = Scratch::beside(out, "preparing")?;
    for folder in ["images", "masks"] {
        let path = scratch.path().join(folder);
        std::fs::create_dir(&path).map_err(RegistryError::io("create", &path))?;
    }
    let used: Vec<(&FoundCase, Split)> = cases
        .iter()
        .filter_map(|(case, split)| Some((case, (*split)?)))
        .collect();
    let mut rows = Vec::with_capacity(used.len());
    let mut sums = Vec::with_capacity(2 * used.len() + 1);
    let mut any_marked = false;
    for chunk in used.chunks(CHUNK) {
        if report(rows.len(), used.len()).is_break() {
            return Err(RegistryError::Stopped);
        }
        let written: Vec<Result<([sums::Sum; 2], bool), RegistryError>> = chunk
            .par_iter()
            .map(|(case, _)| {
                let (names, marked) =
                    write_case(case, record.classes.len(), scratch.path(), movable)?;
                let [image, mask] = names.each_ref();
                let sums = [
                    sums::of(scratch.path(), image)?,
                    sums::of(scratch.path(), mask)?,
                ];
                Ok((sums, marked))
            })
            .collect();
        for (written, (case, split)) in written.into_iter().zip(chunk) {
            let (written, marked) = written?;
            any_marked |= marked;
            rows.push((
                written.each_ref().map(|(name, _)| name.clone()),
                *case,
                *split,
            ));
            sums.extend(written);
        }
    }
    if !any_marked {
        return Err(RegistryError::nothing_marked(record, used.len()));
    }
    let table = scratch.path().join("pairs.csv");
    write_table(&table, &rows)?;
    sums.push(sums::of(scratch.path(), "pairs.csv")?);
    sums::write(scratch.path(), &sums)?;
    let path = scratch.path().join(RECORD);
    let text = serde_json::to_string_pretty(record).map_err(std::io::Error::other);
    text.and_then(|text| std::fs::write(&path, text + "\n"))
        .map_err(RegistryError::io("write", &path))?;
    std::fs::rename(scratch.path(), out).map_err(RegistryError::io("create", out))
}

/// The names of the two files, relative to the folder, and whether the mask marks anything.
fn write_case(
    case: &FoundCase,
    n_classes: usize,
    dir: &Path,
    movable: &Path,
) -> Result<([String; 2], bool), RegistryError> {
    let mask = format!("masks/{}.png", case.id);
    let labels = (case.truth)()?;
    write_mask(&dir.join(&mask), &labels, n_classes)?;
    let image = match &case.picture {
        Picture::Made(make) => {
            let image = format!("images/{}.png", case.id);
            write_image(&dir.join(&image), &make()?)?;
            image
        }
        Picture::File(path) => {
            let image = format!("images/{}.{}", case.id, extension(path));
            let target = dir.join(&image);
            if path.starts_with(movable) {
                std::fs::rename(path, &target).map_err(RegistryError::io("move", path))?;
            } else {
                std::fs::copy(path, &target).map_err(RegistryError::io("copy", path))?;
            }
            image
        }
    };
    let size = dimensions(&dir.join(&image))?;
    same_size(&dir.join(&mask), size, [labels.width, labels.height])?;
    let marked = labels
        .classes
        .iter()
        .any(|&label| label != 0 && label != IGNORE_LABEL);
    Ok(([image, mask], marked))
}

/// The extension in small letters, with the `.gz` that may surround another.
fn extension(path: &Path) -> String {
    let name = path
        .file_name()
        .map_or_else(String::new, |n| n.to_string_lossy().to_lowercase());
    let (name, gz) = match name.strip_suffix(".gz") {
        Some(inner) => (inner, ".gz"),
        None => (name.as_str(), ""),
    };
    let inner = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    format!("{inner}{gz}")
}

fn write_table(
    path: &Path,
    rows: &[([String; 2], &FoundCase, Split)],
) -> Result<(), RegistryError> {
    let grouped = rows.iter().any(|(_, case, _)| case.group.is_some());
    let spaced = rows.iter().any(|(_, case, _)| case.spacing_mm.is_some());
    let mut columns = vec!["image", "mask", "split"];
    columns.extend(grouped.then_some("group"));
    columns.extend(spaced.then_some("spacing_mm"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut written = writer.write_record(&columns);
    for ([image, mask], case, split) in rows {
        let mut row = vec![image.clone(), mask.clone(), split.name().to_owned()];
        if grouped {
            row.push(case.group.clone().unwrap_or_default());
        }
        if spaced {
            let spacing = case.spacing_mm.map(|[x, y]| format!("{x}x{y}"));
            row.push(spacing.unwrap_or_default());
        }
        written = written.and_then(|()| writer.write_record(&row));
    }
    let bytes = written
        .map_err(std::io::Error::other)
        .and_then(|()| writer.into_inner().map_err(|error| error.into_error()));
    bytes
        .and_then(|bytes| std::fs::write(path, bytes))
        .map_err(|source| RegistryError::Data(DataError::io("write", path)(source)))
}

#[cfg(test)]
mod tests {
    use super::extension;

    #[test]
    fn extensions_are_small_and_keep_their_gz() {
        for (name, expected) in [
            ("a.JPG", "jpg"),
            ("x/im0001.ppm.gz", "ppm.gz"),
            ("benign (1).png", "png"),
        ] {
            assert_eq!(extension(name.as_ref()), expected);
        }
    }
}
