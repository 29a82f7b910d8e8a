//! The run directory: names of its files, and writes that are either whole or absent.
//!
//! Every file is written beside its place, synced and renamed over it, so a killed process
//! leaves the old file or the new one. A lock file keeps two processes out of one directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::TrainError;

/// A run directory that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    root: PathBuf,
}

/// Held while a process writes into a run directory; the system releases it with the process.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunDir {
    /// Refuse a directory that a run or anything else already lives in.
    ///
    /// # Errors
    /// [`TrainError::RunExists`], [`TrainError::NotVacant`].
    pub fn check_vacant(root: &Path) -> Result<(), TrainError> {
        Self::check_no_run(root)?;
        let mut entries = root.read_dir().into_iter().flatten();
        if entries.next().is_some() {
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
        let run = Self {
            root: root.to_owned(),
        };
        run.create_folders()?;
        Ok(run)
    }

    /// Makes whichever of the folders a run writes to is missing.
    pub(crate) fn create_folders(&self) -> Result<(), TrainError> {
        for dir in [self.root.clone(), self.checkpoints(), self.overlays()] {
            fs::create_dir_all(&dir).map_err(|e| TrainError::io(&dir, e))?;
        }
        Ok(())
    }

    /// Open the directory of an earlier run.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] when it holds no recipe.
    pub fn open(root: &Path) -> Result<Self, TrainError> {
        let run = Self {
            root: root.to_owned(),
        };
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
        let path = self.root.join(".lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| TrainError::io(&path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(RunLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(TrainError::Locked {
                path: self.root.clone(),
            }),
            Err(TryLockError::Error(e)) => Err(TrainError::io(&path, e)),
        }
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

    /// `checkpoints/last.safetensors`, the state a run resumes from.
    pub fn last_checkpoint(&self) -> PathBuf {
        self.checkpoints().join("last.safetensors")
    }

    /// `overlays/`.
    pub fn overlays(&self) -> PathBuf {
        self.root.join("overlays")
    }

    /// Append one JSON document as a line of `log.jsonl`.
    pub fn append_log(&self, line: &serde_json::Value) -> Result<(), TrainError> {
        let path = self.log();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|e| TrainError::io(&path, e))?;
        writeln!(file, "{line}").map_err(|e| TrainError::io(&path, e))
    }
}

/// Write a file whole or not at all: temporary sibling, sync, rename.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|e| {
        // The write failed; what is left of it is of no use to anyone.
        let _ = fs::remove_file(&partial);
        TrainError::io(path, e)
    })
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
        assert_eq!(RunDir::open(&root).unwrap(), run);
        let error = RunDir::create(&root).unwrap_err();
        assert!(matches!(&error, TrainError::RunExists { .. }));
        assert!(error.to_string().contains("salt resume"), "{error}");
    }

    #[test]
    fn a_second_writer_is_refused_until_the_first_lets_go() {
        let tmp = tempfile::tempdir().unwrap();
        let run = RunDir::create(tmp.path()).unwrap();
        let lock = run.lock().unwrap();
        assert!(matches!(run.lock(), Err(TrainError::Locked { .. })));
        drop(lock);
        assert!(run.lock().is_ok());
    }

    #[test]
    fn an_atomic_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 1);
        let error = write_atomic(&tmp.path().join("missing/f"), b"x")
            .unwrap_err()
            .to_string();
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
    }
}
