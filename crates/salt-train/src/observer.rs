//! What a run tells its caller, and how the caller stops it.
//!
//! The library prints nothing: it reports events to an [`Observer`] and looks at an
//! [`Interrupt`] after every step.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::durable::{Files, SystemFiles};
use crate::epoch_table::EpochRow;

/// Something a run reports while it works.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A long stage begins, in words for a person.
    Stage(&'a str),
    /// Cases were read to see whether they can be.
    CasesRead {
        /// Cases read so far.
        done: usize,
        /// Cases in all.
        of: usize,
    },
    /// One optimiser step is done.
    Step {
        /// Epoch, from 1.
        epoch: u64,
        /// Epochs of the whole run.
        epochs: u64,
        /// Step of the run, from 1.
        step: u64,
        /// Steps of the whole run.
        steps: u64,
        /// Loss of this batch.
        loss: f64,
        /// Base learning rate of this step.
        lr: f64,
        /// Wall time of this step.
        step_ms: f64,
        /// Wall time before it in which its batch was not ready.
        wait_ms: f64,
    },
    /// Something is wrong that costs time, now or should the run be cut off, and changes no result; in words for a
    /// person.
    Warning(&'a str),
    /// An epoch ended and its row is in `metrics.csv`.
    Epoch(&'a EpochRow),
    /// A case was segmented and scored.
    Case {
        /// Case done, from 1.
        index: usize,
        /// Cases in all.
        of: usize,
        /// Case name.
        id: &'a str,
        /// Mean Dice over the classes, `None` where it is undefined.
        dice: Option<f64>,
    },
    /// An image was segmented and written.
    Predicted {
        /// Image done, from 1.
        index: usize,
        /// Images in all.
        of: usize,
        /// The mask file.
        mask: &'a Path,
    },
}

/// Receives the events of a run.
pub trait Observer {
    /// Called on the thread of the run; long work here slows it down.
    fn event(&mut self, event: Event<'_>);
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _event: Event<'_>) {}
}

/// A flag shared with a signal handler: once set, a run stops after the current step, saves a
/// checkpoint and returns.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ask the run to stop. Safe to call from a signal handler thread.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Observer, interrupt and files together, as every long call takes them.
pub struct Session<'a> {
    /// Receives the events.
    pub observer: &'a mut dyn Observer,
    /// Stops the run.
    pub interrupt: Interrupt,
    /// Where a run is written to.
    pub files: Arc<dyn Files>,
}

impl<'a> Session<'a> {
    /// A session that can be stopped through `interrupt`.
    pub fn new(observer: &'a mut dyn Observer, interrupt: Interrupt) -> Self {
        Self {
            observer,
            interrupt,
            files: Arc::new(SystemFiles),
        }
    }

    /// The same session with runs written through other files.
    #[must_use]
    pub fn through(self, files: Arc<dyn Files>) -> Self {
        Self { files, ..self }
    }

    pub(crate) fn event(&mut self, event: Event<'_>) {
        self.observer.event(event);
    }
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("interrupt", &self.interrupt)
            .finish_non_exhaustive()
    }
}
