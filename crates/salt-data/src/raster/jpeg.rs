//! JPEG (ITU-T T.81), 8 bits, grey or three components.
//!
//! The decoder fills what is missing with grey, so a file must first be followed to its end marker;
//! and it runs in its strict mode, where damaged data are an error. What comes after the end marker
//! is nobody's business (cameras append previews). An orientation of EXIF is reported, not applied.
//!
//! Not noticed is a file whose data end early and which has its end marker nevertheless, unless the
//! data are too few for any picture of that size: nothing but decoding tells where they end.

use std::io::{self, BufRead, Cursor, Seek};

use image::metadata::Orientation;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::source::Source;
use super::{Decoded, Layout, Samples};
use crate::error::DataError;

const RESAVE: &str = "save it again as PNG or as a common JPEG file";

pub(super) fn size(
    reader: &mut (impl BufRead + Seek),
    source: &Source,
) -> Result<[usize; 2], DataError> {
    let frame = frame(reader).map_err(|error| source.io(&error))?;
    check_frame(&frame, source)
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let frame = frame(&mut Cursor::new(bytes)).map_err(|error| source.io(&error))?;
    let size = check_frame(&frame, source)?;
    check_bits(&frame, bytes.len(), source)?;
    find_end(bytes).map_err(|error| source.io(&error))?;
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let failed = |error: DecodeErrors| match error {
        DecodeErrors::ExhaustedData => source.truncated(),
        DecodeErrors::Unsupported(what) => source.unsupported(format!("{what:?}"), RESAVE),
        other => source.corrupt(other),
    };
    decoder.decode_headers().map_err(failed)?;
    let (layout, colours) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (Layout::Grey, ColorSpace::Luma),
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => (Layout::Rgb, ColorSpace::RGB),
        Some(ColorSpace::CMYK | ColorSpace::YCCK) => return Err(source.colour_model("CMYK")),
        _ => return Err(source.unsupported("an unusual colour space", RESAVE)),
    };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(colours));
    let samples = decoder.decode().map_err(failed)?;
    Ok(Decoded {
        orientation: orientation_of(decoder.exif().map(Vec::as_slice)),
        ..Decoded::new(size, layout, Samples::U8(samples), 8)
    })
}

/// The orientation that an EXIF block asks for, 1 to 8; 1, none, where it says nothing.
pub(super) fn orientation_of(exif: Option<&[u8]>) -> u8 {
    exif.and_then(Orientation::from_exif_chunk)
        .map_or(1, Orientation::to_exif)
}

/// The frame header (T.81, section B.2.2).
struct Frame {
    marker: u8,
    precision: u8,
    width: u16,
    height: u16,
    components: u8,
}

fn check_frame(frame: &Frame, source: &Source) -> Result<[usize; 2], DataError> {
    let process = match frame.marker {
        0xc0..=0xc2 => None,
        0xc3 | 0xc7 | 0xcb | 0xcf => Some("lossless JPEG"),
        0xc9 | 0xca => Some("a JPEG file in arithmetic coding"),
        0xf7 => Some("a JPEG-LS file"),
        _ => Some("a hierarchical JPEG file"),
    };
    if let Some(process) = process {
        return Err(source.unsupported(process, RESAVE));
    }
    if frame.precision != 8 {
        let what = format!("a JPEG file of {} bits", frame.precision);
        return Err(source.unsupported(what, "save it again as a 16-bit PNG file"));
    }
    match frame.components {
        1 | 3 => {}
        4 => return Err(source.colour_model("CMYK")),
        n => return Err(source.unsupported(format!("a JPEG file of {n} components"), RESAVE)),
    }
    if frame.height == 0 && frame.width > 0 {
        return Err(source.unsupported("a JPEG file that tells its height at the end", RESAVE));
    }
    source.size(u64::from(frame.width), u64::from(frame.height))
}

/// A block of 8 x 8 samples takes two codes of at least one bit each; in the first scan of a
/// progressive file, one. A header that announces more blocks is a bomb.
fn check_bits(frame: &Frame, length: usize, source: &Source) -> Result<(), DataError> {
    const PROGRESSIVE: u8 = 0xc2;
    let blocks = usize::from(frame.width / 8) * usize::from(frame.height / 8);
    let codes = if frame.marker == PROGRESSIVE { 1 } else { 2 };
    match blocks * codes <= 8 * length {
        true => Ok(()),
        false => Err(source.corrupt("more pixels than its data can hold")),
    }
}

/// Reads up to the frame header.
fn frame(reader: &mut (impl BufRead + Seek)) -> io::Result<Frame> {
    reader.seek_relative(2)?;
    loop {
        match next_marker(reader)? {
            marker @ (0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xf7) => {
                let mut header = [0; 8];
                reader.read_exact(&mut header)?;
                let [_, _, precision, h1, h0, w1, w0, components] = header;
                return Ok(Frame {
                    marker,
                    precision,
                    width: u16::from_be_bytes([w1, w0]),
                    height: u16::from_be_bytes([h1, h0]),
                    components,
                });
            }
            0xd9 | 0xda => {
                let problem = "image data without a frame header";
                return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
            }
            0xd8 => {}
            _ => skip_segment(reader)?,
        }
    }
}

/// Follows the segments to the end marker.
fn find_end(bytes: &[u8]) -> io::Result<()> {
    let mut reader = Cursor::new(bytes);
    reader.set_position(2);
    loop {
        match next_marker(&mut reader)? {
            0xd9 => return Ok(()),
            0xd8 => {}
            // After the header of a scan come its data, in which only restart markers occur.
            _ => skip_segment(&mut reader)?,
        }
    }
}

/// The next marker with a meaning; passes over image data, stuffed zeros and restart markers.
fn next_marker(reader: &mut impl BufRead) -> io::Result<u8> {
    let mut byte = [0];
    loop {
        reader.skip_until(0xff)?;
        byte[0] = 0xff;
        while byte[0] == 0xff {
            reader.read_exact(&mut byte)?;
        }
        if !matches!(byte[0], 0x00 | 0x01 | 0xd0..=0xd7) {
            return Ok(byte[0]);
        }
    }
}

fn skip_segment(reader: &mut (impl BufRead + Seek)) -> io::Result<()> {
    let mut length = [0; 2];
    reader.read_exact(&mut length)?;
    match u16::from_be_bytes(length).checked_sub(2) {
        Some(rest) => reader.seek_relative(i64::from(rest)),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a segment shorter than its length",
        )),
    }
}
