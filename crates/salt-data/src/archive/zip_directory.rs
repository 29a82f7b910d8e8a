//! Whether a zip file has one directory, which describes the whole file.
//!
//! A zip file is read from its end: a record there says where the directory is and how many entries it has. Readers
//! differ in how they search for that record and what they do when it does not fit, and so one file can be two archives.
//! Before the `zip` crate reads anything, this walks the directory once, without keeping it: the record ends the
//! file, the directory ends where the record begins, it has as many entries as the record says and not more than allowed
//! (the crate allocates for all of them), and no name comes twice (the crate keeps the last one).
//!
//! Section numbers are those of PKWARE's APPNOTE 6.3.10.

use std::collections::HashSet;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::error::shown;
use super::{ArchiveError, ExtractLimits};

/// Bytes of the record at the end without its comment (section 4.3.16).
const END_BYTES: u64 = 22;
/// Bytes of the zip64 locator before it (section 4.3.15).
const LOCATOR_BYTES: u64 = 20;
/// Bytes of the zip64 record, from its signature to its extensible part (section 4.3.14).
const END64_BYTES: u64 = 56;
/// Bytes of a directory entry without name, extra fields and comment (section 4.3.12).
const HEADER_BYTES: u64 = 46;

/// What the end of a zip file says of its directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    entries: u64,
    size: u64,
    offset: u64,
    /// Where the directory must end.
    at: u64,
}

/// Checks the directory of the zip file `reader`.
pub(super) fn check(
    reader: &mut (impl Read + Seek),
    archive: &Path,
    limits: &ExtractLimits,
) -> Result<(), ArchiveError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::UnexpectedEof => bad(archive, "it is cut off"),
        _ => ArchiveError::reading(archive, None, source),
    };
    let end = find_end(reader, archive, &failed)?;
    if end.entries > limits.max_entries {
        return Err(ArchiveError::TooManyEntries {
            archive: archive.to_owned(),
            limit: limits.max_entries,
        });
    }
    if end.offset.checked_add(end.size) != Some(end.at) {
        let problem = format!(
            "{} bytes of it at {}, and its end at {}, with something else in between, before it or after it",
            end.size, end.offset, end.at
        );
        return Err(bad(archive, &problem));
    }
    reader.seek(SeekFrom::Start(end.offset)).map_err(failed)?;
    let mut reader = BufReader::new(reader);
    let mut names = HashSet::new();
    let mut walked = 0_u64;
    for _ in 0..end.entries {
        let header: [u8; HEADER_BYTES as usize] = take(&mut reader).map_err(failed)?;
        if !header.starts_with(b"PK\x01\x02") {
            return Err(bad(archive, "fewer entries than it says"));
        }
        let mut name = vec![0; usize::from(u16_at(&header, 28))];
        reader.read_exact(&mut name).map_err(failed)?;
        let rest = i64::from(u16_at(&header, 30)) + i64::from(u16_at(&header, 32));
        reader.seek_relative(rest).map_err(failed)?;
        walked += HEADER_BYTES + name.len() as u64 + rest.unsigned_abs();
        // Far too long ones are refused with their reason later; here they would only take memory.
        name.truncate(limits.max_name_bytes.saturating_add(1));
        if let Some(name) = names.replace(name) {
            return Err(ArchiveError::Duplicate {
                archive: archive.to_owned(),
                entry: shown(&name),
                other: shown(&name),
            });
        }
    }
    match walked == end.size {
        true => Ok(()),
        false => Err(bad(archive, "another number of entries than it says")),
    }
}

fn find_end(
    reader: &mut (impl Read + Seek),
    archive: &Path,
    failed: &impl Fn(io::Error) -> ArchiveError,
) -> Result<End, ArchiveError> {
    let len = reader.seek(SeekFrom::End(0)).map_err(failed)?;
    // The comment at the end has at most 65535 bytes.
    let tail_at = len.saturating_sub(END_BYTES + u64::from(u16::MAX));
    reader.seek(SeekFrom::Start(tail_at)).map_err(failed)?;
    let mut tail = Vec::new();
    reader
        .take(len - tail_at)
        .read_to_end(&mut tail)
        .map_err(failed)?;
    let found = tail.windows(4).rposition(|bytes| bytes == b"PK\x05\x06");
    let found = found.filter(|at| tail.len() - at >= END_BYTES as usize);
    let Some(found) = found else {
        return Err(bad(archive, "no end of a directory: the file is cut off"));
    };
    let record = &tail[found..];
    if record.len() as u64 != END_BYTES + u64::from(u16_at(record, 20)) {
        return Err(ArchiveError::TrailingData {
            archive: archive.to_owned(),
        });
    }
    if u16_at(record, 4) != 0 || u16_at(record, 6) != 0 || u16_at(record, 8) != u16_at(record, 10) {
        return Err(bad(archive, "only a part of it: the archive is split"));
    }
    let at = tail_at + found as u64;
    let end = End {
        entries: u64::from(u16_at(record, 10)),
        size: u64::from(u32_at(record, 12)),
        offset: u64::from(u32_at(record, 16)),
        at,
    };
    if at < LOCATOR_BYTES + END64_BYTES {
        return Ok(end);
    }
    reader
        .seek(SeekFrom::Start(at - LOCATOR_BYTES))
        .map_err(failed)?;
    let locator: [u8; LOCATOR_BYTES as usize] = take(reader).map_err(failed)?;
    match locator.starts_with(b"PK\x06\x07") {
        true => find_end64(reader, archive, failed, end, &locator),
        false => Ok(end),
    }
}

/// The zip64 record, which has room for what does not fit into the other, and must agree with it on what does.
fn find_end64(
    reader: &mut (impl Read + Seek),
    archive: &Path,
    failed: &impl Fn(io::Error) -> ArchiveError,
    end: End,
    locator: &[u8],
) -> Result<End, ArchiveError> {
    let at = u64_at(locator, 8);
    if at > end.at - LOCATOR_BYTES - END64_BYTES {
        return Err(bad(archive, "its zip64 record outside of the file"));
    }
    reader.seek(SeekFrom::Start(at)).map_err(failed)?;
    let record: [u8; END64_BYTES as usize] = take(reader).map_err(failed)?;
    let length = u64_at(&record, 4).checked_add(12);
    if !record.starts_with(b"PK\x06\x06") || length != Some(end.at - LOCATOR_BYTES - at) {
        return Err(bad(archive, "no zip64 record where it should be"));
    }
    let end64 = End {
        entries: u64_at(&record, 32),
        size: u64_at(&record, 40),
        offset: u64_at(&record, 48),
        at,
    };
    let agree =
        |small: u64, saturated: u32, large: u64| small == u64::from(saturated) || small == large;
    let consistent = agree(end.entries, u32::from(u16::MAX), end64.entries)
        && agree(end.size, u32::MAX, end64.size)
        && agree(end.offset, u32::MAX, end64.offset)
        && u64_at(&record, 24) == end64.entries;
    match consistent {
        true => Ok(end64),
        false => Err(bad(archive, "two records at its end that differ")),
    }
}

fn bad(archive: &Path, problem: &str) -> ArchiveError {
    ArchiveError::BadDirectory {
        archive: archive.to_owned(),
        problem: problem.to_owned(),
    }
}

fn take<const N: usize>(reader: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
