//! What is kept of a case after its files were read: small facts, never pictures.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use sha2::{Digest, Sha256};

use super::components::by_value;
use super::cut_short::cut_short;
use super::fingerprint::Intensities;
use super::likeness::Likeness;
use super::report::{Check, Finding};
use super::storage::Storage;
use crate::dataset::{Case, check_sizes};
use crate::decode_image::read_image;
use crate::decode_mask::{MaskSource, RawMask, read_mask};
use crate::dicom::DicomError;
use crate::error::DataError;
use crate::label_rule::LabelRule;
use crate::mask_policy::MaskPolicy;
use crate::pixels::{IGNORE_LABEL, ImageRgb};

/// Facts about one case.
pub(super) struct Facts {
    pub(super) case: Case,
    /// Width and height.
    pub(super) size: [usize; 2],
    /// Whether the three channels are equal.
    pub(super) grey: bool,
    /// Smallest and largest sample of the image, after scaling to 8 bits.
    pub(super) range: [u8; 2],
    /// SHA-256 of the image's size and pixels.
    pub(super) image_hash: [u8; 32],
    /// SHA-256 of the mask's size and values.
    pub(super) mask_hash: [u8; 32],
    /// How the image looks from afar; `None` for tiny and blank ones.
    pub(super) likeness: Option<Likeness>,
    /// Values of the mask with their counts, ascending.
    pub(super) histogram: Vec<(u16, u64)>,
    /// Connected pieces of each stored value but 0; `None` where there are too many values.
    pub(super) pieces: Option<BTreeMap<u16, usize>>,
    pub(super) source: MaskSource,
    pub(super) image_storage: Storage,
    pub(super) mask_storage: Storage,
    /// Whether the mask's values are the image's grey levels.
    pub(super) image_as_mask: bool,
}

/// Reads a case; its image also counts in `intensities`.
pub(super) fn look(
    case: Case,
    policy: &MaskPolicy,
    intensities: &Mutex<Intensities>,
) -> Result<Facts, Finding> {
    for path in [&case.image, &case.mask] {
        if cut_short(path) {
            return Err(Finding::error(
                Check::Truncated,
                Some(path),
                "the file is cut short: its end is missing".to_owned(),
                "copy or download it again",
            ));
        }
    }
    let failed = |error: DataError| {
        let check = match error {
            DataError::SizeMismatch { .. } => Check::Size,
            DataError::Policy(_) => Check::MaskValues,
            DataError::Dicom(DicomError::Truncated { .. }) => Check::Truncated,
            _ => Check::Readable,
        };
        Finding::from_error(check, &error)
    };
    let image = read_image(&case.image).map_err(failed)?;
    let mask = read_mask(&case.mask, policy).map_err(failed)?;
    let size = [image.width, image.height];
    check_sizes(&case, size, [mask.width, mask.height]).map_err(failed)?;
    let histogram = mask.histogram();
    policy
        .check(&histogram, mask.source, &case.mask)
        .map_err(failed)?;
    let own = Intensities::of(&image);
    let range = own.range();
    intensities
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .add(&own);
    let mask_bytes: Vec<u8> = mask.values.iter().flat_map(|v| v.to_le_bytes()).collect();
    Ok(Facts {
        size,
        grey: image
            .data
            .chunks_exact(3)
            .all(|p| p[0] == p[1] && p[1] == p[2]),
        range,
        image_hash: hash(size, &image.data),
        mask_hash: hash(size, &mask_bytes),
        likeness: Likeness::of(&image),
        pieces: by_value(&mask, histogram.len()),
        histogram: coarse(histogram),
        source: mask.source,
        image_storage: Storage::of(&case.image),
        mask_storage: Storage::of(&case.mask),
        image_as_mask: case.image == case.mask || same_levels(&image, &mask),
        case,
    })
}

impl Facts {
    /// A mask with every stored value once: what a rule needs in order to decide.
    pub(super) fn distinct(&self) -> RawMask {
        let values: Vec<u16> = self.histogram.iter().map(|(value, _)| *value).collect();
        RawMask {
            width: values.len(),
            height: 1,
            values,
            source: self.source,
        }
    }

    /// The stored values but 0.
    pub(super) fn nonzero(&self) -> impl Iterator<Item = u16> + '_ {
        let values = self.histogram.iter().map(|(value, _)| *value);
        values.filter(|value| *value != 0)
    }

    /// Number of pixels per label.
    pub(super) fn label_counts(&self, rule: &LabelRule) -> BTreeMap<u8, u64> {
        let mut counts = BTreeMap::new();
        let labels = rule.apply(&self.distinct()).classes;
        for (label, (_, count)) in labels.into_iter().zip(&self.histogram) {
            *counts.entry(label).or_default() += count;
        }
        counts
    }

    /// Pixels of foreground and pixels with a truth.
    pub(super) fn foreground(&self, rule: &LabelRule) -> [u64; 2] {
        let counts = self.label_counts(rule);
        let of = |label: u8| counts.get(&label).copied().unwrap_or(0);
        let known = counts.values().sum::<u64>() - of(IGNORE_LABEL);
        [known - of(0), known]
    }
}

/// Distinct values of a mask above which they are no values but noise.
const MOST_VALUES: usize = 1024;

/// The counts of a mask; of one that is no mask but has thousands of values, in steps of 64 above 511,
/// so that a folder of such files does not fill the memory. The largest value stays.
fn coarse(histogram: BTreeMap<u16, u64>) -> Vec<(u16, u64)> {
    if histogram.len() <= MOST_VALUES {
        return histogram.into_iter().collect();
    }
    let largest = histogram.keys().next_back().copied().unwrap_or(0);
    let mut counts = BTreeMap::<u16, u64>::new();
    for (value, count) in histogram {
        let kept = if value < 512 || value == largest {
            value
        } else {
            value & !63
        };
        *counts.entry(kept).or_default() += count;
    }
    counts.into_iter().collect()
}

fn hash(size: [usize; 2], bytes: &[u8]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(size[0].to_le_bytes());
    hasher.update(size[1].to_le_bytes());
    hasher.update(bytes);
    hasher.finalize().into()
}

/// Whether a mask holds the grey levels of the image (more than two of them: an image of two
/// levels may be its own mask on purpose).
fn same_levels(image: &ImageRgb, mask: &RawMask) -> bool {
    let luma =
        |p: &[u8]| (u16::from(p[0]) * 77 + u16::from(p[1]) * 150 + u16::from(p[2]) * 29) >> 8;
    let first = mask.values.first();
    let other = mask.values.iter().find(|v| Some(*v) != first);
    let third = mask
        .values
        .iter()
        .any(|v| Some(v) != first && Some(v) != other);
    let mut pairs = image.data.chunks_exact(3).zip(&mask.values);
    third && pairs.all(|(p, v)| luma(p) == *v)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::coarse;

    #[test]
    fn a_mask_of_thousands_of_values_is_kept_in_steps() {
        let few: BTreeMap<u16, u64> = (0..1024).map(|v| (v * 64, 1)).collect();
        assert_eq!(coarse(few.clone()), few.into_iter().collect::<Vec<_>>());
        let kept = coarse((0..=u16::MAX).map(|v| (v, 2)).collect());
        assert_eq!(kept.len(), 512 + 1016 + 1);
        assert_eq!(kept.iter().map(|(_, n)| n).sum::<u64>(), 2 * 65536);
        assert_eq!(kept[kept.len() - 1], (u16::MAX, 2));
    }
}
