//! An archive that somebody published onto this disk: whole and harmless, or not at all.
//!
//! | file | job |
//! |---|---|
//! | `kind` | what a file is, by its first bytes |
//! | `limits` | how much an archive may ask for |
//! | `entry_name` | which names may become paths |
//! | `unpacker` | one entry after the other, counted while it is read |
//! | `staging` | the folder beside the target, renamed at the end or removed |
//! | `from_zip`, `zip_directory` | zip: its entries, and whether its directory is the only one |
//! | `from_tar`, `pax` | tar: its entries, and the names that do not fit into a header |
//! | `from_gz` | gzip: around a tar, or around a single file |
//! | `metered` | how far the archive has been read |
//! | `error` | everything that can go wrong, and what to do |
//!
//! # What an archive is trusted with
//! Content and names of plain files and folders, nothing else. Links, devices and pipes are errors; modes, owners,
//! times and extended attributes are never applied. Declared sizes are compared with what is read, never believed.
//! Where two readers could see two different archives (two directories, headers that disagree, the same name twice,
//! data after the end), nothing is extracted: a data set must be the same for everybody.
//!
//! Files that operating systems leave behind (`__MACOSX`, `._NAME`, `.DS_Store`, `Thumbs.db`) are read, checked and
//! not written; [`Extracted::skipped`] counts them. An archive within the archive is a file like any other.

mod entry_name;
mod error;
mod from_gz;
mod from_tar;
mod from_zip;
mod kind;
mod limits;
mod metered;
mod pax;
mod staging;
mod unpacker;
mod zip_directory;

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

pub use entry_name::NameProblem;
pub use error::ArchiveError;
pub use kind::ArchiveKind;
pub use limits::ExtractLimits;

use self::kind::recognise;
use self::metered::Meter;
use self::staging::Staging;
use self::unpacker::Unpacker;

/// How far an extraction is. The receiver answers [`ControlFlow::Break`] to stop it: nothing is kept then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractProgress {
    /// Bytes of the archive that have been read.
    pub archive_bytes: u64,
    /// Bytes of the archive.
    pub of: u64,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// What came out of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Extracted {
    /// What the archive was.
    pub kind: ArchiveKind,
    /// The folder that everything is in.
    pub folder: PathBuf,
    /// Files written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files of operating systems that were left out.
    pub skipped: u64,
}

/// Unpacks `archive` into the folder `into`, which must be empty or not there yet; the folder around it must exist.
///
/// A zip, tar, tar.gz or single gz file is known by its first bytes, whatever it is called. Everything is written into
/// `.NAME.extracting` beside `into` and renamed when it is complete and on the disk. After an error, a
/// [`ControlFlow::Break`] of `progress` or a panic there is nothing; what a killed process leaves is removed by
/// the next call for the same folder. Two calls for one folder at the same time get in each other's way, and
/// one of them fails.
///
/// # Errors
/// [`ArchiveError`]: every variant names the archive, where there is one the entry, and what to do.
pub fn extract(
    archive: &Path,
    into: &Path,
    limits: &ExtractLimits,
    progress: &mut dyn FnMut(ExtractProgress) -> ControlFlow<()>,
) -> Result<Extracted, ArchiveError> {
    let mut file = File::open(archive).map_err(ArchiveError::io("open", archive))?;
    let kind = recognise(&mut file, archive)?;
    let size = file
        .metadata()
        .map_err(ArchiveError::io("open", archive))?
        .len();
    let mut staging = Staging::open(into)?;
    let meter = Meter::new(size);
    let mut unpacker = Unpacker::new(archive, limits, &mut staging, meter, progress);
    match kind {
        ArchiveKind::Zip => from_zip::unpack(file, &mut unpacker)?,
        ArchiveKind::Tar => from_tar::unpack_plain(file, &mut unpacker)?,
        ArchiveKind::TarGz => from_tar::unpack_gz(file, &mut unpacker)?,
        ArchiveKind::Gz => from_gz::unpack(file, &mut unpacker)?,
    }
    let counted = unpacker.finish()?;
    let folder = staging.publish()?;
    Ok(Extracted {
        kind,
        folder,
        files: counted.files,
        bytes: counted.bytes,
        skipped: counted.skipped,
    })
}
