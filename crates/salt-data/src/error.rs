//! What can be wrong with a data set, and what to do about it.

use std::path::{Path, PathBuf};

use crate::mask_policy::PolicyError;
use crate::raster::PictureError;

/// Why data could not be read, prepared or written.
///
/// Every message reads "expected ..., received ...; remedy": the part after the last `"; "` is what
/// to do ([`DataError::remedy`]).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// The data set's folder is not there.
    #[error(
        "expected a data set folder at {}, received no such folder; \
         check the path, or make one with `salt data synth vessels --out DIR`", path.display()
    )]
    MissingFolder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The folder holds no table of cases.
    #[error(
        "expected data_split.csv (columns imgs,split) or pairs.csv (columns image,mask,split) in {}, \
         received neither; write one of them, one line per image", path.display()
    )]
    MissingTable {
        /// The data set's folder.
        path: PathBuf,
    },
    /// The folder holds no table of cases, but a folder inside of it does.
    #[error(
        "expected data_split.csv or pairs.csv in {}, received none there but one in {}; give {} instead", path.display(),
        inside.display(), inside.display()
    )]
    TableDeeper {
        /// The folder asked for.
        path: PathBuf,
        /// The first folder inside of it that holds a table.
        inside: PathBuf,
    },
    /// The fields of the table are not separated by commas.
    #[error(
        "expected the columns `{expected}` with commas between them on the first line of {}, received `{separator}` \
         as the separator; write commas (spreadsheets ask for the separator when they export as CSV)", path.display()
    )]
    Separator {
        /// The table.
        path: PathBuf,
        /// The whole header that is expected.
        expected: &'static str,
        /// What stands between the columns; a tab is written `\t`.
        separator: String,
    },
    /// The table is not in UTF-8.
    #[error(
        "expected UTF-8 on line {line} of {}, received the byte {byte:#04x}; \
         save the table as UTF-8 (spreadsheets call it \"CSV UTF-8\")", path.display()
    )]
    Encoding {
        /// The table.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The first byte that is not UTF-8.
        byte: u8,
    },
    /// The table lacks a column.
    #[error(
        "expected a column `{column}` in {}, received the columns {received:?}; \
         put `{expected}` on the first line", path.display()
    )]
    MissingColumn {
        /// The table.
        path: PathBuf,
        /// The column that is not there.
        column: &'static str,
        /// The whole header that is expected.
        expected: &'static str,
        /// The columns that are there.
        received: Vec<String>,
    },
    /// Two columns of the table could have one meaning.
    #[error(
        "expected one column for `{meaning}` in {}, received {received:?}; \
         rename or remove all of them but one", path.display()
    )]
    AmbiguousColumn {
        /// The table.
        path: PathBuf,
        /// What the columns are for.
        meaning: &'static str,
        /// The columns that are there.
        received: Vec<String>,
    },
    /// A pixel size that is none.
    #[error(
        "expected spacing_mm on line {line} of {} as millimetres per pixel such as `0.5` or `0.5x0.7` (across and \
         down), received `{received}`; correct it, or leave it empty where it is unknown", path.display()
    )]
    BadSpacing {
        /// The table.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// What came.
        received: String,
    },
    /// One group (patient, child, sequence) is in two splits.
    #[error(
        "expected every group in one split in {}, received `{group}` in two: {} ({}) and {} ({}); \
         give all lines of the group the same split", path.display(), first.0, first.1, second.0, second.1
    )]
    GroupAcrossSplits {
        /// The table.
        path: PathBuf,
        /// The group.
        group: String,
        /// A case of the group and its split.
        first: (String, crate::Split),
        /// A case of the same group in another split.
        second: (String, crate::Split),
    },
    /// A line of the table is no CSV record or has an empty field.
    #[error(
        "expected {} to be readable on line {line}, received: {problem}; \
         correct that line (fields are separated by commas and none may be empty)", path.display()
    )]
    BadRow {
        /// The table.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// What is wrong.
        problem: String,
    },
    /// The table has a header and nothing else.
    #[error(
        "expected at least one case in {}, received only a header; \
         add one line per image", path.display()
    )]
    EmptyTable {
        /// The table.
        path: PathBuf,
    },
    /// A split name that does not exist.
    #[error(
        "expected split train, val or test on line {line} of {}, received `{received}`; \
         write `{nearest}` or leave the line out", path.display()
    )]
    UnknownSplit {
        /// The table.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The name that came.
        received: String,
        /// The existing name that is most alike.
        nearest: &'static str,
    },
    /// A path in the table leads out of the data set's folder.
    #[error(
        "expected a path inside of the data set on line {line} of {}, received `{received}`; \
         write it relative to the folder, without `..` and without a leading slash", path.display()
    )]
    EscapingPath {
        /// The table.
        path: PathBuf,
        /// Line number, from 1.
        line: u64,
        /// The path that came.
        received: String,
    },
    /// Two lines of the table name the same image.
    #[error(
        "expected every image once in {}, received `{id}` again on line {line}; \
         remove one of the lines", path.display()
    )]
    DuplicateCase {
        /// The table.
        path: PathBuf,
        /// Line number of the second mention, from 1.
        line: u64,
        /// The case.
        id: String,
    },
    /// An image of the table is not there.
    #[error(
        "expected the image of line {line} at {}, received no such file; \
         add the file or remove the line", path.display()
    )]
    MissingImage {
        /// Where it was looked for.
        path: PathBuf,
        /// Line of the table, from 1.
        line: u64,
    },
    /// A mask of the table is not there.
    #[error(
        "expected a mask for the image of line {line} at {}, received no such file; \
         add the mask or remove the line", path.display()
    )]
    MissingMask {
        /// Where it was looked for (the first of the possible places).
        path: PathBuf,
        /// Line of the table, from 1.
        line: u64,
    },
    /// 255 beside ids in one mask, alone in another.
    #[error(
        "expected 255 to mean the same in all masks, received {} with 255 beside smaller ids (255 marks unknown \
         pixels there) and {} with 255 alone (255 is the foreground there); correct the one that is wrong, often a \
         stray grey pixel", path.display(), alone.display()
    )]
    Contradiction {
        /// The mask with ids.
        path: PathBuf,
        /// The mask without.
        alone: PathBuf,
    },
    /// Mask and image differ in size.
    #[error(
        "expected mask {} to be {} x {} (width x height) like its image, received {} x {}; \
         export the mask again at the image's own size", path.display(),
        image[0], image[1], mask[0], mask[1]
    )]
    SizeMismatch {
        /// The mask.
        path: PathBuf,
        /// Width and height of the image.
        image: [usize; 2],
        /// Width and height of the mask.
        mask: [usize; 2],
    },
    /// A picture file that cannot be decoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// What the masks mean is stated wrongly, or a mask does not keep to it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A file whose header announces more pixels than we are willing to hold.
    #[error(
        "expected at most {limit} pixels in {}, received {width} x {height}; \
         cut the image into parts or scale it down", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Announced width.
        width: u64,
        /// Announced height.
        height: u64,
        /// Largest allowed number of pixels.
        limit: u64,
    },
    /// A split that is needed has no case.
    #[error(
        "expected at least one case in split `{split}` of `{dataset}`, received none; \
         give some lines of the table the split `{split}`"
    )]
    EmptySplit {
        /// The split.
        split: crate::Split,
        /// The data set's name.
        dataset: String,
    },
    /// No case was given to the loader.
    #[error("expected at least one case to load from, received none; give the split some cases")]
    NoCases,
    /// A setting out of its range.
    #[error("expected {name} {expected}, received {received}; change it in the recipe")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What came.
        received: String,
    },
    /// More folds than groups to make them of.
    #[error(
        "expected no more folds than there are groups of cases ({groups}; a case without a group counts as one), \
         received {received} folds; give a smaller number after the slash of fold:K/N"
    )]
    TooManyFolds {
        /// Groups that there are.
        groups: usize,
        /// Folds that were asked for.
        received: usize,
    },
    /// A buffer of the wrong length.
    #[error("expected {expected} values for {what}, received {received}; pass one value per pixel")]
    Length {
        /// What the buffer is for.
        what: &'static str,
        /// Expected length.
        expected: usize,
        /// Length that came.
        received: usize,
    },
    /// The folder to write into holds something else.
    #[error(
        "expected an empty or new folder at {}, received one with other files; \
         choose another folder or remove this one", path.display()
    )]
    NotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("expected to {action} {}, received: {source}; check the path, permissions and free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A volume cannot be read or written.
    #[error(transparent)]
    Volume(#[from] crate::VolumeError),
    /// A COCO file cannot be read or rasterised.
    #[error(transparent)]
    Coco(#[from] crate::CocoError),
    /// An npz file cannot be read.
    #[error(transparent)]
    Npz(#[from] crate::NpzError),
    /// A DICOM file cannot be read.
    #[error(transparent)]
    Dicom(#[from] crate::DicomError),
    /// An archive that was not unpacked.
    #[error(transparent)]
    Archive(#[from] crate::archive::ArchiveError),
}

impl DataError {
    /// What the system said while a file or folder was read, written or created.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl Fn(std::io::Error) -> Self + 'a {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
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

    /// The file or folder the error is about, where there is one.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::MissingFolder { path }
            | Self::MissingTable { path }
            | Self::TableDeeper { path, .. }
            | Self::Separator { path, .. }
            | Self::Encoding { path, .. }
            | Self::MissingColumn { path, .. }
            | Self::AmbiguousColumn { path, .. }
            | Self::BadSpacing { path, .. }
            | Self::GroupAcrossSplits { path, .. }
            | Self::BadRow { path, .. }
            | Self::EmptyTable { path }
            | Self::UnknownSplit { path, .. }
            | Self::EscapingPath { path, .. }
            | Self::DuplicateCase { path, .. }
            | Self::MissingImage { path, .. }
            | Self::MissingMask { path, .. }
            | Self::SizeMismatch { path, .. }
            | Self::Contradiction { path, .. }
            | Self::TooLarge { path, .. }
            | Self::NotEmpty { path }
            | Self::Io { path, .. } => Some(path),
            Self::Picture(error) => Some(error.path()),
            Self::Policy(error) => Some(error.path()),
            Self::Volume(error) => error.path(),
            Self::Coco(error) => Some(error.path()),
            Self::Npz(error) => Some(error.path()),
            Self::Dicom(error) => Some(error.path()),
            Self::Archive(error) => Some(error.path()),
            Self::EmptySplit { .. }
            | Self::NoCases
            | Self::Setting { .. }
            | Self::TooManyFolds { .. }
            | Self::Length { .. } => None,
        }
    }
}

/// Problem and remedy of a message: the remedy follows the last semicolon.
pub(crate) fn halves(message: &str) -> (String, String) {
    let (problem, remedy) = message.rsplit_once("; ").unwrap_or((message, ""));
    (problem.to_owned(), remedy.to_owned())
}

#[cfg(test)]
mod tests {
    use super::DataError;

    #[test]
    fn a_message_has_a_problem_and_a_remedy() {
        let error = DataError::MissingMask {
            path: "masks/a.png".into(),
            line: 3,
        };
        assert!(error.problem().contains("line 3") && error.problem().contains("masks/a.png"));
        assert_eq!(error.remedy(), "add the mask or remove the line");
        assert_eq!(error.path(), Some(std::path::Path::new("masks/a.png")));
    }
}
