//! `report.md`: the tables for a repository or a paper's supplement.

use std::fmt::Write as _;
use std::time::Duration;

use super::cells_in_words::{HEADINGS, caption, fields, incomplete, left_out, p_value};
use super::results::Results;
use crate::bench::progress::in_words;

/// The file.
pub(crate) fn text(results: &Results) -> String {
    let mut text = format!("# Benchmark: {}\n\n", results.preset);
    // Writing to a String cannot fail.
    let _ = about(&mut text, results);
    for dataset in results.datasets() {
        let _ = section(&mut text, results, dataset);
    }
    if let Some(incomplete) = incomplete(results) {
        let _ = writeln!(text, "{incomplete}.");
    }
    if !results.left_out.is_empty() {
        let _ = writeln!(text, "\n{}.", left_out(&results.left_out));
    }
    text
}

fn about(text: &mut String, results: &Results) -> std::fmt::Result {
    let wall: f64 = results.table.iter().map(|row| row.wall_s).sum();
    if let Some(about) = &results.about {
        writeln!(text, "- Command: `{}`", about.command)?;
        writeln!(
            text,
            "- Machine: {}; backend {}",
            results.machines.join("; "),
            about.backend
        )?;
        if let Some(commit) = &about.machine.commit {
            writeln!(text, "- Commit: {commit}")?;
        }
    }
    let time = in_words(Duration::from_secs_f64(wall));
    writeln!(
        text,
        "- Time: {time} of training and evaluation in {} cells",
        results.cells.len()
    )?;
    writeln!(
        text,
        "- Metrics: per case at native resolution, both-empty cases left out, a missed object counts as \
         Dice 0 and HD95 = image diagonal ({})\n- For research; not a medical device.\n",
        salt_metrics::METRIC_IMPL
    )
}

fn section(text: &mut String, results: &Results, dataset: &str) -> std::fmt::Result {
    let rows: Vec<_> = results.rows(dataset).collect();
    writeln!(
        text,
        "## {dataset}\n\n| {} |\n|---|---:|---:|---:|---:|---:|",
        HEADINGS.join(" | ")
    )?;
    for row in &rows {
        writeln!(text, "| {} |", fields(row).join(" | "))?;
    }
    writeln!(text, "\n{}\n", caption(&rows))?;
    if results.compared(dataset).next().is_some() {
        writeln!(
            text,
            "| Dice difference | n | mean [95% CI] | median | rank-biserial | p | p (Holm) | |\n\
             |---|---:|---:|---:|---:|---:|---:|---|"
        )?;
    }
    for one in results.compared(dataset) {
        let [low, high] = one.ci95;
        writeln!(
            text,
            "| {} - {} | {} | {:+.3} [{low:+.3}, {high:+.3}] | {:+.3} | {:+.2} | {} | {} | {} |",
            one.a,
            one.b,
            one.n,
            one.mean_diff,
            one.median_diff,
            one.rank_biserial,
            p_value(one.p),
            p_value(one.p_holm),
            one.note
        )?;
    }
    writeln!(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_tables_and_how_they_came_about() {
        let tmp = tempfile::tempdir().unwrap();
        crate::report::results::tests::example(tmp.path());
        let text = text(&Results::read(tmp.path()).unwrap());
        for part in [
            "# Benchmark: quick",
            "Command: `cargo xtask bench`",
            "## vessels",
            "| salt | 0.770 ±",
            "| salt - frozen | 8 | +0.200",
            "Time: 3 min of training and evaluation in 6 cells",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        // Every table line has as many cells as its heading.
        let columns = |line: &&str| line.matches('|').count();
        let counts: Vec<_> = text
            .lines()
            .filter(|l| l.starts_with('|'))
            .map(|l| columns(&l))
            .collect();
        assert!(counts.iter().all(|n| *n == 7 || *n == 9), "{counts:?}");
    }
}
