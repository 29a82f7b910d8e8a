//! The file that is being decoded: its name and format for messages, and the checks that every
//! format needs before it allocates.

use std::fmt::Display;
use std::io;
use std::path::Path;

use super::error::PictureError;
use super::format::Format;
use crate::decode_image::check_area;
use crate::error::DataError;

/// A file with the format that its first bytes announce.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) format: Format,
}

impl Source<'_> {
    pub(super) fn truncated(&self) -> DataError {
        PictureError::Truncated {
            path: self.path.to_owned(),
            format: self.format.name(),
        }
        .into()
    }

    pub(super) fn corrupt(&self, problem: impl Display) -> DataError {
        PictureError::Corrupt {
            path: self.path.to_owned(),
            format: self.format.name(),
            problem: problem.to_string(),
        }
        .into()
    }

    pub(super) fn unsupported(&self, what: impl Into<String>, remedy: &'static str) -> DataError {
        PictureError::Unsupported {
            path: self.path.to_owned(),
            what: what.into(),
            remedy,
        }
        .into()
    }

    pub(super) fn volume(&self, received: impl Into<String>) -> DataError {
        PictureError::Volume {
            path: self.path.to_owned(),
            received: received.into(),
        }
        .into()
    }

    pub(super) fn colour_model(&self, model: &'static str) -> DataError {
        PictureError::ColourModel {
            path: self.path.to_owned(),
            model,
        }
        .into()
    }

    pub(super) fn several_frames(&self, what: &'static str) -> DataError {
        PictureError::SeveralFrames {
            path: self.path.to_owned(),
            what,
        }
        .into()
    }

    /// A failed read: the end of the file, data that a decompressor refuses, or the system.
    pub(super) fn io(&self, error: &io::Error) -> DataError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.truncated(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => self.corrupt(error),
            kind => DataError::io("read", self.path)(kind.into()),
        }
    }

    /// Width and height, when they are not zero and not more than we are willing to hold.
    pub(super) fn size(&self, width: u64, height: u64) -> Result<[usize; 2], DataError> {
        if width == 0 || height == 0 {
            return Err(self.corrupt(format!("a size of {width} x {height}")));
        }
        check_area(self.path, width, height)?;
        Ok([width as usize, height as usize])
    }
}
