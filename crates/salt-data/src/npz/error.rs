//! Everything that can be wrong with an npz file, and what to do.

use std::path::{Path, PathBuf};

/// Why an npz file gives no pictures.
///
/// Every message reads "expected ..., received ...; remedy".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpzError {
    /// Reading failed.
    #[error("expected to read {}, received: {source}; check the path and permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No zip archive, or a damaged one.
    #[error(
        "expected {} to be an npz file (a zip archive of arrays), received: {problem}; download it again",
        path.display()
    )]
    NotZip {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// More arrays than we are willing to list.
    #[error("expected at most {limit} arrays in {}, received {received}; split the file", path.display())]
    TooManyArrays {
        /// The file.
        path: PathBuf,
        /// How many there are.
        received: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// An array that is not in the file.
    #[error(
        "expected an array `{name}` in {}, received the arrays {received:?}; check the name", path.display()
    )]
    MissingArray {
        /// The file.
        path: PathBuf,
        /// The array asked for.
        name: String,
        /// The arrays that are there.
        received: Vec<String>,
    },
    /// A zip entry that is stored in a way that numpy does not use.
    #[error(
        "expected array `{name}` of {} to be stored or deflated, received {received}; save it again with numpy",
        path.display()
    )]
    Storage {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// How it is stored.
        received: String,
    },
    /// No npy file of a known version.
    #[error(
        "expected array `{name}` of {} to be an npy file of version 1 to 3, received {received}; \
         save it again with numpy", path.display()
    )]
    NotNpy {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is there instead.
        received: String,
    },
    /// A header that is not the dictionary numpy writes.
    #[error(
        "expected the header of array `{name}` in {} to hold descr, fortran_order and shape, received: {problem}; \
         save it again with numpy", path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// Python objects, which only running code could read.
    #[error(
        "expected numbers in array `{name}` of {}, received pickled Python objects, which are never loaded; \
         save the array with an integer type", path.display()
    )]
    Pickle {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
    },
    /// Elements that are no pixels.
    #[error(
        "expected integers or booleans in array `{name}` of {}, received {received}; convert it to uint8",
        path.display()
    )]
    Datatype {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// The header's `descr`.
        received: String,
    },
    /// Columns first, so that one picture is spread over the whole array.
    #[error(
        "expected array `{name}` of {} in C order, received Fortran order; save numpy.ascontiguousarray of it",
        path.display()
    )]
    FortranOrder {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
    },
    /// A shape that is no list of pictures.
    #[error(
        "expected array `{name}` of {} to have the shape {expected}, received {received:?}; \
         check that the file is one of MedSegBench's", path.display()
    )]
    Shape {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is allowed.
        expected: &'static str,
        /// The header's `shape`.
        received: Vec<u64>,
    },
    /// More pixels per picture, or pictures, than we are willing to hold.
    #[error(
        "expected at most {limit} pixels per picture in array `{name}` of {}, received the shape {received:?}; \
         cut the pictures into parts", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// The header's `shape`.
        received: Vec<u64>,
        /// Largest allowed number of pixels.
        limit: u64,
    },
    /// Shape and length do not agree.
    #[error(
        "expected {expected} bytes in array `{name}` of {}, received {received}; download the file again",
        path.display()
    )]
    Length {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// Bytes that the header announces, itself included.
        expected: u64,
        /// Bytes that the archive announces or that came.
        received: u64,
    },
    /// Bytes that were changed on their way.
    #[error(
        "expected array `{name}` of {} to be whole, received {problem}; download the file again", path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// A number that is no pixel and no class.
    #[error(
        "expected values of 0 to 255 in array `{name}` of {}, received {received}; convert it to uint8",
        path.display()
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// The array.
        name: String,
        /// The first such value.
        received: i128,
    },
    /// Pictures and labels that do not belong together.
    #[error(
        "expected as many labels as pictures of one size in split `{split}` of {}, received {images:?} and {labels:?}; \
         download the file again", path.display()
    )]
    Pairs {
        /// The file.
        path: PathBuf,
        /// The split.
        split: String,
        /// Shape of the pictures.
        images: Vec<u64>,
        /// Shape of the labels.
        labels: Vec<u64>,
    },
}

impl NpzError {
    /// The file the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::NotZip { path, .. }
            | Self::TooManyArrays { path, .. }
            | Self::MissingArray { path, .. }
            | Self::Storage { path, .. }
            | Self::NotNpy { path, .. }
            | Self::Header { path, .. }
            | Self::Pickle { path, .. }
            | Self::Datatype { path, .. }
            | Self::FortranOrder { path, .. }
            | Self::Shape { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Length { path, .. }
            | Self::Damaged { path, .. }
            | Self::Value { path, .. }
            | Self::Pairs { path, .. } => path,
        }
    }
}
