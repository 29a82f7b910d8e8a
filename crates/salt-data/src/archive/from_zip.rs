//! Entries of a zip file (PKWARE's APPNOTE 6.3.10).
//!
//! The `zip` crate reads the directory with its extra fields (zip64 sizes, Unicode names), compares it with the headers
//! before the content, and finds entries that share bytes. Content is taken from it as it is stored and inflated
//! here: so a wrong size, a wrong checksum and bytes left over after the end of the compressed stream are told apart.
//!
//! Names without the flag for UTF-8 are read as UTF-8 all the same, as macOS writes them; the old code page 437 is not
//! tried, since what is not UTF-8 is Shift-JIS or GBK as often, and its letters would come out wrong without an error.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::read::{ArchiveOffset, Config};
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive, ZipReadOptions};

use super::ArchiveError;
use super::error::shown;
use super::unpacker::{EntryKind, Unpacker};
use super::zip_directory;

/// File type bits of a Unix mode, and the types (POSIX `sys/stat.h`).
const S_IFMT: u32 = 0o170_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFLNK: u32 = 0o120_000;

/// Bytes buffered between the file and the decoder.
const BUFFER: usize = 1 << 15;

/// Unpacks a zip file.
pub(super) fn unpack(mut file: File, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let archive = unpacker.archive();
    zip_directory::check(&mut file, archive, unpacker.limits())?;
    let config = Config {
        // Something before the archive has been refused: no search for where it begins.
        archive_offset: ArchiveOffset::Known(0),
    };
    let reader = BufReader::with_capacity(BUFFER, file);
    let mut zip = ZipArchive::with_config(config, reader).map_err(|source| match source {
        ZipError::Io(source) => ArchiveError::reading(archive, None, source),
        other => ArchiveError::BadDirectory {
            archive: archive.to_owned(),
            problem: shown(other.to_string().as_bytes()),
        },
    })?;
    if zip.has_duplicate_names() {
        // Only possible where two names differ and their Unicode forms do not.
        return Err(ArchiveError::BadDirectory {
            archive: archive.to_owned(),
            problem: "two entries with the same Unicode name".to_owned(),
        });
    }
    let overlap = zip
        .has_overlapping_entries()
        .map_err(|source| of_zip(source, unpacker, None))?;
    if overlap {
        return Err(ArchiveError::Overlap {
            archive: archive.to_owned(),
        });
    }
    for index in 0..zip.len() {
        unpack_entry(&mut zip, index, unpacker)?;
    }
    // Once more for all together: a local header that the directory does not list.
    zip.validate_header_consistency()
        .map_err(|source| of_zip(source, unpacker, None))
}

/// What is needed of a directory entry.
struct Entry {
    name: Vec<u8>,
    method: CompressionMethod,
    packed: u64,
    size: u64,
    crc32: u32,
}

