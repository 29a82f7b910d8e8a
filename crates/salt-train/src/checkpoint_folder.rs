//! `checkpoints/`: the newest checkpoints of a run, each a file named after its step.
//!
//! A checkpoint is removed only after a newer one is on the disk, so at every moment there is a whole one. What
//! cannot be used is set aside as `.corrupt`, and the next older one is taken: the steps between are trained
//! again and give the same bytes. Runs of earlier versions have one file, `last.safetensors`; it counts as the oldest.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::checkpoint::{Checkpoint, Unusable};
use crate::durable::{Files, is_partial, replace};
use crate::error::TrainError;

/// The one file of earlier versions.
const LAST: &str = "last.safetensors";
/// End of the name of a checkpoint that cannot be used.
const CORRUPT: &str = ".corrupt";

/// The folder of a run's checkpoints.
#[derive(Clone, Debug)]
pub struct CheckpointFolder {
    files: Arc<dyn Files>,
    path: PathBuf,
}

/// What a run can go on from.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest checkpoint that is whole; `None` when the folder has none and never had.
    pub checkpoint: Option<Checkpoint>,
    /// What was wrong with newer ones, in words for a person.
    pub warnings: Vec<String>,
}

impl CheckpointFolder {
    /// The folder at `path`, which need not be there yet.
    pub fn new(files: Arc<dyn Files>, path: PathBuf) -> Self {
        Self { files, path }
    }

    /// Write a checkpoint. Once this returns, a crash no longer loses it.
    ///
    /// # Errors
    /// [`TrainError::Io`]; the earlier checkpoints are then as they were.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let path = self.path.join(file_name(checkpoint.progress.step));
        let bytes = checkpoint.to_bytes()?;
        replace(&*self.files, &path, &bytes).map_err(|e| TrainError::io(&path, e))
    }

    /// Keep the checkpoint of step `newest` and the `keep - 1` before it; remove what is older, and what writes
    /// that were cut off have left.
    ///
    /// # Errors
    /// [`TrainError::Io`]; what could not be removed stays.
    pub fn prune(&self, newest: u64, keep: usize) -> Result<(), TrainError> {
        let (mut checkpoints, others) = self.sorted()?;
        // One of a later step was passed over as unusable; it is replaced when the run comes by.
        checkpoints.retain(|(step, _)| *step <= Some(newest));
        let older = checkpoints.into_iter().skip(keep).map(|(_, name)| name);
        let partial = others.into_iter().filter(|name| is_partial(name));
        self.remove(older.chain(partial))
    }

    /// The newest checkpoint that can be used.
    ///
    /// # Errors
    /// [`TrainError::NoGoodCheckpoint`] when there are checkpoints and none is good: to begin again is
    /// then for a person to decide. [`TrainError::UnknownCheckpoint`]; [`TrainError::Io`] when the folder cannot be read.
    pub fn newest(&self) -> Result<Found, TrainError> {
        let (checkpoints, others) = self.sorted()?;
        let mut found = Found::default();
        for (_, name) in checkpoints {
            let path = self.path.join(&name);
            let problem = match self.files.read(&path) {
                // It may be readable another time, so it keeps its name.
                Err(e) => format!("the checkpoint `{}` cannot be read ({e})", path.display()),
                Ok(bytes) => match Checkpoint::from_bytes(&bytes) {
                    Ok(checkpoint) => {
                        found.checkpoint = Some(checkpoint);
                        return Ok(found);
                    }
                    Err(Unusable::Unknown(what)) => {
                        return Err(TrainError::UnknownCheckpoint { path, what });
                    }
                    Err(Unusable::Damaged(reason)) => {
                        let aside = self.set_aside(&path, &name);
                        format!(
                            "the checkpoint `{}` is damaged ({reason}); {aside}",
                            path.display()
                        )
                    }
                },
            };
            found.warnings.push(problem);
        }
        let corrupt = others.into_iter().filter(|name| name.ends_with(CORRUPT));
        let earlier = corrupt.map(|name| format!("`{name}` was damaged earlier"));
        let problems: Vec<String> = found.warnings.drain(..).chain(earlier).collect();
        if problems.is_empty() {
            return Ok(found);
        }
        Err(TrainError::NoGoodCheckpoint {
            path: self.path.clone(),
            problems: problems.join(", "),
        })
    }

    /// Remove every checkpoint of a run that needs none any more. What was set aside stays.
    ///
    /// # Errors
    /// [`TrainError::Io`]; what could not be removed stays.
    pub fn clear(&self) -> Result<(), TrainError> {
        let (checkpoints, others) = self.sorted()?;
        let partial = others.into_iter().filter(|name| is_partial(name));
        self.remove(checkpoints.into_iter().map(|(_, name)| name).chain(partial))
    }

    /// Checkpoints with their steps, newest first, and the names of everything else.
    #[expect(clippy::type_complexity, reason = "two lists, taken apart at once")]
    fn sorted(&self) -> Result<(Vec<(Option<u64>, String)>, Vec<String>), TrainError> {
        let names = match self.files.list(&self.path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            outcome => outcome.map_err(|e| TrainError::io(&self.path, e))?,
        };
        let (mut checkpoints, mut others) = (Vec::new(), Vec::new());
        for name in names {
            match step_of(&name) {
                Some(step) => checkpoints.push((Some(step), name)),
                None if name == LAST => checkpoints.push((None, name)),
                None => others.push(name),
            }
        }
        checkpoints.sort_by(|a, b| b.cmp(a));
        others.sort();
        Ok((checkpoints, others))
    }

    fn set_aside(&self, path: &Path, name: &str) -> String {
        let aside = path.with_file_name(format!("{name}{CORRUPT}"));
        let renamed = self.files.rename(path, &aside);
        match renamed.and_then(|()| self.files.sync(&self.path)) {
            Ok(()) => format!("it is now `{}`", aside.display()),
            Err(e) => format!("it could not be renamed ({e})"),
        }
    }

    /// Remove all that can be removed, and give the first problem.
    fn remove(&self, names: impl Iterator<Item = String>) -> Result<(), TrainError> {
        let mut outcome = Ok(());
        for name in names {
            let path = self.path.join(name);
            match self.files.remove(&path) {
                Err(e) if e.kind() == ErrorKind::NotFound => {}
                removed => outcome = outcome.and(removed.map_err(|e| TrainError::io(&path, e))),
            }
        }
        outcome
    }
}

