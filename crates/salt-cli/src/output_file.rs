//! Where results go: checked before the work, so that an hour is not lost to a typing error.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Refuse a folder, another file ending, the files that are read for it and a place where nothing can be written,
/// and make the folders above the file.
pub(crate) fn prepare(
    path: &Path,
    extension: Option<&str>,
    inputs: &[&Path],
) -> Result<(), Failure> {
    if path.is_dir() {
        return Err(Failure::usage(
            format!("expected a file to write, `{}` is a folder", path.display()),
            "give the name of a file in it",
        ));
    }
    if let Some(extension) = extension
        && !path
            .extension()
            .is_some_and(|received| received.eq_ignore_ascii_case(extension))
    {
        return Err(Failure::usage(
            format!(
                "expected a file name ending in .{extension}, received `{}`",
                path.display()
            ),
            format!("for example {}", path.with_extension(extension).display()),
        ));
    }
    // A file that is not there yet is none of the inputs.
    if inputs.iter().any(|input| is_same(input, path)) {
        return Err(Failure::usage(
            format!("`{}` is read and would be overwritten", path.display()),
            "give the output another name",
        ));
    }
    let folder = folder_of(path);
    std::fs::create_dir_all(folder).map_err(|error| Failure::io("create", folder, &error))?;
    probe(folder)
}

/// Refuse two options that name one file, however it is spelled. For paths that [`prepare`] has seen.
pub(crate) fn check_apart(outputs: &[(&str, &Path)]) -> Result<(), Failure> {
    for (i, (option, path)) in outputs.iter().enumerate() {
        for (other_option, other) in &outputs[..i] {
            if is_one_file(path, other) {
                return Err(Failure::usage(
                    format!(
                        "{other_option} `{}` and {option} `{}` are one file",
                        other.display(),
                        path.display()
                    ),
                    format!("give {option} another name"),
                ));
            }
        }
    }
    Ok(())
}

fn is_one_file(a: &Path, b: &Path) -> bool {
    if is_same(a, b) {
        return true;
    }
    let same_folder = is_same(folder_of(a), folder_of(b));
    match (a.file_name(), b.file_name()) {
        (Some(a), Some(b)) => same_folder && is_one_name(a, b),
        _ => false,
    }
}

/// Whether two paths lead to one thing that is there. Nothing is opened for it: a pipe would wait for its writer.
fn is_same(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(one), Ok(other)) => one == other || is_one_inode(&one, &other),
        _ => false,
    }
}

#[cfg(unix)]
fn is_one_inode(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let number = |path: &Path| path.metadata().map(|about| (about.dev(), about.ino()));
    matches!((number(a), number(b)), (Ok(a), Ok(b)) if a == b)
}

/// The standard library has no number of a file here. Files are replaced whole, so another name of an input keeps what
/// it has.
#[cfg(not(unix))]
fn is_one_inode(_: &Path, _: &Path) -> bool {
    false
}

