//! What is kept of a frozen image encoder, and what is computed twice of a trained one, changes no byte of a run.

use std::path::{Path, PathBuf};

use salt_train::RunResult;

use crate::support::{on_cpu, recipe, stable_files, train};

/// Inputs that are the same in every epoch.
pub(crate) const SAME_INPUTS: [&str; 8] = [
    "data.view=resize",
    "train.augment.hflip=0",
    "train.augment.vflip=0",
    "train.augment.rotate_deg=0",
    "train.augment.scale=[1, 1]",
    "train.augment.brightness=0",
    "train.augment.contrast=0",
    "train.augment.gamma=0",
];

struct Runs(tempfile::TempDir);

impl Runs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn run(&self, name: &str, method: &str, settings: &[&str]) -> (PathBuf, RunResult) {
        let dir = self.0.path().join(name);
        let result = train(&recipe(method, settings).unwrap(), &dir).unwrap();
        (dir, result)
    }
}

fn check_same(one: &Path, other: &Path, what: &str) {
    let (one, other) = (stable_files(one), stable_files(other));
    for file in [
        "metrics.csv",
        "cases.csv",
        "curves.svg",
        "adapter/adapter_model.safetensors",
    ] {
        assert!(one[file] == other[file], "{what}: {file} differs");
    }
}

#[test]
fn kept_embeddings_change_no_byte() {
    if !on_cpu() {
        return;
    }
    let runs = Runs::new();
    let off = [&SAME_INPUTS[..], &["train.cache_embeddings=off"]].concat();
    let (plain, result) = runs.run("off", "decoder", &off);
    let none = result.embeddings.unwrap();
    assert_eq!(none.reused, 0);
    let mut counts = Vec::new();
    for (name, settings) in [
        ("auto", &["train.workers=2"][..]),
        ("on", &["train.cache_embeddings=on"]),
        ("no room", &["train.cache_embeddings_mib=0"]),
        ("mirror", &["inference.mirror=true"]),
    ] {
        let settings = [&SAME_INPUTS[..], settings].concat();
        let (dir, result) = runs.run(name, "decoder", &settings);
        if name != "mirror" {
            check_same(&plain, &dir, name);
        }
        counts.push(result.embeddings.unwrap());
    }
    // Two epochs of six samples, two validations and the last one.
    assert_eq!(counts[2], none);
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0].computed + counts[0].reused, none.computed);
    assert!(counts[0].computed < 6, "{counts:?}");
    // Of a mirrored validation image four are kept.
    assert!(counts[3].reused > counts[0].reused, "{counts:?}");
}

#[test]
fn augmented_inputs_are_not_kept_but_those_of_the_validation_are() {
    let runs = Runs::new();
    let (dir, result) = runs.run("auto", "decoder", &[]);
    let kept = result.embeddings.unwrap();
    assert!(kept.reused > 0, "{kept:?}");
    assert_eq!(kept.reused, 2 * kept.computed, "three validations");
    let log = std::fs::read_to_string(dir.join("log.jsonl")).unwrap();
    assert!(log.contains("\"embeddings\":{\"computed\":"), "{log}");
    let (plain, result) = runs.run("off", "decoder", &["train.cache_embeddings=off"]);
    assert_eq!(result.embeddings.unwrap().reused, 0);
    if on_cpu() {
        check_same(&plain, &dir, "validation alone");
    }
}

#[test]
fn an_encoder_that_is_trained_is_not_kept() {
    let runs = Runs::new();
    let (_, result) = runs.run("auto", "norms", &SAME_INPUTS);
    assert_eq!(result.embeddings, None);
    let settings = [&SAME_INPUTS[..], &["train.cache_embeddings=on"]].concat();
    let out = runs.0.path().join("on");
    let error = train(&recipe("norms", &settings).unwrap(), &out).unwrap_err();
    let error = error.to_string();
    for word in ["train.cache_embeddings", "image encoder", "norms"] {
        assert!(error.contains(word), "{error}");
    }
    assert!(!out.exists());
}

#[test]
fn blocks_that_are_computed_again_change_no_byte() {
    if !on_cpu() {
        return;
    }
    let runs = Runs::new();
    for method in ["lora", "dora", "full"] {
        let settings = ["train.accumulate=2", "train.batch_size=1"];
        let (plain, _) = runs.run(&format!("{method} kept"), method, &settings);
        let settings = [&settings[..], &["train.recompute=blocks"]].concat();
        let (again, _) = runs.run(&format!("{method} again"), method, &settings);
        check_same(&plain, &again, method);
    }
}
