//! `<stem>.state.safetensors`: where a pretraining run stands, and what is said when it cannot be saved.

use std::path::{Path, PathBuf};

use crate::checkpoint::Checkpoint;
use crate::durable::replace;
use crate::error::TrainError;
use crate::observer::{Event, Session};

/// The state file beside `out`.
pub fn state_path(out: &Path) -> PathBuf {
    out.with_extension("state.safetensors")
}

/// The state file of a run.
pub(super) struct StateFile {
    path: PathBuf,
    /// Step of the state that is in it.
    saved: Option<u64>,
}

impl StateFile {
    /// The one beside `out`, whatever is in it.
    pub(super) fn beside(out: &Path) -> Self {
        Self {
            path: state_path(out),
            saved: None,
        }
    }

    /// The state of an interrupted run, where there is one.
    ///
    /// # Errors
    /// As [`Checkpoint::load`].
    pub(super) fn load(
        &mut self,
        session: &mut Session<'_>,
    ) -> Result<Option<Checkpoint>, TrainError> {
        if !self.path.is_file() {
            return Ok(None);
        }
        session.event(Event::Stage("reading the state of the interrupted run"));
        let stored = Checkpoint::load(&self.path)?;
        self.saved = Some(stored.progress.step);
        Ok(Some(stored))
    }

    /// Save a state in place of the older one. A failure is said where the run goes on; the error is what a run says
    /// that stops here.
    ///
    /// # Errors
    /// [`TrainError::NotSaved`]; the older state is then as it was.
    pub(super) fn save(
        &mut self,
        checkpoint: &Checkpoint,
        goes_on: bool,
        session: &mut Session<'_>,
    ) -> Result<(), TrainError> {
        let step = checkpoint.progress.step;
        let write = |bytes: Vec<u8>| {
            replace(&*session.files, &self.path, &bytes).map_err(|e| TrainError::io(&self.path, e))
        };
        let Err(error) = checkpoint.to_bytes().and_then(write) else {
            self.saved = Some(step);
            return Ok(());
        };
        if goes_on {
            let back = self.saved;
            let back = back.map_or("the beginning".to_owned(), |step| format!("step {step}"));
            let what = format!(
                "step {step} is not saved ({error}); training goes on, and the same command would now go back to {back}"
            );
            session.event(Event::Warning(&what));
        }
        Err(TrainError::NotSaved {
            step,
            saved: self.saved,
            source: Box::new(error),
        })
    }
}
