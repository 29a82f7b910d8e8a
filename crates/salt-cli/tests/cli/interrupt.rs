//! A signal saves and stops; what is resumed ends as if nothing had happened.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::inputs::{Inputs, command, device, salt, succeed};

/// Start `salt`, send it a signal when it has shown its first step, and give exit code and
/// standard error.
pub(super) fn stop(arguments: &[String], signal: &str) -> (Option<i32>, String) {
    stop_twice(arguments, signal, None)
}

/// [`stop`], with a second signal when it has heard the first.
fn stop_twice(arguments: &[String], first: &str, second: Option<&str>) -> (Option<i32>, String) {
    let mut child = command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id().to_string();
    let send = |signal: &str| {
        let kill = std::process::Command::new("kill")
            .args([signal, &pid])
            .status();
        assert!(kill.unwrap().success());
    };
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("[1/") {
            send(first);
        }
        if line.starts_with("stopping at")
            && let Some(second) = second
        {
            send(second);
        }
        said.push_str(&line);
        said.push('\n');
    }
    (child.wait().unwrap().code(), said)
}

/// Whether this process, and so what it starts, was told to live on when its terminal goes (nohup).
pub(super) fn under_nohup() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[expect(clippy::print_stderr, reason = "a skipped test says so")]
#[test]
fn the_exit_code_names_the_first_signal_and_the_second_leaves_at_once() {
    if device() != "flex" {
        eprintln!("skipped: signals know no device; runs on flex");
        return;
    }
    let inputs = Inputs::new();
    // Steps that take long, so that the second signal comes within one.
    let settings = ["train.samples_per_epoch=6000", "train.batch_size=3000"];
    for (run, first, second, code) in [
        ("term", "-TERM", None, 143),
        ("hup", "-HUP", None, 129),
        ("twice", "-TERM", Some("-INT"), 143),
    ] {
        if first == "-HUP" && under_nohup() {
            eprintln!("skipped: SIGHUP, which nohup has ignored here");
            continue;
        }
        let settings = &settings[..if second.is_some() { 2 } else { 1 }];
        let (received, said) = stop_twice(&inputs.train(run, settings), first, second);
        assert_eq!(received, Some(code), "{said}");
        assert_eq!(
            said.contains("go on with: salt resume"),
            second.is_none(),
            "{said}"
        );
    }
}

#[test]
fn a_run_that_was_stopped_and_resumed_writes_the_bytes_of_one_that_was_not() {
    let inputs = Inputs::new();
    // Enough for a signal to come in time. A step takes longer on a GPU, and much longer on one made of software.
    let samples = if device() == "wgpu" { 150 } else { 450 };
    let samples = format!("train.samples_per_epoch={samples}");
    let settings = [samples.as_str(), "train.validate_every=2"];
    let (code, said) = stop(&inputs.train("stopped", &settings), "-INT");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("salt resume"), "{said}");
    assert!(!inputs.file("stopped/result.json").exists());

    // What is not finished cannot be used.
    let output = salt(&["eval", &inputs.path("stopped")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("salt resume"));

    // It goes on where it began, without being told.
    let output = salt(&["resume", &inputs.path("stopped")]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(
        stderr.contains(&format!("resuming on {}", device())),
        "{stderr}"
    );
    if device() == "flex" {
        succeed(&inputs.train("straight", &settings));
        for name in [
            "adapter/adapter_model.safetensors",
            "metrics.csv",
            "cases.csv",
        ] {
            assert_eq!(
                inputs.read("stopped", name),
                inputs.read("straight", name),
                "{name}"
            );
        }
    }
}

#[test]
fn pretraining_stops_with_its_state_and_refuses_another_seed_over_it() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("base.safetensors");
    let arguments = |seed: &str| -> Vec<String> {
        let device = device();
        let words = [
            "pretrain",
            "--steps",
            "100000",
            "--batch-size",
            "1",
            "--device",
            &device,
        ];
        let mut words: Vec<String> = words.map(str::to_owned).into();
        words.extend([
            "--seed".into(),
            seed.into(),
            "--out".into(),
            out.display().to_string(),
        ]);
        words
    };
    let (code, said) = stop(&arguments("1"), "-TERM");
    assert_eq!(code, Some(143), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    assert!(out.is_file() && tmp.path().join("base.state.safetensors").is_file());
    let output = salt(&arguments("2"));
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("base.state.safetensors"), "{stderr}");
}
