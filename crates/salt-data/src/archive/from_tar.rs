//! Entries of a tar file: POSIX ustar and pax, GNU, and the format before them.
//!
//! The `tar` crate finds headers, checks their checksums and keeps to the blocks. It is used in its raw mode: otherwise
//! it reads long names and pax headers of any size into memory, lets a pax size override the header's, and
//! applies what we do not want (links, modes, owners). So headers that describe the next entry are read here, with a
//! cap, and what they say passes through the same checks as a header's own fields.
//!
//! A tar file has no directory and no checksums of content; what is held against damage is the end marker,
//! which must be there, and for tar.gz the checksum of gzip.

use std::fs::File;
use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use tar::{EntryType, Header};

use super::ArchiveError;
use super::error::shown;
use super::pax::{self, PaxRecords};
use super::unpacker::{EntryKind, Unpacker};

/// Largest header that describes another entry: a path, and room for extended attributes.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// Zeros that may follow the end marker: tar fills its last record, which some tapes made as large as this.
const MAX_PADDING_BYTES: u64 = 16 << 20;

/// Unpacks a tar file.
pub(super) fn unpack_plain(file: File, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let reader = BufReader::new(unpacker.meter().around(file));
    unpack(reader, unpacker)
}

/// Unpacks a tar file in gzip.
pub(super) fn unpack_gz(file: File, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let reader = BufReader::new(unpacker.meter().around(file));
    unpack(MultiGzDecoder::new(reader), unpacker)
}

fn unpack<R: Read>(reader: R, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let archive = unpacker.archive();
    let mut watched = Watched {
        inner: reader,
        ended: false,
    };
    match entries(&mut watched, unpacker) {
        // A block that is cut off looks like damage to the `tar` crate.
        Err(ArchiveError::Damaged { archive, entry, .. }) if watched.ended => {
            Err(ArchiveError::Truncated { archive, entry })
        }
        other => other,
    }?;
    if watched.ended {
        // Cut between two entries: the others would be missing without a word.
        return Err(ArchiveError::Truncated {
            archive: archive.to_owned(),
            entry: None,
        });
    }
    only_zeros(&mut watched, unpacker)
}

/// Notices the end of the file, which the `tar` crate does not tell from the end marker.
struct Watched<R> {
    inner: R,
    ended: bool,
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended |= count == 0 && !buffer.is_empty();
        Ok(count)
    }
}

/// What extension headers say of the entry that follows them.
#[derive(Debug, Default)]
struct Pending {
    long_name: Option<Vec<u8>>,
    /// Seen, and of no use: links are refused.
    long_link: bool,
    pax: Option<PaxRecords>,
}

fn entries(reader: impl Read, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let archive = unpacker.archive();
    let failed = |source| ArchiveError::reading(archive, None, source);
    let mut tar = tar::Archive::new(reader);
    let mut pending = Pending::default();
    let mut announced = false;
    for entry in tar.entries().map_err(failed)?.raw(true) {
        let mut entry = entry.map_err(failed)?;
        let header = entry.header().clone();
        if is_extension(&header) {
            announced |= read_extension(&mut entry, &header, &mut pending, unpacker)?;
            continue;
        }
        announced = false;
        let described = std::mem::take(&mut pending);
        unpack_entry(&mut entry, &header, described, unpacker)?;
    }
    match announced {
        true => Err(damaged(
            unpacker,
            None,
            "a header that describes an entry, and no entry",
        )),
        false => Ok(()),
    }
}

/// Whether the header describes other entries. Formats before ustar know no such types.
fn is_extension(header: &Header) -> bool {
    let kind = header.entry_type();
    (header.as_gnu().is_some() || header.as_ustar().is_some())
        && (kind.is_gnu_longname()
            || kind.is_gnu_longlink()
            || kind.is_pax_local_extensions()
            || kind.is_pax_global_extensions())
}

/// Reads it into `pending`; returns whether an entry must follow.
fn read_extension(
    entry: &mut tar::Entry<'_, impl Read>,
    header: &Header,
    pending: &mut Pending,
    unpacker: &mut Unpacker<'_>,
) -> Result<bool, ArchiveError> {
    let name = header.path_bytes();
    if entry.size() > MAX_EXTENSION_BYTES {
        return Err(ArchiveError::FileTooLarge {
            archive: unpacker.archive().to_owned(),
            entry: shown(&name),
            limit: MAX_EXTENSION_BYTES,
        });
    }
    let mut content = Vec::new();
    entry
        .read_to_end(&mut content)
        .map_err(|source| ArchiveError::reading(unpacker.archive(), Some(&name), source))?;
    if content.len() as u64 != entry.size() {
        return Err(truncated(unpacker, &name));
    }
    let kind = header.entry_type();
    let twice = match kind {
        EntryType::GNULongName => {
            // It is written with its terminator.
            if content.last() == Some(&0) {
                content.pop();
            }
            pending.long_name.replace(content).is_some()
        }
        EntryType::GNULongLink => std::mem::replace(&mut pending.long_link, true),
        _ => {
            let records =
                pax::parse(&content).map_err(|problem| damaged(unpacker, Some(&name), problem))?;
            if kind.is_pax_global_extensions() {
                return global(&records, &name, unpacker).map(|()| false);
            }
            pending.pax.replace(records).is_some()
        }
    };
    match twice {
        true => Err(contradiction(
            unpacker,
            &name,
            "two headers of one type for the same entry",
        )),
        false => Ok(true),
    }
}