/// Whether two names of files that do not exist yet are one: most file systems of two of the three systems take
/// upper for lower case.
fn is_one_name(a: &OsStr, b: &OsStr) -> bool {
    match cfg!(any(windows, target_os = "macos")) {
        true => a.to_string_lossy().to_lowercase() == b.to_string_lossy().to_lowercase(),
        false => a == b,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Write something into a folder, and take it away again.
fn probe(folder: &Path) -> Result<(), Failure> {
    let path = folder.join(format!(".salt.{}.probe", std::process::id()));
    std::fs::write(&path, b"x")
        .and_then(|()| std::fs::remove_file(&path))
        .map_err(|error| Failure::io("write into", folder, &error))
}

/// A folder for results that was made before the work: it goes again where there are none.
#[derive(Debug)]
pub(crate) struct OutputFolder {
    /// Made for it, the outermost first.
    made: Vec<PathBuf>,
}

impl OutputFolder {
    /// Make a folder with those above it, or take an empty one; refuse where nothing can be written.
    pub(crate) fn prepare(path: &Path) -> Result<Self, Failure> {
        new_folder(path)?;
        let missing = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty());
        let mut made: Vec<PathBuf> = missing
            .take_while(|folder| !folder.exists())
            .map(Path::to_owned)
            .collect();
        made.reverse();
        std::fs::create_dir_all(path).map_err(|error| Failure::io("create", path, &error))?;
        // What was made goes again where this fails.
        let folder = Self { made };
        probe(path)?;
        Ok(folder)
    }

    /// There are results: the folder stays.
    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        for folder in self.made.iter().rev() {
            // One that holds something by now is somebody's.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Refuses to write into a folder that holds something.
pub(crate) fn new_folder(path: &Path) -> Result<(), Failure> {
    let holds_something = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(_) => path.exists(),
    };
    match holds_something {
        true => Err(Failure::usage(
            format!("`{}` exists and is no empty folder", path.display()),
            "choose another --out, or remove it",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_made_and_wrong_names_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("a/b/mask.png");
        prepare(&file, Some("png"), &[]).unwrap();
        assert!(file.parent().unwrap().is_dir());
        assert!(prepare(tmp.path(), None, &[]).is_err());
        let error = format!(
            "{:?}",
            prepare(&tmp.path().join("mask.jpg"), Some("png"), &[]).unwrap_err()
        );
        assert!(error.contains("mask.png"), "{error}");
        prepare(&tmp.path().join("MASK.PNG"), Some("png"), &[]).unwrap();
        std::fs::write(&file, "an image").unwrap();
        let roundabout = tmp.path().join("a/../a/b/mask.png");
        assert!(prepare(&file, Some("png"), &[&roundabout]).is_err());
        prepare(&file, Some("png"), &[tmp.path()]).unwrap();
    }

    #[test]
    fn one_file_under_two_names_is_refused() {
        let tmp = tempfile::tempdir().unwrap();
        let path = |name: &str| tmp.path().join(name);
        std::fs::create_dir(path("w")).unwrap();
        let check = |a: &str, b: &str, apart: bool| {
            let (a, b) = (path(a), path(b));
            let result = check_apart(&[("--out", &a), ("--overlay", &b)]);
            assert_eq!(result.is_ok(), apart, "{a:?} {b:?}");
        };
        // Neither file is there, and then one is.
        for _ in 0..2 {
            check("w/a.png", "w/a.png", false);
            check("w/a.png", "w/./a.png", false);
            check("w/a.png", "w/../w/a.png", false);
            check("w/a.png", "w/b.png", true);
            check("w/a.png", "a.png", true);
            std::fs::write(path("w/a.png"), "an image").unwrap();
        }
        #[cfg(unix)]
        {
            std::fs::hard_link(path("w/a.png"), path("w/hard.png")).unwrap();
            check("w/a.png", "w/hard.png", false);
            let hard = path("w/hard.png");
            let error = prepare(&hard, Some("png"), &[&path("w/a.png")]).unwrap_err();
            assert!(format!("{error:?}").contains("overwritten"), "{error:?}");
            std::os::unix::fs::symlink("w", path("v")).unwrap();
            check("w/new.png", "v/new.png", false);
            check("w/new.png", "v/other.png", true);
            std::os::unix::fs::symlink("a.png", path("w/soft.png")).unwrap();
            check("w/soft.png", "v/a.png", false);
        }
    }

    #[test]
    fn a_folder_without_results_goes_again_with_those_above_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a/b/masks");
        drop(OutputFolder::prepare(&path).unwrap());
        assert!(!tmp.path().join("a").exists());
        let folder = OutputFolder::prepare(&path).unwrap();
        std::fs::write(path.join("0.png"), "a mask").unwrap();
        folder.keep();
        assert!(path.join("0.png").is_file());
        assert!(OutputFolder::prepare(&path).is_err());
        // One that was there stays.
        let empty = tmp.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        drop(OutputFolder::prepare(&empty).unwrap());
        assert!(empty.is_dir());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn places_where_nothing_can_be_written_are_refused_before_the_work() {
        // Nobody can make a file there, whatever the permissions.
        let place = Path::new("/proc/self/fdinfo");
        let error = probe(place).unwrap_err();
        assert!(format!("{error:?}").contains("fdinfo"), "{error:?}");
        assert!(prepare(&place.join("mask.png"), Some("png"), &[]).is_err());
        assert!(OutputFolder::prepare(Path::new("/proc/masks")).is_err());
        let tmp = tempfile::tempdir().unwrap();
        let file = tmp.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(OutputFolder::prepare(&file.join("masks")).is_err());
    }
}
