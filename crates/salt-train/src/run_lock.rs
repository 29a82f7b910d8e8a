//! `.lock`: keeps two processes out of one run directory.
//!
//! The system's lock on the file goes with the process that holds it, whatever ends it. Beside that, the file names its
//! holder, host and process, until the holder lets go: on some network file systems a lock binds only the processes of one
//! machine, and then the name is what shows that a run may be at work elsewhere.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::path::Path;

use crate::error::TrainError;
use crate::host_name::host_name;

/// Name of the file.
pub(crate) const LOCK: &str = ".lock";
/// Most bytes read of a lock file: a host name has at most 255.
const LONGEST: u64 = 512;

/// Held while a process writes into a run directory.
#[derive(Debug)]
pub struct RunLock {
    file: File,
    /// What is doubtful about the lock, in words for a person.
    pub warning: Option<String>,
}

impl RunLock {
    /// Take the lock of the run directory `root`.
    ///
    /// # Errors
    /// [`TrainError::Locked`] when another process holds it; [`TrainError::Io`].
    pub fn take(root: &Path) -> Result<Self, TrainError> {
        let path = root.join(LOCK);
        let io = |e| TrainError::io(&path, e);
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io)?;
        let locked = file.try_lock();
        let named = holder(&mut file).ok().filter(|name| !name.is_empty());
        let warning = match locked {
            Ok(()) => named.and_then(|name| doubt(&name, root)),
            Err(TryLockError::WouldBlock) => {
                return Err(TrainError::Locked {
                    path: root.to_owned(),
                    holder: named,
                });
            }
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => Some(format!(
                "the file system of `{}` has no locks: take care that no other process writes into it",
                root.display()
            )),
            Err(TryLockError::Error(e)) => return Err(io(e)),
        };
        name_holder(&mut file, &this_process()).map_err(io)?;
        Ok(Self { file, warning })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // A name that stays costs a warning when the run is resumed on another machine.
        let _ = self.file.set_len(0);
    }
}

/// The lock was given though its holder never let go. On one machine that holder is dead; on another nobody knows.
fn doubt(holder: &str, root: &Path) -> Option<String> {
    let elsewhere = host_of(holder) != host_of(&this_process());
    elsewhere.then(|| {
        format!(
            "{holder} held the lock of `{}` and did not let go of it; if it still runs there, stop one of the two",
            root.display()
        )
    })
}

fn this_process() -> String {
    format!("process {} on {}", std::process::id(), host_name())
}

fn host_of(holder: &str) -> &str {
    holder.rsplit(" on ").next().unwrap_or(holder)
}

fn holder(file: &mut File) -> io::Result<String> {
    let mut name = String::new();
    file.take(LONGEST).read_to_string(&mut name)?;
    Ok(name.trim().to_owned())
}

fn name_holder(file: &mut File, name: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_by_name_until_the_first_lets_go() {
        let tmp = tempfile::tempdir().unwrap();
        let lock = RunLock::take(tmp.path()).unwrap();
        assert!(lock.warning.is_none());
        let error = RunLock::take(tmp.path()).unwrap_err();
        assert!(matches!(&error, TrainError::Locked { .. }), "{error:?}");
        let pid = std::process::id().to_string();
        assert!(error.to_string().contains(&pid), "{error}");
        drop(lock);
        assert!(RunLock::take(tmp.path()).unwrap().warning.is_none());
    }

    #[test]
    fn a_holder_that_was_killed_is_doubtful_only_on_another_machine() {
        let tmp = tempfile::tempdir().unwrap();
        for (holder, doubtful) in [
            (this_process(), false),
            ("process 7 on some.other.host".to_owned(), true),
        ] {
            std::fs::write(tmp.path().join(LOCK), &holder).unwrap();
            let warning = RunLock::take(tmp.path()).unwrap().warning.clone();
            assert_eq!(warning.is_some(), doubtful, "{holder}");
            assert!(warning.is_none_or(|warning| warning.contains(&holder)));
        }
    }
}
