//! The folder beside the target in which an extraction takes place.
//!
//! It is on the target's file system, so that the last step is one rename: the target is not there, and then it is
//! there and complete. Whatever ends the extraction before that, also a panic, removes it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use crate::folder_sync::{folder_of, sync_folder};

/// Files that are brought to the disk at the same time. Each waits for the file system's journal, and the journal takes
/// many at once: with one after the other, thousands of small files take minutes.
const SYNCING: usize = 16;

/// Owns `.NAME.extracting` until it has become `NAME`.
#[derive(Debug)]
pub(super) struct Staging {
    folder: PathBuf,
    into: PathBuf,
    files: Vec<PathBuf>,
    published: bool,
}

impl Staging {
    /// An empty folder beside `into`; what a killed process left there is removed.
    pub(super) fn open(into: &Path) -> Result<Self, ArchiveError> {
        // A link to an empty folder is meant to be filled, not to be replaced.
        let into = match fs::canonicalize(into) {
            Ok(real) => real,
            Err(source) if source.kind() == io::ErrorKind::NotFound => into.to_owned(),
            Err(source) => return Err(ArchiveError::io("look at", into)(source)),
        };
        if !is_free(&into).map_err(ArchiveError::io("look at", &into))? {
            return Err(ArchiveError::NotEmpty { path: into });
        }
        let Some(name) = into.file_name() else {
            let source = io::Error::new(io::ErrorKind::InvalidInput, "it has no name of its own");
            return Err(ArchiveError::io("extract into", &into)(source));
        };
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".extracting");
        let folder = into.with_file_name(hidden);
        remove(&folder).map_err(ArchiveError::io("remove", &folder))?;
        fs::create_dir(&folder).map_err(ArchiveError::io("create", &folder))?;
        Ok(Self {
            folder,
            into,
            files: Vec::new(),
            published: false,
        })
    }

    /// Make the folder `name`, whose parent is there.
    pub(super) fn create_folder(&self, name: &str) -> Result<(), ArchiveError> {
        let path = self.folder.join(name);
        fs::create_dir(&path).map_err(ArchiveError::io("create", &path))
    }

    /// Make the file `name`, whose folder is there. Never opens one that exists: two names that are one on this file
    /// system would otherwise overwrite each other.
    pub(super) fn create_file(&mut self, name: &str) -> Result<(File, PathBuf), ArchiveError> {
        let path = self.folder.join(name);
        let file = File::create_new(&path).map_err(ArchiveError::io("create", &path))?;
        self.files.push(path.clone());
        Ok((file, path))
    }

    /// Bring everything to the disk, then give it its name; returns that.
    pub(super) fn publish(mut self) -> Result<PathBuf, ArchiveError> {
        sync(&self.files)?;
        let failed = ArchiveError::io("rename the extracted folder to", &self.into);
        // Windows does not rename onto an existing folder, not even an empty one.
        match fs::remove_dir(&self.into) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(failed(source)),
            _ => {}
        }
        fs::rename(&self.folder, &self.into).map_err(&failed)?;
        self.published = true;
        let folder = folder_of(&self.into);
        sync_folder(folder).map_err(ArchiveError::io("sync", folder))?;
        Ok(self.into.clone())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.published {
            // Where that fails, the next extraction finds it by its name.
            let _ = remove(&self.folder);
        }
    }
}

/// Bring the content of all files to the disk; most has been written back by now.
fn sync(files: &[PathBuf]) -> Result<(), ArchiveError> {
    let one = |path: &PathBuf| {
        File::options()
            .write(true)
            .open(path)
            .and_then(|file| file.sync_all())
            .map_err(ArchiveError::io("sync", path))
    };
    let share = files.len().div_ceil(SYNCING).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = files
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().try_for_each(one)))
            .collect();
        threads.into_iter().try_for_each(|thread| {
            thread
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}

/// Whether nothing is there, or a folder with nothing in it.
fn is_free(into: &Path) -> io::Result<bool> {
    match fs::read_dir(into) {
        Ok(mut entries) => Ok(entries.next().transpose()?.is_none()),
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            // A link that leads nowhere is something, too.
            Ok(fs::symlink_metadata(into).is_err())
        }
        Err(source) if source.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(source) => Err(source),
    }
}

/// Remove whatever is there; links are removed, not followed.
fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(source),
    }
}
