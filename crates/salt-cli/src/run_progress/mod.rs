//! What `salt train` and `salt resume` show: burn-train's dashboard while they train in a terminal, and before and after it,
//! or anywhere else, a bar or plain lines.
//!
//! The dashboard has a screen of its own. What would stand among the lines is kept meanwhile and said when that screen
//! is gone.

#[cfg(all(unix, feature = "dashboard"))]
#[path = "dashboard.rs"]
mod dashboard;
#[cfg(not(all(unix, feature = "dashboard")))]
#[path = "no_dashboard.rs"]
mod dashboard;
#[cfg(all(unix, feature = "dashboard"))]
mod terminal;

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use salt_train::{Event, Interrupt, Observer};

use self::dashboard::Dashboard;
use crate::progress::{Progress, line_to_keep};
use crate::screen;

pub(crate) use self::dashboard::say;

/// Lines of epochs that are kept while the dashboard is on the screen, the newest; `metrics.csv` has all. Warnings
/// are kept all.
const MOST_LINES: usize = 200;

/// What the dashboard does not leave behind, and whether it is a warning.
static KEPT: Mutex<Vec<(bool, String)>> = Mutex::new(Vec::new());

fn kept() -> MutexGuard<'static, Vec<(bool, String)>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn keep(is_warning: bool, line: String) {
    if is_warning {
        say(&line);
    }
    let mut kept = kept();
    kept.push((is_warning, line));
    if kept.len() > MOST_LINES
        && let Some(oldest) = kept.iter().position(|(is_warning, _)| !is_warning)
    {
        kept.remove(oldest);
    }
}

/// Before the process ends at once, or says why it does: the terminal as it was, with the lines that belong there.
pub(crate) fn leave() {
    dashboard::give_back();
    for (_, line) in std::mem::take(&mut *kept()) {
        screen::note(line);
    }
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct DashboardArgs {
    /// In a terminal, show a bar instead of the dashboard
    #[arg(long)]
    no_dashboard: bool,
}

/// Shows the events of a run.
pub(crate) struct RunProgress {
    bar: Progress,
    dashboard: Option<Dashboard>,
    wanted: bool,
    run: String,
    interrupt: Interrupt,
}

impl RunProgress {
    /// Nothing to show yet of the run in that folder. Who ends it in the dashboard sets the interrupt.
    pub(crate) fn new(args: DashboardArgs, run: &Path, interrupt: &Interrupt) -> Self {
        Self {
            bar: Progress::new(),
            dashboard: None,
            wanted: !args.no_dashboard,
            run: run.display().to_string(),
            interrupt: interrupt.clone(),
        }
    }

    fn close(&mut self) {
        if self.dashboard.take().is_some() {
            for (_, line) in std::mem::take(&mut *kept()) {
                self.bar.keep(&line);
            }
        }
    }
}

impl Observer for RunProgress {
    fn event(&mut self, event: Event<'_>) {
        match event {
            // Asked here and not before: a run may have been sent into the background meanwhile.
            Event::Step { epoch, epochs, .. }
                if self.wanted && self.dashboard.is_none() && Dashboard::has_place() =>
            {
                self.bar.begin_stage();
                let interrupt = self.interrupt.clone();
                self.dashboard = Dashboard::open(&self.run, epoch, epochs, interrupt);
            }
            Event::Stage(_) => self.close(),
            _ => {}
        }
        match &mut self.dashboard {
            None => self.bar.event(event),
            Some(dashboard) => {
                if let Some(line) = line_to_keep(event) {
                    keep(matches!(event, Event::Warning(_)), line);
                }
                dashboard.event(event);
            }
        }
    }
}

impl Drop for RunProgress {
    fn drop(&mut self) {
        self.close();
    }
}
