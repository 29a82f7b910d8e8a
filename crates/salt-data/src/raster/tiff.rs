//! TIFF (6.0 and BigTIFF): one page, grey, palette or RGB, of unsigned integers.
//!
//! WhiteIsZero pictures are turned around, so that larger means brighter. What the decoder would pass
//! over in silence (the order of bits, further pages, strips that lie beyond the end) is looked at here.

use std::io::{BufRead, Cursor, Seek};

use ::tiff::decoder::{Decoder, DecodingResult, Limits};
use ::tiff::tags::Tag;
use ::tiff::{ColorType, TiffError};

use super::bits::{packed_length, unpack};
use super::source::Source;
use super::tiff_header::Header;
use super::{Decoded, Layout, MAX_BYTES, Samples};
use crate::error::DataError;

const IMAGE_WIDTH: u16 = 256;
const IMAGE_LENGTH: u16 = 257;
const COMPRESSION: u16 = 259;
const PHOTOMETRIC: u16 = 262;
const FILL_ORDER: u16 = 266;
const ORIENTATION: u16 = 274;
const SAMPLES_PER_PIXEL: u16 = 277;
const PLANAR: u16 = 284;
const TILE_WIDTH: u16 = 322;
const TILE_LENGTH: u16 = 323;

const RESAVE: &str = "save it again as PNG or as plain TIFF";

/// What the samples mean (tag 262).
const BLACK_IS_ZERO: u64 = 1;
const PALETTE: u64 = 3;

type File<'a> = Decoder<Cursor<&'a [u8]>>;

pub(super) fn size(
    reader: &mut (impl BufRead + Seek),
    source: &Source,
) -> Result<[usize; 2], DataError> {
    size_in(&Header::read(reader, source)?, source)
}

fn size_in(header: &Header, source: &Source) -> Result<[usize; 2], DataError> {
    let [width, height] = [IMAGE_WIDTH, IMAGE_LENGTH].map(|tag| header.number(tag));
    let missing = || source.corrupt("no width or no height");
    source.size(width.ok_or_else(missing)?, height.ok_or_else(missing)?)
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let header = Header::read(&mut Cursor::new(bytes), source)?;
    let size = size_in(&header, source)?;
    let photometric = check(&header, source)?;
    let mut patched = Vec::new();
    let mut seen = bytes;
    if photometric == PALETTE {
        // The decoder refuses palettes. Their indices are stored as grey levels are, so it is told
        // that they are grey.
        patched.extend_from_slice(bytes);
        header.overwrite(&mut patched, PHOTOMETRIC, BLACK_IS_ZERO as u16);
        seen = &patched;
    }
    let failed = |error: TiffError| failed(&error, source);
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES as usize;
    limits.intermediate_buffer_size = MAX_BYTES as usize;
    let mut file = Decoder::new(Cursor::new(seen))
        .map_err(failed)?
        .with_limits(limits);
    check_chunks(&mut file, seen.len() as u64, source)?;
    let depth = depth_of(&mut file, source)?;
    let layout = match (photometric, file.colortype().map_err(failed)?) {
        (PALETTE, ColorType::Gray(_)) => Layout::Indices(palette(&mut file, depth, source)?),
        (_, ColorType::Gray(_)) => Layout::Grey,
        (BLACK_IS_ZERO, ColorType::Multiband { num_samples: 2, .. }) => Layout::GreyAlpha,
        (_, ColorType::RGB(_)) => Layout::Rgb,
        (_, ColorType::RGBA(_)) => Layout::Rgba,
        (_, other) => return Err(source.unsupported(format!("{other:?} pixels"), RESAVE)),
    };
    if depth < 8 && layout.channels() > 1 {
        let what = format!("several channels of {depth} bits");
        return Err(source.unsupported(what, RESAVE));
    }
    let mut stored = DecodingResult::U8(Vec::new());
    let planes = file.read_image_to_buffer(&mut stored).map_err(failed)?;
    if stored.as_buffer(0).byte_len() < planes.complete_len {
        return Err(source.corrupt("planes of different sizes"));
    }
    let [width, height] = size;
    let channels = layout.channels();
    let planar = header.number(PLANAR) == Some(2);
    let samples = match stored {
        DecodingResult::U8(packed) if depth < 8 => {
            let mut samples = Vec::with_capacity(width * height);
            for row in packed.chunks_exact(packed_length(width, depth)) {
                unpack(row, depth, width, &mut samples);
            }
            Samples::U8(samples)
        }
        DecodingResult::U8(samples) if planar => Samples::U8(interleave(&samples, channels)),
        DecodingResult::U8(samples) => Samples::U8(samples),
        DecodingResult::U16(samples) if planar => Samples::U16(interleave(&samples, channels)),
        DecodingResult::U16(samples) => Samples::U16(samples),
        _ => return Err(source.unsupported("samples that are no small integers", RESAVE)),
    };
    let orientation = header.number(ORIENTATION).filter(|o| (1..=8).contains(o));
    Ok(Decoded {
        orientation: orientation.unwrap_or(1) as u8,
        ..Decoded::new(size, layout, samples, depth)
    })
}

