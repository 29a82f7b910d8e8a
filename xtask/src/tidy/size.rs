//! A file holds one concept; past 500 lines it holds more than one.

use super::{Finding, SourceFile};

/// The most lines a source file may have (style guide, habit 13).
const MOST_LINES: usize = 500;

pub(super) fn findings(files: &[SourceFile]) -> Vec<Finding> {
    files
        .iter()
        .filter(|file| matches!(file.extension(), "rs" | "py" | "sh"))
        .filter_map(|file| {
            let lines = file.text.lines().count();
            let message = format!("{lines} lines, at most {MOST_LINES}: split it by concept");
            (lines > MOST_LINES).then(|| Finding::file(file, message))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::file;

    #[test]
    fn the_limit_itself_passes_and_one_line_more_does_not() {
        let of = |lines| [file("a.rs", &"x\n".repeat(lines))];
        assert_eq!(findings(&of(MOST_LINES)), []);
        assert_eq!(findings(&of(MOST_LINES + 1)).len(), 1);
    }

    #[test]
    fn data_and_documents_may_be_long() {
        assert_eq!(findings(&[file("a.csv", &"x\n".repeat(900))]), []);
    }
}
