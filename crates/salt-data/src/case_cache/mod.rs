//! Decoded and scaled cases on disk, found by the content of the files they were made of.
//!
//! An entry is named after a hash of the image file, the mask file, the label rule and the scale
//! ([`key`]), so a changed file or setting is another entry and none is ever out of date. It is written to a
//! file of its own and renamed, so several processes may share a folder; it is believed only where its
//! checksum agrees ([`entry`]). When the folder is full, what was not used the longest goes ([`space`]).
//! Nothing that goes wrong in the cache stops an epoch or changes a batch: the case is decoded, and the
//! report says what was wrong ([`CacheReport`]).

mod entry;
mod key;
mod report;
mod space;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

pub use self::report::{CacheReport, CacheWarning};

use self::entry::Unusable;
use self::key::{Key, Keys};
use self::report::WARNINGS_KEPT;
use self::space::Space;
use crate::cache_options::DiskCache;
use crate::dataset::Dataset;
use crate::error::DataError;
use crate::prepared_case::PreparedCase;
use crate::view::View;

/// Extension of entries.
const ENTRY: &str = "case";
/// Extension of entries that are being written.
const PART: &str = "part";

/// Tells programs that make backups to leave the folder out (<https://bford.info/cachedir/>).
const TAG: &str =
    "Signature: 8a477f597d28d172789f06886806bc55\n# Decoded training images; may be deleted.\n";

/// A name that no loader of this process, no other process and no other machine gives its unfinished file.
fn part_name() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_nanos());
    format!("{}-{now}-{count}", std::process::id())
}

/// A cache folder, opened for the cases of one loader.
#[derive(Debug)]
pub(crate) struct CaseCache {
    dir: PathBuf,
    keys: Keys,
    space: Space,
    report: Mutex<CacheReport>,
}

impl CaseCache {
    /// Makes the folder where there is none, and counts what is in it.
    pub(crate) fn open(
        options: &DiskCache,
        dataset: &Dataset,
        view: &View,
    ) -> Result<Self, DataError> {
        let dir = options.dir.clone();
        std::fs::create_dir_all(&dir).map_err(DataError::io("create", &dir))?;
        let tag = dir.join("CACHEDIR.TAG");
        if !tag.exists() {
            std::fs::write(&tag, TAG).map_err(DataError::io("write", &tag))?;
        }
        let space = Space::open(&dir, options.max_bytes).map_err(DataError::io("read", &dir))?;
        Ok(Self {
            keys: Keys::new(dataset, view),
            dir,
            space,
            report: Mutex::new(CacheReport::default()),
        })
    }

    /// Case `index` of the data set the cache was opened for: from its entry, or by `decode`, whose
    /// result is stored.
    pub(crate) fn fetch(
        &self,
        dataset: &Dataset,
        index: usize,
        decode: impl FnOnce() -> Result<PreparedCase, DataError>,
    ) -> Result<PreparedCase, DataError> {
        let case = &dataset.cases[index];
        let key = self.keys.of(index, case)?;
        let path = self.path(&key);
        match entry::read(&path, &key) {
            Ok(prepared) => {
                self.mark_used(&path);
                self.note(|report| report.hits += 1);
                return Ok(prepared);
            }
            Err(Unusable::Absent) => {}
            Err(Unusable::Damaged(problem)) => {
                let path = path.clone();
                self.warn(CacheWarning::Damaged { path, problem });
            }
        }
        let prepared = decode()?;
        self.note(|report| report.misses += 1);
        if self.keys.still(index, case, key) {
            self.store(path, &key, &prepared);
        } else {
            let path = case.image.clone();
            self.warn(CacheWarning::Changing { path });
        }
        Ok(prepared)
    }

    /// What has happened so far.
    pub(crate) fn report(&self) -> CacheReport {
        let mut report = self.lock().clone();
        report.evicted = self.space.evicted();
        report
    }

    fn path(&self, key: &Key) -> PathBuf {
        let name = key.hex();
        self.dir.join(&name[..2]).join(name).with_extension(ENTRY)
    }

    /// The file's time of modification is the time of its last use. Marked once a run: what was
    /// used in a run stays for as long as it lasts.
    fn mark_used(&self, path: &Path) {
        let modified = path.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|time| !self.space.is_recent(time)) {
            // In a folder of someone else the entry only looks older than it is.
            let _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
        }
    }

    fn store(&self, path: PathBuf, key: &Key, case: &PreparedCase) {
        let bytes = entry::file_bytes(case);
        match self.space.take(bytes) {
            Ok(true) => {}
            Ok(false) => return self.note(|report| report.no_room += 1),
            Err(error) => return self.not_written(path, &error),
        }
        match Self::write(&path, key, case) {
            Ok(()) => self.note(|report| report.stored += 1),
            Err(error) => {
                self.space.give_back(bytes);
                self.not_written(path, &error);
            }
        }
    }

    fn write(path: &Path, key: &Key, case: &PreparedCase) -> std::io::Result<()> {
        if let Some(shelf) = path.parent() {
            std::fs::create_dir_all(shelf)?;
        }
        let part = path.with_extension(format!("{}.{PART}", part_name()));
        // Not ours where it is there already, so it is only removed once it has been made.
        let file = File::create_new(&part)?;
        let written = entry::write(file, key, case).and_then(|()| std::fs::rename(&part, path));
        if written.is_err() {
            // What cannot be removed now goes when it has been abandoned for long enough.
            let _ = std::fs::remove_file(&part);
        }
        written
    }

    fn not_written(&self, path: PathBuf, error: &std::io::Error) {
        let problem = error.to_string();
        self.warn(CacheWarning::NotWritten { path, problem });
    }

    fn warn(&self, warning: CacheWarning) {
        self.note(|report| {
            report.warnings_total += 1;
            if report.warnings.len() < WARNINGS_KEPT {
                report.warnings.push(warning);
            }
        });
    }

    fn note(&self, change: impl FnOnce(&mut CacheReport)) {
        change(&mut self.lock());
    }

    /// A panic of another worker leaves the counts as they are.
    fn lock(&self) -> std::sync::MutexGuard<'_, CacheReport> {
        self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
