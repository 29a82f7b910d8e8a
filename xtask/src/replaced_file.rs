//! Files that several machines may write at once: each reader sees one of them whole.

use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// Write a file beside `path`, then put it in its place.
pub(crate) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let mut name = path.file_name().with_context(cannot)?.to_owned();
    // Processes of two machines may have one number, so the machine is in the name too.
    let machine = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.push(format!(
        ".{}-{}.partial",
        machine.trim(),
        std::process::id()
    ));
    let partial = path.with_file_name(name);
    fs::write(&partial, text).with_context(cannot)?;
    fs::rename(&partial, path).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_text_stands_in_place_of_the_old_and_nothing_stays_beside_it() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("report.md");
        for text in ["old", "new"] {
            replace(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(tmp.path().read_dir().unwrap().count(), 1);
        let error = replace(&tmp.path().join("absent/report.md"), "").unwrap_err();
        assert!(error.to_string().contains("report.md"), "{error}");
    }
}
