//! A download on standard error: a bar on a terminal, plain lines anywhere else. Both say how much time is left.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use salt_data::download::Progress;

use crate::duration_words::{from_seconds, in_words};
use crate::screen;

/// Without a terminal, a line this often.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Rates of the first moment say little.
const RATE_AFTER: Duration = Duration::from_millis(500);

/// Shows one download.
#[derive(Debug)]
pub(crate) struct Transfer {
    what: &'static str,
    terminal: bool,
    bar: Option<ProgressBar>,
    last_line: Option<Instant>,
    /// When and where the bytes that come in now began.
    since: Option<(Instant, u64)>,
    /// The attempt whose failure was told.
    told: Option<u32>,
    /// The question that was told, which further attempts repeat.
    asked: String,
}

impl Transfer {
    pub(crate) fn new(what: &'static str) -> Self {
        Self {
            what,
            terminal: screen::can_draw(),
            bar: None,
            last_line: None,
            since: None,
            told: None,
            asked: String::new(),
        }
    }

    /// Show an event.
    pub(crate) fn show(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Verifying { done, of } => {
                self.since = None;
                self.advance(*done, Some(*of), &format!("{}: checking", self.what));
            }
            Progress::SetAside { error, kept } => {
                self.keep(&format!("{}: kept as {}", error.problem(), kept.display()));
            }
            Progress::Asking { url, resumed_at } => {
                (self.since, self.last_line, self.told) = (None, None, None);
                let from = match resumed_at {
                    0 => String::new(),
                    bytes => format!(", from {} on", size(*bytes)),
                };
                let asked = format!("{url}{from} ...");
                if self.asked != asked {
                    self.keep(&asked);
                    self.asked = asked;
                }
            }
            Progress::StartingOver { dropped } => {
                let dropped = size(*dropped);
                self.keep(&format!(
                    "the {dropped} that were there do not go on: starting over"
                ));
            }
            Progress::Receiving { done, of } => {
                let (since, first) = *self.since.get_or_insert_with(|| (Instant::now(), *done));
                let pace = pace(since.elapsed(), first, *done, *of);
                self.advance(*done, *of, &format!("{}{pace}", self.what));
            }
            Progress::Waiting {
                error,
                attempt,
                left,
            } if self.told != Some(*attempt) => {
                self.told = Some(*attempt);
                let left = in_words(*left);
                self.keep(&format!("{}: again in {left}", error.problem()));
            }
            Progress::NextMirror { error } => {
                self.keep(&format!("{}: trying the next address", error.problem()));
            }
            _ => {}
        }
    }

    /// A line that stays.
    fn keep(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => screen::note(text),
        }
    }

    fn advance(&mut self, done: u64, of: Option<u64>, what: &str) {
        if self.terminal {
            let bar = self.bar.get_or_insert_with(bar);
            match of {
                Some(of) => bar.set_length(of),
                None => bar.unset_length(),
            }
            bar.set_position(done);
            bar.set_message(what.to_owned());
        } else if self.last_line.is_none_or(|at| at.elapsed() >= PLAIN_EVERY) {
            self.last_line = Some(Instant::now());
            let of = of.map_or_else(|| "?".to_owned(), size);
            screen::note(format_args!("[{}/{of}] {what}", size(done)));
        }
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::no_length();
    // The template is a constant; without it the bar merely looks different.
    if let Ok(style) =
        ProgressStyle::with_template("{bar:24} {decimal_bytes}/{decimal_total_bytes}  {wide_msg}")
    {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

/// Rate and time left, once there is something to measure.
fn pace(elapsed: Duration, first: u64, done: u64, of: Option<u64>) -> String {
    let bytes = done.saturating_sub(first);
    if elapsed < RATE_AFTER || bytes == 0 {
        return String::new();
    }
    let rate = bytes as f64 / elapsed.as_secs_f64();
    let left = of.map_or_else(String::new, |of| {
        let left = from_seconds(of.saturating_sub(done) as f64 / rate);
        format!("  {} left", in_words(left))
    });
    format!("  {}/s{left}", size(rate as u64))
}

/// `12 B`, `375.0 MB`: decimal, as file managers and publishers count.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1e3, 0);
    // What would be shown as 1000.0 is one of the next.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1e3;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_a_fitting_unit() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_999, "1.0 MB"),
            (375_042_383, "375.0 MB"),
            (2_564_550_879, "2.6 GB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn the_pace_is_that_of_this_session() {
        let seconds = Duration::from_secs;
        // 80 MB were there; 10 MB came in 5 s, 10 MB are left.
        let (first, done, of) = (80_000_000, 90_000_000, Some(100_000_000));
        assert_eq!(pace(seconds(5), first, done, of), "  2.0 MB/s  5 s left");
        assert_eq!(pace(seconds(5), first, done, None), "  2.0 MB/s");
        assert_eq!(pace(seconds(5), first, first, of), "");
        assert_eq!(pace(Duration::ZERO, first, done, of), "");
    }
}
