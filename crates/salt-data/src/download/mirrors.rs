//! One address after the other, and several attempts at each.

use std::hash::{BuildHasher as _, Hasher as _};
use std::time::{Duration, Instant};

use super::http::Client;
use super::partial::Partial;
use super::{DownloadError, FetchOptions, Progress, Remote, Report, transfer};

/// An attempt that has brought this much was none in vain, and attempts are counted anew.
const WORTH_BYTES: u64 = 1 << 20;

/// Further attempts after a name that leads nowhere: mostly there is no network, and waiting brings none.
const RETRIES_OF_A_NAME: u32 = 1;

/// While waiting, look this often whether to stop.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Download, verify and give the file its name.
pub(super) fn fetch(
    remote: &Remote<'_>,
    mut partial: Partial,
    options: &FetchOptions,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let mut failures = Vec::new();
    for (i, url) in remote.urls.iter().enumerate() {
        let client = Client::new(url, options)?;
        let error = match from_one(&client, remote, &mut partial, options, report) {
            Ok(()) => return partial.finish(),
            Err(error) if error.is_about_this_machine() => return Err(error),
            Err(error) => error,
        };
        let more = i + 1 < remote.urls.len();
        if more && report(Progress::NextMirror { error: &error }).is_break() {
            return Err(partial.stopped());
        }
        failures.push(error);
    }
    Err(match <[DownloadError; 1]>::try_from(failures) {
        Ok([error]) => error,
        Err(failures) => DownloadError::NoMirrorLeft {
            file_name: remote.file_name.to_owned(),
            failures,
        },
    })
}

/// The verified content from one address.
fn from_one(
    client: &Client<'_>,
    remote: &Remote<'_>,
    partial: &mut Partial,
    options: &FetchOptions,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let mut attempt = 1;
    let mut started_over = false;
    loop {
        let before = partial.len();
        let error = match transfer::attempt(client, remote, partial, options, report) {
            Ok(()) => match partial.verify(remote, report) {
                Err(error) if error.is_about_content() => {
                    if partial.is_pieced() && !started_over {
                        // Pieces of two versions make none. Once more, from one answer.
                        started_over = true;
                        partial.start_over(report)?;
                        continue;
                    }
                    partial.set_aside(&error, report)?;
                    return Err(error);
                }
                outcome => return outcome,
            },
            Err(error) => error,
        };
        if partial.len() >= before + WORTH_BYTES {
            attempt = 1;
        }
        let wait = wait_before_next(&error, attempt, options);
        match wait {
            Some(wait) if error.is_transient() && attempt <= retries(&error, options) => {
                sleep(&error, attempt, wait, partial, report)?;
            }
            _ => return Err(error),
        }
        attempt += 1;
    }
}

fn retries(error: &DownloadError, options: &FetchOptions) -> u32 {
    match error {
        DownloadError::Unresolved { .. } => options.retries.min(RETRIES_OF_A_NAME),
        _ => options.retries,
    }
}

/// How long to leave a server alone after its `attempt`-th failure, from 1; None when it asks for too long.
///
/// `first_wait * 2^(attempt - 1)`, of which a random part of up to one half is left out, so that a room full of
/// machines that were cut off together does not come back together.
fn wait_before_next(
    error: &DownloadError,
    attempt: u32,
    options: &FetchOptions,
) -> Option<Duration> {
    if let DownloadError::Status {
        retry_after: Some(asked),
        ..
    } = error
    {
        return (*asked <= options.longest_wait).then_some(*asked);
    }
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let wait = options
        .first_wait
        .saturating_mul(doubled)
        .min(options.longest_wait);
    // The seed of a hash map is the standard library's only source of chance, and enough for this.
    let random = std::hash::RandomState::new().build_hasher().finish();
    Some(wait.mul_f64(1.0 - 0.5 * (random as f64 / u64::MAX as f64)))
}

fn sleep(
    error: &DownloadError,
    attempt: u32,
    wait: Duration,
    partial: &Partial,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let since = Instant::now();
    loop {
        let left = wait.saturating_sub(since.elapsed());
        let waiting = Progress::Waiting {
            error,
            attempt,
            left,
        };
        if report(waiting).is_break() {
            return Err(partial.stopped());
        }
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(LOOK_EVERY));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(retry_after: Option<u64>) -> DownloadError {
        DownloadError::Status {
            url: "u".to_owned(),
            status: 429,
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let options = FetchOptions::default();
        for (attempt, full) in [(1, 1.0), (2, 2.0), (5, 16.0), (40, 60.0)] {
            let wait = wait_before_next(&status(None), attempt, &options).unwrap();
            let seconds = wait.as_secs_f64();
            assert!(
                (full / 2.0..=full).contains(&seconds),
                "{attempt}: {seconds}"
            );
        }
    }

    #[test]
    fn a_server_is_left_alone_as_long_as_it_asks_but_not_for_ever() {
        let options = FetchOptions::default();
        let of = |asked| wait_before_next(&status(Some(asked)), 1, &options);
        assert_eq!(of(0), Some(Duration::ZERO));
        assert_eq!(of(7), Some(Duration::from_secs(7)));
        assert_eq!(of(3600), None);
    }
}
