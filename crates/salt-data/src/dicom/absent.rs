//! A build without DICOM: says so.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::dicom::{DicomError, DicomFrame};

/// Reads a single-frame DICOM file; this build has no such reader.
///
/// # Errors
/// [`DicomError::FeatureAbsent`] for a DICOM file, [`DicomError::NotDicom`] for another,
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

/// Reads a DICOM file from memory; this build has no such reader.
///
/// # Errors
/// As [`read_dicom`].
pub fn decode_dicom(bytes: &[u8], path: &Path) -> Result<DicomFrame, DicomError> {
    let path = path.to_owned();
    match bytes.get(128..132) {
        Some(b"DICM") => Err(DicomError::FeatureAbsent { path }),
        _ => Err(DicomError::NotDicom { path }),
    }
}
