//! PNG and JPEG files to RGB pictures, with a cap on what a header may make us allocate.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use image::{ImageFormat, ImageReader, Limits};

use crate::error::DataError;
use crate::pixels::ImageRgb;

/// Most pixels of a file we are willing to decode: 16384 x 16384, 768 MiB as RGB.
pub(crate) const MAX_PIXELS: u64 = 1 << 28;

/// Opens a file whose first bytes say PNG or JPEG; the extension is not asked.
fn reader(path: &Path) -> Result<ImageReader<BufReader<File>>, DataError> {
    let unreadable = |problem: String| DataError::Unreadable {
        path: path.to_owned(),
        problem,
    };
    let mut reader = File::open(path)
        .and_then(|file| ImageReader::new(BufReader::new(file)).with_guessed_format())
        .map_err(DataError::io("read", path))?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => {}
        Some(other) => return Err(unreadable(format!("a {other:?} file"))),
        None => return Err(unreadable("a file of unknown format".to_owned())),
    }
    let mut limits = Limits::default();
    // Sixteen bits and an alpha channel at most: eight bytes a pixel.
    limits.max_alloc = Some(8 * MAX_PIXELS);
    reader.limits(limits);
    Ok(reader)
}

/// Width and height from the header.
pub(crate) fn dimensions(path: &Path) -> Result<[usize; 2], DataError> {
    let (width, height) =
        reader(path)?
            .into_dimensions()
            .map_err(|error| DataError::Unreadable {
                path: path.to_owned(),
                problem: error.to_string(),
            })?;
    check_area(path, u64::from(width), u64::from(height))?;
    Ok([width as usize, height as usize])
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

/// Reads a PNG or JPEG file as 8-bit RGB.
///
/// Grey is repeated in the three channels, 16 bits are scaled to 8, palettes are looked up, an alpha
/// channel is dropped. Pixels are taken as stored: an EXIF rotation is not applied, since masks
/// carry none.
///
/// # Errors
/// [`DataError::Io`], [`DataError::Unreadable`] or [`DataError::TooLarge`].
pub fn read_image(path: &Path) -> Result<ImageRgb, DataError> {
    dimensions(path)?;
    let picture = reader(path)?
        .decode()
        .map_err(|error| DataError::Unreadable {
            path: path.to_owned(),
            problem: error.to_string(),
        })?;
    let rgb = picture.into_rgb8();
    let (width, height) = (rgb.width() as usize, rgb.height() as usize);
    ImageRgb::new(width, height, rgb.into_raw())
}
