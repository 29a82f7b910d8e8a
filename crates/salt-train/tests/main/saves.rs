//! Every operation of a save, failed in every way: a run always finds a whole checkpoint, and loses at most the
//! steps of one interval.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use salt_train::checkpoint::{Checkpoint, Progress};
use salt_train::checkpoint_folder::CheckpointFolder;
use salt_train::durable::{Files, SystemFiles};
use salt_train::{Interrupt, Outcome, Session, TrainError};

use crate::failing_files::{FailingFiles, Fault};
use crate::lossy_disk::LossyDisk;
use crate::support::{StopAfter, Told, assert_same_files, machine, on_flex, recipe, train};

/// Steps at which the sequence saves; each needs more room than the one before.
const STEPS: [u64; 4] = [10, 20, 30, 40];

fn checkpoint(step: u64) -> Checkpoint {
    let values = vec![step as f32; step as usize];
    let tensor = burn::tensor::TensorData::new(values, [step as usize]);
    Checkpoint {
        progress: Progress {
            step,
            ..Progress::default()
        },
        model: [("weight".to_owned(), tensor)].into(),
        ..Checkpoint::default()
    }
}

fn folder(files: Arc<dyn Files>) -> CheckpointFolder {
    CheckpointFolder::new(files, PathBuf::from("checkpoints"))
}

/// Saves and prunes as a run does. Gives the newest step that was said to be saved.
fn save_all(files: &FailingFiles, keep: usize) -> Option<u64> {
    let folder = folder(Arc::new(files.clone()));
    let mut saved = None;
    for step in STEPS {
        if files.crashed() {
            break;
        }
        if folder.save(&checkpoint(step)).is_ok() {
            saved = Some(step);
            // Whether it succeeds is another matter than whether the step is saved.
            let _ = folder.prune(step, keep);
        }
    }
    saved
}

/// What a run finds on the disk is whole, and not older than what was said to be saved.
fn check_found(disk: &LossyDisk, saved: Option<u64>, what: &str) {
    let found = folder(Arc::new(disk.clone())).newest();
    let found = found.unwrap_or_else(|e| panic!("{what}: {e}"));
    let step = found.checkpoint.as_ref().map(|c| c.progress.step);
    assert!(step >= saved, "{what}: {step:?} found, {saved:?} saved");
    if let Some(found) = found.checkpoint {
        let whole = checkpoint(found.progress.step);
        assert_eq!(
            (&found.progress, &found.model),
            (&whole.progress, &whole.model),
            "{what}"
        );
    }
    assert!(found.warnings.is_empty(), "{what}: {:?}", found.warnings);
}

#[test]
fn whatever_fails_in_a_sequence_of_saves_the_newest_that_was_saved_is_found() {
    for keep in [1, 2] {
        let counting = FailingFiles::new(Arc::new(LossyDisk::default()), usize::MAX, Fault::Crash);
        assert_eq!(save_all(&counting, keep), STEPS.last().copied());
        let operations = counting.operations();
        // create, write, sync, rename, sync, list for each, and the removals.
        assert_eq!(operations, 6 * STEPS.len() + STEPS.len() - keep);
        for at in 0..operations {
            for fault in Fault::ALL {
                let disk = LossyDisk::default();
                let files = FailingFiles::new(Arc::new(disk.clone()), at, fault);
                let saved = save_all(&files, keep);
                let what = format!("keep {keep}, operation {at}, {fault:?}");
                // A single failure costs one save at most: the one after it is tried.
                let expected = match fault {
                    Fault::Crash | Fault::Full { stays: true } => None,
                    _ => Some(STEPS[STEPS.len() - 2]),
                };
                assert!(saved >= expected, "{what}: {saved:?}");
                // The process goes on or ends here; and with it, perhaps, the power.
                check_found(&disk, saved, &what);
                for disk in disk.after_power_cut() {
                    check_found(&disk, saved, &what);
                }
            }
        }
    }
}

#[test]
fn a_power_cut_at_any_later_operation_after_a_failure_loses_nothing_that_was_saved() {
    let counting = FailingFiles::new(Arc::new(LossyDisk::default()), usize::MAX, Fault::Crash);
    save_all(&counting, 2);
    // Failed saves remove what they left, so there may be more operations than without.
    let operations = counting.operations() + STEPS.len();
    for fault in [Fault::Full { stays: false }, Fault::Broken] {
        for (first, second) in
            (0..operations).flat_map(|i| (i + 1..operations).map(move |j| (i, j)))
        {
            let disk = LossyDisk::default();
            let failing = FailingFiles::new(Arc::new(disk.clone()), first, fault);
            let files = FailingFiles::new(Arc::new(failing), second, Fault::Crash);
            let saved = save_all(&files, 2);
            let what = format!("{fault:?} at {first}, power cut at {second}");
            for disk in disk.after_power_cut() {
                check_found(&disk, saved, &what);
            }
        }
    }
}

