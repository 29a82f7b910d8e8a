//! Everything that can go wrong with an archive, and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::NameProblem;
use crate::error::halves;

/// Characters of an entry's name, or of what a decoder says, that a message shows.
const SHOWN: usize = 160;

/// Why an archive was not unpacked. Nothing is left of the attempt.
///
/// Every message reads "expected ..., received ...; remedy": the part after the last `"; "` is what
/// to do ([`ArchiveError::remedy`]). Names of entries are shown with everything escaped that is not plain text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// Something that is no archive.
    #[error(
        "expected a zip, tar, tar.gz or gz file at {}, received one that begins with `{begins}`; \
         look into it: a web page in its place means that the download wants a login", archive.display()
    )]
    NotAnArchive {
        /// The file.
        archive: PathBuf,
        /// Its first bytes, escaped.
        begins: String,
    },
    /// A format that is not read here.
    #[error(
        "expected a zip, tar, tar.gz or gz file at {}, received a {format} file; \
         unpack it by hand ({tool}) and pass the folder that comes out of it", archive.display()
    )]
    Foreign {
        /// The file.
        archive: PathBuf,
        /// The format's name.
        format: &'static str,
        /// What unpacks it.
        tool: &'static str,
    },
    /// No file in it.
    #[error(
        "expected files in {}, received none; download it again from its publisher", archive.display()
    )]
    Empty {
        /// The archive.
        archive: PathBuf,
    },
    /// The folder to extract into holds something.
    #[error(
        "expected an empty or new folder at {}, received something else; \
         choose another folder or remove this one", path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Stopped on request.
    #[error(
        "expected to finish {}, received a request to stop after {files} files; \
         give the same command again, it starts over", archive.display()
    )]
    Stopped {
        /// The archive.
        archive: PathBuf,
        /// Files that were written, and removed again.
        files: u64,
    },
    /// A name that is a path out of the folder, or another file on another system.
    #[error(
        "expected a name that is safe on every system in {}, received `{entry}`: {problem}; \
         compare the archive's checksum with the published one, and if it is the right file, \
         unpack it by hand into a folder of its own and pass that", archive.display()
    )]
    BadName {
        /// The archive.
        archive: PathBuf,
        /// The name, escaped.
        entry: String,
        /// What is wrong with it.
        problem: NameProblem,
    },
    /// A name that came before, perhaps in other case.
    #[error(
        "expected every name once in {}, upper and lower case taken as one, received `{entry}` after `{other}`; \
         unpack it by hand, keep one of the two, and pass the folder", archive.display()
    )]
    Duplicate {
        /// The archive.
        archive: PathBuf,
        /// The later entry.
        entry: String,
        /// The earlier one.
        other: String,
    },
    /// A name that is a file and a folder.
    #[error(
        "expected `{other}` to be a file or a folder in {}, received both with `{entry}`; \
         do not use this archive, download it again from its publisher", archive.display()
    )]
    Clash {
        /// The archive.
        archive: PathBuf,
        /// The later entry.
        entry: String,
        /// The earlier one.
        other: String,
    },
    /// A symbolic or hard link.
    #[error(
        "expected files and folders in {}, received the {kind} `{entry}`; \
         ask its publisher for an archive of plain files, or unpack it by hand, replace the links by the files \
         they lead to, and pass the folder", archive.display()
    )]
    Link {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// `symbolic link` or `hard link`.
        kind: &'static str,
    },
    /// A device, a pipe, a socket.
    #[error(
        "expected files and folders in {}, received the {kind} `{entry}`; \
         do not use this archive, download it again from its publisher", archive.display()
    )]
    Special {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What it is.
        kind: &'static str,
    },
    /// A password is needed.
    #[error(
        "expected readable files in {}, received `{entry}` encrypted; \
         unpack it by hand with its password and pass the folder", archive.display()
    )]
    Encrypted {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
    },
    /// A part of the format that is not read here.
    #[error(
        "expected entries that are plainly stored or deflated in {}, received `{entry}` with {what}; \
         unpack it by hand with a tool that knows it, and pass the folder", archive.display()
    )]
    Unsupported {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What it uses.
        what: String,
    },
    /// More entries than allowed.
    #[error(
        "expected at most {limit} files and folders in {}, received more; \
         if you trust it, unpack it by hand and pass the folder", archive.display()
    )]
    TooManyEntries {
        /// The archive.
        archive: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// A file larger than allowed.
    #[error(
        "expected files of at most {limit} bytes in {}, received more for `{entry}`; \
         if you trust it, unpack it by hand and pass the folder", archive.display()
    )]
    FileTooLarge {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// The limit.
        limit: u64,
    },
    /// More in all than allowed.
    #[error(
        "expected at most {limit} bytes from {}, received more at `{entry}`; \
         if you trust it, unpack it by hand and pass the folder", archive.display()
    )]
    TotalTooLarge {
        /// The archive.
        archive: PathBuf,
        /// The entry at which it became too much.
        entry: String,
        /// The limit.
        limit: u64,
    },
    /// Far more comes out than is in it.
    #[error(
        "expected at most {limit} times the size of {} from it, received more at `{entry}`; \
         do not use this archive unless you know why it holds so much: then unpack it by hand and pass the folder",
        archive.display()
    )]
    Bomb {
        /// The archive.
        archive: PathBuf,
        /// The entry at which it became too much.
        entry: String,
        /// The limit.
        limit: u64,
    },
    /// A size that is not the one declared.
    #[error(
        "expected {declared} bytes of `{entry}` in {}, as declared, received {}; \
         do not use this archive, download it again from its publisher", archive.display(),
        if received > declared { "more".to_owned() } else { received.to_string() }
    )]
    SizeLies {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What the archive says.
        declared: u64,
        /// What came, up to where reading stopped.
        received: u64,
    },
    /// The content is not what was packed.
    #[error(
        "expected `{entry}` in {} to have the CRC-32 {declared:08x}, received {received:08x}; \
         download the archive again and compare its checksum", archive.display()
    )]
    Checksum {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// What the archive says.
        declared: u32,
        /// What came.
        received: u32,
    },
    /// Two places of the archive describe one entry differently, so that tools disagree about it.
    #[error(
        "expected one description of `{entry}` in {}, received two that differ: {problem}; \
         do not use this archive, download it again from its publisher", archive.display()
    )]
    Contradiction {
        /// The archive.
        archive: PathBuf,
        /// The entry.
        entry: String,
        /// Where they differ.
        problem: String,
    },
    /// Entries that share bytes.
    #[error(
        "expected entries that lie one after the other in {}, received some that share their bytes; \
         do not use this archive, download it again from its publisher", archive.display()
    )]
    Overlap {
        /// The archive.
        archive: PathBuf,
    },
    /// A zip directory that does not describe the whole file.
    #[error(
        "expected a directory that describes all of {}, received: {problem}; \
         download it again and compare its checksum", archive.display()
    )]
    BadDirectory {
        /// The archive.
        archive: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The archive ends too early.
    #[error(
        "expected {} to be complete, received its end at {}; download it again", archive.display(),
        place(entry)
    )]
    Truncated {
        /// The archive.
        archive: PathBuf,
        /// The entry it ends in, where known.
        entry: Option<String>,
    },
    /// Something after the end.
    #[error(
        "expected nothing after the end of {}, received more data; \
         if it is several archives in one file, unpack it by hand and pass the folder", archive.display()
    )]
    TrailingData {
        /// The archive.
        archive: PathBuf,
    },
    /// Bytes that make no sense.
    #[error(
        "expected {} to be undamaged, received at {}: {problem}; \
         download it again and compare its checksum", archive.display(), place(entry)
    )]
    Damaged {
        /// The archive.
        archive: PathBuf,
        /// The entry, where known.
        entry: Option<String>,
        /// What the decoder said.
        problem: String,
    },
    /// Reading or writing failed.
    #[error("expected to {action} {}, received: {source}; check the path, permissions and free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn place(entry: &Option<String>) -> String {
    match entry {
        Some(entry) => format!("`{entry}`"),
        None => "a place between entries".to_owned(),
    }
}

