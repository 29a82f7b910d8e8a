//! What `train` and `resume` say at the end.

use std::path::Path;

use salt_train::{Outcome, RunResult};

use super::scores;
use crate::duration_words::{from_seconds, in_words};
use crate::failure::Failure;
use crate::screen;

/// The result, or how to go on.
pub(super) fn show(outcome: &Outcome, run: &Path) -> Result<(), Failure> {
    match outcome {
        Outcome::Finished(result) => finished(result, run),
        Outcome::Interrupted { epoch, step } => Err(Failure::Interrupted(Some(format!(
            "stopped after step {step} ({epoch} whole epochs); go on with: salt resume {}",
            run.display()
        )))),
    }
}

fn finished(result: &RunResult, run: &Path) -> Result<(), Failure> {
    let params = &result.params;
    screen::result(format_args!(
        "{} on {}: {} of {} parameters trained ({:.3} %), best epoch {}, {} of training",
        result.method,
        result.dataset,
        screen::count(params.trainable as u64),
        screen::count(params.total as u64),
        params.percent,
        result.best_epoch,
        in_words(from_seconds(result.time.train_s)),
    ))?;
    let mut rows = Vec::new();
    rows.extend(result.val.as_ref().map(|val| ("val".to_owned(), val)));
    rows.push(("test".to_owned(), &result.test));
    for (class, summary) in result.test_classes.iter().enumerate() {
        rows.push((format!("test, class {}", class + 1), summary));
    }
    screen::result(scores::table("split", &rows))?;
    screen::result(format_args!("run directory: {}", run.display()))
}
