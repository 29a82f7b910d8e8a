//! Runs one cell: a `salt` process whose output goes to the cell's log and, line by line, to the
//! progress display.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::progress::Progress;
use super::work_left::{CellFiles, WorkLeft};
use crate::workspace;

/// A cell that is asked to stop gets this long to write its checkpoint.
const GRACE: Duration = Duration::from_secs(30);

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
    interrupted: &AtomicBool,
) -> anyhow::Result<Outcome> {
    let mut log_file =
        File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
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
    let mut stop_at = None;
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok((stream, line)) => {
                writeln!(log_file, "{line}")
                    .with_context(|| format!("cannot write {}", log.display()))?;
                progress.line(&line);
                let last = &mut last[stream as usize];
                last.push(line);
                last.drain(..last.len().saturating_sub(SHOWN_LINES));
            }
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed: the process is at its end.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if interrupted.load(Ordering::SeqCst) {
            // On Ctrl-C the terminal has told the cell too. One that was not told is ended
            // after a while; it goes on from its last checkpoint next time.
            let at = *stop_at.get_or_insert_with(|| Instant::now() + GRACE);
            if Instant::now() >= at {
                child.kill().context("cannot end the running cell")?;
            }
        }
    }
    let status = wait(&mut child)?;
    if interrupted.load(Ordering::SeqCst) {
        return Ok(Outcome::Interrupted);
    }
    if status.success() {
        return Ok(Outcome::Finished);
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

    fn sh(script: &str, interrupted: bool) -> (Outcome, String) {
        let tmp = tempfile::tempdir().unwrap();
        let log = tmp.path().join("cell.log");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let interrupted = AtomicBool::new(interrupted);
        let outcome = run(&mut command, &log, &mut Progress::new(1), &interrupted).unwrap();
        (outcome, std::fs::read_to_string(log).unwrap())
    }

    #[test]
    fn output_of_both_kinds_goes_to_the_log() {
        let (outcome, log) = sh("echo out; echo err >&2", false);
        assert!(matches!(outcome, Outcome::Finished), "{outcome:?}");
        assert!(log.contains("out\n") && log.contains("err\n"), "{log}");
    }

    #[test]
    fn a_failure_is_told_with_its_last_lines() {
        let (outcome, _) = sh(
            "seq 1 20; echo what went wrong >&2; seq 1 20; exit 3",
            false,
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
        let (outcome, _) = sh("exit 130", true);
        assert!(matches!(outcome, Outcome::Interrupted), "{outcome:?}");
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
