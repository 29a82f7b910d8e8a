//! Picture files, decoded to exactly the numbers that are stored in them.
//!
//! | format | read | refused |
//! |---|---|---|
//! | PNG | 1, 2, 4, 8, 16 bits, all layouts, interlaced | APNG of several frames |
//! | JPEG | 8 bits, baseline and progressive, grey and RGB or YCbCr | CMYK, YCCK, 12 bits, lossless, arithmetic coding |
//! | TIFF | 1, 2, 4, 8, 16 bits grey or palette, 8 and 16 bits RGB; none, LZW, Deflate, PackBits; strips, tiles, planes; both byte orders, BigTIFF | CMYK, YCbCr, Lab, floats, several pages, tiles of separate planes, CCITT, JPEG inside |
//! | GIF | one frame, interlaced or not | several frames, a frame smaller than its canvas |
//! | BMP | 1, 2, 4, 8 bits palette, 16, 24, 32 bits | run-length coding |
//! | PBM, PGM, PPM | binary and text, any maximum up to 65535, also inside of gzip | several pictures |
//!
//! DICOM is recognised here and read by [`crate::dicom`], since its values are no picture before a window.
//!
//! A sample is never scaled here, and a palette stays one: a mask needs index 1, not its colour. Two
//! formats store *white* as zero, PBM always and TIFF where it says so; there the order is turned
//! around, so that larger means brighter everywhere and the white of a one-bit mask is 1. Two
//! formats have no grey layout, GIF and BMP; there a palette whose entry `i` is grey `i` counts as grey.
//!
//! A file that ends early is an error, never a picture with a grey rest. Sizes in headers are
//! compared with [`crate::decode_image::MAX_PIXELS`] before anything is allocated for them.

mod bits;
mod bmp;
mod error;
mod format;
mod gif;
mod gzip;
mod jpeg;
mod png;
mod pnm;
mod source;
mod tiff;
mod tiff_header;

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::Path;

pub use error::PictureError;
pub use format::Format;

use crate::decode_image::MAX_PIXELS;
use crate::dicom::is_dicom_name;
use crate::error::DataError;
use crate::volume::is_nifti_name;
use format::{HEAD, Recognised, recognise};
use source::Source;

/// Most bytes of a file that are read: eight for each pixel (four channels of 16 bits) and room for
/// metadata.
const MAX_BYTES: u64 = 8 * MAX_PIXELS + (1 << 26);

/// What the samples of a pixel are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// One index into a palette of RGB colours. Every index has its colour.
    Indices(Vec<[u8; 3]>),
    /// One grey level.
    Grey,
    /// A grey level and an opacity.
    GreyAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue and an opacity.
    Rgba,
}

impl Layout {
    /// Samples of one pixel.
    pub fn channels(&self) -> usize {
        match self {
            Self::Indices(_) | Self::Grey => 1,
            Self::GreyAlpha => 2,
            Self::Rgb => 3,
            Self::Rgba => 4,
        }
    }
}

/// The numbers of a picture, row by row, the channels of a pixel side by side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Samples {
    /// At most eight bits each.
    U8(Vec<u8>),
    /// More than eight bits each.
    U16(Vec<u16>),
}

impl Samples {
    /// Number of samples.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(samples) => samples.len(),
            Self::U16(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All samples, widened.
    pub fn to_u16(&self) -> Vec<u16> {
        match self {
            Self::U8(samples) => samples.iter().map(|&v| u16::from(v)).collect(),
            Self::U16(samples) => samples.clone(),
        }
    }
}

/// A decoded picture, its samples as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Raster {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// What the samples of a pixel are.
    pub layout: Layout,
    /// The numbers, `width * height * layout.channels()` of them.
    pub samples: Samples,
    /// Bits of a stored sample: 1, 2, 4, 8 or 16.
    pub depth: u8,
    /// The largest value that a sample could have: `2^depth - 1`, or the maximum of a PNM header.
    pub max_value: u16,
    /// The format of the file.
    pub format: Format,
    /// The rotation or mirroring that EXIF (or TIFF tag 274) asks for, 1 to 8, 1 for none. It is
    /// **not** applied: masks carry none.
    pub orientation: u8,
}

