//! How far the matrix is: a bar on a terminal, plain lines anywhere else.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Without a terminal, the running cell's latest line is repeated this often.
const PLAIN_EVERY: Duration = Duration::from_secs(30);

/// Progress over the cells that this process runs.
#[derive(Debug)]
pub(crate) struct Progress {
    total: usize,
    done: usize,
    started: Instant,
    cell: String,
    cell_started: Instant,
    last_plain: Instant,
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Progress over `total` cells.
    pub(crate) fn new(total: usize) -> Self {
        let now = Instant::now();
        // On a terminal that only has lines a bar shows nothing.
        let lines_only = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let draws = std::io::stderr().is_terminal() && !lines_only;
        let bar = draws.then(|| bar(total));
        Self {
            total,
            done: 0,
            started: now,
            cell: String::new(),
            cell_started: now,
            last_plain: now,
            bar,
        }
    }

    /// A cell starts.
    pub(crate) fn begin(&mut self, cell: &str, doing: &str) {
        let now = Instant::now();
        (self.cell, self.cell_started, self.last_plain) = (cell.to_owned(), now, now);
        match &self.bar {
            Some(bar) => {
                bar.set_prefix(self.cell.clone());
                bar.set_message(format!("{doing}{}", self.left_note()));
            }
            None => eprintln!("[{}/{}] {cell}: {doing}", self.done + 1, self.total),
        }
    }

    /// The running cell printed something.
    pub(crate) fn line(&mut self, line: &str) {
        match &self.bar {
            Some(bar) => bar.set_message(format!("{line}{}", self.left_note())),
            None if self.last_plain.elapsed() >= PLAIN_EVERY => {
                self.last_plain = Instant::now();
                eprintln!("[{}/{}] {}: {line}", self.done + 1, self.total, self.cell);
            }
            None => {}
        }
    }

    /// The running cell ended.
    pub(crate) fn end(&mut self, how: &str) {
        self.done += 1;
        let took = in_words(self.cell_started.elapsed());
        let (done, total) = (self.done, self.total);
        let line = format!(
            "[{done}/{total}] {}: {how} after {took}{}",
            self.cell,
            self.left_note()
        );
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.set_position(done as u64);
            }
            None => eprintln!("{line}"),
        }
    }

    /// Nothing more runs.
    pub(crate) fn close(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn left_note(&self) -> String {
        left(self.started.elapsed(), self.done, self.total).map_or_else(String::new, |left| {
            format!("; about {} left", in_words(left))
        })
    }
}

fn bar(total: usize) -> ProgressBar {
    let bar = ProgressBar::new(total as u64);
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {prefix}  {wide_msg}");
    // The template is a constant; without it the bar merely looks different.
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.enable_steady_tick(Duration::from_millis(500));
    bar
}

/// Time left when cells take as long as those done so far; unknown before the first is done.
fn left(elapsed: Duration, done: usize, total: usize) -> Option<Duration> {
    let left = total.checked_sub(done).filter(|left| *left > 0)?;
    (done > 0).then(|| elapsed.mul_f64(left as f64 / done as f64))
}

/// A duration as a person says it.
pub(crate) fn in_words(duration: Duration) -> String {
    match duration.as_secs() {
        seconds @ 0..90 => format!("{seconds} s"),
        seconds @ 90..5400 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_left_follows_the_cells_done_so_far() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(minute, 0, 4), None);
        assert_eq!(left(minute, 1, 4), Some(3 * minute));
        assert_eq!(left(2 * minute, 4, 4), None);
    }

    #[test]
    fn durations_are_said_in_a_fitting_unit() {
        for (seconds, words) in [(3, "3 s"), (89, "89 s"), (100, "2 min"), (7200, "2.0 h")] {
            assert_eq!(in_words(Duration::from_secs(seconds)), words);
        }
    }
}
