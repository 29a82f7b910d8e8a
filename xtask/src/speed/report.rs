//! What was measured, as speed.json and speed.md.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use super::growth::ABOUT;
use super::row::Row;
use super::series::{Series, table};
use crate::bench::machine::Machine;

/// speed.json.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    pub(super) machine: Machine,
    pub(super) commit: Option<String>,
    pub(super) command: String,
    pub(super) peers: Vec<String>,
    /// Processes that wanted a core when it began, the mean of a minute; where the system tells.
    pub(super) load_at_start: Option<f64>,
    pub(super) rows: Vec<Row>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) growth: Vec<Series>,
}

/// Writes both files into `out`, and shows the second.
pub(super) fn publish(out: &Path, speed: &Speed) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {out:?}"))?;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {path:?}"))
    };
    write("speed.json", &(serde_json::to_string_pretty(speed)? + "\n"))?;
    let report = markdown(speed);
    write("speed.md", &report)?;
    println!("{report}\nwritten to {}", out.display());
    Ok(())
}

fn markdown(speed: &Speed) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let load = speed.load_at_start;
    let load = load.map_or_else(|| "unknown".into(), |load| format!("{load:.1}"));
    let peers = match speed.peers.join("; ") {
        none if none.is_empty() => "none".to_owned(),
        peers => peers,
    };
    let mut text = format!(
        "# Speed\n\n- Command: `{}`\n- Machine: {}\n- Commit: {}\n- Peers: {peers}\n- Load at the start: {load}\n",
        speed.command,
        speed.machine.in_words(),
        known(&speed.commit),
    );
    if !speed.rows.is_empty() {
        text += &comparisons(&speed.rows);
    }
    if let Some(point) = speed.growth.iter().flat_map(|series| &series.points).next() {
        let _ = writeln!(
            text,
            "\n## Growth\n\n{ABOUT}, but for what grows. Every point is a process of its own, the median of {} runs. The \
             exponent is the slope of the cost on what grows, both as logarithms, by least squares: 1 is \
             proportional, 0 no growth.\n",
            point.repeats
        );
        text += &table(&speed.growth);
    }
    text
}

fn comparisons(rows: &[Row]) -> String {
    let mut text = "\n## Beside other programs\n\nMedians; ours and the peer are measured in turn. The ratio says how \
                    many times faster ours is.\n\n\
         | work | peer | ours ms | peer ms | ours per s | peer per s | ratio | ours MiB | peer MiB | repeats |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    for row in rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {} | {:.1} | {} | {} | {} | {} | {} |",
            row.work,
            row.peer.as_deref().unwrap_or("-"),
            1e3 * row.ours_s,
            shown(row.peer_s.map(|s| 1e3 * s), 2),
            1.0 / row.ours_s,
            shown(row.peer_s.map(|s| 1.0 / s), 1),
            shown(row.ratio, 2),
            shown(row.ours_rss_mb, 0),
            shown(row.peer_rss_mb, 0),
            row.repeats,
        );
    }
    for row in rows.iter().filter(|row| row.parts.len() > 1) {
        let _ = write!(
            text,
            "\n{}:\n\n| part | ours ms | share | peer ms |\n|---|---:|---:|---:|\n",
            row.work
        );
        for part in &row.parts {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.0} % | {} |",
                part.name,
                1e3 * part.ours_s,
                100.0 * part.ours_s / row.ours_s,
                shown(part.peer_s.map(|s| 1e3 * s), 2),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::row::Part;
    use super::super::series::Point;
    use super::*;

    #[test]
    fn a_report_names_machine_command_and_rows() {
        let speed = Speed {
            machine: Machine::default(),
            commit: Some("abc".into()),
            command: "cargo xtask speed".into(),
            peers: vec!["torch 2".into()],
            load_at_start: None,
            rows: vec![Row {
                work: "loader_512_png_files_w1".into(),
                backend: "cpu".into(),
                peer: Some("pytorch-pil".into()),
                ours_s: 0.01,
                peer_s: Some(0.04),
                ratio: Some(4.0),
                ours_rss_mb: Some(50.4),
                peer_rss_mb: None,
                rss_ratio: None,
                repeats: 5,
                parts: [("read", 0.004), ("resize", 0.006)]
                    .map(|(name, ours_s)| Part {
                        name: name.into(),
                        ours_s,
                        peer_s: None,
                    })
                    .into(),
            }],
            growth: Vec::new(),
        };
        let text = markdown(&speed);
        let line = "| loader_512_png_files_w1 | pytorch-pil | 10.00 | 40.00 | 100.0 | 25.0 | 4.00 | 50 | - | 5 |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| resize | 6.00 | 60 % | - |"), "{text}");
        assert!(text.contains("abc") && text.contains("torch 2"), "{text}");
    }

    #[test]
    fn growth_alone_has_no_comparison() {
        let point = |value: usize| Point {
            value,
            seconds: 0.5 * value as f64,
            repeats: 3,
            rss_mb: None,
            parts: Vec::new(),
        };
        let points = vec![point(1), point(2)];
        let speed = Speed {
            machine: Machine::default(),
            commit: None,
            command: "cargo xtask speed".into(),
            peers: Vec::new(),
            load_at_start: None,
            rows: Vec::new(),
            growth: vec![Series::new("step_lora".into(), "batch", "flex", points)],
        };
        let text = markdown(&speed);
        assert!(text.contains("Peers: none"), "{text}");
        assert!(text.contains("the median of 3 runs"), "{text}");
        assert!(
            text.contains("| step_lora | batch | 2 | 1000.0 | - |"),
            "{text}"
        );
        assert!(!text.contains("ratio"), "{text}");
        let json = serde_json::to_value(&speed).unwrap();
        assert_eq!(json["growth"][0]["points"][1]["seconds"], 1.0);
    }
}
