//! A single file in gzip (RFC 1952).
//!
//! The name in the gzip header is not used: it is often missing, and what a user sees is the file's own name. Several
//! members are one file, as the RFC has it; anything else after the last one is damage. CRC-32 and length of each member
//! are checked by `flate2`.

use std::fs::File;
use std::io::BufReader;

use flate2::bufread::MultiGzDecoder;

use super::ArchiveError;
use super::unpacker::{EntryKind, Unpacker};

/// Unpacks `NAME.gz` to `NAME`.
pub(super) fn unpack(file: File, unpacker: &mut Unpacker<'_>) -> Result<(), ArchiveError> {
    let archive = unpacker.archive();
    let full = archive
        .file_name()
        .map_or_else(Default::default, |name| name.to_string_lossy());
    let lower = full.to_ascii_lowercase();
    if lower.ends_with(".tgz") || lower.ends_with(".tar.gz") {
        return Err(ArchiveError::Damaged {
            archive: archive.to_owned(),
            entry: None,
            problem: "no tar file inside of the gzip file".to_owned(),
        });
    }
    let name = match lower.ends_with(".gz") {
        true => &full[..full.len() - ".gz".len()],
        false => &full,
    };
    let mut reader = MultiGzDecoder::new(BufReader::new(unpacker.meter().around(file)));
    let place = unpacker.place(name.as_bytes(), EntryKind::File)?;
    unpacker.content(&place, name.as_bytes(), None, &mut reader)?;
    Ok(())
}
