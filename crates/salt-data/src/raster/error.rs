//! Why a picture file was not decoded. Each cause is a variant of its own, because each has another
//! remedy.

use std::path::{Path, PathBuf};

/// Why a picture file was not decoded.
///
/// Messages read like those of [`crate::DataError`]: the part after the last `"; "` is what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file is no picture of any kind known here.
    #[error(
        "expected {} to be a PNG, JPEG, TIFF, GIF, BMP or PNM picture, received {received}; \
         open it in an image viewer and save it again as PNG", path.display()
    )]
    UnknownFormat {
        /// The file.
        path: PathBuf,
        /// What its first bytes are.
        received: &'static str,
    },
    /// The file holds many pictures that belong together. Which of them are meant, and with which intensities as black
    /// and white, is for whoever knows the volume to say.
    #[error(
        "expected {} to be one picture, received {received}; save each slice, and the same slice of its mask, as a PNG \
         file of its own: no command does that but `salt data fetch acdc`, for that set alone, and in Rust \
         salt_data::read_nifti, Volume::slice and Plane::window do", path.display()
    )]
    Volume {
        /// The file.
        path: PathBuf,
        /// What it is, or seems to be.
        received: String,
    },
    /// The picture is of a kind, or has a feature, that is not read.
    #[error("expected {} to be a picture that can be read exactly, received {what}; {remedy}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The kind or the feature.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The colours are not grey, RGB or a palette.
    #[error(
        "expected grey, RGB or palette colours in {}, received {model}; \
         convert it to RGB with a colour-managed program and save it as PNG", path.display()
    )]
    ColourModel {
        /// The file.
        path: PathBuf,
        /// The colour model.
        model: &'static str,
    },
    /// The file ends before its picture does.
    #[error(
        "expected {} to hold a whole {format} picture, received one that ends early; \
         copy or download the file again", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static str,
    },
    /// The file contradicts itself or its format.
    #[error(
        "expected {} to be a sound {format} picture, received: {problem}; \
         copy the file again, or open it in an image viewer and save it as PNG", path.display()
    )]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// There is more than one picture in the file.
    #[error(
        "expected one picture in {}, received {what}; \
         save the picture that is meant as a file of its own", path.display()
    )]
    SeveralFrames {
        /// The file.
        path: PathBuf,
        /// What more there is.
        what: &'static str,
    },
    /// The file is longer than any picture we are willing to hold.
    #[error(
        "expected at most {limit} bytes in {}, received more; \
         cut the image into parts or scale it down", path.display()
    )]
    TooManyBytes {
        /// The file.
        path: PathBuf,
        /// Largest allowed number of bytes.
        limit: u64,
    },
}

impl PictureError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::UnknownFormat { path, .. }
            | Self::Volume { path, .. }
            | Self::Unsupported { path, .. }
            | Self::ColourModel { path, .. }
            | Self::Truncated { path, .. }
            | Self::Corrupt { path, .. }
            | Self::SeveralFrames { path, .. }
            | Self::TooManyBytes { path, .. } => path,
        }
    }
}
