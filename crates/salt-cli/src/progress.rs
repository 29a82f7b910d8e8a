//! Progress of long work on standard error: a bar on a terminal, plain lines anywhere else. Both
//! say how much time is left.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use salt_train::{Event, Observer};

use crate::duration_words::{from_seconds, in_words};
use crate::screen;

/// Without a terminal, a line this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Shows the events of a run.
#[derive(Debug)]
pub(crate) struct Progress {
    terminal: bool,
    bar: Option<ProgressBar>,
    pace: Option<Pace>,
    last_line: Option<Instant>,
}

impl Progress {
    /// Nothing to show yet.
    pub(crate) fn new() -> Self {
        Self {
            terminal: screen::can_draw(),
            bar: None,
            pace: None,
            last_line: None,
        }
    }

    /// A stage ended: its bar goes, the next one starts afresh.
    pub(crate) fn begin_stage(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.pace = None;
        self.last_line = None;
    }

    /// A line that stays.
    pub(crate) fn keep(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => screen::note(text),
        }
    }

    /// `done` of `of` units are done; `first_guess` is the time of one, before any is measured.
    pub(crate) fn advance(
        &mut self,
        done: u64,
        of: u64,
        what: &str,
        first_guess: Option<Duration>,
    ) {
        let pace = self.pace.get_or_insert_with(|| Pace::new(done));
        let left = pace.left(done, of, first_guess);
        let left = left.map_or_else(String::new, |left| format!("  {} left", in_words(left)));
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| bar(of));
            bar.set_length(of);
            bar.set_position(done);
            bar.set_message(format!("{what}{left}"));
        } else if done == of || self.last_line.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            self.last_line = Some(Instant::now());
            screen::note(format_args!("[{done}/{of}] {what}{left}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.begin_stage();
    }
}

impl Observer for Progress {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Stage(what) => {
                self.begin_stage();
                screen::note(format_args!("{what} ..."));
            }
            Event::CasesRead { done, of } => self.advance(done as u64, of as u64, "cases", None),
            Event::Step {
                epoch,
                epochs,
                step,
                steps,
                loss,
                step_ms,
                ..
            } => {
                let epoch = if epochs > 1 {
                    format!("epoch {epoch}/{epochs}  ")
                } else {
                    String::new()
                };
                let what = format!("{epoch}loss {loss:.4}  {:.2} s/step", step_ms / 1e3);
                self.advance(step, steps, &what, Some(from_seconds(step_ms / 1e3)));
            }
            Event::Case {
                index,
                of,
                id,
                dice,
                ..
            } => {
                let what = format!("{id}: Dice {}", screen::score(dice, 4));
                self.advance(index as u64, of as u64, &what, None);
            }
            Event::Predicted { index, of, mask } => {
                let what = mask.display().to_string();
                self.advance(index as u64, of as u64, &what, None);
            }
            event => {
                if let Some(line) = line_to_keep(event) {
                    self.keep(&line);
                }
            }
        }
    }
}

/// The line of an event that is worth reading later.
pub(crate) fn line_to_keep(event: Event<'_>) -> Option<String> {
    match event {
        Event::Epoch(row) => {
            let dice = row
                .val_dice
                .map_or_else(String::new, |dice| format!("  val Dice {dice:.4}"));
            let best = if row.best { "  best so far" } else { "" };
            Some(format!(
                "epoch {}: train loss {:.4}{dice}{best}",
                row.epoch, row.train_loss
            ))
        }
        Event::Warning(what) => Some(format!("warning: {what}")),
        _ => None,
    }
}

fn bar(of: u64) -> ProgressBar {
    let bar = ProgressBar::new(of);
    // The template is a constant; without it the bar merely looks different.
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len}  {wide_msg}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// How fast units are done, from the first one seen on: a resumed run begins in the middle.
#[derive(Debug)]
struct Pace {
    since: Instant,
    first: u64,
}

impl Pace {
    fn new(first: u64) -> Self {
        Self {
            since: Instant::now(),
            first,
        }
    }

    fn left(&self, done: u64, of: u64, first_guess: Option<Duration>) -> Option<Duration> {
        let rest = of.checked_sub(done).filter(|rest| *rest > 0)?;
        let measured = done.saturating_sub(self.first);
        let each = if measured > 0 {
            self.since.elapsed().as_secs_f64() / measured as f64
        } else {
            first_guess?.as_secs_f64()
        };
        Some(from_seconds(each * rest as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_is_guessed_from_one_unit_and_then_measured() {
        let pace = Pace {
            since: Instant::now() - Duration::from_secs(20),
            first: 100,
        };
        let guess = Some(Duration::from_secs(3));
        assert_eq!(pace.left(100, 110, guess), Some(Duration::from_secs(30)));
        assert_eq!(pace.left(100, 110, None), None);
        let left = pace.left(110, 120, guess).unwrap();
        assert_eq!(left.as_secs(), 20);
        assert_eq!(pace.left(110, 110, guess), None);
    }
}
