//! One comparison: the same work, ours and another program's, in turn.

use std::process::Command;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::workspace::output;

/// A line of speed.json. Seconds are per unit of the work (an image, a step).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    pub(crate) work: String,
    /// Where ours computed.
    pub(crate) backend: String,
    /// What it is compared with; nothing where only ours has such work.
    pub(crate) peer: Option<String>,
    pub(crate) ours_s: f64,
    pub(crate) peer_s: Option<f64>,
    /// `peer_s / ours_s`: how many times faster ours is.
    pub(crate) ratio: Option<f64>,
    pub(crate) ours_rss_mb: Option<f64>,
    pub(crate) peer_rss_mb: Option<f64>,
    /// `peer_rss_mb / ours_rss_mb`.
    pub(crate) rss_ratio: Option<f64>,
    pub(crate) repeats: usize,
    /// What the work is made of, in its order; the peer's parts by the same name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
}

/// A part of the work that was timed by itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) ours_s: f64,
    pub(crate) peer_s: Option<f64>,
}

/// What a measured program prints: one line of JSON, the last of its output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Measured {
    seconds: f64,
    pub(crate) samples: f64,
    pub(crate) rss_mb: Option<f64>,
    /// Name and versions.
    pub(crate) program: String,
    /// Seconds by name.
    #[serde(default)]
    pub(crate) parts: Vec<(String, f64)>,
}

impl Measured {
    /// Runs a program that measures itself.
    pub(crate) fn by(command: &mut Command) -> anyhow::Result<Self> {
        let text = output(command)?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .with_context(|| format!("expected a line of measurements, received {line:?}"))
    }

    /// Of one unit of the work.
    pub(crate) fn each_s(&self) -> f64 {
        self.seconds / self.samples
    }
}

/// Which work a row is about.
pub(crate) struct Subject {
    pub(crate) work: String,
    pub(crate) backend: &'static str,
    pub(crate) peer: &'static str,
}

/// Measures ours and the peer in turn, so that what else the machine does hits both alike; medians.
pub(crate) fn interleaved(
    subject: Subject,
    repeats: usize,
    mut ours: impl FnMut() -> anyhow::Result<Measured>,
    mut peer: impl FnMut() -> anyhow::Result<Measured>,
) -> anyhow::Result<(Row, String)> {
    let (mut our_runs, mut peer_runs) = (Vec::new(), Vec::new());
    for repeat in 1..=repeats {
        our_runs.push(ours()?);
        peer_runs.push(peer()?);
        eprintln!("{}: {repeat} of {repeats}", subject.work);
    }
    let program = peer_runs.first().map(|run| run.program.clone());
    let row = row(subject, &our_runs, &peer_runs);
    Ok((row, program.unwrap_or_default()))
}

/// Measures ours alone.
pub(crate) fn alone(
    subject: Subject,
    repeats: usize,
    mut ours: impl FnMut() -> anyhow::Result<Measured>,
) -> anyhow::Result<Row> {
    let mut runs = Vec::new();
    for repeat in 1..=repeats {
        runs.push(ours()?);
        eprintln!("{}: {repeat} of {repeats}", subject.work);
    }
    Ok(row(subject, &runs, &[]))
}

/// Medians of both; without runs of a peer there is none.
fn row(subject: Subject, ours: &[Measured], peer: &[Measured]) -> Row {
    let peer_s = median(peer.iter().map(Measured::each_s).collect());
    let ours_s = median(ours.iter().map(Measured::each_s).collect()).unwrap_or(f64::NAN);
    let (ours_rss_mb, peer_rss_mb) = (memory(ours), memory(peer));
    let names = ours.first().map(|run| &run.parts[..]).unwrap_or_default();
    let parts = names.iter().map(|(name, _)| Part {
        name: name.clone(),
        ours_s: part(ours, name).unwrap_or(f64::NAN),
        peer_s: part(peer, name),
    });
    Row {
        work: subject.work,
        backend: subject.backend.into(),
        peer: (!peer.is_empty()).then(|| subject.peer.into()),
        ours_s,
        peer_s,
        ratio: peer_s.map(|peer_s| peer_s / ours_s),
        ours_rss_mb,
        peer_rss_mb,
        rss_ratio: peer_rss_mb.zip(ours_rss_mb).map(|(peer, ours)| peer / ours),
        repeats: ours.len(),
        parts: parts.collect(),
    }
}

/// The median of the peaks, where all are known.
fn memory(runs: &[Measured]) -> Option<f64> {
    let all: Option<Vec<f64>> = runs.iter().map(|run| run.rss_mb).collect();
    median(all?)
}

/// The median of a part, where all runs have it.
fn part(runs: &[Measured], name: &str) -> Option<f64> {
    let of = |run: &Measured| {
        run.parts
            .iter()
            .find(|part| part.0 == name)
            .map(|part| part.1)
    };
    let all: Option<Vec<f64>> = runs.iter().map(of).collect();
    median(all?)
}

/// Of an even number of values the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(seconds: f64, rss_mb: Option<f64>) -> Measured {
        Measured {
            seconds,
            samples: 10.0,
            rss_mb,
            program: "some 1.0".into(),
            parts: vec![("forward".into(), seconds / 20.0)],
        }
    }

    #[test]
    fn a_row_holds_medians_and_ratios() {
        let subject = || Subject {
            work: "w".into(),
            backend: "cpu",
            peer: "p",
        };
        let ours = [5.0, 1.0, 2.0].map(|seconds| measured(seconds, Some(50.0)));
        let peer = [6.0, 9.0, 6.0].map(|seconds| measured(seconds, Some(200.0)));
        let received = row(subject(), &ours, &peer);
        assert_eq!((received.ours_s, received.peer_s), (0.2, Some(0.6)));
        assert!((received.ratio.unwrap() - 3.0).abs() < 1e-12);
        let forward = Part {
            name: "forward".into(),
            ours_s: 0.1,
            peer_s: Some(0.3),
        };
        assert_eq!(received.parts, [forward]);
        assert_eq!((received.rss_ratio, received.repeats), (Some(4.0), 3));
        let unknown = [measured(1.0, None)];
        assert_eq!(row(subject(), &unknown, &unknown).rss_ratio, None);
    }

    #[test]
    fn ours_and_the_peer_take_turns() {
        let order = std::cell::RefCell::new(String::new());
        let run = |name| {
            order.borrow_mut().push(name);
            Ok(measured(1.0, None))
        };
        let subject = Subject {
            work: "w".into(),
            backend: "cpu",
            peer: "p",
        };
        let (row, program) = interleaved(subject, 2, || run('o'), || run('p')).unwrap();
        assert_eq!(*order.borrow(), "opop");
        assert_eq!((row.repeats, program.as_str()), (2, "some 1.0"));
    }

    #[test]
    fn without_a_peer_there_is_no_ratio() {
        let subject = Subject {
            work: "w".into(),
            backend: "cpu",
            peer: "p",
        };
        let row = alone(subject, 3, || Ok(measured(2.0, Some(1.0)))).unwrap();
        assert_eq!((row.ours_s, row.repeats), (0.2, 3));
        assert_eq!((row.peer, row.peer_s, row.ratio), (None, None, None));
        assert_eq!(row.parts[0].peer_s, None);
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_program_s_last_line_is_read() {
        let mut echo = Command::new("printf");
        let line = r#"{"seconds":2,"samples":4,"rss_mb":null,"program":"x"}"#;
        let received = Measured::by(echo.arg("loading\n%s\n").arg(line)).unwrap();
        assert_eq!(received.each_s(), 0.5);
        assert!(Measured::by(&mut Command::new("true")).is_err());
    }
}
