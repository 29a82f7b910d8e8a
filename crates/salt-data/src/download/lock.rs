//! One process at a time.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::Path;

use super::DownloadError;

/// Held while a file is downloaded. The system drops it with the process, however that ends.
///
/// The file `.NAME.lock` stays: whoever removed it could remove one that somebody else has just opened,
/// and then two would hold a lock.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(folder: &Path, file_name: &str) -> Result<Self, DownloadError> {
        let path = folder.join(format!(".{file_name}.lock"));
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|source| DownloadError::io("create", &path, source))?;
        match file.try_lock() {
            Ok(()) => {}
            // Some network file systems have no locks. Two processes would then spoil each other's partial
            // file, which the checksum notices.
            Err(TryLockError::Error(error)) if error.kind() == ErrorKind::Unsupported => {}
            Err(TryLockError::Error(source)) => {
                return Err(DownloadError::io("lock", &path, source));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(DownloadError::Locked {
                    path: folder.join(file_name),
                    owner: owner(&mut file),
                });
            }
        }
        // Who it is only helps others; a download does not fail for it.
        let _ = file
            .set_len(0)
            .and_then(|()| writeln!(file, "process {}", std::process::id()));
        Ok(Self { _file: file })
    }
}

fn owner(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file
        .rewind()
        .and_then(|()| file.take(64).read_to_string(&mut text));
    match text.trim() {
        "" => "another process".to_owned(),
        who => who.to_owned(),
    }
}
