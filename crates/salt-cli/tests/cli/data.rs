//! `salt data`: what is drawn is sound, and what is broken is listed.

use std::path::Path;

use super::inputs::{json, salt, succeed};

fn synth(out: &Path, seed: &str) {
    let out = out.display().to_string();
    let words = [
        "data", "synth", "vessels", "--count", "4", "--size", "40", "--seed", seed, "--out", &out,
    ];
    let said = succeed(&words);
    assert!(said.contains("4 images of 40 x 40 pixels"), "{said}");
}

#[test]
fn the_same_seed_draws_the_same_files() {
    let tmp = tempfile::tempdir().unwrap();
    let [a, b, c] = ["a", "b", "c"].map(|name| tmp.path().join(name));
    synth(&a, "1");
    synth(&b, "1");
    synth(&c, "2");
    let image = |dir: &Path| std::fs::read(dir.join("images/vessel_000.png")).unwrap();
    assert_eq!(image(&a), image(&b));
    assert_ne!(image(&a), image(&c));
}

#[test]
fn a_sound_set_passes_and_is_described() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("vessels");
    synth(&dir, "1");
    let dir = dir.display().to_string();
    assert!(succeed(&["data", "verify", &dir]).contains("4 cases, 0 errors"));
    let report = json(&["data", "verify", &dir, "--json"]);
    assert_eq!(report["cases"], 4);
    let text = succeed(&["data", "inspect", &dir]);
    for words in [
        "40 x 40 (4)",
        "train 2",
        "val 1",
        "test 1",
        "one class",
        "sha256",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn findings_come_one_a_line_with_file_and_remedy_and_exit_code_1() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("vessels");
    synth(&dir, "1");
    std::fs::remove_file(dir.join("masks/vessel_000_mask.png")).unwrap();
    std::fs::write(dir.join("images/vessel_001.png"), b"no picture").unwrap();
    let argument = dir.display().to_string();
    let output = salt(&["data", "verify", &argument]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stderr.is_empty(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let errors: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("error: "))
        .collect();
    assert_eq!(errors.len(), 2, "{text}");
    for (name, remedy) in [
        ("vessel_000", "add the mask"),
        ("vessel_001.png", "save it again"),
    ] {
        let found = errors
            .iter()
            .any(|line| line.contains(name) && line.contains(remedy));
        assert!(found, "{name}: {text}");
    }
    let output = salt(&["data", "verify", &argument, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["findings"].as_array().unwrap().len() >= 2);
}
