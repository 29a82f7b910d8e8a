//! Files that survive a crash: the operations a save needs, and the order that makes it whole.
//!
//! What is written reaches the disk when it has been synced, and a name when its folder has been.
//! [`replace`] keeps to that order, so that whatever happens in between, be it a kill, a power cut or a full
//! disk, the path shows the old file or the new one. The operations are a trait, [`Files`], so that tests can
//! fail each of them in turn and lose what was not synced.

mod system_files;

use std::fmt;
use std::io;
use std::path::Path;

pub use system_files::SystemFiles;

/// End of the names of files that are not whole yet.
const PARTIAL: &str = ".partial";

/// What a save asks of a file system.
pub trait Files: fmt::Debug + Send + Sync {
    /// A new empty file, in place of one that is there.
    ///
    /// # Errors
    /// Of this and all others: the system's.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;

    /// Give a file another name, in place of a file that has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Make a file's bytes or a folder's names survive a crash.
    fn sync(&self, path: &Path) -> io::Result<()>;

    /// Remove a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Names of what is in a folder, in no order.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
}

/// A file that is being written.
pub trait OpenFile {
    /// Append all of the bytes.
    ///
    /// # Errors
    /// The system's; some of the bytes may have been written.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Make what was written survive a crash.
    ///
    /// # Errors
    /// The system's; nothing is known of the bytes then.
    fn sync(&mut self) -> io::Result<()>;
}

/// Write a file whole or not at all: a temporary sibling is written and synced, renamed over the path,
/// and the folder synced.
///
/// # Errors
/// The system's. The path then shows the old file, or the new one if only the last sync failed.
pub fn replace(files: &dyn Files, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}{PARTIAL}", std::process::id()));
    let partial = path.with_file_name(name);
    let write = || {
        let mut file = files.create(&partial)?;
        file.write(bytes)?;
        file.sync()?;
        files.rename(&partial, path)
    };
    write().inspect_err(|_| {
        // The write failed; what is left of it is of no use to anyone.
        let _ = files.remove(&partial);
    })?;
    files.sync(folder_of(path))
}

/// Whether a name is that of a file that [`replace`] was writing: a name, a process, and that it is not whole.
pub fn is_partial(name: &str) -> bool {
    let process = name
        .strip_suffix(PARTIAL)
        .and_then(|name| name.rsplit_once('.'));
    process.is_some_and(|(_, process)| process.parse::<u32>().is_ok())
}

/// The folder a path is in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("f");
        replace(&SystemFiles, &path, b"old").unwrap();
        replace(&SystemFiles, &path, b"new").unwrap();
        assert_eq!(SystemFiles.read(&path).unwrap(), b"new");
        assert_eq!(SystemFiles.list(tmp.path()).unwrap(), ["f"]);
    }

    #[test]
    fn a_file_that_is_not_whole_is_known_by_its_name() {
        for (name, ours) in [
            ("recipe.toml.123.partial", true),
            ("weights.pth.partial", false),
            ("123.partial", false),
            ("recipe.toml.123", false),
        ] {
            assert_eq!(is_partial(name), ours, "{name}");
        }
    }

    #[test]
    fn a_path_without_a_folder_is_in_the_current_one() {
        for (path, folder) in [("f", "."), ("a/f", "a"), ("/f", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
    }
}
