//! `cargo xtask tidy`: the rules of this codebase that a compiler does not check.
//!
//! Each rule is one file here and one line in [`RULES`]. A rule reads the tracked files and
//! answers with findings; an empty answer is a pass.

mod arrows;
mod backends;
mod names;
mod size;
mod text;

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::workspace;

/// What is checked, in the order it is reported.
const RULES: &[(&str, Rule)] = &[
    ("arrows between crates", arrows::findings),
    ("backends in library crates", backends::findings),
    ("file names", names::findings),
    ("file sizes", size::findings),
    ("text of tracked files", text::findings),
];

type Rule = fn(&[SourceFile]) -> Vec<Finding>;

/// A text file of the repository.
#[derive(Debug, Clone)]
struct SourceFile {
    /// Path from the repository root, with forward slashes.
    path: String,
    /// The whole text.
    text: String,
}

impl SourceFile {
    fn extension(&self) -> &str {
        Path::new(&self.path)
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or("")
    }

    /// The file's name without folders.
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

/// One broken rule: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Line number from 1; `None` when the finding is about the whole file.
    line: Option<usize>,
    message: String,
}

impl Finding {
    fn file(file: &SourceFile, message: impl Into<String>) -> Self {
        Self {
            path: file.path.clone(),
            line: None,
            message: message.into(),
        }
    }

    fn line(file: &SourceFile, line: usize, message: impl Into<String>) -> Self {
        Self {
            path: file.path.clone(),
            line: Some(line),
            message: message.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.message),
            None => write!(f, "{}: {}", self.path, self.message),
        }
    }
}

/// Check everything; print one finding a line; fail when there is any.
pub(crate) fn run() -> anyhow::Result<()> {
    let files = source_files()?;
    let mut broken = 0;
    for (name, rule) in RULES {
        let findings = rule(&files);
        for finding in &findings {
            println!("{finding}");
        }
        eprintln!(
            "tidy: {name}: {}",
            if findings.is_empty() {
                "fine"
            } else {
                "see above"
            }
        );
        broken += findings.len();
    }
    anyhow::ensure!(broken == 0, "tidy: {broken} finding(s)");
    Ok(())
}

/// Every text file that git tracks or would track; files that are not UTF-8 are not text.
fn source_files() -> anyhow::Result<Vec<SourceFile>> {
    let root = workspace::root();
    let mut list = Command::new("git");
    list.current_dir(&root);
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listing = workspace::output(&mut list).context("tidy reads the list of files from git")?;
    let mut files = Vec::new();
    for path in listing.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        // Listed but deleted in the work tree, or a link to a folder: nothing to read.
        if !full.is_file() {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile {
                path: path.to_owned(),
                text,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn file(path: &str, text: &str) -> SourceFile {
        SourceFile {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn this_repository_is_tidy() {
        let files = source_files().unwrap();
        assert!(
            files
                .iter()
                .any(|file| file.path == "xtask/src/tidy/mod.rs")
        );
        let findings: Vec<_> = RULES.iter().flat_map(|(_, rule)| rule(&files)).collect();
        let lines: Vec<_> = findings.iter().map(ToString::to_string).collect();
        assert!(lines.is_empty(), "{}", lines.join("\n"));
    }

    #[test]
    fn a_finding_names_file_line_and_message() {
        let file = file("a/b.rs", "");
        assert_eq!(Finding::line(&file, 3, "x").to_string(), "a/b.rs:3: x");
        assert_eq!(Finding::file(&file, "x").to_string(), "a/b.rs: x");
    }
}
