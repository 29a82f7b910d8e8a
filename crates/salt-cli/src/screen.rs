//! The two channels: results go to standard output, everything else to standard error.
//!
//! Nothing here panics when nobody reads: `salt ... | head` is a normal thing to do.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{Cell, CellAlignment, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// One line, or several, of the result.
pub(crate) fn result(text: impl Display) -> Result<(), Failure> {
    match writeln!(io::stdout().lock(), "{text}") {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::NobodyReads),
        Err(error) => Err(Failure::job(
            format!("cannot write to standard output: {error}"),
            None,
        )),
    }
}

/// The result as one JSON document.
pub(crate) fn json(document: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::job(format!("cannot write the JSON document: {error}"), None))?;
    result(text)
}

/// A line about what is going on.
pub(crate) fn note(text: impl Display) {
    // Without standard error there is nowhere left to say so.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// An error and what to do about it.
pub(crate) fn error(message: &str, hint: Option<&str>) {
    let paint = |word: &str, style: Style| {
        if colours() {
            format!("{style}{word}{style:#}")
        } else {
            word.to_owned()
        }
    };
    let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
    let cyan = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
    note(format_args!("{} {message}", paint("error:", red)));
    if let Some(hint) = hint {
        note(format_args!("{} {hint}", paint("hint:", cyan)));
    }
}

/// Whether standard error is a terminal that can do more than lines. On one that cannot a bar shows nothing at all.
pub(crate) fn can_draw() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// Colours only on a terminal whose owner has not set `NO_COLOR` (no-color.org: to anything but
/// the empty string).
fn colours() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !unwanted && io::stderr().is_terminal()
}

/// A table that is also valid Markdown. Columns whose title starts with `#` hold numbers: the sign
/// is dropped and they are set flush right.
pub(crate) fn table<const N: usize>(titles: [&str; N], rows: Vec<[String; N]>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    let cell = |column: usize, text: &str| {
        let right = titles[column].starts_with('#');
        let alignment = if right {
            CellAlignment::Right
        } else {
            CellAlignment::Left
        };
        Cell::new(text).set_alignment(alignment)
    };
    table.set_header((0..N).map(|i| cell(i, titles[i].trim_start_matches('#'))));
    for row in rows {
        table.add_row(row.iter().enumerate().map(|(i, text)| cell(i, text)));
    }
    table
}

/// A number with thousands separated, as people read counts.
pub(crate) fn count(n: impl TryInto<u64>) -> String {
    let digits = n.try_into().unwrap_or(u64::MAX).to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A score, or a dash where it is undefined.
pub(crate) fn score(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_thousands() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (93_735_472, "93,735,472"),
        ] {
            assert_eq!(count(n as u64), text);
        }
    }

    #[test]
    fn tables_are_markdown_with_numbers_flush_right() {
        let rows = vec![
            ["a".to_owned(), "1".to_owned()],
            ["bcd".to_owned(), "234".to_owned()],
        ];
        let text = table(["name", "#n"], rows).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "| name |   n |");
        assert!(lines[1].starts_with("|---"), "{text}");
        assert_eq!(lines[2], "| a    |   1 |");
    }
}
