//! The range test of learning rates, as a caller sees it.

use std::path::Path;
use std::sync::Arc;

use salt_train::durable::SystemFiles;
use salt_train::lr_find::{LrFind, Stop};
use salt_train::{
    Interrupt, LrFindConfig, LrFindOutcome, Recipe, Session, Silent, TrainError, lr_find,
};

use crate::failing_files::{FailingFiles, Fault};
use crate::support::{StopAfter, machine, on_cpu, recipe};

fn find(recipe: &Recipe, config: LrFindConfig, out: &Path) -> Result<LrFind, TrainError> {
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    match lr_find(recipe, &config, out, &machine().device, &mut session)? {
        LrFindOutcome::Finished(found) => Ok(*found),
        LrFindOutcome::Interrupted(step) => panic!("interrupted after step {step}"),
    }
}

fn short() -> LrFindConfig {
    LrFindConfig {
        from: 1e-4,
        to: 1e-1,
        steps: 12,
        smoothing: 0.5,
    }
}

fn files(out: &Path) -> [Vec<u8>; 2] {
    ["lr_find.csv", "lr_find.svg"].map(|name| std::fs::read(out.join(name)).unwrap())
}

#[test]
fn a_test_ends_where_the_loss_explodes_and_suggests_a_rate_below() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("new/lr");
    let config = LrFindConfig {
        from: 1e-5,
        to: 1e3,
        steps: 60,
        smoothing: 0.8,
    };
    // Dice is never above 1; the other term has no bound.
    let settings = ["train.loss.dice_weight=0"];
    let found = find(&recipe("full", &settings).unwrap(), config, &out).unwrap();
    assert_ne!(found.stop, Stop::Completed);
    assert!(found.points.len() < 60 && found.points[0].lr == 1e-5);
    let suggestion = found.suggestion.unwrap();
    for lr in [suggestion.steepest, suggestion.tenth_of_minimum] {
        assert!((1e-5..1.0).contains(&lr), "{suggestion:?}");
    }
    assert!(suggestion.steepest < suggestion.minimum, "{suggestion:?}");
    assert_eq!(found.recipe_lines, [format!("lr = {:e}", suggestion.lr())]);
    let mut table = csv::Reader::from_path(&found.csv).unwrap();
    assert_eq!(
        table.headers().unwrap(),
        &["step", "lr", "loss", "smoothed_loss"][..]
    );
    assert_eq!(table.records().count(), found.points.len());
    assert!(
        std::fs::read_to_string(&found.svg)
            .unwrap()
            .contains("steepest")
    );
    // Nothing else is left, and a run does not begin in this folder.
    assert_eq!(out.read_dir().unwrap().count(), 2);
    let again = crate::support::train(&recipe("norms", &[]).unwrap(), &out);
    assert!(
        matches!(again, Err(TrainError::NotVacant { .. })),
        "{again:?}"
    );
}

#[test]
fn equal_tests_write_equal_bytes() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let of = |name: &str, overrides: &[&str]| {
        let out = tmp.path().join(name);
        let recipe = recipe("salt", overrides).unwrap();
        find(&recipe, short(), &out).unwrap();
        files(&out)
    };
    let one = of("one", &[]);
    assert!(one == of("two", &["train.workers=0"]));
    // Schedule and average belong to a run as a whole.
    let other = ["train.warmup=0.3", "train.decay=step", "train.ema=0.5"];
    assert!(one == of("other schedule", &other));
    // A group's rate keeps its ratio: at ten times the run's it is not the run's.
    assert!(
        one != of(
            "group",
            &["train.optimizer.groups=[{paths='norm', lr=0.1}]"]
        )
    );
    assert!(one != of("seed", &["train.seed=6"]));
}

#[test]
fn rates_of_groups_keep_their_ratio_in_the_lines_for_the_recipe() {
    let tmp = tempfile::tempdir().unwrap();
    let settings = [
        "train.spectrum_lr=0.05",
        "train.optimizer.groups=[{paths='norm', lr=2e-2}, {paths='prompt', weight_decay=0}]",
    ];
    let found = find(&recipe("salt", &settings).unwrap(), short(), tmp.path()).unwrap();
    let rate = |line: &str| -> f64 {
        let value = line.split(" = ").nth(1).unwrap();
        value.split(' ').next().unwrap().parse().unwrap()
    };
    let lines = &found.recipe_lines;
    let lr = rate(&lines[0]);
    assert!(lines[1].starts_with("spectrum_lr = "), "{lines:?}");
    assert!((rate(&lines[1]) / lr - 5.0).abs() < 0.3, "{lines:?}");
    let group = lines[2].strip_prefix("# optimizer.groups: ").unwrap();
    assert!((rate(group) / lr - 2.0).abs() < 0.2, "{lines:?}");
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_cannot_be_tested_is_refused_before_anything_is_written() {
    let tmp = tempfile::tempdir().unwrap();
    let out = tmp.path().join("out");
    let error = find(&recipe("frozen", &[]).unwrap(), short(), &out).unwrap_err();
    assert!(matches!(error, TrainError::RangeTest { .. }), "{error}");
    let backwards = LrFindConfig {
        to: 1e-9,
        ..short()
    };
    let error = find(&recipe("norms", &[]).unwrap(), backwards, &out).unwrap_err();
    assert!(matches!(error, TrainError::RangeTest { .. }), "{error}");
    assert!(!out.exists());

    let run = tmp.path().join("run");
    crate::support::train(&recipe("norms", &["train.epochs=1"]).unwrap(), &run).unwrap();
    let error = find(&recipe("norms", &[]).unwrap(), short(), &run).unwrap_err();
    assert!(matches!(error, TrainError::RunExists { .. }), "{error}");
    assert!(!run.join("lr_find.csv").exists());
}

#[test]
fn a_stop_and_a_full_disk_leave_no_half_files() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let recipe = recipe("norms", &[]).unwrap();
    let out = tmp.path().join("stopped");
    let interrupt = Interrupt::new();
    let mut observer = StopAfter {
        step: 3,
        interrupt: interrupt.clone(),
    };
    let mut session = Session::new(&mut observer, interrupt);
    let outcome = lr_find(&recipe, &short(), &out, &machine().device, &mut session);
    assert!(
        matches!(outcome, Ok(LrFindOutcome::Interrupted(3))),
        "{outcome:?}"
    );
    assert_eq!(out.read_dir().unwrap().count(), 0);

    let out = tmp.path().join("full");
    let full = FailingFiles::new(Arc::new(SystemFiles), 1, Fault::Full { stays: true });
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new()).through(Arc::new(full));
    let outcome = lr_find(&recipe, &short(), &out, &machine().device, &mut session);
    assert!(matches!(outcome, Err(TrainError::Io { .. })), "{outcome:?}");
    assert_eq!(out.read_dir().unwrap().count(), 0);
}
