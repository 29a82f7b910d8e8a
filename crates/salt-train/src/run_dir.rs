//! The run directory: names of its files, and writes that are either whole or absent.
//!
//! Every file is written beside its place, synced and renamed over it, so a killed process
//! leaves the old file or the new one. A lock file keeps two processes out of one directory.

use std::fs::{self, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::checkpoint_folder::CheckpointFolder;
use crate::durable::{Files, SystemFiles, folder_of, is_partial, replace};
use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::run::unix_seconds;
use crate::run_lock::{LOCK, RunLock};

/// A run directory that exists.
#[derive(Debug, Clone)]
pub struct RunDir {
    root: PathBuf,
    files: Arc<dyn Files>,
}

impl RunDir {
    /// Refuse a directory that a run or anything else already lives in.
    ///
    /// # Errors
    /// [`TrainError::RunExists`], [`TrainError::NotVacant`].
    pub fn check_vacant(root: &Path) -> Result<(), TrainError> {
        Self::check_no_run(root)?;
        // A run that was killed before its recipe was written has left a lock and half a recipe.
        let is_ours =
            |name: &str| name == LOCK || name.starts_with("recipe.toml.") && is_partial(name);
        let mut entries = root.read_dir().into_iter().flatten().flatten();
        if entries.any(|entry| !entry.file_name().to_str().is_some_and(is_ours)) {
            return Err(TrainError::NotVacant {
                path: root.to_owned(),
            });
        }
        Ok(())
    }

    /// Refuse a directory that a run already lives in.
    ///
    /// # Errors
    /// [`TrainError::RunExists`].
    pub(crate) fn check_no_run(root: &Path) -> Result<(), TrainError> {
        if root.join("recipe.toml").exists() {
            return Err(TrainError::RunExists {
                path: root.to_owned(),
            });
        }
        Ok(())
    }

    /// Make a fresh run directory.
    ///
    /// # Errors
    /// As [`RunDir::check_vacant`].
    pub fn create(root: &Path) -> Result<Self, TrainError> {
        Self::check_vacant(root)?;
        fs::create_dir_all(root).map_err(|e| TrainError::io(root, e))?;
        Ok(Self::at(root))
    }

    fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: Arc::new(SystemFiles),
        }
    }

    /// The same directory, written through other files.
    pub(crate) fn through(self, files: Arc<dyn Files>) -> Self {
        Self { files, ..self }
    }

    /// Makes whichever of the folders a run writes to is missing, and removes what writes that were cut off
    /// have left.
    pub(crate) fn make_ready(&self) -> Result<(), TrainError> {
        let folders = [self.checkpoints(), self.overlays()];
        for folder in &folders {
            fs::create_dir_all(folder).map_err(|e| TrainError::io(folder, e))?;
        }
        self.sync(&self.root)?;
        // The folder above is not ours, and may be one that we cannot open.
        let _ = self.sync(folder_of(&self.root));
        for folder in folders.iter().chain([&self.root]) {
            let names = self.files.list(folder).unwrap_or_default();
            for name in names.iter().filter(|name| is_partial(name)) {
                // It is in nobody's way.
                let _ = self.files.remove(&folder.join(name));
            }
        }
        Ok(())
    }

    /// Open the directory of an earlier run.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] when it holds no recipe.
    pub fn open(root: &Path) -> Result<Self, TrainError> {
        let run = Self::at(root);
        if run.recipe().is_file() {
            Ok(run)
        } else {
            Err(TrainError::NotARun {
                path: root.to_owned(),
            })
        }
    }

    /// Take the lock.
    ///
    /// # Errors
    /// [`TrainError::Locked`] when another process holds it.
    pub fn lock(&self) -> Result<RunLock, TrainError> {
        RunLock::take(&self.root)
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// `recipe.toml`, resolved.
    pub fn recipe(&self) -> PathBuf {
        self.root.join("recipe.toml")
    }

    /// `result.json`.
    pub fn result(&self) -> PathBuf {
        self.root.join("result.json")
    }

    /// `cases.csv`.
    pub fn cases(&self) -> PathBuf {
        self.root.join("cases.csv")
    }

    /// `metrics.csv`.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.csv")
    }

    /// `log.jsonl`.
    pub fn log(&self) -> PathBuf {
        self.root.join("log.jsonl")
    }

    /// `curves.svg`.
    pub fn curves(&self) -> PathBuf {
        self.root.join("curves.svg")
    }

    /// `adapter/`.
    pub fn adapter(&self) -> PathBuf {
        self.root.join("adapter")
    }

    /// `checkpoints/`.
    pub fn checkpoints(&self) -> PathBuf {
        self.root.join("checkpoints")
    }

    /// What is in `checkpoints/`.
    pub fn checkpoint_folder(&self) -> CheckpointFolder {
        CheckpointFolder::new(Arc::clone(&self.files), self.checkpoints())
    }

    /// `non_finite/`, of batches that a step failed on; made when there is one.
    pub fn non_finite(&self) -> PathBuf {
        self.root.join("non_finite")
    }

    /// `overlays/`.
    pub fn overlays(&self) -> PathBuf {
        self.root.join("overlays")
    }

    /// Write a file of the run whole or not at all.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
        replace(&*self.files, path, bytes).map_err(|e| TrainError::io(path, e))
    }

    /// Make the bytes of a file or the names in a folder survive a crash.
    pub(crate) fn sync(&self, path: &Path) -> Result<(), TrainError> {
        self.files.sync(path).map_err(|e| TrainError::io(path, e))
    }

    /// `overlays/val/`, of validation cases during training; made when there is something to draw.
    pub fn val_overlays(&self) -> PathBuf {
        self.overlays().join("val")
    }

    /// Append one JSON document as a line of `log.jsonl`.
    pub fn append_log(&self, line: &serde_json::Value) -> Result<(), TrainError> {
        let path = self.log();
        let append = || {
            let mut file = OpenOptions::new()
                .create(true)
                .read(true)
                .append(true)
                .open(&path)?;
            // A line that was cut off is ended first, or it would spoil this one.
            let mut last = *b"\n";
            if file.seek(SeekFrom::End(-1)).is_ok() {
                file.read_exact(&mut last)?;
            }
            let end = if last == *b"\n" { "" } else { "\n" };
            file.write_all(format!("{end}{line}\n").as_bytes())
        };
        append().map_err(|e| TrainError::io(&path, e))
    }

    /// Say what went wrong without ending the run, to the observer and in `log.jsonl`.
    pub(crate) fn warn(&self, session: &mut Session<'_>, what: &str) {
        session.event(Event::Warning(what));
        // It has been said; where the disk is what went wrong, the log may not take it.
        let _ = self
            .append_log(&json!({"event": "warning", "unix_s": unix_seconds(), "message": what}));
    }
}

