//! One entry after the other, into the staging folder, counted while it is read.

use std::collections::HashMap;
use std::io::{Read, Write as _};
use std::ops::ControlFlow;
use std::path::Path;

use super::entry_name::{EntryName, is_root};
use super::error::shown;
use super::metered::Meter;
use super::staging::Staging;
use super::{ArchiveError, ExtractLimits, ExtractProgress};

/// Bytes that are read at once, and between two reports.
const CHUNK: usize = 1 << 17;

/// What an archive says an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    File,
    Folder,
}

/// What is to be done with a checked entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// A folder, which is made; no content may follow.
    Folder,
    /// A file to be written.
    File(EntryName),
    /// A file that is read and not written.
    Debris,
}

/// What stands at a path that was given away.
struct Taken {
    spelling: String,
    kind: EntryKind,
}

/// Totals of an extraction.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counted {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) skipped: u64,
}

/// Writes entries and holds all limits.
pub(super) struct Unpacker<'a> {
    archive: &'a Path,
    limits: &'a ExtractLimits,
    staging: &'a mut Staging,
    meter: Meter,
    progress: &'a mut dyn FnMut(ExtractProgress) -> ControlFlow<()>,
    /// Paths in lower case, as systems see them that do not tell case apart.
    taken: HashMap<String, Taken>,
    entries: u64,
    counted: Counted,
    /// Bytes read of all entries, also of those that are not written.
    unpacked: u64,
    buffer: Vec<u8>,
}

impl<'a> Unpacker<'a> {
    pub(super) fn new(
        archive: &'a Path,
        limits: &'a ExtractLimits,
        staging: &'a mut Staging,
        meter: Meter,
        progress: &'a mut dyn FnMut(ExtractProgress) -> ControlFlow<()>,
    ) -> Self {
        Self {
            archive,
            limits,
            staging,
            meter,
            progress,
            taken: HashMap::new(),
            entries: 0,
            counted: Counted::default(),
            unpacked: 0,
            buffer: vec![0; CHUNK],
        }
    }

