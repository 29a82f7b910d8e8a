//! PBM, PGM and PPM, binary and text (netpbm's formats P1 to P6).
//!
//! In a PBM a stored 1 is *black*. Here larger means brighter everywhere, so it becomes 0, and the
//! white of a mask becomes 1, as in Pillow and OpenCV. Samples of PGM and PPM stay as stored; the
//! maximum of the header is [`super::Raster::max_value`].

use std::io::{self, BufRead, Read};

use super::bits::{packed_length, unpack};
use super::format::is_pnm;
use super::source::Source;
use super::{Decoded, Layout, Samples};
use crate::error::DataError;

struct Header {
    size: [usize; 2],
    /// The digit of the magic number.
    kind: u8,
    max_value: u16,
}

impl Header {
    fn layout(&self) -> Layout {
        match self.kind {
            b'3' | b'6' => Layout::Rgb,
            _ => Layout::Grey,
        }
    }

    fn is_bitmap(&self) -> bool {
        matches!(self.kind, b'1' | b'4')
    }

    fn count(&self) -> usize {
        self.size[0] * self.size[1] * self.layout().channels()
    }
}

pub(super) fn size(reader: &mut impl BufRead, source: &Source) -> Result<[usize; 2], DataError> {
    header(reader, source).map(|header| header.size)
}

/// Decodes from a stream, so that a compressed file is never held whole.
pub(super) fn decode(reader: &mut impl BufRead, source: &Source) -> Result<Decoded, DataError> {
    let header = header(reader, source)?;
    let samples = match header.kind {
        b'1' => Samples::U8(text_bits(reader, &header, source)?),
        b'2' | b'3' => narrowed(text_samples(reader, &header, source)?, header.max_value),
        b'4' => Samples::U8(binary_bits(reader, &header, source)?),
        _ => binary_samples(reader, &header, source)?,
    };
    let largest = match &samples {
        Samples::U8(samples) => samples.iter().copied().max().map(u16::from),
        Samples::U16(samples) => samples.iter().copied().max(),
    };
    if let Some(value) = largest.filter(|&value| value > header.max_value) {
        let most = header.max_value;
        return Err(source.corrupt(format!("a sample of {value} above the maximum {most}")));
    }
    if is_pnm(&next_bytes(reader).map_err(|error| source.io(&error))?) {
        return Err(source.several_frames("a second picture after the first"));
    }
    let depth = match header.max_value {
        _ if header.is_bitmap() => 1,
        0..=255 => 8,
        _ => 16,
    };
    Ok(Decoded {
        max_value: header.max_value,
        ..Decoded::new(header.size, header.layout(), samples, depth)
    })
}

fn header(reader: &mut impl BufRead, source: &Source) -> Result<Header, DataError> {
    let mut magic = [0; 2];
    reader
        .read_exact(&mut magic)
        .map_err(|error| source.io(&error))?;
    let kind = magic[1];
    let bitmap = matches!(kind, b'1' | b'4');
    let mut numbers = [0, 0, 1];
    let wanted = if bitmap { 2 } else { 3 };
    for number in &mut numbers[..wanted] {
        *number = read_number(reader, source)?;
    }
    let [width, height, max_value] = numbers.map(u64::from);
    let size = source.size(width, height)?;
    match u16::try_from(max_value) {
        Ok(max_value) if max_value > 0 => Ok(Header {
            size,
            kind,
            max_value,
        }),
        _ => Err(source.corrupt(format!(
            "a maximum of {max_value}, which is not within 1 to 65535"
        ))),
    }
}

/// A decimal number and the one separator behind it. Before it may be separators and comments.
fn read_number(reader: &mut impl BufRead, source: &Source) -> Result<u32, DataError> {
    /// Longest run of separators and comments that is followed.
    const LONGEST_GAP: u32 = 1 << 16;
    let mut gap = 0;
    let mut in_comment = false;
    let mut number: Option<u32> = None;
    loop {
        let Some(byte) = next_byte(reader).map_err(|error| source.io(&error))? else {
            return number.ok_or_else(|| source.truncated());
        };
        match (byte, number) {
            (b'\n' | b'\r', None) => in_comment = false,
            (_, None) if in_comment => {}
            (b'#', None) => in_comment = true,
            (b'0'..=b'9', _) => {
                let digit = u32::from(byte - b'0');
                let grown = number.unwrap_or(0).checked_mul(10);
                number = Some(
                    grown
                        .and_then(|n| n.checked_add(digit))
                        .ok_or_else(|| source.corrupt("a number beyond 32 bits"))?,
                );
            }
            (_, Some(number)) if byte.is_ascii_whitespace() => return Ok(number),
            (_, None) if byte.is_ascii_whitespace() => {}
            _ => {
                let byte = byte.escape_ascii();
                return Err(source.corrupt(format!("`{byte}` where a number is expected")));
            }
        }
        gap += 1;
        if gap > LONGEST_GAP {
            return Err(source.corrupt("a comment without end"));
        }
    }
}