/// Write a file whole or not at all.
///
/// # Errors
/// [`TrainError::Io`].
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    replace(&SystemFiles, path, bytes).map_err(|e| TrainError::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_created_once_and_opened_afterwards() {
        let tmp = tempfile::tempdir().unwrap();
        let root = tmp.path().join("a/b");
        assert!(matches!(
            RunDir::open(&root),
            Err(TrainError::NotARun { .. })
        ));
        let run = RunDir::create(&root).unwrap();
        write_atomic(&run.recipe(), b"x").unwrap();
        assert_eq!(RunDir::open(&root).unwrap().root(), run.root());
        let error = RunDir::create(&root).unwrap_err();
        assert!(matches!(&error, TrainError::RunExists { .. }));
        assert!(error.to_string().contains("salt resume"), "{error}");
    }

    #[test]
    fn what_a_start_that_was_killed_has_left_is_nobodys() {
        let tmp = tempfile::tempdir().unwrap();
        drop(RunDir::create(tmp.path()).unwrap().lock().unwrap());
        fs::write(tmp.path().join("recipe.toml.7.partial"), "half").unwrap();
        let run = RunDir::create(tmp.path()).unwrap();
        run.make_ready().unwrap();
        assert!(!tmp.path().join("recipe.toml.7.partial").exists());
        let error = RunDir::create(tmp.path()).unwrap_err();
        assert!(matches!(&error, TrainError::NotVacant { .. }), "{error}");
    }

    #[test]
    fn an_atomic_write_that_fails_names_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("missing/f");
        let error = write_atomic(&path, b"x").unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
    }

    #[test]
    fn log_lines_accumulate() {
        let tmp = tempfile::tempdir().unwrap();
        let run = RunDir::create(tmp.path()).unwrap();
        run.append_log(&serde_json::json!({"event": "a"})).unwrap();
        run.append_log(&serde_json::json!({"event": "b"})).unwrap();
        assert_eq!(
            fs::read_to_string(run.log()).unwrap(),
            "{\"event\":\"a\"}\n{\"event\":\"b\"}\n"
        );
        fs::write(run.log(), "{\"event\":\"a\"}\n{\"ev").unwrap();
        run.append_log(&serde_json::json!({"event": "b"})).unwrap();
        let text = fs::read_to_string(run.log()).unwrap();
        assert_eq!(text.lines().last(), Some("{\"event\":\"b\"}"));
    }
}