impl Raster {
    /// Whether the format loses information, so that a mask's values are disturbed.
    pub fn is_lossy(&self) -> bool {
        self.format == Format::Jpeg
    }

    /// As 8-bit RGB: grey is repeated, palettes are looked up, opacity is dropped, and a sample `v`
    /// becomes `255 v / max_value`, rounded. For 8 bits and less this is what Pillow's
    /// `convert("RGB")` gives; of 16-bit grey Pillow clips what exceeds 255 instead.
    pub fn to_rgb8(&self) -> Vec<u8> {
        let scale = |v: u16| {
            let max = u32::from(self.max_value.max(1));
            ((u32::from(v) * 255 + max / 2) / max).min(255) as u8
        };
        match &self.samples {
            Samples::U8(samples) => {
                let table: Vec<u8> = (0..=255).map(scale).collect();
                self.spread(samples, |v| table[usize::from(v)])
            }
            Samples::U16(samples) => self.spread(samples, scale),
        }
    }

    fn spread<T: Copy + Into<usize>>(&self, samples: &[T], scale: impl Fn(T) -> u8) -> Vec<u8> {
        let channels = self.layout.channels();
        let mut rgb = Vec::with_capacity(3 * self.width * self.height);
        match &self.layout {
            Layout::Indices(palette) => {
                samples
                    .iter()
                    .for_each(|&v| rgb.extend_from_slice(&palette[v.into()]));
            }
            Layout::Grey | Layout::GreyAlpha => samples
                .chunks_exact(channels)
                .for_each(|p| rgb.extend_from_slice(&[scale(p[0]); 3])),
            Layout::Rgb | Layout::Rgba => samples
                .chunks_exact(channels)
                .for_each(|p| rgb.extend(p[..3].iter().map(|&v| scale(v)))),
        }
        rgb
    }
}

/// What a decoder hands over before the checks that all formats share.
struct Decoded {
    size: [usize; 2],
    layout: Layout,
    samples: Samples,
    depth: u8,
    max_value: u16,
    orientation: u8,
}

impl Decoded {
    /// A picture of whole bits: the largest value follows from the depth.
    fn new(size: [usize; 2], layout: Layout, samples: Samples, depth: u8) -> Self {
        Self {
            size,
            layout,
            samples,
            depth,
            max_value: ((1_u32 << depth) - 1) as u16,
            orientation: 1,
        }
    }
}

/// Reads a picture file.
///
/// # Errors
/// [`DataError::Io`], [`DataError::TooLarge`] or [`DataError::Picture`].
pub fn read_raster(path: &Path) -> Result<Raster, DataError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(DataError::io("read", path))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(PictureError::TooManyBytes {
            path: path.to_owned(),
            limit: MAX_BYTES,
        }
        .into());
    }
    decode_raster(&bytes, path)
}

/// Decodes the bytes of a picture file; `path` is only for messages.
///
/// # Errors
/// [`DataError::TooLarge`] or [`DataError::Picture`].
pub fn decode_raster(bytes: &[u8], path: &Path) -> Result<Raster, DataError> {
    let source = source_of(bytes, path)?;
    let decoded = match source.format {
        Format::Png => png::decode(bytes, &source),
        Format::Jpeg => jpeg::decode(bytes, &source),
        Format::Tiff => tiff::decode(bytes, &source),
        Format::Gif => gif::decode(bytes, &source),
        Format::Bmp => bmp::decode(bytes, &source),
        Format::Pnm => pnm::decode(&mut &*bytes, &source),
        Format::PnmGz => gzip::decode(bytes, &source),
    }?;
    finish(decoded, &source)
}

