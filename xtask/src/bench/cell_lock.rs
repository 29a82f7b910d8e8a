//! Keeps two processes from one cell, on one machine or on several with one file system.
//!
//! `salt` locks its run directory itself, but a cell that starts over is removed before `salt` starts.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;

use anyhow::Context as _;

use super::work_left::CellFiles;

/// Held while a process works at a cell. The system's lock goes with the process, whatever ends it.
#[derive(Debug)]
pub(crate) struct CellLock(#[expect(dead_code, reason = "held for its lock")] File);

/// Take the lock of a cell; `None` when another process holds it.
pub(crate) fn take(files: &CellFiles) -> anyhow::Result<Option<CellLock>> {
    let path = &files.lock;
    let cannot = || format!("cannot lock {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(cannot)?;
    }
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    let file = options.open(path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(CellLock(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        // A file system without locks: what remains is the care of whoever starts the processes, and the
        // warning that `salt` prints.
        Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {
            Ok(Some(CellLock(file)))
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(cannot),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::CellId;

    #[test]
    fn a_cell_has_one_holder_until_the_holder_lets_go() {
        let tmp = tempfile::tempdir().unwrap();
        let files = |name| CellFiles::new(tmp.path(), &CellId::parse(name).unwrap());
        let (one, other) = (files("salt__a__s0"), files("salt__a__s1"));
        let held = take(&one).unwrap();
        assert!(held.is_some());
        assert!(take(&one).unwrap().is_none());
        assert!(take(&other).unwrap().is_some());
        drop(held);
        assert!(take(&one).unwrap().is_some());
    }
}
