//! When a run saves, and what it says when it cannot.

use crate::checkpoint::{Checkpoint, Progress};
use crate::error::TrainError;
use crate::observer::Session;
use crate::recipe::TrainSection;
use crate::run_dir::RunDir;

/// The checkpoints of a run that is being trained.
pub(crate) struct Saves {
    every: u64,
    keep: usize,
    /// Where the newest checkpoint stands.
    saved: Option<Standing>,
}

/// Epochs completed, batches of the epoch that runs, steps.
type Standing = (u64, u64, u64);

fn standing(progress: &Progress) -> Standing {
    (progress.epoch, progress.batch, progress.step)
}

impl Saves {
    /// None yet.
    pub(crate) fn new(config: &TrainSection) -> Self {
        Self {
            every: config.checkpoint_every,
            keep: config.keep_checkpoints,
            saved: None,
        }
    }

    /// The newest checkpoint stands here.
    pub(crate) fn stand_at(&mut self, progress: &Progress) {
        self.saved = Some(standing(progress));
    }

    /// Whether the recipe wants a checkpoint after this step, in the middle of an epoch.
    pub(crate) fn due_within_epoch(&self, step: u64) -> bool {
        self.every > 0 && step.is_multiple_of(self.every)
    }

    /// Whether it wants one after this step, at the end of an epoch.
    pub(crate) fn due_after_epoch(&self, step: u64) -> bool {
        self.every == 0 || step.is_multiple_of(self.every)
    }

    /// Save a checkpoint, then remove what it makes superfluous. A failure is said where the run goes on; the
    /// error is what a run says that stops here.
    ///
    /// # Errors
    /// [`TrainError::NotSaved`].
    pub(crate) fn save(
        &mut self,
        checkpoint: &Checkpoint,
        goes_on: bool,
        run: &RunDir,
        session: &mut Session<'_>,
    ) -> Result<(), TrainError> {
        let (folder, progress) = (run.checkpoint_folder(), &checkpoint.progress);
        let step = progress.step;
        if self.saved == Some(standing(progress)) {
            return Ok(());
        }
        if let Err(error) = folder.save(checkpoint) {
            let saved = self.saved.map(|(_, _, step)| step);
            if goes_on {
                let back = saved.map_or("the beginning".to_owned(), |step| format!("step {step}"));
                let what = format!(
                    "step {step} is not saved ({error}); training goes on, and resumed now it would go back to {back}"
                );
                run.warn(session, &what);
            }
            return Err(TrainError::NotSaved {
                step,
                saved,
                source: Box::new(error),
            });
        }
        self.stand_at(progress);
        if let Err(error) = folder.prune(step, self.keep) {
            run.warn(session, &format!("an old checkpoint stays: {error}"));
        }
        Ok(())
    }
}
