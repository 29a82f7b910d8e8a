//! Picture files to RGB pictures, with a cap on what a header may make us allocate.

use std::path::Path;

use crate::error::DataError;
use crate::pixels::ImageRgb;
use crate::raster::{read_raster, size_of};

/// Most pixels of a file we are willing to decode: 16384 x 16384, 768 MiB as RGB.
pub(crate) const MAX_PIXELS: u64 = 1 << 28;

/// Width and height from the header.
pub(crate) fn dimensions(path: &Path) -> Result<[usize; 2], DataError> {
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

/// Reads a picture file as 8-bit RGB ([`crate::Raster::to_rgb8`] says how).
///
/// Pixels are taken as stored: an EXIF rotation is not applied, since masks carry none.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Picture`] or [`DataError::TooLarge`].
pub fn read_image(path: &Path) -> Result<ImageRgb, DataError> {
    let raster = read_raster(path)?;
    ImageRgb::new(raster.width, raster.height, raster.to_rgb8())
}
