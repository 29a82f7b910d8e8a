//! A run that was stopped and resumed writes the bytes of one that was not.

use std::path::Path;

use salt_train::durable::{Files as _, SystemFiles};
use salt_train::{Interrupt, Outcome, Session, Silent, TrainError};

use crate::encoder::SAME_INPUTS;
use crate::prompts::OFTEN;
use crate::support::{
    StopAfter, Told, assert_same_files, finished, machine, on_cpu, on_flex, recipe, stable_files,
    train,
};

pub(crate) fn stop(
    method: &str,
    overrides: &[&str],
    step: u64,
    out: &std::path::Path,
) -> (u64, u64) {
    let interrupt = Interrupt::new();
    let mut observer = StopAfter {
        step,
        interrupt: interrupt.clone(),
    };
    let recipe = recipe(method, overrides).unwrap();
    match salt_train::train(
        &recipe,
        out,
        &machine(),
        &mut Session::new(&mut observer, interrupt),
    )
    .unwrap()
    {
        Outcome::Interrupted { epoch, step } => (epoch, step),
        Outcome::Finished(_) => panic!("was not stopped"),
    }
}

pub(crate) fn resume(out: &std::path::Path) -> Result<salt_train::RunResult, TrainError> {
    finished(salt_train::resume(
        out,
        &machine(),
        &mut Session::new(&mut Silent, Interrupt::new()),
    ))
}

fn check(method: &str, overrides: &[&str], step: u64, epochs_done: u64) {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, resumed) = (tmp.path().join("straight"), tmp.path().join("resumed"));
    train(&recipe(method, overrides).unwrap(), &straight).unwrap();
    assert_eq!(stop(method, overrides, step, &resumed), (epochs_done, step));
    assert!(!resumed.join("result.json").exists());
    resume(&resumed).unwrap();
    let what = format!("{method} stopped after step {step}");
    assert_same_files(&straight, &resumed, &what);
}

#[test]
fn in_the_middle_of_an_epoch() {
    check("salt", &[], 1, 0);
    check("lora", &["train.validate_every=2"], 3, 1);
}

#[test]
fn with_blocks_computed_again_and_with_embeddings_kept() {
    check("lora", &["train.recompute=blocks"], 1, 0);
    check("salt", &["train.recompute=blocks", "train.shards=2"], 3, 1);
    check("decoder", &SAME_INPUTS, 3, 1);
}

#[test]
fn at_the_edge_of_an_epoch_and_at_the_very_end() {
    // Asked to stop by the last step of an epoch, a run does not begin its validation.
    check("full", &["train.grad_clip=0.1"], 2, 0);
    if !on_cpu() {
        return;
    }
    check("scratch", &[], 4, 1);
    check("norms", &["train.validate_every=2"], 2, 1);
}

#[test]
fn with_checkpoints_between() {
    check(
        "norms",
        &["train.samples_per_epoch=12", "train.checkpoint_every=3"],
        5,
        1,
    );
}

#[test]
fn with_prompts_in_the_middle_of_an_epoch() {
    if !on_cpu() {
        return;
    }
    check("full", &OFTEN, 3, 1);
    check("lora", &OFTEN, 1, 0);
}

#[test]
fn with_a_moving_average() {
    check("lora", &["train.ema=0.9", "train.epochs=3"], 3, 1);
    check("full", &["train.ema=0.5"], 2, 0);
}

/// The best epoch, the stopped state and the fresh model have tails of different ranks.
#[test]
fn with_tails_that_exchange_directions() {
    if !on_cpu() {
        return;
    }
    let overrides = [
        "train.epochs=4",
        "train.tails.every=1",
        "train.tails.share=0.6",
        "train.tails.until=1.0",
    ];
    check("salt", &overrides, 3, 1);
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let moving = train(&recipe("salt", &overrides).unwrap(), &run).unwrap();
    let ranks = salt_peft::read_header(&run.join("adapter")).unwrap().ranks;
    let shown: std::collections::BTreeSet<String> =
        ranks.values().map(ToString::to_string).collect();
    assert!(shown.len() > 1, "{ranks:?}");
    let fixed = tmp.path().join("fixed");
    let fixed = train(&recipe("salt", &overrides[..1]).unwrap(), &fixed).unwrap();
    assert!(moving.params.trainable <= fixed.params.trainable);
    assert!(moving.params.trainable * 10 > fixed.params.trainable * 9);
    let error = recipe("lora", &overrides).unwrap_err().to_string();
    assert!(error.contains("train.tails"), "{error}");
}

