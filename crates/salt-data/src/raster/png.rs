//! PNG, without any of the decoder's transformations: 1, 2 and 4-bit samples keep their small values
//! and a palette keeps its indices. (A decoder that "helps" would turn class 1 of a 1-bit mask into
//! 255 and palette index 1 into a colour.)

use std::io::{BufRead, Cursor, Seek};

use ::png::{ColorType, Decoder, DecodingError, Limits, Reader, Transformations};

use super::bits::unpack;
use super::jpeg::orientation_of;
use super::source::Source;
use super::{Decoded, Layout, MAX_BYTES, Samples};
use crate::error::DataError;

pub(super) fn size(reader: impl BufRead + Seek, source: &Source) -> Result<[usize; 2], DataError> {
    let mut decoder = Decoder::new(reader);
    let info = decoder
        .read_header_info()
        .map_err(|error| failed(&error, source))?;
    source.size(u64::from(info.width), u64::from(info.height))
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let failed = |error: DecodingError| failed(&error, source);
    let mut reader = open(bytes, source)?;
    let info = reader.info();
    if info
        .animation_control
        .is_some_and(|animation| animation.num_frames > 1)
    {
        return Err(source.several_frames("an animation"));
    }
    let size = source.size(u64::from(info.width), u64::from(info.height))?;
    let orientation = orientation_of(info.exif_metadata.as_deref());
    let palette: Vec<[u8; 3]> = info.palette.as_deref().map_or_else(Vec::new, |colours| {
        colours
            .chunks_exact(3)
            .map(|c| [c[0], c[1], c[2]])
            .collect()
    });
    let length = reader
        .output_buffer_size()
        .ok_or_else(|| source.corrupt("a size beyond this machine"))?;
    let mut packed = vec![0_u8; length];
    let frame = reader.next_frame(&mut packed).map_err(failed)?;
    // The end of the file is wanted too: a file without it was cut.
    reader.finish().map_err(failed)?;
    packed.truncate(frame.buffer_size());
    let layout = match frame.color_type {
        ColorType::Indexed => Layout::Indices(palette),
        ColorType::Grayscale => Layout::Grey,
        ColorType::GrayscaleAlpha => Layout::GreyAlpha,
        ColorType::Rgb => Layout::Rgb,
        ColorType::Rgba => Layout::Rgba,
    };
    let depth = frame.bit_depth as u8;
    let samples = match depth {
        16 => Samples::U16(
            packed
                .chunks_exact(2)
                .map(|b| u16::from_be_bytes([b[0], b[1]]))
                .collect(),
        ),
        8 => Samples::U8(packed),
        _ => {
            // Only grey and indices have fewer bits: one sample a pixel.
            let mut samples = Vec::with_capacity(size[0] * size[1]);
            for row in packed.chunks_exact(frame.line_size.max(1)) {
                unpack(row, depth, size[0], &mut samples);
            }
            Samples::U8(samples)
        }
    };
    Ok(Decoded {
        orientation,
        ..Decoded::new(size, layout, samples, depth)
    })
}

fn open<'a>(bytes: &'a [u8], source: &Source) -> Result<Reader<Cursor<&'a [u8]>>, DataError> {
    // The size is looked at alone first: reading on allocates rows of that size.
    size(Cursor::new(bytes), source)?;
    let limits = Limits {
        bytes: MAX_BYTES as usize,
    };
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.read_info().map_err(|error| failed(&error, source))
}

fn failed(error: &DecodingError, source: &Source) -> DataError {
    match error {
        DecodingError::IoError(error) => source.io(error),
        _ => source.corrupt(error),
    }
}
