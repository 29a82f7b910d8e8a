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
    /// What it is compared with.
    pub(crate) peer: String,
    pub(crate) ours_s: f64,
    pub(crate) peer_s: f64,
    /// `peer_s / ours_s`: how many times faster ours is.
    pub(crate) ratio: f64,
    pub(crate) ours_rss_mb: Option<f64>,
    pub(crate) peer_rss_mb: Option<f64>,
    /// `peer_rss_mb / ours_rss_mb`.
    pub(crate) rss_ratio: Option<f64>,
    pub(crate) repeats: usize,
}

/// What a measured program prints: one line of JSON, the last of its output.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Measured {
    seconds: f64,
    samples: f64,
    rss_mb: Option<f64>,
    /// Name and versions.
    pub(crate) program: String,
}

impl Measured {
    /// Runs a program that measures itself.
    pub(crate) fn by(command: &mut Command) -> anyhow::Result<Self> {
        let text = output(command)?;
        let line = text.lines().last().unwrap_or_default();
        serde_json::from_str(line)
            .with_context(|| format!("expected a line of measurements, received {line:?}"))
    }

    fn each_s(&self) -> f64 {
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

fn row(subject: Subject, ours: &[Measured], peer: &[Measured]) -> Row {
    let seconds = |runs: &[Measured]| median(runs.iter().map(Measured::each_s).collect());
    let memory = |runs: &[Measured]| -> Option<f64> {
        let all: Option<Vec<f64>> = runs.iter().map(|run| run.rss_mb).collect();
        all.map(median)
    };
    let (ours_s, peer_s) = (seconds(ours), seconds(peer));
    let (ours_rss_mb, peer_rss_mb) = (memory(ours), memory(peer));
    Row {
        work: subject.work,
        backend: subject.backend.into(),
        peer: subject.peer.into(),
        ours_s,
        peer_s,
        ratio: peer_s / ours_s,
        ours_rss_mb,
        peer_rss_mb,
        rss_ratio: peer_rss_mb.zip(ours_rss_mb).map(|(peer, ours)| peer / ours),
        repeats: ours.len(),
    }
}

/// Of an even number of values the mean of the two in the middle; NaN of none.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[half],
        _ => (values[half - 1] + values[half]) / 2.0,
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
        assert_eq!((received.ours_s, received.peer_s), (0.2, 0.6));
        assert!((received.ratio - 3.0).abs() < 1e-12);
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
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(Vec::new()).is_nan());
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
