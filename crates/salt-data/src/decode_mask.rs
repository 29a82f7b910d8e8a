//! Mask files to the numbers that are stored in them, before anyone decides what they mean.
//!
//! A PNG is read without any transformation: 1, 2 and 4-bit samples keep their small values, a
//! palette keeps its indices, 16 bits stay 16 bits. (A decoder that "helps" would turn class 1 of a
//! 1-bit mask into 255 and palette index 1 into a colour.)

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use png::{ColorType, Decoder, Limits, Transformations};

use crate::decode_image::{MAX_PIXELS, check_area, read_image};
use crate::error::DataError;

/// Where the numbers of a mask come from, which decides how far they can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskSource {
    /// Palette indices of a PNG: exact, and without an order.
    Indices,
    /// Grey levels of a PNG: exact.
    Grey,
    /// A PNG in colours; the value is 0 for black and 1 for anything else.
    Colour,
    /// Grey levels of a JPEG: disturbed around every edge.
    Lossy,
}

/// A mask as stored.
#[derive(Debug, Clone)]
pub(crate) struct RawMask {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<u16>,
    pub(crate) source: MaskSource,
}

impl RawMask {
    /// How often each value occurs.
    pub(crate) fn histogram(&self) -> BTreeMap<u16, u64> {
        let mut counts = vec![0_u64; 1 << 16];
        self.values
            .iter()
            .for_each(|&v| counts[usize::from(v)] += 1);
        let used = counts
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count > 0);
        used.map(|(value, count)| (value as u16, count)).collect()
    }
}

/// Reads a mask file.
pub(crate) fn read_raw(path: &Path) -> Result<RawMask, DataError> {
    let mut signature = Vec::with_capacity(8);
    let open = || File::open(path).map_err(DataError::io("read", path));
    open()?
        .take(8)
        .read_to_end(&mut signature)
        .map_err(DataError::io("read", path))?;
    if signature == *b"\x89PNG\r\n\x1a\n" {
        return read_png(path, BufReader::new(open()?));
    }
    let image = read_image(path)?;
    let luma =
        |p: &[u8]| (u16::from(p[0]) * 77 + u16::from(p[1]) * 150 + u16::from(p[2]) * 29) >> 8;
    Ok(RawMask {
        width: image.width,
        height: image.height,
        values: image.data.chunks_exact(3).map(luma).collect(),
        source: MaskSource::Lossy,
    })
}

fn read_png(path: &Path, file: BufReader<File>) -> Result<RawMask, DataError> {
    let unreadable = |problem: String| DataError::Unreadable {
        path: path.to_owned(),
        problem,
    };
    let limits = Limits {
        bytes: 8 * MAX_PIXELS as usize,
    };
    let mut decoder = Decoder::new_with_limits(file, limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder
        .read_info()
        .map_err(|error| unreadable(error.to_string()))?;
    let (width, height) = (reader.info().width, reader.info().height);
    check_area(path, u64::from(width), u64::from(height))?;
    let (width, height) = (width as usize, height as usize);
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| unreadable("an absurd size".into()))?;
    let mut bytes = vec![0_u8; size];
    let frame = reader
        .next_frame(&mut bytes)
        .map_err(|error| unreadable(error.to_string()))?;
    let samples = frame.color_type.samples();
    let depth = frame.bit_depth as usize;
    let mut flat = Vec::with_capacity(width * height * samples);
    for row in bytes[..frame.buffer_size()].chunks_exact(frame.line_size.max(1)) {
        unpack(row, depth, width * samples, &mut flat);
    }
    let (values, source) = match frame.color_type {
        ColorType::Indexed => (flat, MaskSource::Indices),
        ColorType::Grayscale => (flat, MaskSource::Grey),
        ColorType::GrayscaleAlpha => (
            flat.chunks_exact(2).map(|p| p[0]).collect(),
            MaskSource::Grey,
        ),
        ColorType::Rgb | ColorType::Rgba => colours(&flat, samples),
    };
    Ok(RawMask {
        width,
        height,
        values,
        source,
    })
}

/// Appends the first `count` samples of a row, most significant bits first (PNG, section 7.2).
fn unpack(row: &[u8], depth: usize, count: usize, out: &mut Vec<u16>) {
    match depth {
        16 => out.extend(
            row.chunks_exact(2)
                .take(count)
                .map(|b| u16::from_be_bytes([b[0], b[1]])),
        ),
        8 => out.extend(row.iter().take(count).map(|&b| u16::from(b))),
        _ => {
            let per_byte = 8 / depth;
            let low_bits = (1_u16 << depth) - 1;
            out.extend((0..count).map(|i| {
                let shift = 8 - depth * (i % per_byte + 1);
                (u16::from(row[i / per_byte]) >> shift) & low_bits
            }));
        }
    }
}

/// A grey picture stored in three channels is grey; any other is "black or not".
fn colours(flat: &[u16], samples: usize) -> (Vec<u16>, MaskSource) {
    if flat
        .chunks_exact(samples)
        .all(|p| p[0] == p[1] && p[1] == p[2])
    {
        return (
            flat.chunks_exact(samples).map(|p| p[0]).collect(),
            MaskSource::Grey,
        );
    }
    let foreground = |p: &[u16]| u16::from(p[..3].iter().any(|&v| v > 0));
    (
        flat.chunks_exact(samples).map(foreground).collect(),
        MaskSource::Colour,
    )
}

#[cfg(test)]
mod tests {
    use super::{MaskSource, colours, unpack};

    #[test]
    fn small_samples_are_unpacked_from_the_left() {
        let mut out = Vec::new();
        unpack(&[0b1010_0000, 0b1100_0000], 1, 10, &mut out);
        assert_eq!(out, [1, 0, 1, 0, 0, 0, 0, 0, 1, 1]);
        out.clear();
        unpack(&[0b11_01_00_10], 2, 3, &mut out);
        assert_eq!(out, [3, 1, 0]);
        out.clear();
        unpack(&[0x5a, 0x10], 4, 3, &mut out);
        assert_eq!(out, [5, 10, 1]);
        out.clear();
        unpack(&[1, 2, 0, 7], 16, 2, &mut out);
        assert_eq!(out, [258, 7]);
    }

    #[test]
    fn three_equal_channels_are_grey_and_others_are_foreground_or_not() {
        let (values, source) = colours(&[0, 0, 0, 7, 7, 7], 3);
        assert_eq!((values, source), (vec![0, 7], MaskSource::Grey));
        let (values, source) = colours(&[0, 0, 0, 255, 0, 0, 255, 0, 9, 255, 9, 9], 4);
        assert_eq!((values, source), (vec![0, 1, 1], MaskSource::Colour));
    }
}