/// Width and height of a picture file, from its header.
///
/// # Errors
/// As [`read_raster`], as far as the header shows.
pub(crate) fn size_of(path: &Path) -> Result<[usize; 2], DataError> {
    let failed = DataError::io("read", path);
    let mut reader = BufReader::new(File::open(path).map_err(&failed)?);
    let mut head = Vec::with_capacity(HEAD);
    reader
        .by_ref()
        .take(HEAD as u64)
        .read_to_end(&mut head)
        .map_err(&failed)?;
    reader.rewind().map_err(&failed)?;
    let source = source_of(&head, path)?;
    match source.format {
        Format::Png => png::size(reader, &source),
        Format::Jpeg => jpeg::size(&mut reader, &source),
        Format::Tiff => tiff::size(&mut reader, &source),
        Format::Gif => gif::size(&head, &source),
        Format::Bmp => bmp::size(&head, &source),
        Format::Pnm => pnm::size(&mut reader, &source),
        Format::PnmGz => gzip::size(reader, &source),
    }
}

/// Whether a file is DICOM: `DICM` after 128 bytes, or, where its bytes say nothing, a name that ends with `.dcm` or
/// `.dicom`. A file that cannot be opened is not; its reader says why.
pub(crate) fn is_dicom(path: &Path) -> bool {
    let mut head = Vec::with_capacity(HEAD);
    let read = File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head));
    match (read, recognise(&head)) {
        (Err(_), _) | (_, Recognised::Known(_) | Recognised::Refused(_) | Recognised::Nifti) => {
            false
        }
        (_, Recognised::Dicom) => true,
        (_, Recognised::Unknown(_)) => is_dicom_name(path),
    }
}

fn source_of<'a>(bytes: &[u8], path: &'a Path) -> Result<Source<'a>, DataError> {
    match recognise(&bytes[..bytes.len().min(HEAD)]) {
        Recognised::Known(format) => Ok(Source { path, format }),
        Recognised::Dicom => Err(unsupported(path, "a DICOM file")),
        Recognised::Refused(what) => Err(unsupported(path, what)),
        Recognised::Nifti => Err(volume(path, "a NIfTI volume".to_owned())),
        Recognised::Unknown(received) if is_nifti_name(path) => Err(volume(
            path,
            format!("{received}, by its name a NIfTI volume"),
        )),
        Recognised::Unknown(received) => Err(PictureError::UnknownFormat {
            path: path.to_owned(),
            received,
        }
        .into()),
    }
}

fn volume(path: &Path, received: String) -> DataError {
    PictureError::Volume {
        path: path.to_owned(),
        received,
    }
    .into()
}

fn unsupported(path: &Path, what: &str) -> DataError {
    PictureError::Unsupported {
        path: path.to_owned(),
        what: what.to_owned(),
        remedy: "convert it to PNG",
    }
    .into()
}

/// Confirms what every user of a raster relies on.
fn finish(decoded: Decoded, source: &Source) -> Result<Raster, DataError> {
    let [width, height] = decoded.size;
    let expected = width * height * decoded.layout.channels();
    if decoded.samples.len() != expected {
        return Err(source.corrupt(format!(
            "{} samples where its size says {expected}",
            decoded.samples.len()
        )));
    }
    if let (Layout::Indices(palette), Samples::U8(indices)) = (&decoded.layout, &decoded.samples) {
        let largest = indices.iter().copied().max().unwrap_or(0);
        if usize::from(largest) >= palette.len() {
            return Err(source.corrupt(format!(
                "palette index {largest} where the palette has {} colours",
                palette.len()
            )));
        }
    }
    Ok(Raster {
        width,
        height,
        layout: decoded.layout,
        samples: decoded.samples,
        depth: decoded.depth,
        max_value: decoded.max_value,
        format: source.format,
        orientation: decoded.orientation,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{read_raster, size_of};

    #[test]
    fn a_header_says_what_decoding_gives() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/raster");
        let mut measured = 0;
        for entry in std::fs::read_dir(folder).expect("committed") {
            let path = entry.expect("readable").path();
            // Files that are refused may be measured or not.
            if let Ok(raster) = read_raster(&path) {
                let size = size_of(&path).unwrap_or_else(|error| panic!("{error}"));
                assert_eq!(size, [raster.width, raster.height], "{}", path.display());
                measured += 1;
            }
        }
        assert!(measured > 60, "only {measured}");
    }
}