fn unpack_entry<R: Read + Seek>(
    zip: &mut ZipArchive<R>,
    index: usize,
    unpacker: &mut Unpacker<'_>,
) -> Result<(), ArchiveError> {
    let data = zip
        .by_index_data(index)
        .map_err(|source| of_zip(source, unpacker, None))?;
    let entry = Entry {
        name: data.name_raw().to_owned(),
        method: data.compression(),
        packed: data.compressed_size(),
        size: data.size(),
        crc32: data.crc32(),
    };
    let encrypted = data.encrypted();
    let attributes = data.external_attributes();
    let (archive, shown) = (unpacker.archive().to_owned(), shown(&entry.name));
    let kind = kind_of(&entry, attributes, unpacker)?;
    if encrypted {
        return Err(ArchiveError::Encrypted {
            archive,
            entry: shown,
        });
    }
    if !matches!(
        entry.method,
        CompressionMethod::Stored | CompressionMethod::Deflated
    ) {
        return Err(ArchiveError::Unsupported {
            archive,
            entry: shown,
            what: format!("the compression method {}", entry.method),
        });
    }
    let place = unpacker.place(&entry.name, kind)?;
    let strict = ZipReadOptions::new().enforce_header_consistency(true);
    zip.by_index_with_options(index, strict)
        .map_err(|source| of_zip(source, unpacker, Some(&entry.name)))?;
    if kind == EntryKind::Folder {
        return Ok(());
    }
    let stored = zip
        .by_index_raw(index)
        .map_err(|source| of_zip(source, unpacker, Some(&entry.name)))?;
    let mut stored = unpacker.meter().around(stored);
    let mut crc = Crc::new();
    let (received, used) = match entry.method {
        CompressionMethod::Stored => {
            let mut reader = Summed(&mut stored, &mut crc);
            let received = unpacker.content(&place, &entry.name, Some(entry.size), &mut reader)?;
            (received, received)
        }
        _ => {
            let mut inflate = DeflateDecoder::new(stored);
            let mut reader = Summed(&mut inflate, &mut crc);
            let received = unpacker.content(&place, &entry.name, Some(entry.size), &mut reader)?;
            (received, inflate.total_in())
        }
    };
    if received != entry.size {
        return Err(unpacker.size_lie(&entry.name, entry.size, received));
    }
    if used != entry.packed {
        return Err(unpacker.size_lie(&entry.name, entry.packed, used));
    }
    if crc.sum() != entry.crc32 {
        return Err(ArchiveError::Checksum {
            archive,
            entry: shown,
            declared: entry.crc32,
            received: crc.sum(),
        });
    }
    Ok(())
}

/// A reader that computes the checksum of what is read.
struct Summed<'a, R>(&'a mut R, &'a mut Crc);

impl<R: Read> Read for Summed<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.0.read(buffer)?;
        self.1.update(&buffer[..count]);
        Ok(count)
    }
}

/// Folders end with a slash (section 4.4.17.1). The upper half of the attributes is a Unix mode (section 4.4.15), which
/// is checked whatever system is said to have made it: zero on those that have none.
fn kind_of(
    entry: &Entry,
    attributes: u32,
    unpacker: &Unpacker<'_>,
) -> Result<EntryKind, ArchiveError> {
    let (archive, shown) = (unpacker.archive().to_owned(), shown(&entry.name));
    let is_folder = entry.name.ends_with(b"/");
    let problem = match (attributes >> 16) & S_IFMT {
        0 | S_IFREG | S_IFDIR if is_folder && entry.size > 0 => "a folder with content",
        0 | S_IFREG | S_IFDIR if is_folder => return Ok(EntryKind::Folder),
        0 | S_IFREG => return Ok(EntryKind::File),
        S_IFDIR => "a folder by its mode, a file by its name",
        S_IFLNK => {
            return Err(ArchiveError::Link {
                archive,
                entry: shown,
                kind: "symbolic link",
            });
        }
        _ => {
            return Err(ArchiveError::Special {
                archive,
                entry: shown,
                kind: "device, pipe or socket",
            });
        }
    };
    Err(ArchiveError::Contradiction {
        archive,
        entry: shown,
        problem: problem.to_owned(),
    })
}

/// What the crate refuses once the directory is read is a difference between directory and headers.
fn of_zip(source: ZipError, unpacker: &Unpacker<'_>, entry: Option<&[u8]>) -> ArchiveError {
    let archive = unpacker.archive();
    match source {
        ZipError::Io(source) => ArchiveError::reading(archive, entry, source),
        ZipError::InvalidArchive(problem) => ArchiveError::Contradiction {
            archive: archive.to_owned(),
            entry: entry.map_or_else(|| "all entries".to_owned(), shown),
            problem: shown(problem.as_bytes()),
        },
        other => ArchiveError::Damaged {
            archive: archive.to_owned(),
            entry: entry.map(shown),
            problem: shown(other.to_string().as_bytes()),
        },
    }
}
