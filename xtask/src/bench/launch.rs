//! Runs one cell: a `salt` process whose output goes to the cell's log and, line by line, to the
//! progress display.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::progress::Progress;
use super::stop::{self, Stop};
use super::work_left::{CellFiles, WorkLeft};
use crate::workspace;

/// A cell that is asked to stop gets this long to end its step and write its checkpoint.
const GRACE: Duration = Duration::from_secs(120);

/// Terminals and batch systems mostly tell the cell themselves. To tell it once more would make it leave without
/// saving, so it gets this long to say that it knows.
const TO_HEAR: Duration = Duration::from_secs(2);

/// What `salt` says when it has been asked to stop (crates/salt-cli/src/interrupt).
const STOPPING: &str = "stopping at the next safe point";

/// Lines of each pipe that are shown when a cell fails.
const SHOWN_LINES: usize = 8;

/// How a cell ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// With exit code 0.
    Finished,
    /// Otherwise; the text says how, with the last lines of the log.
    Failed(String),
    /// Stopped because we were.
    Interrupted,
}

/// The process that does what is left of a cell.
pub(crate) fn command(salt: &Path, files: &CellFiles, left: WorkLeft, device: &str) -> Command {
    let mut command = Command::new(salt);
    if left == WorkLeft::TheRest {
        command.arg("resume").arg(&files.run);
    } else {
        command
            .arg("train")
            .arg(&files.recipe)
            .arg("--out")
            .arg(&files.run);
        command.args(["--device", device]);
    }
    command
}

/// Run a cell to its end, or to ours.
pub(crate) fn run(
    command: &mut Command,
    log: &Path,
    progress: &mut Progress,
    stop: &Stop,
) -> anyhow::Result<Outcome> {
    let mut log_file =
        File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    stop.cell_is(child.id());
    let (sender, lines) = mpsc::channel();
    if let Some(stdout) = child.stdout.take() {
        forward(stdout, Stream::Out, sender.clone());
    }
    if let Some(stderr) = child.stderr.take() {
        forward(stderr, Stream::Err, sender);
    }
    // The pipes are read side by side, so their lines meet in any order: what went wrong is kept
    // apart from whatever else the cell says last.
    let mut last = [Vec::new(), Vec::new()];
    let (mut asked_at, mut told) = (None, false);
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok((stream, line)) => {
                writeln!(log_file, "{line}")
                    .with_context(|| format!("cannot write {}", log.display()))?;
                progress.line(&line);
                told |= line.contains(STOPPING);
                let last = &mut last[stream as usize];
                last.push(line);
                last.drain(..last.len().saturating_sub(SHOWN_LINES));
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed: the process is at its end.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if stop.is_asked() {
            let waited = asked_at.get_or_insert_with(Instant::now).elapsed();
            if !told && waited >= TO_HEAR {
                told = true;
                // It may have ended in this moment, or still be too young to listen; then it goes on from its last
                // checkpoint next time, as after the end of its grace.
                let _ = stop::tell(&child);
            }
            if waited >= GRACE {
                child.kill().context("cannot end the running cell")?;
            }
        }
    }
    stop.cell_is(0);
    let status = wait(&mut child)?;
    if status.success() {
        return Ok(Outcome::Finished);
    }
    if stop.is_asked() {
        return Ok(Outcome::Interrupted);
    }
    let end = workspace::ended(status);
    Ok(Outcome::Failed(format!(
        "{end}\n    {}\n    whole log: {}",
        last.concat().join("\n    "),
        log.display()
    )))
}

fn wait(child: &mut Child) -> anyhow::Result<ExitStatus> {
    child.wait().context("cannot tell how the cell ended")
}

/// Which of a cell's pipes a line came from.
#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

/// Send what a pipe yields, line by line, until it is closed. Bytes that are no text are shown as
/// such rather than ending the reading, which would block the process at the other end.
fn forward(pipe: impl Read + Send + 'static, stream: Stream, lines: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let text = String::from_utf8_lossy(&line);
            // The receiver is gone only when the cell's end no longer matters.
            if lines.send((stream, text.trim_end().to_owned())).is_err() {
                break;
            }
        }
    });
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn sh(script: &str, stop: &Stop) -> (Outcome, String) {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("cell.log");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let outcome = run(&mut command, &log, &mut Progress::new(1), stop).unwrap();
        (outcome, std::fs::read_to_string(log).unwrap())
    }

    #[test]
    fn output_of_both_kinds_goes_to_the_log() {
        let (outcome, log) = sh("echo out; echo err >&2", &Stop::default());
        assert!(matches!(outcome, Outcome::Finished), "{outcome:?}");
        assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
    }

    #[test]
    fn a_failure_is_told_with_its_last_lines() {
        let (outcome, _) = sh(
            "seq 1 20; echo what went wrong >&2; seq 1 20; exit 3",
            &Stop::default(),
        );
        let Outcome::Failed(how) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(
            how.contains("exit code 3") && how.contains("what went wrong"),
            "{how}"
        );
        assert!(
            how.contains("cell.log") && !how.contains("\n    1\n"),
            "{how}"
        );
    }

    #[test]
    fn a_stop_is_no_failure() {
        let (outcome, _) = sh("exit 130", &Stop::asked());
        assert!(matches!(outcome, Outcome::Interrupted), "{outcome:?}");
    }

    #[test]
    fn a_cell_that_nobody_told_is_told_and_one_that_knows_is_not_told_again() {
        let wait = "for i in $(seq 60); do sleep 0.1; done; echo was not told";
        let untold = format!("trap 'echo saved; exit 143' TERM; {wait}");
        let (outcome, log) = sh(&untold, &Stop::asked());
        assert!(matches!(outcome, Outcome::Interrupted), "{outcome:?}");
        assert_eq!(log, "saved\n");
        let knows = format!("trap 'echo told twice' TERM; echo {STOPPING}; sleep 3; exit 143");
        assert_eq!(sh(&knows, &Stop::asked()).1, format!("{STOPPING}\n"));
    }

    #[test]
    fn salt_says_that_it_stops_in_the_words_that_are_looked_for() {
        let path = workspace::root().join("crates/salt-cli/src/interrupt/mod.rs");
        assert!(std::fs::read_to_string(path).unwrap().contains(STOPPING));
    }

    #[test]
    fn a_stopped_cell_is_resumed_and_a_new_one_trained() {
        let cell = crate::bench::CellId::parse("salt__a__s0").unwrap();
        let files = CellFiles::new(Path::new("o"), &cell);
        let words = |left| {
            let command = command(Path::new("salt"), &files, left, "flex");
            command
                .get_args()
                .map(|a| a.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(words(WorkLeft::TheRest), ["resume", "o/cells/salt__a__s0"]);
        let train = [
            "train",
            "o/recipes/salt__a__s0.toml",
            "--out",
            "o/cells/salt__a__s0",
        ];
        assert_eq!(words(WorkLeft::Everything)[..4], train);
        assert_eq!(words(WorkLeft::Everything)[4..], ["--device", "flex"]);
    }
}
