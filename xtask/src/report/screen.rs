//! The table on the terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};

use super::cells_in_words::{HEADINGS, caption, fields, incomplete, left_out, p_value};
use super::results::Results;

/// The whole report as text.
pub(crate) fn text(results: &Results) -> String {
    let mut text = String::new();
    for dataset in results.datasets() {
        let rows: Vec<_> = results.rows(dataset).collect();
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED).set_header(HEADINGS);
        for row in &rows {
            table.add_row(fields(row));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "\n{dataset}\n{table}\n{}", caption(&rows));
        for comparison in results.compared(dataset) {
            let p = p_value(comparison.p_holm);
            let _ = writeln!(
                text,
                "  {} - {}: {:+.3} (Holm p {p}), {}",
                comparison.a, comparison.b, comparison.mean_diff, comparison.note
            );
        }
    }
    if let Some(incomplete) = incomplete(results) {
        let _ = writeln!(text, "\n{incomplete}");
    }
    if !results.left_out.is_empty() {
        let _ = writeln!(text, "\n{}", left_out(&results.left_out));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_and_verdict_is_on_the_screen() {
        let tmp = tempfile::tempdir().unwrap();
        crate::report::results::tests::example(tmp.path());
        let text = text(&Results::read(tmp.path()).unwrap());
        for part in [
            "vessels",
            "CHASE_DB1",
            "frozen",
            "Dice mean ± sd",
            "salt - frozen: +0.200",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.contains("Not finished: lora__vessels__s0"), "{text}");
        // Wide enough for one line per row on a usual terminal.
        assert!(
            text.lines()
                .filter(|l| l.contains('│'))
                .all(|l| l.chars().count() <= 100),
            "{text}"
        );
    }
}
