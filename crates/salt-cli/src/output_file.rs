//! Where results go: checked before the work, so that an hour is not lost to a typing error.

use std::path::Path;

use crate::failure::Failure;

/// Refuse a folder, another file ending and the files that are read for it, and make the folders above the file.
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
        && path.extension().and_then(|e| e.to_str()) != Some(extension)
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
    if let Ok(output) = path.canonicalize()
        && inputs
            .iter()
            .any(|input| input.canonicalize().is_ok_and(|input| input == output))
    {
        return Err(Failure::usage(
            format!("`{}` is read and would be overwritten", path.display()),
            "give the output another name",
        ));
    }
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|error| Failure::io("create", folder, &error))
        }
        _ => Ok(()),
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
        std::fs::write(&file, "an image").unwrap();
        let roundabout = tmp.path().join("a/../a/b/mask.png");
        assert!(prepare(&file, Some("png"), &[&roundabout]).is_err());
        prepare(&file, Some("png"), &[tmp.path()]).unwrap();
    }
}
