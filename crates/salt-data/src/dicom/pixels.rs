//! Stored pixels to bytes: one little-endian sample per pixel.

use std::io::Cursor;

use image::{ColorType, ImageDecoder, ImageFormat, ImageReader, Limits};

use crate::dicom::elements::{Encoding, Value};

/// What the header says about the samples.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) width: usize,
    pub(super) height: usize,
    /// 1 or 2.
    pub(super) bytes: usize,
}

impl Layout {
    fn len(self) -> usize {
        self.width * self.height * self.bytes
    }
}

/// How pixels are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Storage {
    Native(Encoding),
    Rle,
    Jpeg,
}

/// The samples, or what is wrong.
pub(super) fn decode(
    value: &Value<'_>,
    storage: Storage,
    layout: Layout,
) -> Result<Vec<u8>, &'static str> {
    match (storage, value) {
        (Storage::Native(encoding), Value::Bytes(bytes)) => native(bytes, encoding, layout),
        (Storage::Rle, Value::Fragments(fragments)) => match fragments.as_slice() {
            [_offsets, frame] => run_lengths(frame, layout),
            _ => Err("another number of fragments than frames"),
        },
        (Storage::Jpeg, Value::Fragments(fragments)) => match fragments.split_first() {
            // A frame may be cut into several fragments (PS3.5, A.4).
            Some((_offsets, [frame])) => jpeg(frame, layout),
            Some((_offsets, parts)) => jpeg(&parts.concat(), layout),
            None => Err("no fragment"),
        },
        _ => Err("pixels that are not stored as the transfer syntax says"),
    }
}

fn native(bytes: &[u8], encoding: Encoding, layout: Layout) -> Result<Vec<u8>, &'static str> {
    // An odd number of bytes is filled up to an even one.
    let length = layout.len();
    if bytes.len() != length && bytes.len() != length.next_multiple_of(2) {
        return Err("another number of bytes");
    }
    let mut samples = bytes[..length].to_vec();
    if encoding.big_endian {
        samples
            .chunks_exact_mut(layout.bytes)
            .for_each(<[u8]>::reverse);
    }
    Ok(samples)
}

/// RLE (PS3.5, annex G): a segment of PackBits per byte of a sample, the highest byte first.
fn run_lengths(frame: &[u8], layout: Layout) -> Result<Vec<u8>, &'static str> {
    let (header, _) = frame.split_first_chunk::<64>().ok_or("no RLE header")?;
    let number = |i: usize| {
        let at = 4 * i;
        u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]) as usize
    };
    if number(0) != layout.bytes {
        return Err("another number of RLE segments");
    }
    let pixels = layout.width * layout.height;
    // Two bytes make at most 128.
    if frame.len().saturating_mul(64) < pixels {
        return Err("RLE segments that are too short");
    }
    let mut samples = vec![0; layout.len()];
    for segment in 1..=layout.bytes {
        let end = if segment < layout.bytes {
            number(segment + 1)
        } else {
            frame.len()
        };
        let bytes = frame
            .get(number(segment)..end)
            .ok_or("RLE segments out of place")?;
        let place = layout.bytes - segment;
        let mut out = samples.iter_mut().skip(place).step_by(layout.bytes);
        let mut left = pixels;
        let mut rest = bytes;
        while left > 0 {
            let (&code, after) = rest
                .split_first()
                .ok_or("RLE segments that are too short")?;
            let count = match code {
                0..=127 => usize::from(code) + 1,
                128 => 0,
                129.. => 257 - usize::from(code),
            };
            let taken = if code < 128 {
                count
            } else {
                usize::from(code > 128)
            };
            let (values, after) = after
                .split_at_checked(taken)
                .ok_or("RLE segments that are too short")?;
            left = left
                .checked_sub(count)
                .ok_or("RLE segments that are too long")?;
            for (i, sample) in out.by_ref().take(count).enumerate() {
                *sample = values[if code < 128 { i } else { 0 }];
            }
            rest = after;
        }
        // Segments are filled up to an even length.
        if rest.iter().any(|&byte| byte != 0) {
            return Err("RLE segments that are too long");
        }
    }
    Ok(samples)
}

fn jpeg(bytes: &[u8], layout: Layout) -> Result<Vec<u8>, &'static str> {
    if layout.bytes != 1 {
        return Err("a JPEG of 8 bits for 16-bit pixels");
    }
    let damaged = "a damaged JPEG";
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * layout.len() as u64 + (1 << 20));
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|_| damaged)?;
    let (width, height) = decoder.dimensions();
    if [width as usize, height as usize] != [layout.width, layout.height] {
        return Err("a JPEG of another size");
    }
    if decoder.color_type() != ColorType::L8 {
        return Err("a JPEG in colours");
    }
    let mut samples = vec![0; layout.len()];
    decoder.read_image(&mut samples).map_err(|_| damaged)?;
    Ok(samples)
}
