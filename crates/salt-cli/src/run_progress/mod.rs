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

use salt_train::{Event, Interrupt, Observer};

use self::dashboard::Dashboard;
use crate::progress::{Progress, line_to_keep};

pub(crate) use self::dashboard::{leave, say};

/// Lines of epochs that are kept while the dashboard is on the screen, the newest; `metrics.csv` has all. Warnings
/// are kept all.
const MOST_LINES: usize = 200;

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
    /// What the dashboard could not show, and whether it is a warning.
    kept: Vec<(bool, String)>,
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
            kept: Vec::new(),
            wanted: !args.no_dashboard,
            run: run.display().to_string(),
            interrupt: interrupt.clone(),
        }
    }

    fn close(&mut self) {
        if self.dashboard.take().is_some() {
            for (_, line) in self.kept.drain(..) {
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
                    let is_warning = matches!(event, Event::Warning(_));
                    self.kept.push((is_warning, line));
                }
                if self.kept.len() > MOST_LINES
                    && let Some(oldest) = self.kept.iter().position(|(is_warning, _)| !is_warning)
                {
                    self.kept.remove(oldest);
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
