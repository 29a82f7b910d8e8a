//! A published file onto this disk: resumable, verified, one process at a time.
//!
//! | file | job |
//! |---|---|
//! | `options` | what is downloaded, and how patiently |
//! | `mirrors` | one address after the other; which failures are worth another attempt |
//! | `transfer` | one request: ranges, statuses, the body |
//! | `http` | the client, and its errors as ours |
//! | `partial` | `NAME.partial` and what is known of it, kept between processes |
//! | `digest` | checksums |
//! | `lock` | one process at a time |
//! | `error` | everything that can go wrong, and what to do |
//!
//! Beside the file `NAME` there may be `NAME.partial` (what has come so far), `NAME.partial.json` (whose it
//! is), `NAME.corrupt` (the last file that was not what it should be) and `.NAME.lock`. `NAME` itself appears
//! at once and whole: written, checked, synced, then renamed.

mod digest;
mod error;
mod http;
mod lock;
mod mirrors;
mod options;
mod partial;
mod transfer;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::DownloadError;
pub use options::{Checksum, FetchOptions, Remote, Timeouts};

pub(crate) use self::digest::digits_of;
use self::digest::verify;
use self::lock::Lock;
use self::partial::{Partial, set_aside};

/// What is going on. The receiver answers [`ControlFlow::Break`] to stop: what has come is kept, and the
/// next call continues there.
#[derive(Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// A file is compared with its checksum.
    Verifying {
        /// Bytes read.
        done: u64,
        /// Bytes of the file.
        of: u64,
    },
    /// A file that is not what it should be was renamed.
    SetAside {
        /// What was wrong with it.
        error: &'a DownloadError,
        /// Its name now.
        kept: &'a Path,
    },
    /// A request is sent.
    Asking {
        /// The address.
        url: &'a str,
        /// Bytes that are there already.
        resumed_at: u64,
    },
    /// What was there does not belong to what the server has now.
    StartingOver {
        /// Bytes that are dropped.
        dropped: u64,
    },
    /// Bytes come in.
    Receiving {
        /// Bytes there, those of earlier calls included.
        done: u64,
        /// Bytes of the whole file, where known.
        of: Option<u64>,
    },
    /// An attempt failed and another follows; repeated while waiting.
    Waiting {
        /// Why the attempt failed.
        error: &'a DownloadError,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// Time until the next one.
        left: Duration,
    },
    /// An address is given up and another is there.
    NextMirror {
        /// Why it is given up.
        error: &'a DownloadError,
    },
}

/// Receives [`Progress`] and says whether to go on.
pub type Report<'a> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'a;

/// The file `remote`, in `folder`: nothing to do when it is there and right; otherwise downloaded, continuing
/// where an earlier call was cut off. Nothing is returned that does not have the published checksum.
///
/// # Errors
/// [`DownloadError`]: every variant says what was expected, what was received and what to do. After
/// [`DownloadError::is_transient`] ones and [`DownloadError::Stopped`], the same call goes on where it was.
pub fn fetch(
    remote: &Remote<'_>,
    folder: &Path,
    options: &FetchOptions,
    report: &mut Report<'_>,
) -> Result<PathBuf, DownloadError> {
    remote.validate()?;
    let target = folder.join(remote.file_name);
    // First without the lock, which could not be taken in a folder that is shared read-only.
    match present(remote, &target, report)? {
        Present::Right => return Ok(target),
        Present::Wrong(error) if options.offline => return Err(error),
        Present::Absent if options.offline => return Err(offline(remote, folder)),
        Present::Wrong(_) | Present::Absent => {}
    }
    std::fs::create_dir_all(folder)
        .map_err(|source| DownloadError::io("create", folder, source))?;
    let _lock = Lock::take(folder, remote.file_name)?;
    // Somebody else may have finished in the meantime.
    match present(remote, &target, report)? {
        Present::Right => return Ok(target),
        Present::Wrong(error) => set_aside(&target, &target, &error, report)?,
        Present::Absent => {}
    }
    let partial = Partial::open(&target)?;
    match mirrors::fetch(remote, partial, options, report) {
        Ok(()) => Ok(target),
        Err(error) if error.is_about_the_network() => Err(unreachable(remote, folder, error)),
        Err(error) => Err(error),
    }
}

/// What stands at the file's place.
enum Present {
    Absent,
    Right,
    Wrong(DownloadError),
}

fn present(
    remote: &Remote<'_>,
    target: &Path,
    report: &mut Report<'_>,
) -> Result<Present, DownloadError> {
    if !target
        .try_exists()
        .map_err(|source| DownloadError::io("look for", target, source))?
    {
        return Ok(Present::Absent);
    }
    match verify(remote, target, report) {
        Ok(()) => Ok(Present::Right),
        Err(error) if error.is_about_content() => Ok(Present::Wrong(error)),
        Err(error) => Err(error),
    }
}

fn unreachable(remote: &Remote<'_>, folder: &Path, failure: DownloadError) -> DownloadError {
    DownloadError::Unreachable {
        failure: Box::new(failure),
        file_name: remote.file_name.to_owned(),
        folder: folder.to_owned(),
        urls: owned(remote.urls),
        checksum: remote.checksum.to_string(),
    }
}

fn owned(urls: &[&str]) -> Vec<String> {
    urls.iter().map(|url| (*url).to_owned()).collect()
}

fn offline(remote: &Remote<'_>, folder: &Path) -> DownloadError {
    DownloadError::Offline {
        file_name: remote.file_name.to_owned(),
        folder: folder.to_owned(),
        urls: owned(remote.urls),
        checksum: remote.checksum.to_string(),
    }
}