/// Refuses what is not read, by the directory alone; gives what the samples mean.
fn check(header: &Header, source: &Source) -> Result<u64, DataError> {
    if header.has_next {
        return Err(source.several_frames("several pages"));
    }
    let compression = match header.number(COMPRESSION).unwrap_or(1) {
        1 | 5 | 8 | 32773 | 32946 => None,
        2..=4 => Some("CCITT fax compression"),
        6 | 7 => Some("JPEG compression inside of a TIFF file"),
        _ => Some("an uncommon compression of TIFF"),
    };
    if let Some(what) = compression {
        return Err(source.unsupported(what, RESAVE));
    }
    if header.number(FILL_ORDER).unwrap_or(1) != 1 {
        return Err(source.unsupported("bits in reverse order (FillOrder)", RESAVE));
    }
    let samples = header.number(SAMPLES_PER_PIXEL).unwrap_or(1);
    let photometric = match header.number(PHOTOMETRIC) {
        Some(photometric @ (0..=3)) => photometric,
        Some(5) => return Err(source.colour_model("CMYK")),
        Some(6) => return Err(source.colour_model("YCbCr")),
        Some(8..=10) => return Err(source.colour_model("CIE Lab")),
        _ => return Err(source.unsupported("an unknown meaning of the samples", RESAVE)),
    };
    let allowed = match photometric {
        0 | PALETTE => 1..=1,
        BLACK_IS_ZERO => 1..=2,
        _ => 3..=4,
    };
    if !allowed.contains(&samples) {
        let what = format!("{samples} channels");
        return Err(source.unsupported(what, "keep one or three channels"));
    }
    if let (Some(width), Some(height)) = (header.number(TILE_WIDTH), header.number(TILE_LENGTH)) {
        // A tile is held as a whole, however small the picture is.
        source.size(width, height)?;
        if header.number(PLANAR) == Some(2) && samples > 1 {
            // The decoder takes the border tiles of all planes but the first for whole ones.
            return Err(source.unsupported("tiles of separate planes", RESAVE));
        }
    }
    Ok(photometric)
}

/// Bits of a sample, when all are unsigned integers of a depth that is read.
fn depth_of(file: &mut File, source: &Source) -> Result<u8, DataError> {
    let failed = |error: TiffError| failed(&error, source);
    let formats: Vec<u16> = file
        .find_tag_unsigned_vec(Tag::SampleFormat)
        .map_err(failed)?
        .unwrap_or_default();
    match formats.iter().find(|&&format| format != 1) {
        None => {}
        Some(3) => {
            return Err(source.unsupported(
                "floating-point samples",
                "scale them to whole numbers of 8 or 16 bits",
            ));
        }
        Some(_) => {
            return Err(source.unsupported(
                "samples with a sign",
                "shift them to unsigned numbers of 8 or 16 bits",
            ));
        }
    }
    let bits: Vec<u16> = file
        .find_tag_unsigned_vec(Tag::BitsPerSample)
        .map_err(failed)?
        .unwrap_or_else(|| vec![1]);
    match bits.first() {
        Some(&depth @ (1 | 2 | 4 | 8 | 16)) => Ok(depth as u8),
        other => Err(source.unsupported(
            format!("samples of {} bits", other.unwrap_or(&0)),
            "save it again with 8 or 16 bits",
        )),
    }
}

/// Confirms that every strip or tile lies inside of the file.
fn check_chunks(file: &mut File, length: u64, source: &Source) -> Result<(), DataError> {
    let mut list = |strips: Tag, tiles: Tag| {
        let strips = file.find_tag_unsigned_vec::<u64>(strips);
        match strips {
            Ok(None) => file.find_tag_unsigned_vec::<u64>(tiles),
            strips => strips,
        }
        .map(Option::unwrap_or_default)
        .map_err(|error| failed(&error, source))
    };
    let offsets = list(Tag::StripOffsets, Tag::TileOffsets)?;
    let lengths = list(Tag::StripByteCounts, Tag::TileByteCounts)?;
    let inside = |(start, bytes): (&u64, &u64)| start.saturating_add(*bytes) <= length;
    match offsets.iter().zip(&lengths).all(inside) {
        true => Ok(()),
        false => Err(source.truncated()),
    }
}

/// The colour map (tag 320): all reds, all greens, all blues, of 16 bits. The upper eight are kept.
fn palette(file: &mut File, depth: u8, source: &Source) -> Result<Vec<[u8; 3]>, DataError> {
    let map: Vec<u16> = file
        .find_tag_unsigned_vec(Tag::ColorMap)
        .map_err(|error| failed(&error, source))?
        .unwrap_or_default();
    let colours = 1 << depth;
    if depth > 8 || map.len() != 3 * colours {
        return Err(source.corrupt(format!(
            "a colour map of {} numbers for {depth} bits",
            map.len()
        )));
    }
    let channel = |c: usize, i: usize| (map[c * colours + i] >> 8) as u8;
    Ok((0..colours)
        .map(|i| [channel(0, i), channel(1, i), channel(2, i)])
        .collect())
}

/// Planes after each other to channels beside each other.
fn interleave<T: Copy>(planes: &[T], channels: usize) -> Vec<T> {
    let area = planes.len() / channels;
    (0..area * channels)
        .map(|i| planes[i % channels * area + i / channels])
        .collect()
}

fn failed(error: &TiffError, source: &Source) -> DataError {
    match error {
        TiffError::IoError(error) => source.io(error),
        TiffError::UnsupportedError(what) => source.unsupported(what.to_string(), RESAVE),
        other => source.corrupt(other),
    }
}