/// A header for all entries that follow, as git writes one with a comment. It must not name or measure them.
fn global(
    records: &PaxRecords,
    name: &[u8],
    unpacker: &mut Unpacker<'_>,
) -> Result<(), ArchiveError> {
    // Unlike the others it is not followed by an entry that would be counted.
    unpacker.count_entry()?;
    if records.path.is_some() || records.size.is_some() || records.sparse {
        let problem = "a header for all entries with a path or a size";
        return Err(contradiction(unpacker, name, problem));
    }
    Ok(())
}

fn unpack_entry(
    entry: &mut tar::Entry<'_, impl Read>,
    header: &Header,
    described: Pending,
    unpacker: &mut Unpacker<'_>,
) -> Result<(), ArchiveError> {
    let size = entry.size();
    let pax = described.pax.unwrap_or_default();
    let name = match (described.long_name, pax.path) {
        (Some(name), Some(_)) => {
            let problem = "a GNU long name and a pax path";
            return Err(contradiction(unpacker, &name, problem));
        }
        (Some(name), None) | (None, Some(name)) => name,
        (None, None) => header.path_bytes().into_owned(),
    };
    let kind = kind_of(header, &name, size, unpacker)?;
    if pax.sparse {
        return Err(unsupported(unpacker, &name, "a sparse file"));
    }
    if let Some(told) = pax.size.filter(|told| *told != size) {
        // What does not fit into the header's own field is larger than 8 GiB.
        if told > unpacker.limits().max_file_bytes {
            return Err(ArchiveError::FileTooLarge {
                archive: unpacker.archive().to_owned(),
                entry: shown(&name),
                limit: unpacker.limits().max_file_bytes,
            });
        }
        let problem = format!("{size} bytes in the tar header, {told} in the pax header");
        return Err(contradiction(unpacker, &name, &problem));
    }
    let place = unpacker.place(&name, kind)?;
    if kind == EntryKind::Folder {
        return Ok(());
    }
    match unpacker.content(&place, &name, Some(size), entry)? == size {
        true => Ok(()),
        false => Err(truncated(unpacker, &name)),
    }
}

fn kind_of(
    header: &Header,
    name: &[u8],
    size: u64,
    unpacker: &Unpacker<'_>,
) -> Result<EntryKind, ArchiveError> {
    let (archive, entry) = (unpacker.archive().to_owned(), shown(name));
    let link = |kind| ArchiveError::Link {
        archive: archive.clone(),
        entry: entry.clone(),
        kind,
    };
    let special = |kind| ArchiveError::Special {
        archive: archive.clone(),
        entry: entry.clone(),
        kind,
    };
    let kind = match header.entry_type() {
        // Before ustar a folder was a file whose name ends with a slash.
        EntryType::Regular if name.ends_with(b"/") => EntryKind::Folder,
        EntryType::Regular => EntryKind::File,
        EntryType::Directory => EntryKind::Folder,
        EntryType::Symlink => return Err(link("symbolic link")),
        EntryType::Link => return Err(link("hard link")),
        EntryType::Char | EntryType::Block => return Err(special("device")),
        EntryType::Fifo => return Err(special("pipe")),
        EntryType::GNUSparse => return Err(unsupported(unpacker, name, "a sparse file")),
        other => {
            let what = format!("the type `{}`", other.as_byte().escape_ascii());
            return Err(unsupported(unpacker, name, &what));
        }
    };
    // Readers disagree on whether content follows such a header.
    match kind == EntryKind::Folder && size > 0 {
        true => Err(contradiction(unpacker, name, "a folder with content")),
        false => Ok(kind),
    }
}

/// Reads to the end: concatenated archives would lose all but the first, and gzip has its checksum there.
fn only_zeros(reader: &mut impl Read, unpacker: &Unpacker<'_>) -> Result<(), ArchiveError> {
    let archive = unpacker.archive();
    let mut buffer = [0; 8192];
    let mut total = 0;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
            Err(source) => return Err(ArchiveError::reading(archive, None, source)),
        };
        total += count as u64;
        if total > MAX_PADDING_BYTES || buffer[..count].iter().any(|byte| *byte != 0) {
            return Err(ArchiveError::TrailingData {
                archive: archive.to_owned(),
            });
        }
    }
}

fn contradiction(unpacker: &Unpacker<'_>, name: &[u8], problem: &str) -> ArchiveError {
    ArchiveError::Contradiction {
        archive: unpacker.archive().to_owned(),
        entry: shown(name),
        problem: problem.to_owned(),
    }
}

fn unsupported(unpacker: &Unpacker<'_>, name: &[u8], what: &str) -> ArchiveError {
    ArchiveError::Unsupported {
        archive: unpacker.archive().to_owned(),
        entry: shown(name),
        what: what.to_owned(),
    }
}

fn damaged(unpacker: &Unpacker<'_>, name: Option<&[u8]>, problem: &str) -> ArchiveError {
    ArchiveError::Damaged {
        archive: unpacker.archive().to_owned(),
        entry: name.map(shown),
        problem: problem.to_owned(),
    }
}

fn truncated(unpacker: &Unpacker<'_>, name: &[u8]) -> ArchiveError {
    ArchiveError::Truncated {
        archive: unpacker.archive().to_owned(),
        entry: Some(shown(name)),
    }
}