    pub(super) fn archive(&self) -> &'a Path {
        self.archive
    }

    pub(super) fn limits(&self) -> &'a ExtractLimits {
        self.limits
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Check the name of the next entry and make the folders that it needs.
    pub(super) fn place(&mut self, raw: &[u8], kind: EntryKind) -> Result<Place, ArchiveError> {
        self.count_entry()?;
        self.report()?;
        if kind == EntryKind::Folder && is_root(raw) {
            return Ok(Place::Folder);
        }
        let name = EntryName::parse(raw, self.limits).map_err(|problem| ArchiveError::BadName {
            archive: self.archive.to_owned(),
            entry: shown(raw),
            problem,
        })?;
        if name.is_debris() {
            return Ok(match kind {
                EntryKind::Folder => Place::Folder,
                EntryKind::File => {
                    self.counted.skipped += 1;
                    Place::Debris
                }
            });
        }
        for folder in name.folders() {
            self.take_folder(folder, name.as_str())?;
        }
        match kind {
            EntryKind::Folder => {
                self.take_folder(name.as_str(), name.as_str())?;
                Ok(Place::Folder)
            }
            EntryKind::File => {
                self.take(name.as_str(), EntryKind::File, name.as_str())?;
                Ok(Place::File(name))
            }
        }
    }

    /// Write what `reader` gives to `place`, at most `declared` bytes where the archive says how many there are. Returns
    /// how many there were: fewer than declared is for the caller to judge.
    pub(super) fn content(
        &mut self,
        place: &Place,
        entry: &[u8],
        declared: Option<u64>,
        reader: &mut dyn Read,
    ) -> Result<u64, ArchiveError> {
        // Not believed, but when it is too much already there is no need to begin.
        self.check_sizes(declared.unwrap_or(0), 0, entry)?;
        let mut output = match place {
            Place::File(name) => Some(self.staging.create_file(name.as_str())?),
            Place::Folder | Place::Debris => None,
        };
        let mut size = 0;
        loop {
            let count = match reader.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(ArchiveError::reading(self.archive, Some(entry), source));
                }
            };
            size += count as u64;
            if let Some(declared) = declared.filter(|declared| size > *declared) {
                return Err(self.size_lie(entry, declared, size));
            }
            self.check_sizes(size, count as u64, entry)?;
            self.unpacked += count as u64;
            if let Some((file, path)) = &mut output {
                file.write_all(&self.buffer[..count])
                    .map_err(ArchiveError::io("write", path))?;
                self.counted.bytes += count as u64;
            }
            self.report()?;
        }
        self.counted.files += u64::from(output.is_some());
        Ok(size)
    }

    /// The size that an archive declared is not the one that came.
    pub(super) fn size_lie(&self, entry: &[u8], declared: u64, received: u64) -> ArchiveError {
        ArchiveError::SizeLies {
            archive: self.archive.to_owned(),
            entry: shown(entry),
            declared,
            received,
        }
    }

    /// The totals, once there are no more entries.
    pub(super) fn finish(self) -> Result<Counted, ArchiveError> {
        match self.counted.files {
            0 => Err(ArchiveError::Empty {
                archive: self.archive.to_owned(),
            }),
            _ => Ok(self.counted),
        }
    }

    /// One more of what `max_entries` limits.
    pub(super) fn count_entry(&mut self) -> Result<(), ArchiveError> {
        self.entries += 1;
        match self.entries > self.limits.max_entries {
            true => Err(ArchiveError::TooManyEntries {
                archive: self.archive.to_owned(),
                limit: self.limits.max_entries,
            }),
            false => Ok(()),
        }
    }

    /// Whether `more` bytes may be written, the last of a file of `size` bytes.
    fn check_sizes(&self, size: u64, more: u64, entry: &[u8]) -> Result<(), ArchiveError> {
        let limits = self.limits;
        let archive = || self.archive.to_owned();
        if size > limits.max_file_bytes {
            return Err(ArchiveError::FileTooLarge {
                archive: archive(),
                entry: shown(entry),
                limit: limits.max_file_bytes,
            });
        }
        let total = self.unpacked + more;
        if total > limits.max_total_bytes {
            return Err(ArchiveError::TotalTooLarge {
                archive: archive(),
                entry: shown(entry),
                limit: limits.max_total_bytes,
            });
        }
        let allowed = limits.max_ratio.saturating_mul(self.meter.of());
        if total > allowed.max(limits.ratio_free_bytes) {
            return Err(ArchiveError::Bomb {
                archive: archive(),
                entry: shown(entry),
                limit: limits.max_ratio,
            });
        }
        Ok(())
    }

    fn take_folder(&mut self, folder: &str, entry: &str) -> Result<(), ArchiveError> {
        if self.take(folder, EntryKind::Folder, entry)? {
            self.staging.create_folder(folder)?;
        }
        Ok(())
    }

    /// Give a path to an entry; false for a folder that has it already.
    fn take(&mut self, path: &str, kind: EntryKind, entry: &str) -> Result<bool, ArchiveError> {
        let folded = path.to_lowercase();
        if let Some(there) = self.taken.get(&folded) {
            let (archive, entry) = (self.archive.to_owned(), shown(entry.as_bytes()));
            let other = shown(there.spelling.as_bytes());
            return match (there.kind, kind) {
                (EntryKind::Folder, EntryKind::Folder) if there.spelling == path => Ok(false),
                (was, is) if was == is => Err(ArchiveError::Duplicate {
                    archive,
                    entry,
                    other,
                }),
                _ => Err(ArchiveError::Clash {
                    archive,
                    entry,
                    other,
                }),
            };
        }
        // A folder that no entry of its own announces costs as much as one that is.
        if kind == EntryKind::Folder && path != entry {
            self.count_entry()?;
        }
        let spelling = path.to_owned();
        self.taken.insert(folded, Taken { spelling, kind });
        Ok(true)
    }

    fn report(&mut self) -> Result<(), ArchiveError> {
        let (read, of) = (self.meter.read(), self.meter.of());
        let progress = ExtractProgress {
            archive_bytes: read.min(of),
            of,
            files: self.counted.files,
            bytes: self.counted.bytes,
        };
        match (self.progress)(progress) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ArchiveError::Stopped {
                archive: self.archive.to_owned(),
                files: self.counted.files,
            }),
        }
    }
}
