//! What a fetch is doing, in lines: for terminals that are none, and for whoever has no display of their own.

use std::time::{Duration, Instant};

use super::fetch::Stage;
use super::sums::Checked;
use crate::counted::counted;
use crate::download::Progress;

/// A line about one long piece of work this often.
const EVERY: Duration = Duration::from_secs(5);

/// Rates of the first moment say little.
const RATE_AFTER: Duration = Duration::from_millis(500);

/// Turns [`Stage`]s into lines. Terms, failures and changes are told at once, progress every few seconds with the
/// time that is left.
#[derive(Debug, Default)]
pub struct Narration {
    /// The piece of work that is going on.
    work: String,
    /// When and where it began.
    since: Option<(Instant, u64)>,
    last: Option<Instant>,
    /// The attempt whose failure was told.
    told: Option<u32>,
}

impl Narration {
    /// Nothing told yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The line for a stage, where it is time for one.
    pub fn line(&mut self, stage: &Stage<'_>) -> Option<String> {
        self.line_at(stage, Instant::now())
    }

    fn line_at(&mut self, stage: &Stage<'_>, now: Instant) -> Option<String> {
        match stage {
            Stage::Terms(entry) => Some(format!(
                "{}\nlicence: {} ({})\ncite: {}\nhome: {}",
                entry.title, entry.licence.name, entry.licence.terms, entry.citation, entry.home
            )),
            Stage::NotAsPublished { path } => Some(format!(
                "{} is not the published archive: what is in it decides",
                path.display()
            )),
            Stage::Unpack { path, progress } => {
                let name = path
                    .file_name()
                    .unwrap_or(path.as_os_str())
                    .to_string_lossy();
                let work = format!("unpacking {name}");
                let line = self.advance(work, progress.archive_bytes, Some(progress.of), now)?;
                Some(format!(
                    "{line}, {}",
                    counted(progress.files as usize, "file")
                ))
            }
            Stage::Check { path, done, of } => self.advance(
                format!("{} is there already, checking its files", path.display()),
                *done as u64,
                Some(*of as u64),
                now,
            ),
            Stage::There { path, checked } => Some(match checked {
                Checked::Content(files) => format!(
                    "{} was there already, and nothing was done: {} checked and unchanged",
                    path.display(),
                    counted(*files, "file")
                ),
                Checked::Presence(cases) => format!(
                    "{} was there already, and nothing was done: the files of {} exist (it has no checksums to compare)",
                    path.display(),
                    counted(*cases, "case")
                ),
            }),
            Stage::NotOfficial { official, plan } => Some(format!(
                "split {plan} is drawn: these files do not hold both parts of the official split ({official})"
            )),
            Stage::Import { done, of } => self.advance(
                "reading pictures".to_owned(),
                *done as u64,
                Some(*of as u64),
                now,
            ),
            Stage::Prepare { done, of } => self.advance(
                "preparing cases".to_owned(),
                *done as u64,
                Some(*of as u64),
                now,
            ),
            Stage::Download { file, progress } => self.download(file, progress, now),
        }
    }

    fn download(&mut self, file: &str, progress: &Progress<'_>, now: Instant) -> Option<String> {
        match progress {
            Progress::Verifying { done, of } => {
                self.advance(format!("checking {file}"), *done, Some(*of), now)
            }
            Progress::Receiving { done, of } => {
                self.advance(format!("receiving {file}"), *done, *of, now)
            }
            Progress::Asking { url, resumed_at } => {
                self.told = None;
                self.since = None;
                let on = if *resumed_at > 0 {
                    format!(", from byte {resumed_at} on")
                } else {
                    String::new()
                };
                Some(format!("{url}{on} ..."))
            }
            Progress::StartingOver { dropped } => Some(format!(
                "the {dropped} bytes that were there do not go on: starting over"
            )),
            Progress::SetAside { error, kept } => {
                Some(format!("{}: kept as {}", error.problem(), kept.display()))
            }
            Progress::Waiting {
                error,
                attempt,
                left,
            } => {
                if self.told == Some(*attempt) {
                    return None;
                }
                self.told = Some(*attempt);
                Some(format!(
                    "{}: again in {} s",
                    error.problem(),
                    left.as_secs().max(1)
                ))
            }
            Progress::NextMirror { error } => {
                Some(format!("{}: trying the next address", error.problem()))
            }
        }
    }

    fn advance(
        &mut self,
        work: String,
        done: u64,
        of: Option<u64>,
        now: Instant,
    ) -> Option<String> {
        if self.work != work {
            (self.since, self.last) = (None, None);
            self.work = work;
        }
        let (since, first) = *self.since.get_or_insert((now, done));
        if self.last.is_some_and(|last| now - last < EVERY) {
            return None;
        }
        self.last = Some(now);
        let Some(of) = of.filter(|&of| of > 0) else {
            return Some(format!("{}: {done}", self.work));
        };
        let percent = 100 * u128::from(done.min(of)) / u128::from(of);
        let elapsed = now - since;
        let left = if elapsed >= RATE_AFTER && done > first && done < of {
            let rate = (done - first) as f64 / elapsed.as_secs_f64();
            format!(", {:.0} s left", (of - done) as f64 / rate)
        } else {
            String::new()
        };
        Some(format!("{}: {percent} %{left}", self.work))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Narration;
    use crate::download::Progress;
    use crate::registry::{Stage, by_name};

    #[test]
    fn progress_is_told_now_and_then_with_the_time_left() {
        let mut narration = Narration::new();
        let start = Instant::now();
        let mut at = |seconds: u64, done| {
            let stage = Stage::Download {
                file: "a.zip",
                progress: Progress::Receiving {
                    done,
                    of: Some(1000),
                },
            };
            narration.line_at(&stage, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, 0).as_deref(), Some("receiving a.zip: 0 %"));
        assert_eq!(at(4, 300), None);
        assert_eq!(
            at(5, 500).as_deref(),
            Some("receiving a.zip: 50 %, 5 s left")
        );
        assert_eq!(at(6, 600), None);
        let stage = Stage::Import { done: 1, of: 4 };
        let line = narration.line_at(&stage, start + Duration::from_secs(6));
        assert_eq!(line.as_deref(), Some("reading pictures: 25 %"));
        let stage = Stage::Prepare { done: 3, of: 4 };
        let line = narration.line_at(&stage, start + Duration::from_secs(6));
        assert_eq!(line.as_deref(), Some("preparing cases: 75 %"));
    }

    #[test]
    fn the_terms_are_told_whole() {
        let entry = by_name("drive").expect("a set");
        let line = Narration::new()
            .line(&Stage::Terms(entry))
            .unwrap_or_default();
        for words in ["research only", "Staal", "grand-challenge"] {
            assert!(line.contains(words), "{line}");
        }
    }
}
