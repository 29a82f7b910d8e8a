//! Windows bitmaps. Palette pictures are read here, because their indices are wanted; 16, 24 and 32
//! bits go through the `image` crate. Run-length coding is refused.
//!
//! BMP has no grey layout: a palette of evenly rising greys (entry `i` of `n` is `255 i / (n - 1)`)
//! is grey, as encoders write it.

use std::io::Cursor;

use image::codecs::bmp::BmpDecoder;
use image::{ColorType, ImageDecoder, ImageError};

use super::bits::unpack;
use super::source::Source;
use super::{Decoded, Layout, Samples};
use crate::error::DataError;

/// The two headers (BITMAPFILEHEADER and BITMAPINFOHEADER or BITMAPCOREHEADER).
struct Header {
    size: [usize; 2],
    top_down: bool,
    bits: u16,
    compression: u32,
    /// Where the pixels begin.
    pixels: usize,
    /// Where the palette begins, the bytes of an entry and the number of entries.
    palette: (usize, usize, usize),
}

pub(super) fn size(head: &[u8], source: &Source) -> Result<[usize; 2], DataError> {
    header(head, source).map(|header| header.size)
}

fn header(bytes: &[u8], source: &Source) -> Result<Header, DataError> {
    let short = |at: usize| match bytes.get(at..at + 2) {
        Some(b) => Ok(u16::from_le_bytes([b[0], b[1]])),
        None => Err(source.truncated()),
    };
    let long = |at: usize| -> Result<u32, DataError> {
        Ok(u32::from(short(at)?) | u32::from(short(at + 2)?) << 16)
    };
    let pixels = long(10)? as usize;
    let length = long(14)? as usize;
    if length == 12 {
        let bits = short(24)?;
        return Ok(Header {
            size: source.size(u64::from(short(18)?), u64::from(short(20)?))?,
            top_down: false,
            bits,
            compression: 0,
            pixels,
            palette: (26, 3, 1 << bits.min(8)),
        });
    }
    if !(40..=124).contains(&length) {
        return Err(source.corrupt(format!("a header of {length} bytes")));
    }
    let (width, height) = (long(18)? as i32, long(22)? as i32);
    if width < 0 {
        return Err(source.corrupt("a negative width"));
    }
    let bits = short(28)?;
    let colours = match long(46)? as usize {
        0 => usize::MAX,
        n => n,
    };
    Ok(Header {
        size: source.size(
            u64::from(width.unsigned_abs()),
            u64::from(height.unsigned_abs()),
        )?,
        top_down: height < 0,
        bits,
        compression: long(30)?,
        pixels,
        palette: (14 + length, 4, colours.min(1 << bits.min(8))),
    })
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let header = header(bytes, source)?;
    match (header.bits, header.compression) {
        (1 | 2 | 4 | 8, 0) => palette_picture(bytes, &header, source),
        (1 | 2 | 4 | 8, 1 | 2) => {
            Err(source.unsupported("a run-length coded BMP file", "save it again as PNG"))
        }
        (16 | 24 | 32, 0 | 3 | 6) => true_colour(bytes, header.size, source),
        (bits, compression) => Err(source.unsupported(
            format!("a BMP file of {bits} bits with compression {compression}"),
            "save it again as PNG",
        )),
    }
}

fn palette_picture(bytes: &[u8], header: &Header, source: &Source) -> Result<Decoded, DataError> {
    let (start, entry, count) = header.palette;
    let palette: Vec<[u8; 3]> = bytes
        .get(start..start + entry * count)
        .ok_or_else(|| source.truncated())?
        .chunks_exact(entry)
        .map(|c| [c[2], c[1], c[0]])
        .collect();
    let [width, height] = header.size;
    let depth = header.bits as u8;
    // Rows are padded to four bytes and come from the bottom up.
    let stride = (width * usize::from(depth)).div_ceil(32) * 4;
    let rows = header
        .pixels
        .checked_add(stride * height)
        .and_then(|end| bytes.get(header.pixels..end))
        .ok_or_else(|| source.truncated())?;
    let mut samples = Vec::with_capacity(width * height);
    for y in 0..height {
        let row = if header.top_down { y } else { height - 1 - y };
        unpack(&rows[row * stride..], depth, width, &mut samples);
    }
    let layout = match is_ramp(&palette, depth) {
        true => Layout::Grey,
        false => Layout::Indices(palette),
    };
    Ok(Decoded::new(
        header.size,
        layout,
        Samples::U8(samples),
        depth,
    ))
}

fn is_ramp(palette: &[[u8; 3]], depth: u8) -> bool {
    let largest = (1_usize << depth) - 1;
    palette.len() == largest + 1
        && palette
            .iter()
            .enumerate()
            .all(|(i, colour)| *colour == [(i * 255 / largest) as u8; 3])
}

fn true_colour(bytes: &[u8], size: [usize; 2], source: &Source) -> Result<Decoded, DataError> {
    let failed = |error: ImageError| match error {
        ImageError::IoError(error) => source.io(&error),
        other => source.corrupt(other),
    };
    let decoder = BmpDecoder::new(Cursor::new(bytes)).map_err(failed)?;
    let (width, height) = decoder.dimensions();
    let layout = match decoder.color_type() {
        ColorType::Rgb8 => Layout::Rgb,
        ColorType::Rgba8 => Layout::Rgba,
        other => return Err(source.corrupt(format!("pixels of {other:?}"))),
    };
    if [width as usize, height as usize] != size {
        return Err(source.corrupt("a header that contradicts itself"));
    }
    let mut samples = vec![0; size[0] * size[1] * layout.channels()];
    decoder.read_image(&mut samples).map_err(failed)?;
    Ok(Decoded::new(size, layout, Samples::U8(samples), 8))
}
