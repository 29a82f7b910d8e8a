//! Turns the events of a training loop into curves for TensorBoard, and passes them on.
//!
//! | tag | value | at |
//! |---|---|---|
//! | `train/step_loss` | loss of one step | every step, or so many that a run has at most 1000 |
//! | `train/loss`, `train/lr`, `train/grad_norm` | as in `metrics.csv` | every epoch |
//! | `train/step_ms` | mean time of a step | every epoch |
//! | `train/data_wait` | share of its time in which it had no batch to work on | every epoch |
//! | `val/dice`, `val/iou` and the others of `metrics.csv` | as there | every validation that defines them |
//!
//! The abscissa counts optimiser steps. Times of an epoch that was interrupted are those of the steps since then.

use crate::error::TrainError;
use crate::observer::{Event, Observer};
use crate::run_dir::RunDir;
use crate::tensorboard::EventFile;

/// Most points of the loss by step: what TensorBoard shows of a curve by default.
const MOST_STEP_POINTS: u64 = 1000;

/// Writes the numbers of a session. A file that cannot be written costs a warning and the curves, not the run.
pub(crate) struct ScalarObserver<'a> {
    inner: &'a mut dyn Observer,
    /// `None` after an error.
    file: Option<EventFile>,
    /// Of the epoch that runs now.
    times: Times,
}

/// Where the time of an epoch went.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    steps: u64,
    step_ms: f64,
    wait_ms: f64,
}

impl<'a> ScalarObserver<'a> {
    /// Begins the file of a session after `steps_done` steps.
    pub(crate) fn begin(run: &RunDir, steps_done: u64, inner: &'a mut dyn Observer) -> Self {
        let mut observer = Self {
            inner,
            file: None,
            times: Times::default(),
        };
        let begun = EventFile::begin(run.root(), steps_done + 1);
        observer.file = observer.or_warn(begun);
        observer
    }

    fn write(&mut self, step: u64, values: &[(&str, f64)]) {
        if let Some(mut file) = self.file.take() {
            let written = file.scalars(step, values);
            self.file = self.or_warn(written).map(|()| file);
        }
    }

    fn or_warn<T>(&mut self, result: Result<T, TrainError>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                let warning = format!(
                    "{error}; training goes on without TensorBoard events until it is resumed"
                );
                self.inner.event(Event::Warning(&warning));
                None
            }
        }
    }
}

impl Observer for ScalarObserver<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Step {
                step,
                steps,
                loss,
                step_ms,
                wait_ms,
                ..
            } => {
                self.times.steps += 1;
                self.times.step_ms += step_ms;
                self.times.wait_ms += wait_ms;
                if step.is_multiple_of(steps.div_ceil(MOST_STEP_POINTS).max(1)) {
                    self.write(step, &[("train/step_loss", loss)]);
                }
            }
            Event::Epoch(row) => {
                let mut values = vec![
                    ("train/loss", row.train_loss),
                    ("train/lr", row.lr),
                    ("train/grad_norm", row.grad_norm),
                ];
                let Times {
                    steps,
                    step_ms,
                    wait_ms,
                } = std::mem::take(&mut self.times);
                if steps > 0 {
                    values.push(("train/step_ms", step_ms / steps as f64));
                    // Neither waited nor worked is nothing waited.
                    let all_ms = (step_ms + wait_ms).max(f64::MIN_POSITIVE);
                    values.push(("train/data_wait", wait_ms / all_ms));
                }
                values.extend(
                    row.validation()
                        .into_iter()
                        .filter_map(|(tag, value)| Some((tag, value?))),
                );
                self.write(row.step, &values);
            }
            _ => {}
        }
        self.inner.event(event);
    }
}