#[test]
fn what_fails_while_a_checkpoint_is_looked_for_does_not_begin_a_run_again() {
    let disk = LossyDisk::default();
    let good = folder(Arc::new(disk.clone()));
    good.save(&checkpoint(10)).unwrap();
    good.save(&checkpoint(20)).unwrap();
    let name = Path::new("checkpoints/step-0000000020.safetensors");
    disk.create(name).unwrap().write(b"noise").unwrap();
    // list, read, rename, sync, read
    for at in 0..5 {
        for fault in Fault::ALL {
            let disk = disk.after_power_cut().pop().unwrap();
            let files = FailingFiles::new(Arc::new(disk.clone()), at, fault);
            match folder(Arc::new(files)).newest() {
                Ok(found) => {
                    assert_eq!(found.checkpoint.map(|c| c.progress.step), Some(10));
                    assert_eq!(found.warnings.len(), 1);
                }
                Err(TrainError::Io { .. }) => assert_eq!(at, 0),
                Err(e) => {
                    let gone = fault == Fault::Crash || at == 4;
                    assert!(
                        gone && matches!(e, TrainError::NoGoodCheckpoint { .. }),
                        "{e}"
                    );
                }
            }
            // And the next time nothing fails.
            let found = folder(Arc::new(disk)).newest().unwrap();
            assert_eq!(found.checkpoint.unwrap().progress.step, 10);
        }
    }
}

/// One epoch of two steps with a checkpoint after each, of which one is kept.
const SETTINGS: [&str; 4] = [
    "train.epochs=1",
    "train.checkpoint_every=1",
    "train.keep_checkpoints=1",
    "train.overlays=0",
];

/// A run over files of which one operation fails; where that ends it, it is resumed over files that work. Gives the
/// operations it took.
fn check_run(straight: &Path, at: usize, fault: Fault) -> usize {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let recipe = recipe("norms", &SETTINGS).unwrap();
    let files = FailingFiles::new(Arc::new(SystemFiles), at, fault);
    let mut told = Told::default();
    let mut session = Session::new(&mut told, Interrupt::new()).through(Arc::new(files.clone()));
    let outcome = salt_train::train(&recipe, &run, &machine(), &mut session);
    let failed = files
        .failed()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let what = format!("operation {at}, on {failed:?}, {fault:?}");
    let matters = ["step-", "metrics.csv", "curves.svg"]
        .iter()
        .any(|name| failed.starts_with(name));
    assert!(
        outcome.is_err() || !matters || !told.0.is_empty(),
        "{what}: nobody was told"
    );
    let outcome = match outcome {
        Err(_) if run.join("recipe.toml").exists() => {
            let mut session = Session::new(&mut told, Interrupt::new());
            salt_train::resume(&run, &machine(), &mut session)
        }
        Err(_) => train(&recipe, &run).map(|result| Outcome::Finished(result.into())),
        finished => finished,
    };
    assert!(
        matches!(outcome, Ok(Outcome::Finished(_))),
        "{what}: {outcome:?}"
    );
    assert_same_files(straight, &run, &what);
    assert!(run.join("result.json").exists(), "{what}");
    files.operations()
}

#[test]
fn whatever_fails_in_a_run_it_goes_on_or_is_resumed_to_the_same_bytes() {
    if !on_flex("it is about files") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let straight = tmp.path().join("straight");
    train(&recipe("norms", &SETTINGS).unwrap(), &straight).unwrap();
    let operations = check_run(&straight, usize::MAX, Fault::Crash);
    // Recipe, two checkpoints with what they make superfluous, four tables, the result; syncs and lists.
    assert!(operations >= 48, "{operations}");
    for at in 0..operations {
        // Any of the single failures; the crash, which ends the run, at all of them.
        check_run(&straight, at, Fault::ALL[1 + at % 4]);
        check_run(&straight, at, Fault::Crash);
    }
}

#[test]
fn a_stop_that_cannot_be_saved_says_what_is_lost() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let recipe = recipe("norms", &[]).unwrap();
    let interrupt = Interrupt::new();
    let mut observer = StopAfter {
        step: 3,
        interrupt: interrupt.clone(),
    };
    // From the second checkpoint on the disk is full.
    let whole = FailingFiles::new(Arc::new(SystemFiles), usize::MAX, Fault::Crash);
    let mut session =
        Session::new(&mut observer, interrupt.clone()).through(Arc::new(whole.clone()));
    let outcome = salt_train::train(&recipe, &run, &machine(), &mut session);
    assert!(
        matches!(outcome, Ok(Outcome::Interrupted { step: 3, .. })),
        "{outcome:?}"
    );
    // Second save: create, write, sync, rename, sync, list.
    let at = whole.operations() - 6;
    std::fs::remove_dir_all(&run).unwrap();
    let full = FailingFiles::new(Arc::new(SystemFiles), at, Fault::Full { stays: true });
    let interrupt = Interrupt::new();
    let mut observer = StopAfter {
        step: 3,
        interrupt: interrupt.clone(),
    };
    let mut session = Session::new(&mut observer, interrupt).through(Arc::new(full));
    let error = salt_train::train(&recipe, &run, &machine(), &mut session).unwrap_err();
    let expected = (3, Some(2));
    assert!(
        matches!(&error, TrainError::NotSaved { step, saved, .. } if (*step, *saved) == expected),
        "{error}"
    );
    assert!(
        error.to_string().contains("after step 2 are lost"),
        "{error}"
    );
}
