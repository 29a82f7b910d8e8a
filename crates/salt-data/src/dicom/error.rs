//! Everything that can be wrong with a DICOM file, without a word of what is in it.

use std::path::{Path, PathBuf};

/// Why a DICOM file gives no picture.
///
/// Every message reads "expected ..., received ...; remedy". Attributes are named, their values
/// never told: a message may end up in a log, and the file speaks of a patient.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DicomError {
    /// Reading failed.
    #[error("expected to read {}, received: {source}; check the path and permissions", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// This build cannot read DICOM.
    #[error(
        "expected a build with the feature `dicom` to read {}, received one without it; \
         build again with `--features dicom`, or convert the file to NIfTI or PNG", path.display()
    )]
    FeatureAbsent {
        /// The file.
        path: PathBuf,
    },
    /// A mask, which is not read from DICOM.
    #[error(
        "expected the mask {} as a picture whose values are classes, received a DICOM file; \
         export its labels as PNG with class ids, or as 0 and 255", path.display()
    )]
    Mask {
        /// The file.
        path: PathBuf,
    },
    /// No DICOM file.
    #[error(
        "expected {} to be a DICOM file (`DICM` after 128 bytes), received other content; \
         check the path, or write the file again with its preamble", path.display()
    )]
    NotDicom {
        /// The file.
        path: PathBuf,
    },
    /// Larger than a single frame can be.
    #[error(
        "expected at most {limit} bytes and pixels in {}, received more; export a single frame", path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Largest allowed number of bytes or pixels.
        limit: u64,
    },
    /// An element that goes beyond the end of the file.
    #[error("expected {} to be whole, received a file that breaks off; copy it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
    },
    /// Elements that are not built as the standard says.
    #[error(
        "expected the data elements of {} as in DICOM PS3.5, received {problem}; export the file again",
        path.display()
    )]
    Structure {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// A transfer syntax that is not read.
    #[error(
        "expected {} to be uncompressed, RLE or JPEG baseline, received {received}; \
         decompress it, for example with `gdcmconv --raw` or `dcmdjpeg`", path.display()
    )]
    TransferSyntax {
        /// The file.
        path: PathBuf,
        /// Name of the transfer syntax.
        received: &'static str,
    },
    /// An attribute without which there is no picture.
    #[error("expected the attribute {attribute} in {}, received none; export the file again", path.display())]
    MissingAttribute {
        /// The file.
        path: PathBuf,
        /// Its name in DICOM PS3.6.
        attribute: &'static str,
    },
    /// An attribute of another value than can be read.
    #[error(
        "expected {expected} as {attribute} in {}, received another value; {remedy}", path.display()
    )]
    Attribute {
        /// The file.
        path: PathBuf,
        /// Its name in DICOM PS3.6.
        attribute: &'static str,
        /// What is allowed.
        expected: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Pixels that do not fit to the header.
    #[error("expected the pixels of {} as its header says, received {problem}; export the file again", path.display())]
    PixelData {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// The file's own window is asked for and it has none.
    #[error(
        "expected a linear window (WindowCenter, WindowWidth) in {}, received none; \
         give the intensities of black and white", path.display()
    )]
    NoWindow {
        /// The file.
        path: PathBuf,
    },
    /// A window that is none.
    #[error(
        "expected the intensity of black below that of white for {}, received {low} and {high}; \
         choose another window", path.display()
    )]
    IntensityRange {
        /// The file.
        path: PathBuf,
        /// Intensity of black that was asked for.
        low: f64,
        /// Intensity of white that was asked for.
        high: f64,
    },
}

impl DicomError {
    /// The file the error is about.
    pub fn path(&self) -> &Path {
        match self {
            Self::Io { path, .. }
            | Self::FeatureAbsent { path }
            | Self::Mask { path }
            | Self::NotDicom { path }
            | Self::TooLarge { path, .. }
            | Self::Truncated { path }
            | Self::Structure { path, .. }
            | Self::TransferSyntax { path, .. }
            | Self::MissingAttribute { path, .. }
            | Self::Attribute { path, .. }
            | Self::PixelData { path, .. }
            | Self::NoWindow { path }
            | Self::IntensityRange { path, .. } => path,
        }
    }
}