fn next_byte(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    let byte = reader.fill_buf()?.first().copied();
    reader.consume(usize::from(byte.is_some()));
    Ok(byte)
}

/// Exactly `length` bytes; memory grows with what is there, not with what a header says.
fn read_bytes(
    reader: &mut impl BufRead,
    length: usize,
    source: &Source,
) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| source.io(&error))?;
    match bytes.len() == length {
        true => Ok(bytes),
        false => Err(source.truncated()),
    }
}

fn binary_samples(
    reader: &mut impl BufRead,
    header: &Header,
    source: &Source,
) -> Result<Samples, DataError> {
    if header.max_value < 256 {
        return read_bytes(reader, header.count(), source).map(Samples::U8);
    }
    let bytes = read_bytes(reader, 2 * header.count(), source)?;
    let pairs = bytes.chunks_exact(2);
    Ok(Samples::U16(
        pairs.map(|b| u16::from_be_bytes([b[0], b[1]])).collect(),
    ))
}

fn binary_bits(
    reader: &mut impl BufRead,
    header: &Header,
    source: &Source,
) -> Result<Vec<u8>, DataError> {
    let [width, height] = header.size;
    let stride = packed_length(width, 1);
    let packed = read_bytes(reader, stride * height, source)?;
    let mut samples = Vec::with_capacity(width * height);
    for row in packed.chunks_exact(stride) {
        unpack(row, 1, width, &mut samples);
    }
    samples.iter_mut().for_each(|v| *v = 1 - *v);
    Ok(samples)
}

fn text_samples(
    reader: &mut impl BufRead,
    header: &Header,
    source: &Source,
) -> Result<Vec<u16>, DataError> {
    let mut samples = Vec::new();
    for _ in 0..header.count() {
        let number = read_number(reader, source)?;
        samples.push(
            u16::try_from(number).map_err(|_| {
                source.corrupt(format!("a sample of {number}, which is above 65535"))
            })?,
        );
    }
    Ok(samples)
}

fn narrowed(samples: Vec<u16>, max_value: u16) -> Samples {
    match max_value {
        // Larger samples are kept as such, for the check that names them.
        0..=255 if samples.iter().all(|&v| v < 256) => {
            Samples::U8(samples.into_iter().map(|v| v as u8).collect())
        }
        _ => Samples::U16(samples),
    }
}

/// Digits 0 and 1, which need no separator.
fn text_bits(
    reader: &mut impl BufRead,
    header: &Header,
    source: &Source,
) -> Result<Vec<u8>, DataError> {
    let mut samples = Vec::new();
    while samples.len() < header.count() {
        match next_byte(reader).map_err(|error| source.io(&error))? {
            None => return Err(source.truncated()),
            Some(b'0') => samples.push(1),
            Some(b'1') => samples.push(0),
            Some(byte) if byte.is_ascii_whitespace() => {}
            Some(b'#') => {
                reader
                    .skip_until(b'\n')
                    .map_err(|error| source.io(&error))?;
            }
            Some(byte) => {
                let byte = byte.escape_ascii();
                return Err(source.corrupt(format!("`{byte}` where 0 or 1 is expected")));
            }
        }
    }
    Ok(samples)
}

/// Up to three bytes after the picture, without the separators before them.
fn next_bytes(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut found = Vec::new();
    for _ in 0..64 {
        match next_byte(reader)? {
            Some(byte) if found.is_empty() && byte.is_ascii_whitespace() => {}
            Some(byte) => found.push(byte),
            None => break,
        }
        if found.len() == 3 {
            break;
        }
    }
    Ok(found)
}
