//! burn-train's terminal dashboard, fed with the events of a run.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use burn_train::Interrupter;
use burn_train::logger::TrainingProgressLogger as _;
use burn_train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn_train::renderer::tui::TuiMetricsRendererWrapper;
use burn_train::renderer::{MetricState, MetricsRenderer as _, MetricsRendererTraining as _};
use salt_train::{Event, Interrupt};

use super::leave;
use super::terminal::{self, Taken};
use crate::panic_report::message_of;

pub(crate) use super::terminal::{give_back, say};

/// Exit code of a run that its owner ends without saving it: that of Ctrl-C.
const KILLED: i32 = 130;

/// How burn-train panics when that is asked for.
const KILL: &str = "Killing training from user input.";

/// What is drawn: its tag, as TensorBoard has it, name, unit, whether more is better.
const METRICS: [(&str, &str, Option<&str>, bool); 11] = [
    ("train/step_loss", "Loss", None, false),
    ("train/lr", "Learning rate", None, false),
    ("train/step_ms", "Step", Some("s"), false),
    ("val/dice", "Dice", None, true),
    ("val/iou", "IoU", None, true),
    ("val/cldice", "clDice", None, true),
    ("val/hd95", "HD95", Some("px"), false),
    ("val/assd", "ASSD", Some("px"), false),
    ("val/nsd", "NSD", None, true),
    ("val/precision", "Precision", None, true),
    ("val/recall", "Recall", None, true),
];

/// What the bar of the split counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Split {
    Train,
    Validation,
}

/// The dashboard on the screen; it goes when this is dropped.
pub(crate) struct Dashboard {
    screen: Option<Screen>,
    interrupt: Interrupt,
    /// Dropped after the screen was given back.
    _terminal: Taken,
}

impl Dashboard {
    /// Whether this process has a terminal to itself.
    pub(crate) fn has_place() -> bool {
        terminal::is_ours()
    }

    /// Takes the screen, in an epoch of so many. There always is one; where the program was built without, there is none.
    pub(crate) fn open(run: &str, epoch: u64, epochs: u64, interrupt: Interrupt) -> Option<Self> {
        let terminal = Taken::now();
        Some(Self {
            screen: Some(Screen::new(run, epoch, epochs)),
            interrupt,
            _terminal: terminal,
        })
    }

    /// Shows an event.
    pub(crate) fn event(&mut self, event: Event<'_>) {
        let Some(screen) = &mut self.screen else {
            return;
        };
        or_end(|| screen.show(event));
        if screen.interrupter.should_stop() {
            self.interrupt.stop();
        }
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let screen = self.screen.take();
        match terminal::answers() {
            true => or_end(|| drop(screen)),
            // It would wait for ever for the keys of a terminal that is gone.
            false => std::mem::forget(screen),
        }
    }
}

/// Talks to the renderer, whose key to end a run without saving panics on this side too.
fn or_end(talk: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(talk)) else {
        return;
    };
    if message_of(&*panic) != KILL {
        resume_unwind(panic);
    }
    leave();
    std::process::exit(KILLED);
}

/// The renderer, and what it was told.
struct Screen {
    renderer: TuiMetricsRendererWrapper,
    interrupter: Interrupter,
    ids: BTreeMap<&'static str, MetricId>,
    split: Option<Split>,
}

impl Screen {
    fn new(run: &str, epoch: u64, epochs: u64) -> Self {
        let interrupter = Interrupter::new();
        let done = usize::try_from(epoch - 1).ok();
        let mut renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), done);
        terminal::keep_signals();
        renderer.start(epochs as usize, epoch as usize, None, Some(run));
        Self {
            renderer,
            interrupter,
            ids: BTreeMap::new(),
            split: None,
        }
    }

    fn show(&mut self, event: Event<'_>) {
        match event {
            Event::Step {
                epoch,
                epochs,
                step,
                steps,
                loss,
                lr,
                step_ms,
                ..
            } => {
                let in_epoch = (steps / epochs.max(1)).max(1);
                self.enter(Split::Train, in_epoch as usize);
                let step_s = step_ms / 1e3;
                for (tag, value, text) in [
                    ("train/step_loss", loss, format!("{loss:.4}")),
                    ("train/lr", lr, format!("{lr:.2e}")),
                    ("train/step_ms", step_s, format!("{step_s:.2} s")),
                ] {
                    let state = self.state(tag, value, text);
                    self.renderer.update_train(state);
                }
                let done = step.saturating_sub((epoch - 1) * in_epoch);
                self.renderer.update_split(done as usize);
            }
            Event::Case { index, of, .. } => {
                self.enter(Split::Validation, of);
                self.renderer.update_split(index);
            }
            Event::Epoch(row) => {
                for (tag, value) in row.validation() {
                    let Some(value) = value else { continue };
                    let state = self.state(tag, value, format!("{value:.4}"));
                    self.renderer.update_valid(state);
                }
                self.renderer.update_epoch(row.epoch as usize);
            }
            Event::Warning(_) => self.renderer.log_event_training("Warnings".into()),
            _ => {}
        }
    }

    fn enter(&mut self, split: Split, items: usize) {
        if self.split != Some(split) {
            self.split = Some(split);
            self.renderer.start_split(
                match split {
                    Split::Train => "train",
                    Split::Validation => "valid",
                },
                items,
            );
        }
    }

    /// A value of one of [`METRICS`], each of which is made known with its first.
    fn state(&mut self, tag: &'static str, value: f64, formatted: String) -> MetricState {
        let id = match self.ids.get(tag) {
            Some(id) => id.clone(),
            None => self.register(tag),
        };
        let entry = SerializedEntry {
            formatted,
            serialized: value.to_string(),
        };
        let entry = MetricEntry::new(id, entry);
        MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
    }

    fn register(&mut self, tag: &'static str) -> MetricId {
        let known = METRICS.iter().find(|(known, ..)| *known == tag);
        let (_, name, unit, higher_is_better) = known.copied().unwrap_or((tag, tag, None, true));
        let id = MetricId::new(Arc::new(name.to_owned()));
        self.renderer.register_metric(MetricDefinition {
            metric_id: id.clone(),
            name: Arc::new(name.to_owned()),
            description: None,
            attributes: NumericAttributes {
                unit: unit.map(str::to_owned),
                higher_is_better,
            }
            .into(),
        });
        self.ids.insert(tag, id.clone());
        id
    }
}
