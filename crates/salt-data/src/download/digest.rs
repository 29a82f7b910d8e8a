//! Checksums of files on this disk.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use sha2::Digest;

use super::{Checksum, DownloadError, Progress, Remote, Report};
use crate::file_sha256::hex;

/// Read at once. Large enough that hashing is not held up by calls.
const PIECE_BYTES: usize = 1 << 20;

/// Whether the file at `path` is the published one. What lies on the disk is read, not what was sent:
/// a file that was continued, or brought by hand, is judged as it is.
///
/// # Errors
/// [`DownloadError::Size`], [`DownloadError::WebPage`], [`DownloadError::Checksum`] when it is not; otherwise
/// it could not be read, or somebody asked to stop.
pub(super) fn verify(
    remote: &Remote<'_>,
    path: &Path,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let read_failed = |source| DownloadError::io("read", path, source);
    let mut file = File::open(path).map_err(read_failed)?;
    let bytes = file.metadata().map_err(read_failed)?.len();
    let mut start = [0; 512];
    let filled = file.read(&mut start).map_err(read_failed)?;
    if is_web_page(&start[..filled]) && !remote.file_name.ends_with(".html") {
        return Err(DownloadError::WebPage {
            url: path.display().to_string(),
        });
    }
    if let Some(expected) = remote.bytes
        && expected != bytes
    {
        return Err(DownloadError::Size {
            origin: path.display().to_string(),
            expected,
            received: bytes,
        });
    }
    let received = digits_of(remote.checksum, path, report)?;
    if received.eq_ignore_ascii_case(remote.checksum.hex()) {
        return Ok(());
    }
    Err(DownloadError::Checksum {
        path: path.to_owned(),
        kind: remote.checksum.kind(),
        expected: remote.checksum.hex().to_ascii_lowercase(),
        received,
    })
}

/// The digits that a file has, of the kind of `checksum`.
///
/// # Errors
/// [`DownloadError::Io`], or [`DownloadError::Stopped`] when somebody asked to stop.
pub(crate) fn digits_of(
    checksum: Checksum<'_>,
    path: &Path,
    report: &mut Report<'_>,
) -> Result<String, DownloadError> {
    let metadata = std::fs::metadata(path);
    let bytes = metadata
        .map_err(|source| DownloadError::io("read", path, source))?
        .len();
    match checksum {
        Checksum::Sha256(_) => hash::<sha2::Sha256>(path, bytes, report),
        Checksum::Md5(_) => hash::<md5::Md5>(path, bytes, report),
    }
}

/// Whether a file starts as HTML does. Nothing that is published here does.
pub(super) fn is_web_page(start: &[u8]) -> bool {
    let text = String::from_utf8_lossy(start);
    let text = text
        .trim_start_matches('\u{feff}')
        .trim_start()
        .to_ascii_lowercase();
    text.starts_with("<!doctype html") || text.starts_with("<html")
}

fn hash<D: Digest>(path: &Path, of: u64, report: &mut Report<'_>) -> Result<String, DownloadError> {
    let read_failed = |source| DownloadError::io("read", path, source);
    let mut file = File::open(path).map_err(read_failed)?;
    let mut hasher = D::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut done = 0;
    loop {
        let filled = file.read(&mut piece).map_err(read_failed)?;
        if filled == 0 {
            break;
        }
        hasher.update(&piece[..filled]);
        done += filled as u64;
        if report(Progress::Verifying { done, of }).is_break() {
            return Err(DownloadError::Stopped {
                partial: path.to_owned(),
                bytes: of,
            });
        }
    }
    Ok(hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_told_from_data() {
        for page in ["<!DOCTYPE html>", " \r\n<html lang=en>", "\u{feff}<HTML>"] {
            assert!(is_web_page(page.as_bytes()), "{page}");
        }
        for data in ["PK\u{3}\u{4}", "", "<", "{\"html\": 1}"] {
            assert!(!is_web_page(data.as_bytes()), "{data}");
        }
    }
}
