//! Words and lines that do not belong in a tracked file.

use super::{Finding, SourceFile};

/// Work left for later belongs in an issue. Split so that this file passes its own rule.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Starts of paths that exist on one person's machine only. Split for the same reason.
const MACHINE_PATHS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
    concat!("C:", "\\Users"),
];

/// Attributes that silence a lint without a reason and without ever being noticed as stale.
const BARE_ALLOW: [&str; 2] = [concat!("#[al", "low("), concat!("#![al", "low(")];

pub(super) fn findings(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| is_checked(file))
        .flat_map(in_file)
        .collect()
}

/// Licence texts and the lock file are not ours to word.
fn is_checked(file: &SourceFile) -> bool {
    file.name() != "Cargo.lock" && !file.name().starts_with("LICENSE")
}

fn in_file(file: &SourceFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let mut add = |message: String| findings.push(Finding::line(file, index + 1, message));
        if let Some(word) = UNFINISHED.iter().find(|word| has_word(line, word)) {
            add(format!("{word}: do it or file an issue"));
        }
        if let Some(path) = MACHINE_PATHS.iter().find(|path| has_path(line, path)) {
            add(format!(
                "a path of one machine ({path}...): make it relative"
            ));
        }
        if file.extension() == "rs"
            && BARE_ALLOW
                .iter()
                .any(|start| line.trim().starts_with(start))
        {
            add("use #[expect(lint, reason = \"...\")] instead of allow".to_owned());
        }
    }
    findings
}

/// Whether `word` stands in `line` with no letter, digit or underscore on either side.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

/// Whether an absolute path starting with `path` stands in `line`: the same letters inside a
/// longer path or an address are something else.
fn has_path(line: &str, path: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '~' | '}');
    line.match_indices(path)
        .any(|(at, _)| !line[..at].chars().next_back().is_some_and(joins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    fn check(path: &str, line: &str, expected: usize) {
        let found = findings(&[file(path, line)]);
        assert_eq!(found.len(), expected, "{path}: {line}: {found:?}");
    }

    #[test]
    fn unfinished_work_is_found_as_a_whole_word() {
        let [first, second] = UNFINISHED;
        check("a.rs", &format!("// {first}: later"), 1);
        check("a.md", &format!("({second})"), 1);
        check("a.rs", &format!("let {first}S = 1;"), 0);
        check("a.rs", "let todo = 1;", 0);
    }

    #[test]
    fn machine_paths_are_found_where_they_start() {
        for path in MACHINE_PATHS {
            check("a.toml", &format!("data = \"{path}someone/x\""), 1);
        }
        let inside = format!(
            "see https://example.org{}x and a{}b",
            MACHINE_PATHS[0], MACHINE_PATHS[2]
        );
        check("a.md", &inside, 0);
    }

    #[test]
    fn a_bare_allow_is_found_in_rust_only() {
        check("a.rs", &format!("    {}dead_code)]", BARE_ALLOW[0]), 1);
        check("a.rs", "#[expect(dead_code, reason = \"x\")]", 0);
        check("a.md", &format!("{}dead_code)]", BARE_ALLOW[0]), 0);
    }

    #[test]
    fn licences_are_left_alone() {
        check("LICENSE-MIT", MACHINE_PATHS[0], 0);
    }
}
