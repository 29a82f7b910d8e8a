//! Every command explains itself, with an example.

use std::collections::BTreeSet;

use super::inputs::{salt, succeed};

/// Commands of the contract that this program has.
const COMMANDS: [&str; 19] = [
    "data",
    "data list",
    "data fetch",
    "data synth",
    "data synth vessels",
    "data verify",
    "data inspect",
    "train",
    "lr-find",
    "resume",
    "eval",
    "predict",
    "segment",
    "automask",
    "adapter",
    "adapter inspect",
    "adapter merge",
    "params",
    "pretrain",
];

/// The help of a command and of all below it.
fn walk(path: &[String], seen: &mut BTreeSet<String>) {
    let words: Vec<String> = [path, &["--help".to_owned()]].concat();
    let text = succeed(&words);
    let example = text
        .split_once("Example:\n")
        .map(|(_, rest)| rest.trim_start());
    let example = example.unwrap_or_else(|| panic!("{path:?} has no example: {text}"));
    // The example is one of this command, or of one below it.
    let command = ["salt".to_owned()]
        .iter()
        .chain(path)
        .cloned()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(example.starts_with(&command), "{path:?}: {example}");
    seen.insert(path.join(" "));
    let listed = text.split_once("Commands:\n").map_or("", |(_, rest)| rest);
    for line in listed.lines().take_while(|line| !line.is_empty()) {
        let name = line.split_whitespace().next().unwrap_or_default();
        let is_name = line.starts_with("  ") && !line.starts_with("   ");
        if is_name && name != "help" {
            walk(&[path, &[name.to_owned()]].concat(), seen);
        }
    }
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut seen = BTreeSet::new();
    walk(&[], &mut seen);
    for command in COMMANDS {
        assert!(seen.contains(command), "{command} is not listed: {seen:?}");
    }
    assert!(seen.contains("doctor"));
}

#[test]
fn which_way_up_coordinates_are_is_told() {
    for command in ["segment", "automask"] {
        let text = succeed(&[command, "--help"]);
        assert!(text.contains("(EXIF) is not applied"), "{command}: {text}");
    }
}

#[test]
fn the_version_is_told() {
    assert!(succeed(&["--version"]).starts_with("salt "));
}

#[test]
fn no_command_and_an_unknown_one_are_wrong_use() {
    assert_eq!(salt::<&str>(&[]).status.code(), Some(2));
    let output = salt(&["trian"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("train"));
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::Stdio;

    let mut command = super::inputs::command(&["params", "--preset", "paper-salt-4"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}
