//! Test programs that are started without cargo, which has no words for some of a build's packages: those named with
//! `-p` alone are another build, with fewer features.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, bail};

use crate::workspace::{cargo, ended, output, shown, step};

/// A compiled test target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    file: PathBuf,
    /// Folder of its package, in which cargo runs it.
    folder: PathBuf,
}

/// Build everything of these words, and give the programs of some packages in the order of their names here.
pub(crate) fn build(words: &[String], packages: &[&str]) -> anyhow::Result<Vec<Program>> {
    let mut command = cargo();
    command.args(["test", "--no-run", "--tests"]).args(words);
    command.arg("--message-format=json-render-diagnostics");
    eprintln!("\n$ {}", shown(&command));
    // What is being compiled is for the screen.
    let messages = output(command.stderr(Stdio::inherit()))?;
    let programs = read(&messages, packages)?;
    if programs.is_empty() {
        bail!("expected test programs of {packages:?}, received none from cargo");
    }
    Ok(programs)
}

/// Programs of some packages in cargo's messages.
fn read(messages: &str, packages: &[&str]) -> anyhow::Result<Vec<Program>> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value =
            serde_json::from_str(line).context("expected a message of cargo in JSON")?;
        let (Some(file), Some(manifest)) = (
            message["executable"].as_str(),
            message["manifest_path"].as_str(),
        ) else {
            continue;
        };
        let folder = Path::new(manifest)
            .parent()
            .unwrap_or_else(|| Path::new(""));
        let package = folder.file_name().unwrap_or_default();
        let at = packages.iter().position(|name| package == *name);
        if let (Some(true), Some(at)) = (message["profile"]["test"].as_bool(), at) {
            let program = Program {
                file: file.into(),
                folder: folder.to_owned(),
            };
            found.push((at, program));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, program)| program).collect())
}

/// Run all programs, so many at once, with what `prepare` adds to each. Those that fail do not keep the others from
/// running.
pub(crate) fn run(
    programs: &[Program],
    at_once: usize,
    prepare: impl Fn(&mut Command) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut commands = VecDeque::new();
    for program in programs {
        let mut command = Command::new(&program.file);
        command.current_dir(&program.folder);
        prepare(&mut command)?;
        commands.push_back(command);
    }
    let failed = if at_once > 1 {
        side_by_side(commands, at_once)
    } else {
        let errors = commands.iter_mut().map(step);
        errors
            .filter_map(|done| Some(format!("{:#}", done.err()?)))
            .collect()
    };
    if failed.is_empty() {
        return Ok(());
    }
    bail!("{}", failed.join("\n"))
}

/// What went wrong. The output of a program is shown at its end, in one piece.
fn side_by_side(commands: VecDeque<Command>, at_once: usize) -> Vec<String> {
    let (commands, failed) = (Mutex::new(commands), Mutex::new(Vec::new()));
    let work = || {
        while let Some(mut command) = next(&commands) {
            let shown = shown(&command);
            let outcome = command.stdin(Stdio::null()).output();
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome {
                Ok(output) => {
                    show(&shown, &output);
                    if !output.status.success() {
                        failed.push(format!("`{shown}` {}", ended(output.status)));
                    }
                }
                Err(error) => failed.push(format!("cannot start `{shown}`: {error}")),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    failed.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn next(commands: &Mutex<VecDeque<Command>>) -> Option<Command> {
    let mut commands = commands.lock().unwrap_or_else(PoisonError::into_inner);
    commands.pop_front()
}

fn show(shown: &str, output: &Output) {
    let mut screen = std::io::stderr().lock();
    // Who no longer reads wants no output.
    let _ = writeln!(screen, "\n$ {shown}");
    let _ = screen.write_all(&output.stdout);
    let _ = screen.write_all(&output.stderr);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_programs_of_the_packages_are_found_in_their_order() {
        let artifact = |package: &str, file: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/crates/{package}/Cargo.toml","profile":{{"test":{test}}},"executable":{file}}}"#
            )
        };
        let messages = [
            artifact("small", "\"/t/small-1\"", true),
            artifact("large", "null", true),
            artifact("large", "\"/t/large\"", false),
            artifact("other", "\"/t/other-1\"", true),
            artifact("large", "\"/t/large-1\"", true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let found = read(&messages.join("\n"), &["large", "small"]).unwrap();
        let expected = ["large", "small"].map(|name| Program {
            file: format!("/t/{name}-1").into(),
            folder: format!("/w/crates/{name}").into(),
        });
        assert_eq!(found, expected);
        assert!(read("not JSON", &["large"]).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_failure_is_named_and_the_others_run() {
        let tmp = tempfile::tempdir().unwrap();
        let programs = ["one", "two", "three"].map(|name| Program {
            file: "/bin/sh".into(),
            folder: {
                let folder = tmp.path().join(name);
                std::fs::create_dir(&folder).unwrap();
                folder
            },
        });
        for at_once in [1, 2] {
            let script = "case $PWD in *two) exit 3;; esac; echo x >> ran";
            let done = run(&programs, at_once, |command| {
                command.args(["-c", script]);
                Ok(())
            });
            let error = done.unwrap_err().to_string();
            assert!(error.contains("ended with exit code 3"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
        for (name, ran) in [("one", 2), ("two", 0), ("three", 2)] {
            let text = std::fs::read_to_string(tmp.path().join(name).join("ran"));
            assert_eq!(text.unwrap_or_default().lines().count(), ran, "{name}");
        }
    }
}
