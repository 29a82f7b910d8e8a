//! A rename that lasts: it is in the folder, and is lost with it when the power goes.

use std::fs::File;
use std::io;
use std::path::Path;

/// The folder that holds a path.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Brings the names in a folder to the disk. Windows cannot sync a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_without_a_folder_is_in_the_current_one() {
        for (path, folder) in [("f", "."), ("a/f", "a"), ("/f", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder));
        }
        assert!(sync_folder(Path::new(".")).is_ok());
        assert_eq!(
            sync_folder(Path::new("no such folder")).is_err(),
            cfg!(unix)
        );
    }
}
