//! `NAME.partial`: what has come so far, and what is known of the answer that it comes from.

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::digest::verify;
use super::{DownloadError, Progress, Remote, Report};
use crate::folder_sync::{folder_of, sync_folder};

/// What a server said of the version that it sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// The address that was asked.
    pub(super) url: String,
    /// `ETag`, as sent.
    pub(super) etag: Option<String>,
    /// `Last-Modified`, as sent.
    pub(super) last_modified: Option<String>,
}

impl Version {
    /// What `If-Range` may hold: it compares strongly, so a weak tag is of no use
    /// (RFC 9110, section 13.1.5).
    fn validator(&self) -> Option<&str> {
        let strong = |tag: &&str| tag.starts_with('"');
        let etag = self.etag.as_deref().filter(strong);
        etag.or(self.last_modified.as_deref())
    }

    /// Whether both are told and differ.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        let differ =
            |a: &Option<String>, b: &Option<String>| matches!((a, b), (Some(a), Some(b)) if a != b);
        self.url == other.url
            && (differ(&self.etag, &other.etag)
                || differ(&self.last_modified, &other.last_modified))
    }
}

/// The open file and its companion.
#[derive(Debug)]
pub(super) struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    len: u64,
    version: Option<Version>,
    /// Whether the content comes from more than one answer, and might not be of one version.
    pieced: bool,
}

impl Partial {
    /// What an earlier process left, or an empty one.
    pub(super) fn open(target: &Path) -> Result<Self, DownloadError> {
        let path = beside(target, "partial");
        let failed = |source| DownloadError::io("open", &path, source);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let len = file.metadata().map_err(failed)?.len();
        // Without its companion, or with one that was cut off, the part still counts: the checksum decides.
        let version = std::fs::read(beside(target, "partial.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(Self {
            file,
            target: target.to_owned(),
            len,
            version,
            pieced: len > 0,
            path,
        })
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn is_pieced(&self) -> bool {
        self.pieced
    }

    /// What must be unchanged at `url` for more of it to be of use. Another address has names of its own
    /// for the same version: there it is the checksum alone that decides.
    pub(super) fn validator(&self, url: &str) -> Option<&str> {
        let version = self.version.as_ref().filter(|version| version.url == url)?;
        version.validator()
    }

    /// The version that the content is of.
    pub(super) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    /// Drop everything, and say so when there was something.
    pub(super) fn start_over(&mut self, report: &mut Report<'_>) -> Result<(), DownloadError> {
        let dropped = std::mem::take(&mut self.len);
        self.pieced = false;
        if dropped == 0 {
            return Ok(());
        }
        self.file
            .set_len(0)
            .map_err(|source| DownloadError::io("empty", &self.path, source))?;
        if report(Progress::StartingOver { dropped }).is_break() {
            return Err(self.stopped());
        }
        Ok(())
    }

    /// More follows, from an answer of this version.
    pub(super) fn begin(&mut self, version: Version) -> Result<(), DownloadError> {
        self.pieced = self.len > 0;
        self.file
            .seek(SeekFrom::Start(self.len))
            .map_err(|source| DownloadError::io("write", &self.path, source))?;
        let path = beside(&self.target, "partial.json");
        let text = serde_json::json!(version).to_string();
        std::fs::write(&path, text).map_err(|source| DownloadError::io("write", &path, source))?;
        self.version = Some(version);
        Ok(())
    }

    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file
            .write_all(bytes)
            .map_err(|source| DownloadError::io("write", &self.path, source))?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(super) fn stopped(&self) -> DownloadError {
        DownloadError::Stopped {
            partial: self.path.clone(),
            bytes: self.len,
        }
    }

    /// Compare with the checksum.
    pub(super) fn verify(
        &self,
        remote: &Remote<'_>,
        report: &mut Report<'_>,
    ) -> Result<(), DownloadError> {
        verify(remote, &self.path, report)
    }

    /// The whole is here and right: give it its name.
    pub(super) fn finish(self) -> Result<(), DownloadError> {
        let failed = |source| DownloadError::io("write", &self.target, source);
        self.file.sync_all().map_err(failed)?;
        std::fs::rename(&self.path, &self.target).map_err(failed)?;
        let folder = folder_of(&self.target);
        sync_folder(folder).map_err(|source| DownloadError::io("sync", folder, source))?;
        forget(&self.target)
    }

    /// Keep what is wrong under another name, and begin with nothing.
    pub(super) fn set_aside(
        &mut self,
        error: &DownloadError,
        report: &mut Report<'_>,
    ) -> Result<(), DownloadError> {
        set_aside(&self.path, &self.target, error, report)?;
        forget(&self.target)?;
        *self = Self::open(&self.target)?;
        Ok(())
    }
}

/// An empty part is of no use to anybody, and neither is what is known of it.
impl Drop for Partial {
    fn drop(&mut self) {
        if self.len == 0 {
            // Where that fails, the next call finds it and begins with nothing all the same.
            let _ = std::fs::remove_file(&self.path);
            let _ = forget(&self.target);
        }
    }
}

/// Rename a file that is not what it should be to `NAME.corrupt`. The one before it goes: what is wrong
/// twice is not wanted twice.
pub(super) fn set_aside(
    path: &Path,
    target: &Path,
    error: &DownloadError,
    report: &mut Report<'_>,
) -> Result<(), DownloadError> {
    let kept = beside(target, "corrupt");
    std::fs::rename(path, &kept).map_err(|source| DownloadError::io("rename", path, source))?;
    match report(Progress::SetAside { error, kept: &kept }).is_break() {
        true => Err(DownloadError::Stopped {
            partial: kept,
            bytes: 0,
        }),
        false => Ok(()),
    }
}

/// `NAME.what`, beside `NAME`.
fn beside(target: &Path, what: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    target.with_file_name(name)
}

fn forget(target: &Path) -> Result<(), DownloadError> {
    let path = beside(target, "partial.json");
    match std::fs::remove_file(&path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(DownloadError::io("remove", &path, source))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(etag: Option<&str>, last_modified: Option<&str>) -> Version {
        Version {
            url: "u".to_owned(),
            etag: etag.map(str::to_owned),
            last_modified: last_modified.map(str::to_owned),
        }
    }

    #[test]
    fn only_a_strong_tag_or_a_date_guards_a_range() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        for (etag, last_modified, expected) in [
            (Some("\"a\""), date, Some("\"a\"")),
            (Some("W/\"a\""), date, date),
            (Some("W/\"a\""), None, None),
            (None, None, None),
        ] {
            assert_eq!(version(etag, last_modified).validator(), expected);
        }
    }

    #[test]
    fn versions_of_one_address_differ_when_both_tell() {
        let a = version(Some("\"a\""), None);
        assert!(a.contradicts(&version(Some("\"b\""), None)));
        assert!(!a.contradicts(&version(None, Some("yesterday"))));
        let elsewhere = Version {
            url: "v".to_owned(),
            ..version(Some("\"b\""), None)
        };
        assert!(!a.contradicts(&elsewhere));
    }
}