/// Name of the checkpoint of a step.
fn file_name(step: u64) -> String {
    format!("step-{step:010}.safetensors")
}

/// The step in the name of a checkpoint.
fn step_of(name: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(".safetensors")?;
    step.parse().ok().filter(|step| file_name(*step) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::Progress;
    use crate::durable::SystemFiles;

    fn at(step: u64) -> Checkpoint {
        Checkpoint {
            progress: Progress {
                step,
                ..Progress::default()
            },
            ..Checkpoint::default()
        }
    }

    fn folder(tmp: &tempfile::TempDir) -> CheckpointFolder {
        CheckpointFolder::new(Arc::new(SystemFiles), tmp.path().to_owned())
    }

    fn names(tmp: &tempfile::TempDir) -> Vec<String> {
        let mut names = SystemFiles.list(tmp.path()).unwrap();
        names.sort();
        names
    }

    #[test]
    fn the_newest_are_kept_and_taken_in_the_order_of_their_steps() {
        let tmp = tempfile::tempdir().unwrap();
        let folder = folder(&tmp);
        assert!(folder.newest().unwrap().checkpoint.is_none());
        std::fs::write(tmp.path().join("notes.txt"), "mine").unwrap();
        at(1).save(&tmp.path().join(LAST)).unwrap();
        for (step, kept) in [(9, vec![9, 1]), (10, vec![10, 9]), (11, vec![11, 10])] {
            folder.save(&at(step)).unwrap();
            std::fs::write(tmp.path().join("step-1.safetensors.7.partial"), "half").unwrap();
            folder.prune(step, 2).unwrap();
            let found = folder.newest().unwrap();
            assert_eq!(found.checkpoint.unwrap().progress.step, step);
            let mut expected: Vec<String> = kept
                .into_iter()
                .map(|step| match step {
                    1 => LAST.to_owned(),
                    step => file_name(step),
                })
                .chain(["notes.txt".to_owned()])
                .collect();
            expected.sort();
            assert_eq!(names(&tmp), expected);
        }
        folder.clear().unwrap();
        assert_eq!(names(&tmp), ["notes.txt"]);
    }

    #[test]
    fn damaged_ones_are_set_aside_with_words_until_none_is_left() {
        let tmp = tempfile::tempdir().unwrap();
        let folder = folder(&tmp);
        for step in [3, 6] {
            folder.save(&at(step)).unwrap();
        }
        std::fs::write(tmp.path().join(file_name(6)), "noise").unwrap();
        let found = folder.newest().unwrap();
        assert_eq!(found.checkpoint.unwrap().progress.step, 3);
        let warning = found.warnings.concat();
        assert!(
            warning.contains("step-0000000006.safetensors.corrupt"),
            "{warning}"
        );
        // One that is newer than where the run stands does not push a good one out.
        std::fs::write(tmp.path().join(file_name(8)), "noise").unwrap();
        folder.save(&at(4)).unwrap();
        folder.prune(4, 1).unwrap();
        assert_eq!(
            folder.newest().unwrap().checkpoint.unwrap().progress.step,
            4
        );
        std::fs::remove_file(tmp.path().join(file_name(4))).unwrap();
        for _ in 0..2 {
            let error = folder.newest().unwrap_err().to_string();
            assert!(error.contains("salt resume"), "{error}");
        }
    }

    #[test]
    fn only_names_that_we_give_are_checkpoints() {
        assert_eq!(step_of(&file_name(12)), Some(12));
        assert_eq!(step_of(&file_name(u64::MAX)), Some(u64::MAX));
        for name in [
            "step-12.safetensors",
            "step-+000000012.safetensors",
            "last.safetensors",
        ] {
            assert_eq!(step_of(name), None, "{name}");
        }
    }
}
