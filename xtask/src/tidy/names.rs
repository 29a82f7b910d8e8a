//! A file is named after the one thing in it, never after the fact that it holds leftovers.

use super::{Finding, SourceFile};

/// Names that say nothing about the content.
const VAGUE: &[&str] = &[
    "base", "common", "helper", "helpers", "misc", "util", "utils",
];

pub(super) fn findings(files: &[SourceFile]) -> Vec<Finding> {
    let vague = |file: &&SourceFile| {
        let stem = file.name().split('.').next().unwrap_or_default();
        matches!(file.extension(), "rs" | "py" | "sh") && VAGUE.contains(&stem)
    };
    files
        .iter()
        .filter(vague)
        .map(|file| Finding::file(file, "vague name: name the file after the thing in it"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    #[test]
    fn vague_names_are_found_in_any_folder() {
        let files = ["src/utils.rs", "a/common.rs", "tools/misc.py"].map(|path| file(path, ""));
        assert_eq!(findings(&files).len(), 3);
    }

    #[test]
    fn names_that_say_something_pass() {
        let files = ["a/common_ancestor.rs", "docs/base.md", "a/mod.rs"].map(|path| file(path, ""));
        assert_eq!(findings(&files), []);
    }
}
