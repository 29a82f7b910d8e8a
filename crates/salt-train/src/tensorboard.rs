//! `events.out.tfevents.*`: the numbers of a run in the files that TensorBoard reads.
//!
//! A file belongs to one session (a start or a resumption) and is only ever appended to. It begins with the version
//! and with the start of the session at its first step: TensorBoard forgets what an earlier file says
//! about that step and later ones, so a run that was killed and resumed from an older state has every point once.
//! Files are read in the order of their names, which hold the time at which the session began.
//! They hold wall times, so two equal runs do not have equal files.

mod crc32c;
mod event;
mod record;

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use self::event::{Event, What};
use crate::error::TrainError;

/// What TensorBoard looks for in a name.
const PREFIX: &str = "events.out.tfevents.";
/// The version that makes TensorBoard heed the start of a session.
const FILE_VERSION: &str = "brain.Event:2";

/// The file of one session.
#[derive(Debug)]
pub(crate) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// A new file in `folder` for a session whose first step is `first_step`.
    ///
    /// # Errors
    /// The folder cannot be read or the file not be written.
    pub(crate) fn begin(folder: &Path, first_step: u64) -> Result<Self, TrainError> {
        let path = next_path(folder).map_err(|e| TrainError::io(folder, e))?;
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(|e| TrainError::io(&path, e))?;
        let mut events = Self { file, path };
        events.write(0, What::Version(FILE_VERSION))?;
        events.write(first_step, What::SessionStart)?;
        Ok(events)
    }

    /// Appends the values of some curves at one step.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn scalars(&mut self, step: u64, values: &[(&str, f64)]) -> Result<(), TrainError> {
        self.write(step, What::Scalars(values))
    }

    fn write(&mut self, step: u64, what: What<'_>) -> Result<(), TrainError> {
        let event = Event {
            wall_time: now(),
            step,
            what,
        };
        let bytes = record::frame(&event.encode());
        self.file
            .write_all(&bytes)
            .map_err(|e| TrainError::io(&self.path, e))
    }
}

/// A name after those of all event files that are there, whatever the clock says.
fn next_path(folder: &Path) -> std::io::Result<PathBuf> {
    let mut seconds = now() as u64;
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        let taken = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        let taken = taken.and_then(|rest| rest.split('.').next()?.parse::<u64>().ok());
        seconds = seconds.max(taken.map_or(0, |taken| taken.saturating_add(1)));
    }
    Ok(folder.join(format!("{PREFIX}{seconds:010}.salt")))
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |d| d.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_session_has_a_later_name_even_if_the_clock_went_back() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join(format!("{PREFIX}9000000000.host.7")), b"").unwrap();
        std::fs::write(tmp.path().join("metrics.csv"), b"").unwrap();
        let names: Vec<_> = (1..=2)
            .map(|step| EventFile::begin(tmp.path(), step).unwrap().path)
            .collect();
        assert_eq!(
            names,
            [9_000_000_001_u64, 9_000_000_002]
                .map(|seconds| tmp.path().join(format!("{PREFIX}{seconds}.salt")))
        );
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let error = EventFile::begin(Path::new("/nowhere/at/all"), 1).unwrap_err();
        assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
    }
}
