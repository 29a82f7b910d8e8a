//! Mask files to the numbers that are stored in them, before anyone decides what they mean.

use std::collections::BTreeMap;
use std::path::Path;

use crate::dicom::DicomError;
use crate::error::DataError;
use crate::mask_policy::MaskPolicy;
use crate::raster::{Layout, Raster, decode_raster, is_dicom, read_raster};

/// Where the numbers of a mask come from, which decides how far they can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MaskSource {
    /// Palette indices: exact, and without an order.
    Indices,
    /// Grey levels of a lossless file: exact.
    Grey,
    /// A lossless file in colours; the value is 0 for black and 1 for anything else.
    Colour,
    /// Grey levels of a JPEG: disturbed around every edge.
    Lossy,
    /// Classes that the policy gives to colours.
    Mapped,
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

/// Reads a mask file, under a policy that may look at its colours.
///
/// DICOM is refused: label objects (SEG) have a frame for each class and slice, and the values of a grey frame are
/// rescaled or inverted by its attributes, so that nobody could say which number was drawn.
pub(crate) fn read_mask(path: &Path, policy: &MaskPolicy) -> Result<RawMask, DataError> {
    if is_dicom(path) {
        let path = path.to_owned();
        return Err(DicomError::Mask { path }.into());
    }
    mask_of(&read_raster(path)?, path, policy)
}

/// Decodes the bytes of a mask file to labels under a policy, as reading a data set of this one mask
/// would; `path` is only for messages.
///
/// # Errors
/// [`DataError::TooLarge`], [`DataError::Picture`] or [`DataError::Policy`].
pub fn decode_labels(
    bytes: &[u8],
    path: &Path,
    policy: &MaskPolicy,
) -> Result<crate::LabelMap, DataError> {
    let mask = mask_of(&decode_raster(bytes, path)?, path, policy)?;
    let values = crate::label_rule::MaskValues::of(&mask);
    crate::LabelRule::of(policy, &[values]).labels(&mask, path)
}

fn mask_of(raster: &Raster, path: &Path, policy: &MaskPolicy) -> Result<RawMask, DataError> {
    let (values, source) = match policy {
        MaskPolicy::Colours(colours) => (colours.labels_of(raster, path)?, MaskSource::Mapped),
        _ => numbers(raster),
    };
    Ok(RawMask {
        width: raster.width,
        height: raster.height,
        values,
        source,
    })
}

fn numbers(raster: &Raster) -> (Vec<u16>, MaskSource) {
    if raster.is_lossy() {
        let luma =
            |p: &[u8]| (u16::from(p[0]) * 77 + u16::from(p[1]) * 150 + u16::from(p[2]) * 29) >> 8;
        let values = raster.to_rgb8().chunks_exact(3).map(luma).collect();
        return (values, MaskSource::Lossy);
    }
    let flat = raster.samples.to_u16();
    match raster.layout {
        Layout::Indices(_) => (flat, MaskSource::Indices),
        Layout::Grey => (flat, MaskSource::Grey),
        Layout::GreyAlpha => (
            flat.chunks_exact(2).map(|p| p[0]).collect(),
            MaskSource::Grey,
        ),
        Layout::Rgb | Layout::Rgba => colours(&flat, raster.layout.channels()),
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
    use super::{MaskSource, colours};

    #[test]
    fn three_equal_channels_are_grey_and_others_are_foreground_or_not() {
        let (values, source) = colours(&[0, 0, 0, 7, 7, 7], 3);
        assert_eq!((values, source), (vec![0, 7], MaskSource::Grey));
        let (values, source) = colours(&[0, 0, 0, 255, 0, 0, 255, 0, 9, 255, 9, 9], 4);
        assert_eq!((values, source), (vec![0, 1, 1], MaskSource::Colour));
    }
}