/// Bytes of an archive as they may stand in a message: one line, nothing that moves a terminal's cursor, not too long.
/// What decoders say passes through here too, since they quote names.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::new();
    for (index, letter) in text.chars().enumerate() {
        match letter {
            _ if index == SHOWN => return shown + "...",
            '\'' | '"' => shown.push(letter),
            _ => shown.extend(letter.escape_debug()),
        }
    }
    shown
}

impl ArchiveError {
    /// What the system said while a file or folder was read, written or created.
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl Fn(io::Error) -> Self + use<'a> {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// What a decoder said while the archive was read: the system's errors stay what they are, the others are
    /// about the archive.
    pub(super) fn reading(archive: &Path, entry: Option<&[u8]>, source: io::Error) -> Self {
        let (archive, entry) = (archive.to_owned(), entry.map(shown));
        if source.raw_os_error().is_some() {
            return Self::Io {
                action: "read",
                path: archive,
                source,
            };
        }
        match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::Truncated { archive, entry },
            _ => Self::Damaged {
                archive,
                entry,
                problem: shown(source.to_string().as_bytes()),
            },
        }
    }

    /// What to do: the part of the message after the last semicolon.
    pub fn remedy(&self) -> String {
        halves(&self.to_string()).1
    }

    /// What is wrong, without the remedy.
    pub fn problem(&self) -> String {
        halves(&self.to_string()).0
    }

    /// The file or folder the error is about: the archive, in most cases.
    pub fn path(&self) -> &Path {
        match self {
            Self::NotEmpty { path } | Self::Io { path, .. } => path,
            Self::NotAnArchive { archive, .. }
            | Self::Foreign { archive, .. }
            | Self::Empty { archive }
            | Self::Stopped { archive, .. }
            | Self::BadName { archive, .. }
            | Self::Duplicate { archive, .. }
            | Self::Clash { archive, .. }
            | Self::Link { archive, .. }
            | Self::Special { archive, .. }
            | Self::Encrypted { archive, .. }
            | Self::Unsupported { archive, .. }
            | Self::TooManyEntries { archive, .. }
            | Self::FileTooLarge { archive, .. }
            | Self::TotalTooLarge { archive, .. }
            | Self::Bomb { archive, .. }
            | Self::SizeLies { archive, .. }
            | Self::Checksum { archive, .. }
            | Self::Contradiction { archive, .. }
            | Self::Overlap { archive }
            | Self::BadDirectory { archive, .. }
            | Self::Truncated { archive, .. }
            | Self::TrailingData { archive }
            | Self::Damaged { archive, .. } => archive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_a_message_is_one_harmless_line() {
        assert_eq!(shown(b"a/b's.png"), "a/b's.png");
        assert_eq!(shown(b"a\n\x1b[2Jb"), "a\\n\\u{1b}[2Jb");
        assert_eq!(shown(b"\xff"), "\u{fffd}");
        let long = shown("\u{e9}".repeat(500).as_bytes());
        assert_eq!(long.chars().count(), SHOWN + 3);
    }

    #[test]
    fn errors_of_the_system_are_not_blamed_on_the_archive() {
        let of = |source| ArchiveError::reading(Path::new("a.zip"), Some(b"b"), source);
        assert!(matches!(
            of(io::Error::from_raw_os_error(5)),
            ArchiveError::Io { .. }
        ));
        assert!(matches!(
            of(io::ErrorKind::UnexpectedEof.into()),
            ArchiveError::Truncated { .. }
        ));
        let error = of(io::Error::new(io::ErrorKind::InvalidInput, "bad code; x"));
        assert!(
            error.problem().contains("`b`: bad code; x"),
            "{}",
            error.problem()
        );
        assert_eq!(error.remedy(), "download it again and compare its checksum");
        assert_eq!(error.path(), Path::new("a.zip"));
    }
}