#[test]
fn a_finished_run_gives_its_result_again() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    train(&recipe("norms", &["train.epochs=1"]).unwrap(), &run).unwrap();
    let before = stable_files(&run);
    let written = salt_train::RunResult::load(&run.join("result.json")).unwrap();
    assert_eq!(resume(&run).unwrap(), written);
    assert!(before == stable_files(&run));
}

#[test]
fn a_run_without_a_checkpoint_begins_again() {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, killed) = (tmp.path().join("straight"), tmp.path().join("killed"));
    train(&recipe("norms", &[]).unwrap(), &straight).unwrap();
    stop("norms", &[], 1, &killed);
    std::fs::remove_dir_all(killed.join("checkpoints")).unwrap();
    resume(&killed).unwrap();
    assert_same_files(&straight, &killed, "begun again");
}

/// Names of the checkpoints of a run.
fn checkpoints(run: &Path) -> Vec<String> {
    let mut names = SystemFiles.list(&run.join("checkpoints")).unwrap();
    names.sort();
    names
}

#[test]
fn checkpoints_are_numbered_kept_as_told_and_gone_at_the_end() {
    if !on_flex("it is about files") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    for (overrides, steps) in [
        (&["train.samples_per_epoch=15"][..], &[5, 8][..]),
        (
            &["train.samples_per_epoch=15", "train.checkpoint_every=3"],
            &[6, 8],
        ),
        (
            &[
                "train.checkpoint_every=1",
                "train.keep_checkpoints=3",
                "train.epochs=4",
            ],
            &[6, 7, 8],
        ),
    ] {
        let run = tmp.path().join(format!("run{}", steps[0] + steps.len()));
        stop("norms", overrides, 8, &run);
        let expected: Vec<String> = steps
            .iter()
            .map(|step| format!("step-{step:010}.safetensors"))
            .collect();
        assert_eq!(checkpoints(&run), expected);
        resume(&run).unwrap();
        assert!(checkpoints(&run).is_empty());
    }
}

#[test]
fn a_run_of_an_earlier_version_goes_on() {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, old) = (tmp.path().join("straight"), tmp.path().join("old"));
    train(&recipe("norms", &[]).unwrap(), &straight).unwrap();
    stop("norms", &[], 3, &old);
    let folder = old.join("checkpoints");
    std::fs::rename(
        folder.join("step-0000000003.safetensors"),
        folder.join("last.safetensors"),
    )
    .unwrap();
    resume(&old).unwrap();
    assert!(checkpoints(&old).is_empty());
    assert_same_files(&straight, &old, "from last.safetensors");
}

#[test]
fn a_damaged_checkpoint_costs_an_interval_and_all_damaged_are_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let (straight, run) = (tmp.path().join("straight"), tmp.path().join("run"));
    train(&recipe("norms", &[]).unwrap(), &straight).unwrap();
    stop("norms", &[], 3, &run);
    assert_eq!(checkpoints(&run).len(), 2);
    let damage = |name: &str| {
        let path = run.join("checkpoints").join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    damage("step-0000000003.safetensors");
    let mut told = Told::default();
    let outcome = salt_train::resume(
        &run,
        &machine(),
        &mut Session::new(&mut told, Interrupt::new()),
    );
    finished(outcome).unwrap();
    assert!(
        told.0
            .concat()
            .contains("step-0000000003.safetensors.corrupt"),
        "{told:?}"
    );
    assert_same_files(&straight, &run, "from the checkpoint before");

    let run = tmp.path().join("lost");
    stop("norms", &[], 1, &run);
    let path = run.join("checkpoints/step-0000000001.safetensors");
    std::fs::write(path, "noise").unwrap();
    for _ in 0..2 {
        assert!(matches!(
            resume(&run),
            Err(TrainError::NoGoodCheckpoint { .. })
        ));
    }
}

#[test]
fn a_changed_recipe_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    stop("norms", &[], 1, &run);
    let text = std::fs::read_to_string(run.join("recipe.toml")).unwrap();
    std::fs::write(
        run.join("recipe.toml"),
        text.replace("lr = 0.01", "lr = 0.02"),
    )
    .unwrap();
    assert!(matches!(
        resume(&run),
        Err(TrainError::Changed {
            what: "the recipe",
            ..
        })
    ));
}
