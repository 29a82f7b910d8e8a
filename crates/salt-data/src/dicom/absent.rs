//! A build without DICOM: says so.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::dicom::{DicomError, DicomFrame, is_dicom_name};

/// Reads a single-frame DICOM file; this build has no such reader.
///
/// # Errors
/// [`DicomError::FeatureAbsent`] for a DICOM file (by its content or its name), [`DicomError::NotDicom`] for another,
/// [`DicomError::Io`].
pub fn read_dicom(path: &Path) -> Result<DicomFrame, DicomError> {
    let io = |source| DicomError::Io {
        path: path.to_owned(),
        source,
    };
    let mut start = Vec::new();
    File::open(path)
        .map_err(io)?
        .take(132)
        .read_to_end(&mut start)
        .map_err(io)?;
    decode_dicom(&start, path)
}

/// Width and height of a DICOM file; this build cannot find them.
///
/// # Errors
/// As [`read_dicom`].
pub(crate) fn dicom_size(path: &Path) -> Result<[usize; 2], DicomError> {
    read_dicom(path).map(|frame| [frame.plane().width, frame.plane().height])
}

/// Reads a DICOM file from memory; this build has no such reader.
///
/// # Errors
/// As [`read_dicom`].
pub fn decode_dicom(bytes: &[u8], path: &Path) -> Result<DicomFrame, DicomError> {
    let is_dicom = bytes.get(128..132) == Some(b"DICM") || is_dicom_name(path);
    let path = path.to_owned();
    Err(if is_dicom {
        DicomError::FeatureAbsent { path }
    } else {
        DicomError::NotDicom { path }
    })
}
