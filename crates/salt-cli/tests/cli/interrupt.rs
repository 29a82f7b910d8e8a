//! Ctrl-C saves and stops; what is resumed ends as if nothing had happened.
#![cfg(unix)]

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use super::inputs::{Inputs, command, device, salt, succeed};

/// Start `salt`, send it a signal when it has shown its first step, and give exit code and
/// standard error.
pub(super) fn stop(arguments: &[String], signal: &str) -> (Option<i32>, String) {
    let mut child = command(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        if line.starts_with("[1/") {
            let pid = child.id().to_string();
            assert!(
                std::process::Command::new("kill")
                    .args([signal, &pid])
                    .status()
                    .unwrap()
                    .success()
            );
        }
        said.push_str(&line);
        said.push('\n');
    }
    (child.wait().unwrap().code(), said)
}

#[test]
fn a_run_that_was_stopped_and_resumed_writes_the_bytes_of_one_that_was_not() {
    let inputs = Inputs::new();
    let settings = ["train.samples_per_epoch=450", "train.validate_every=2"];
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
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    assert!(out.is_file() && tmp.path().join("base.state.safetensors").is_file());
    let output = salt(&arguments("2"));
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("base.state.safetensors"), "{stderr}");
}
