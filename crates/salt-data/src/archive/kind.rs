//! What a file is, by its first bytes: names and extensions are what somebody typed.

use std::fs::File;
use std::io::{BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::ArchiveError;

/// Bytes of a tar header (POSIX.1-1988, ustar).
pub(super) const TAR_BLOCK: usize = 512;

/// The archives that can be unpacked here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ArchiveKind {
    /// A zip file, stored or deflated.
    Zip,
    /// A tar file.
    Tar,
    /// A tar file in gzip.
    TarGz,
    /// A single file in gzip.
    Gz,
}

/// A format that is known and not read here.
struct Foreign {
    magic: &'static [u8],
    format: &'static str,
    tool: &'static str,
}

const FOREIGN: [Foreign; 6] = [
    Foreign {
        magic: b"Rar!\x1a\x07",
        format: "RAR",
        tool: "`unrar x`, `7z x` or The Unarchiver",
    },
    Foreign {
        magic: b"7z\xbc\xaf\x27\x1c",
        format: "7z",
        tool: "`7z x`",
    },
    Foreign {
        magic: b"BZh",
        format: "bzip2",
        tool: "`tar xjf` or `bunzip2`",
    },
    Foreign {
        magic: b"\xfd7zXZ\0",
        format: "xz",
        tool: "`tar xJf` or `unxz`",
    },
    Foreign {
        magic: b"\x28\xb5\x2f\xfd",
        format: "Zstandard",
        tool: "`tar --zstd -xf` or `unzstd`",
    },
    Foreign {
        magic: b"PK\x07\x08",
        format: "split zip",
        tool: "`7z x` on its first part",
    },
];

/// What `file` is; afterwards it is at its start again.
pub(super) fn recognise(file: &mut File, archive: &Path) -> Result<ArchiveKind, ArchiveError> {
    let failed = ArchiveError::io("read", archive);
    let start = first_block(&mut *file).map_err(&failed)?;
    file.seek(SeekFrom::Start(0)).map_err(&failed)?;
    if start.starts_with(b"PK\x03\x04") {
        return Ok(ArchiveKind::Zip);
    }
    // The end of a directory, and no entry before it.
    if start.starts_with(b"PK\x05\x06") {
        return Err(ArchiveError::Empty {
            archive: archive.to_owned(),
        });
    }
    if start.starts_with(b"\x1f\x8b") {
        let inner = first_block(MultiGzDecoder::new(BufReader::new(&mut *file)))
            .map_err(|source| ArchiveError::reading(archive, None, source))?;
        file.seek(SeekFrom::Start(0)).map_err(&failed)?;
        return match is_tar_header(&inner) {
            true => Ok(ArchiveKind::TarGz),
            false => Ok(ArchiveKind::Gz),
        };
    }
    if let Some(foreign) = FOREIGN.iter().find(|it| start.starts_with(it.magic)) {
        return Err(ArchiveError::Foreign {
            archive: archive.to_owned(),
            format: foreign.format,
            tool: foreign.tool,
        });
    }
    match is_tar_header(&start) {
        true => Ok(ArchiveKind::Tar),
        false => Err(ArchiveError::NotAnArchive {
            archive: archive.to_owned(),
            begins: start[..start.len().min(16)].escape_ascii().to_string(),
        }),
    }
}

fn first_block(reader: impl Read) -> std::io::Result<Vec<u8>> {
    let mut block = Vec::with_capacity(TAR_BLOCK);
    reader.take(TAR_BLOCK as u64).read_to_end(&mut block)?;
    Ok(block)
}

/// Whether the block's own checksum says so: tar files older than `ustar` have no other mark.
fn is_tar_header(block: &[u8]) -> bool {
    let Ok(bytes) = <&[u8; TAR_BLOCK]>::try_from(block) else {
        return false;
    };
    let mut header = tar::Header::new_old();
    *header.as_mut_bytes() = *bytes;
    let Ok(told) = header.cksum() else {
        return false;
    };
    header.set_cksum();
    bytes.iter().any(|byte| *byte != 0) && header.cksum().is_ok_and(|counted| counted == told)
}
