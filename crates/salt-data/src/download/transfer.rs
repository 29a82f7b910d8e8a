//! One request for what is missing.

use std::io::Read as _;
use std::time::Instant;

use ureq::http::{HeaderMap, Response};
use ureq::{Body, BodyReader};

use super::http::{Client, Question, retry_after};
use super::partial::{Partial, Version};
use super::{DownloadError, FetchOptions, Progress, Remote, Report};

/// Read at once.
const PIECE_BYTES: usize = 64 << 10;

/// What must come within the stall timeout: a server that sends a byte now and then is as good as silent.
const LEAST_BYTES: u64 = 1 << 10;

/// Ask for what `partial` lacks and append it. On success the whole has been sent; whether it is right is for
/// the checksum to say.
pub(super) fn attempt(
    client: &Client<'_>,
    remote: &Remote<'_>,
    partial: &mut Partial,
    options: &FetchOptions,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let limit = remote.bytes.unwrap_or(options.most_bytes);
    if partial.len() > limit {
        partial.start_over(report)?;
    }
    if remote.bytes == Some(partial.len()) {
        return Ok(());
    }
    // A second question only where the answer to the first was of no use to what is there.
    for _ in 0..2 {
        let from = partial.len();
        let asking = Progress::Asking {
            url: client.url,
            resumed_at: from,
        };
        if report(asking).is_break() {
            return Err(partial.stopped());
        }
        let validator = partial.validator(client.url);
        let response = client.ask(Question { from, validator })?;
        let answer = Answer::of(client, &response);
        let fit = answer.fit(from, partial)?;
        // First of all: a page in the place of the file must not cost what is there.
        answer.check(remote, limit)?;
        match fit {
            Fit::Use => {}
            Fit::StartAndUse => partial.start_over(report)?,
            Fit::Complete => return Ok(()),
            Fit::AskAgain => {
                partial.start_over(report)?;
                continue;
            }
        }
        let expected = remote.bytes.or(answer.total);
        partial.begin(answer.version)?;
        let mut body = Incoming {
            client,
            reader: response.into_body().into_reader(),
            expected,
            limit,
        };
        return body.receive(partial, options, report);
    }
    Err(DownloadError::Protocol {
        url: client.url.to_owned(),
        problem: "a part of the file where the whole was asked for".to_owned(),
    })
}

/// The head of an answer.
struct Answer<'a> {
    url: &'a str,
    status: u16,
    version: Version,
    web_page: bool,
    encoding: Option<String>,
    retry_after: Option<std::time::Duration>,
    /// Where the body begins.
    from: Option<u64>,
    /// Bytes of the whole file.
    total: Option<u64>,
}

/// What an answer is good for.
enum Fit {
    /// It continues what is there.
    Use,
    /// It is the whole, from the beginning.
    StartAndUse,
    /// Nothing is missing.
    Complete,
    /// It does not continue what is there.
    AskAgain,
}

impl<'a> Answer<'a> {
    fn of(client: &Client<'a>, response: &Response<Body>) -> Self {
        let headers = response.headers();
        let status = response.status().as_u16();
        let (from, total) = match status {
            206 | 416 => content_range(text(headers, "content-range")),
            _ => (
                Some(0),
                text(headers, "content-length").and_then(|n| n.trim().parse().ok()),
            ),
        };
        let lower = |name| text(headers, name).map(str::to_ascii_lowercase);
        Self {
            url: client.url,
            status,
            version: Version {
                url: client.url.to_owned(),
                etag: text(headers, "etag").map(str::to_owned),
                last_modified: text(headers, "last-modified").map(str::to_owned),
            },
            web_page: lower("content-type").is_some_and(|kind| kind.starts_with("text/html")),
            encoding: lower("content-encoding").filter(|encoding| encoding != "identity"),
            retry_after: retry_after(text(headers, "retry-after")),
            from,
            total,
        }
    }

