//! GIF (87a, 89a): one frame, its palette indices kept.
//!
//! GIF has no grey layout. Where every index in use stands for the grey level of the same number, the
//! picture is taken for grey. Other palettes stay palettes: the masks of DRIVE have indices 0 and 1
//! whose colours are the greys 3 and 253.

use ::gif::{ColorOutput, DecodeOptions, DecodingError, MemoryLimit};

use super::source::Source;
use super::{Decoded, Layout, Samples};
use crate::decode_image::MAX_PIXELS;
use crate::error::DataError;

/// Size of the canvas (section 18, Logical Screen Descriptor).
pub(super) fn size(head: &[u8], source: &Source) -> Result<[usize; 2], DataError> {
    let &[_, _, _, _, _, _, w0, w1, h0, h1, ..] = head else {
        return Err(source.truncated());
    };
    let side = |low, high| u64::from(u16::from_le_bytes([low, high]));
    source.size(side(w0, w1), side(h0, h1))
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let size = size(bytes, source)?;
    let failed = |error: DecodingError| match error {
        DecodingError::UnexpectedEof => source.truncated(),
        DecodingError::Io(error) => source.io(&error),
        other => source.corrupt(other),
    };
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.check_frame_consistency(true);
    if let Some(limit) = std::num::NonZeroU64::new(MAX_PIXELS) {
        options.set_memory_limit(MemoryLimit::Bytes(limit));
    }
    let mut decoder = options.read_info(bytes).map_err(failed)?;
    let Some(frame) = decoder.next_frame_info().map_err(failed)? else {
        return Err(source.corrupt("no frame"));
    };
    if [usize::from(frame.width), usize::from(frame.height)] != size {
        return Err(source.unsupported(
            "a GIF frame that does not cover its canvas",
            "save it again as PNG",
        ));
    }
    let mut indices = vec![0; size[0] * size[1]];
    decoder.read_into_buffer(&mut indices).map_err(failed)?;
    let palette: Vec<[u8; 3]> = decoder
        .palette()
        .map_err(failed)?
        .chunks_exact(3)
        .map(|c| [c[0], c[1], c[2]])
        .collect();
    if decoder.next_frame_info().map_err(failed)?.is_some() {
        return Err(source.several_frames("an animation"));
    }
    let layout = match is_grey(&indices, &palette) {
        true => Layout::Grey,
        false => Layout::Indices(palette),
    };
    Ok(Decoded::new(size, layout, Samples::U8(indices), 8))
}

/// Whether each index in use is the grey level of the same number.
fn is_grey(indices: &[u8], palette: &[[u8; 3]]) -> bool {
    let mut used = [false; 256];
    indices.iter().for_each(|&i| used[usize::from(i)] = true);
    (0..=255_u8)
        .filter(|&i| used[usize::from(i)])
        .all(|i| palette.get(usize::from(i)) == Some(&[i; 3]))
}
