//! Picture files to RGB pictures, with a cap on what a header may make us allocate.

use std::path::Path;

use crate::dicom::{dicom_size, read_dicom};
use crate::error::DataError;
use crate::pixels::ImageRgb;
use crate::raster::{is_dicom, read_raster, size_of};

/// Most pixels of a file we are willing to decode: 16384 x 16384, 768 MiB as RGB.
pub(crate) const MAX_PIXELS: u64 = 1 << 28;

/// Width and height from the header.
pub(crate) fn dimensions(path: &Path) -> Result<[usize; 2], DataError> {
    if is_dicom(path) {
        return Ok(dicom_size(path)?);
    }
    size_of(path)
}

/// Refuses pictures of more than [`MAX_PIXELS`] before anything is allocated for them.
pub(crate) fn check_area(path: &Path, width: u64, height: u64) -> Result<(), DataError> {
    if width.saturating_mul(height) <= MAX_PIXELS {
        return Ok(());
    }
    Err(DataError::TooLarge {
        path: path.to_owned(),
        width,
        height,
        limit: MAX_PIXELS,
    })
}

/// Reads a picture file as 8-bit RGB ([`crate::Raster::to_rgb8`] says how, of DICOM
/// [`crate::DicomFrame::display`], in builds with the feature `dicom`).
///
/// Pixels are taken as stored: an EXIF rotation is not applied, since masks carry none.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Picture`], [`DataError::Dicom`] or [`DataError::TooLarge`].
pub fn read_image(path: &Path) -> Result<ImageRgb, DataError> {
    if is_dicom(path) {
        return Ok(read_dicom(path)?.display()?);
    }
    let raster = read_raster(path)?;
    ImageRgb::new(raster.width, raster.height, raster.to_rgb8())
}