    fn fit(&self, from: u64, partial: &Partial) -> Result<Fit, DownloadError> {
        let same_version = !partial
            .version()
            .is_some_and(|version| version.contradicts(&self.version));
        match self.status {
            200 => Ok(Fit::StartAndUse),
            206 if from == 0 => Ok(Fit::AskAgain),
            206 if self.from == Some(from) && same_version => Ok(Fit::Use),
            206 => Ok(Fit::AskAgain),
            // Asked for what follows the last byte: that is how a file of unknown size is found complete.
            416 if from > 0 && self.total == Some(from) => Ok(Fit::Complete),
            416 if from > 0 => Ok(Fit::AskAgain),
            status => Err(DownloadError::Status {
                url: self.url.to_owned(),
                status,
                retry_after: self.retry_after,
            }),
        }
    }

    /// Refuse what is not the file before a byte of it is written.
    fn check(&self, remote: &Remote<'_>, limit: u64) -> Result<(), DownloadError> {
        let url = self.url.to_owned();
        // The body of a refused range says nothing of the file.
        if self.web_page && self.status != 416 && !remote.file_name.ends_with(".html") {
            return Err(DownloadError::WebPage { url });
        }
        if let Some(encoding) = &self.encoding {
            return Err(DownloadError::Protocol {
                url,
                problem: format!("a body encoded as {encoding}, which was not asked for"),
            });
        }
        match (remote.bytes, self.total) {
            (Some(expected), Some(received)) if expected != received => Err(DownloadError::Size {
                origin: url,
                expected,
                received,
            }),
            (None, Some(received)) if received > limit => {
                Err(DownloadError::TooLong { url, limit })
            }
            _ => Ok(()),
        }
    }
}

/// A body on its way to the disk.
struct Incoming<'a> {
    client: &'a Client<'a>,
    reader: BodyReader<'static>,
    /// Bytes of the whole file.
    expected: Option<u64>,
    limit: u64,
}

impl Incoming<'_> {
    fn receive(
        &mut self,
        partial: &mut Partial,
        options: &FetchOptions,
        report: &mut Report<'_>,
    ) -> Result<(), DownloadError> {
        let mut piece = vec![0; PIECE_BYTES];
        let (mut since, mut then) = (Instant::now(), partial.len());
        loop {
            let done = partial.len();
            let receiving = Progress::Receiving {
                done,
                of: self.expected,
            };
            if report(receiving).is_break() {
                return Err(partial.stopped());
            }
            let filled = self
                .reader
                .read(&mut piece)
                .map_err(|error| self.client.body_error(error, done, self.expected))?;
            if filled == 0 {
                return self.ended(done);
            }
            if done + filled as u64 > self.limit {
                partial.start_over(report)?;
                return Err(DownloadError::TooLong {
                    url: self.client.url.to_owned(),
                    limit: self.limit,
                });
            }
            partial.append(&piece[..filled])?;
            if since.elapsed() >= options.timeouts.stall {
                if partial.len() < then + LEAST_BYTES {
                    return Err(DownloadError::Timeout {
                        url: self.client.url.to_owned(),
                        what: "a kilobyte",
                        after: options.timeouts.stall,
                    });
                }
                (since, then) = (Instant::now(), partial.len());
            }
        }
    }

    fn ended(&self, received: u64) -> Result<(), DownloadError> {
        match self.expected {
            Some(expected) if received < expected => Err(DownloadError::Cut {
                url: self.client.url.to_owned(),
                expected: self.expected,
                received,
            }),
            _ => Ok(()),
        }
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// First byte and total of `bytes 5-9/10`, `bytes 5-9/*` and `bytes */10`.
fn content_range(value: Option<&str>) -> (Option<u64>, Option<u64>) {
    let Some((range, total)) = value
        .and_then(|value| value.trim().strip_prefix("bytes "))
        .and_then(|rest| rest.split_once('/'))
    else {
        return (None, None);
    };
    let first = range
        .split_once('-')
        .and_then(|(first, _)| first.trim().parse().ok());
    (first, total.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::content_range;

    #[test]
    fn content_ranges_are_read() {
        for (value, expected) in [
            ("bytes 5-9/10", (Some(5), Some(10))),
            ("bytes 5-9/*", (Some(5), None)),
            ("bytes */10", (None, Some(10))),
            ("lines 5-9/10", (None, None)),
            ("bytes", (None, None)),
            ("bytes 99999999999999999999-1/2", (None, Some(2))),
        ] {
            assert_eq!(content_range(Some(value)), expected, "{value}");
        }
        assert_eq!(content_range(None), (None, None));
    }
}
