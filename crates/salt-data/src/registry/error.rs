//! Everything that can go wrong between a data set's name and its prepared folder, and what to do.

use std::path::{Path, PathBuf};

use super::prepare::Prepared;
use crate::archive::ArchiveError;
use crate::coco::CocoError;
use crate::download::DownloadError;
use crate::error::{DataError, halves};
use crate::npz::NpzError;
use crate::volume::VolumeError;

/// Why a published data set could not be prepared.
///
/// Every message reads "expected ..., received ...; remedy": the part after the last `"; "` is what to do
/// ([`RegistryError::remedy`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// No such set.
    #[error(
        "expected the name of a data set, received `{received}`; did you mean {}? `salt data list` shows all",
        nearest.join(" or ")
    )]
    UnknownSet {
        /// What came.
        received: String,
        /// Names most alike.
        nearest: Vec<String>,
    },
    /// No such way to read the set.
    #[error(
        "expected a variant of {set}, received `{received}`; {}",
        if known.is_empty() { "it has none: leave --variant out".to_owned() } else { format!("it has {}", known.join(", ")) }
    )]
    UnknownVariant {
        /// The set.
        set: &'static str,
        /// What came.
        received: String,
        /// What there is.
        known: Vec<&'static str>,
    },
    /// Masks without any foreground: there is nothing to learn from them.
    #[error(
        "expected something marked in the masks of {set} read as {variant}, received {cases} empty ones; {}",
        if others.is_empty() { "check that the files are those of the set, whole and unchanged".to_owned() }
        else { format!("these files may hold another kind of mask, try --variant {}", others.join(" or --variant ")) }
    )]
    NothingMarked {
        /// The set.
        set: String,
        /// How it was read.
        variant: String,
        /// Number of masks.
        cases: usize,
        /// Other ways to read it.
        others: Vec<&'static str>,
    },
    /// Terms that somebody has to agree to.
    #[error(
        "expected the terms of {set} to be accepted, received no such word ({licence}: {terms}); \
         read them at {home}, and add --accept-terms if you agree"
    )]
    TermsNotAccepted {
        /// The set.
        set: &'static str,
        /// Name of the licence.
        licence: &'static str,
        /// What it asks for.
        terms: &'static str,
        /// Where to read them.
        home: &'static str,
    },
    /// A set that no program can fetch.
    #[error(
        "expected the archive of {set}, received none, and it cannot be fetched by a program; {how}, then give the same \
         command with --archive FILE (or the folder with the unpacked files)"
    )]
    ByHand {
        /// The set.
        set: &'static str,
        /// Where and how to get it.
        how: &'static str,
    },
    /// An archive of a kind that is not unpacked here.
    #[error(
        "expected unpacked files of {set}, received {}, which this program does not unpack; \
         unpack it with a tool of your system, then give the same command with --archive FOLDER", path.display()
    )]
    Unpack {
        /// The set.
        set: &'static str,
        /// The downloaded archive.
        path: PathBuf,
    },
    /// What was brought is not there.
    #[error("expected a file or folder at {}, received neither; check the path after --archive", path.display())]
    MissingArchive {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// An archive without what the set should have.
    #[error(
        "expected {what} of {set}, received {received}; bring the publisher's own archive, or the folder it unpacks to"
    )]
    Layout {
        /// The set.
        set: &'static str,
        /// What was looked for.
        what: String,
        /// What is there instead.
        received: String,
    },
    /// Two candidates for one thing.
    #[error(
        "expected {what} of {set} once, received {} and {}; bring one copy only", first.display(), second.display()
    )]
    Ambiguous {
        /// The set.
        set: &'static str,
        /// What was looked for.
        what: String,
        /// One.
        first: PathBuf,
        /// Another.
        second: PathBuf,
    },
    /// A picture without a mask.
    #[error(
        "expected a mask for {} of {set}, received none ({expected}); \
         bring the whole archive, or add --partial to leave such pictures out", image.display()
    )]
    Unpaired {
        /// The set.
        set: &'static str,
        /// The picture.
        image: PathBuf,
        /// What it would be called.
        expected: String,
    },
    /// Fewer cases than the set has.
    #[error(
        "expected at least {expected} cases in {set}, received {received}; \
         bring the whole archive, or add --partial to prepare what is there"
    )]
    Incomplete {
        /// The set.
        set: &'static str,
        /// How many there should be.
        expected: usize,
        /// How many were found.
        received: usize,
    },
    /// Fewer cases in a part than the set has.
    #[error(
        "expected {} {unit} of {set} for training, {} for validation and {} for the test, received {}, {} and {}; \
         bring the whole archive, or add --partial to prepare what is there", expected[0], expected[1], expected[2],
        received[0], received[1], received[2]
    )]
    IncompleteParts {
        /// The set.
        set: &'static str,
        /// What is counted.
        unit: &'static str,
        /// How many there should be for training, validation and test.
        expected: [usize; 3],
        /// How many were found.
        received: [usize; 3],
    },
    /// A split that the set does not have.
    #[error("expected {set} to have {what}, received none of it; give --split seed:0, or fold:0/5")]
    NoSuchSplit {
        /// The set.
        set: &'static str,
        /// What was asked for.
        what: &'static str,
    },
    /// Too few cases for the numbers of the paper.
    #[error(
        "expected {expected} cases (or groups) of {set} for the paper's numbers, received {received}; \
         bring the whole archive, or give --split seed:0"
    )]
    TooFewForPaper {
        /// The set.
        set: &'static str,
        /// How many are needed.
        expected: usize,
        /// How many there are.
        received: usize,
    },
    /// A mask with values that it should not have.
    #[error(
        "expected {} to hold {expected}, received {received}; the file is damaged or not the published one: \
         bring the archive again", path.display()
    )]
    MaskValue {
        /// The mask.
        path: PathBuf,
        /// What a mask of this set holds.
        expected: &'static str,
        /// What this one holds.
        received: String,
    },
    /// A picture and its mask, or parts of one picture, that differ in size.
    #[error(
        "expected {} to be {} x {} (width x height), received {} x {}; bring the archive again", path.display(),
        expected[0], expected[1], received[0], received[1]
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// What it belongs to.
        expected: [usize; 2],
        /// What it is.
        received: [usize; 2],
    },
    /// The folder to prepare holds another preparation.
    #[error(
        "expected {} to be new or prepared in the same way, received {received}; \
         choose another folder with --out, or remove this one", path.display()
    )]
    OtherPreparation {
        /// The folder.
        path: PathBuf,
        /// What is there.
        received: String,
    },
    /// A prepared folder that is no longer as it was.
    #[error(
        "expected {} to be as it was prepared, received {received}; remove the folder and give the same command again, \
         or choose another one with --out", path.display()
    )]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What is not as it was.
        received: String,
    },
    /// Another process prepares the same folder.
    #[error(
        "expected to prepare {} alone, received another process that does; wait until that one has finished, \
         then give the same command again", path.display()
    )]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// Stopped on request.
    #[error("expected to go on, received a request to stop; the same command goes on")]
    Stopped,
    /// Trouble on the way.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// Trouble with an archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Trouble with a file.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl From<CocoError> for RegistryError {
    fn from(error: CocoError) -> Self {
        Self::Data(error.into())
    }
}

impl From<VolumeError> for RegistryError {
    fn from(error: VolumeError) -> Self {
        Self::Data(error.into())
    }
}

impl From<NpzError> for RegistryError {
    fn from(error: NpzError) -> Self {
        Self::Data(error.into())
    }
}

impl RegistryError {
    /// What the system said while a file or folder was read, written or created.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl Fn(std::io::Error) -> Self + 'a {
        move |error| Self::Data(DataError::io(action, path)(error))
    }

    /// For a set of which every mask is empty.
    pub(super) fn nothing_marked(record: &Prepared, cases: usize) -> Self {
        let entry = super::by_name(&record.name).ok();
        let variants = entry.map_or(&[][..], |entry| entry.variants);
        let others = variants.iter().map(|variant| variant.name);
        Self::NothingMarked {
            set: record.name.clone(),
            variant: record.variant.clone(),
            cases,
            others: others.filter(|name| *name != record.variant).collect(),
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
}
