//! Pretraining over files that fail.

use std::path::Path;
use std::sync::Arc;

use salt_train::checkpoint::Checkpoint;
use salt_train::durable::SystemFiles;
use salt_train::pretrain::{PretrainConfig, PretrainOutcome, pretrain, state_path};
use salt_train::{Event, Interrupt, Observer, Session, TrainError};

use crate::failing_files::{FailingFiles, Fault};
use crate::support::{machine, on_flex};

/// Operations of a save: create, write, sync, rename, sync of the folder.
const SAVE: usize = 5;

fn config() -> PretrainConfig {
    PretrainConfig {
        batch_size: 1,
        shards: 1,
        save_every: 1,
        ..PretrainConfig::default()
    }
}

/// Stops after a step, and keeps the warnings.
struct Watch {
    stop_after: u64,
    interrupt: Interrupt,
    told: Vec<String>,
}

impl Observer for Watch {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Step { step, .. } if step == self.stop_after => self.interrupt.stop(),
            Event::Warning(what) => self.told.push(what.to_owned()),
            _ => {}
        }
    }
}

/// Pretrain up to a step over files of which operation `at` fails.
fn run(
    out: &Path,
    stop_after: u64,
    at: usize,
    fault: Fault,
) -> (Result<PretrainOutcome, TrainError>, Vec<String>) {
    let interrupt = Interrupt::new();
    let mut watch = Watch {
        stop_after,
        interrupt: interrupt.clone(),
        told: Vec::new(),
    };
    let files = FailingFiles::new(Arc::new(SystemFiles), at, fault);
    let mut session = Session::new(&mut watch, interrupt).through(Arc::new(files));
    let outcome = pretrain(&config(), out, &machine().device, &mut session);
    (outcome, watch.told)
}

/// Everything in a state but the time it took.
fn state(out: &Path) -> Checkpoint {
    let mut state = Checkpoint::load(&state_path(out)).unwrap();
    state.progress.train_s = 0.0;
    state
}

#[test]
fn a_state_that_cannot_be_saved_is_said_and_training_goes_on() {
    if !on_flex("it is about files") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let straight = tmp.path().join("straight.safetensors");
    let (outcome, told) = run(&straight, 3, usize::MAX, Fault::Crash);
    assert_eq!(outcome.unwrap(), PretrainOutcome::Interrupted(3));
    assert!(told.is_empty(), "{told:?}");
    // The second save fails once; the third one is tried and succeeds.
    let broken = tmp.path().join("broken.safetensors");
    let (outcome, told) = run(&broken, 3, SAVE + 1, Fault::Full { stays: false });
    assert_eq!(outcome.unwrap(), PretrainOutcome::Interrupted(3));
    let [warning] = &told[..] else {
        panic!("{told:?}");
    };
    assert!(
        warning.contains("step 2 is not saved") && warning.contains("go back to step 1"),
        "{warning}"
    );
    let (straight, broken) = (state(&straight), state(&broken));
    assert_eq!(straight.progress, broken.progress);
    assert_eq!(straight.model, broken.model);
    assert_eq!(straight.optimizer, broken.optimizer);
}

#[test]
fn a_stop_that_cannot_be_saved_says_what_is_lost_and_goes_on_from_before() {
    if !on_flex("it is about files") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    for (at, saved, back) in [(0, None, "the beginning"), (SAVE, Some(1), "step 1")] {
        let out = tmp.path().join(format!("{at}.safetensors"));
        let (outcome, told) = run(&out, 2, at, Fault::Full { stays: true });
        let error = outcome.unwrap_err();
        assert!(
            matches!(&error, TrainError::NotSaved { step: 2, saved: s, .. } if *s == saved),
            "{error}"
        );
        assert!(error.to_string().contains(back), "{error}");
        // The stop itself is the error; what went before it was said.
        assert_eq!(told.len(), usize::from(saved.is_none()), "{told:?}");
        let (outcome, told) = run(&out, 2, usize::MAX, Fault::Crash);
        assert_eq!(outcome.unwrap(), PretrainOutcome::Interrupted(2));
        assert!(told.is_empty(), "{told:?}");
        assert_eq!(state(&out).progress.step, 2);
    }
}
