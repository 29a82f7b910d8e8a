//! `report.html`: one file with everything in it, readable without a network.

use std::fmt::Write as _;
use std::time::Duration;

use super::cells_in_words::{HEADINGS, caption, fields, incomplete, left_out, p_value};
use super::plot;
use super::results::Results;
use crate::bench::progress::in_words;

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #fff; --mark: #1f6feb; --bar: #8cb4f0 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6edf3; --soft: #9da7b1; --line: #30363d; --paper: #0d1117; --mark: #58a6ff; --bar: #2f5d9e }
}
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .6rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top }
th:first-child, td:first-child, td.words { text-align: left }
td:not(.words) { white-space: nowrap }
.scroll { overflow-x: auto }
.soft, caption { color: var(--soft); font-size: .9rem }
code { font-size: .9em }
svg { width: 100%; height: auto; font-size: 13px; fill: var(--ink) }
svg .head, svg .tick, svg .value { fill: var(--soft) }
svg .tick { text-anchor: middle }
svg .name { text-anchor: end }
svg .grid { stroke: var(--line) }
svg .ci { stroke: var(--mark); stroke-width: 3; stroke-linecap: round; opacity: .55 }
svg circle { fill: var(--mark) }
svg rect { fill: var(--bar) }
";

/// The file.
pub(crate) fn text(results: &Results) -> String {
    let mut html = String::new();
    // Writing to a String cannot fail.
    let _ = page(&mut html, results);
    html
}

fn page(html: &mut String, results: &Results) -> std::fmt::Result {
    let title = format!("Benchmark: {}", escaped(&results.preset));
    writeln!(
        html,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>"
    )?;
    about(html, results)?;
    for dataset in results.datasets() {
        section(html, results, dataset)?;
    }
    if let Some(incomplete) = incomplete(results) {
        writeln!(html, "<p>{}</p>", escaped(&incomplete))?;
    }
    if !results.left_out.is_empty() {
        writeln!(html, "<p>{}</p>", escaped(&left_out(&results.left_out)))?;
    }
    writeln!(html, "</body>\n</html>")
}

fn about(html: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(html, "<p class=\"soft\">")?;
    if let Some(about) = &results.about {
        let machine = escaped(&results.machines.join("; "));
        writeln!(html, "<code>{}</code><br>", escaped(&about.command))?;
        writeln!(html, "{machine}; backend {}<br>", escaped(&about.backend))?;
        if let Some(commit) = &about.machine.commit {
            writeln!(html, "commit {}<br>", escaped(commit))?;
        }
    }
    let wall: f64 = results.table.iter().map(|row| row.wall_s).sum();
    let time = in_words(Duration::from_secs_f64(wall));
    writeln!(
        html,
        "{time} of training and evaluation in {} cells<br>",
        results.cells.len()
    )?;
    writeln!(
        html,
        "Per case at native resolution; both-empty cases are left out, a missed object counts as Dice 0 and \
         HD95 = image diagonal ({}).<br>\nFor research; not a medical device.</p>",
        escaped(salt_metrics::METRIC_IMPL)
    )
}

fn section(html: &mut String, results: &Results, dataset: &str) -> std::fmt::Result {
    let rows: Vec<_> = results.rows(dataset).collect();
    writeln!(html, "<h2>{}</h2>\n{}", escaped(dataset), plot::svg(&rows))?;
    let methods = rows.iter().map(|row| fields(row).to_vec());
    table(html, &HEADINGS, methods)?;
    writeln!(html, "<p class=\"soft\">{}</p>", escaped(&caption(&rows)))?;
    let compared: Vec<Vec<String>> = results
        .compared(dataset)
        .map(|one| {
            let [low, high] = one.ci95;
            vec![
                format!("{} - {}", one.a, one.b),
                one.n.to_string(),
                format!("{:+.3} [{low:+.3}, {high:+.3}]", one.mean_diff),
                format!("{:+.3}", one.median_diff),
                format!("{:+.2}", one.rank_biserial),
                p_value(one.p_holm),
                one.note.clone(),
            ]
        })
        .collect();
    if compared.is_empty() {
        return Ok(());
    }
    let headings = [
        "Dice difference",
        "n",
        "mean [95% CI]",
        "median",
        "rank-biserial",
        "p (Holm)",
        "",
    ];
    table(html, &headings, compared.into_iter())
}

fn table(
    html: &mut String,
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> std::fmt::Result {
    writeln!(html, "<div class=\"scroll\"><table>\n<tr>")?;
    for heading in headings {
        writeln!(html, "<th>{}</th>", escaped(heading))?;
    }
    writeln!(html, "</tr>")?;
    for row in rows {
        write!(html, "<tr>")?;
        for field in row {
            let class = if field.contains(' ') && !field.contains('[') {
                " class=\"words\""
            } else {
                ""
            };
            write!(html, "<td{class}>{}</td>", escaped(&field))?;
        }
        writeln!(html, "</tr>")?;
    }
    writeln!(html, "</table></div>")
}

/// Text in which nothing is markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_self_contained_and_holds_every_data_set() {
        let tmp = tempfile::tempdir().unwrap();
        crate::report::results::tests::example(tmp.path());
        let html = text(&Results::read(tmp.path()).unwrap());
        for outside in ["http", "src=", "href=", "@import", "<script"] {
            assert!(!html.contains(outside), "{outside}");
        }
        for part in [
            "<h2>vessels</h2>",
            "<h2>CHASE_DB1</h2>",
            "salt - full",
            "lora__vessels__s0",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert_eq!(html.matches("<svg").count(), 2);
        for tag in ["table", "tr", "td", "th", "div", "svg", "p", "h2", "text"] {
            let opened = html.matches(&format!("<{tag}>")).count()
                + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn names_cannot_be_markup() {
        let tmp = tempfile::tempdir().unwrap();
        crate::report::results::tests::example(tmp.path());
        let html = text(&Results::read(tmp.path()).unwrap());
        assert!(html.contains("linux &lt;x86_64&gt;") && !html.contains("<x86_64>"));
        assert_eq!(escaped("a<b & \"c\">"), "a&lt;b &amp; &quot;c&quot;&gt;");
    }
}
