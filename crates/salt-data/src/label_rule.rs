//! What the numbers in a data set's masks mean. Decided once for the whole set, so that an image
//! that happens to show class 2 only is not mistaken for a binary mask.
//!
//! A policy that `dataset.toml` states ([`crate::mask_policy`]) is the rule. Otherwise the rule, `V` being the distinct non-zero values over all masks of the set:
//! 1. 255 beside small ids (in one file) marks pixels without truth and leaves `V`.
//! 2. Some mask is a JPEG or in colours: binary.
//! 3. `V` has at most one value (0/1, 0/255, 1-bit ...): binary.
//! 4. All of `V` is at most [`MAX_CLASSES`]: class ids, kept; the classes are `1..=max V`.
//! 5. Otherwise binary.
//!
//! 255 beside ids in one file and alone in another is no rule at all ([`LabelRule::contradiction`]): it would be
//! foreground here and unknown there.
//!
//! Binary means, file by file: with one non-zero value, or with palette indices or colours, non-zero
//! is foreground; with several grey levels (soft edges), at least half of the file's largest value
//! is foreground; in a JPEG too, but a JPEG that stays below [`JPEG_FLOOR`] is empty, because that
//! is compression noise and no mask.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use crate::decode_mask::{MaskSource, RawMask};
use crate::error::DataError;
use crate::mask_policy::MaskPolicy;
use crate::pixels::{IGNORE_LABEL, LabelMap};

/// Largest value that is taken for a class id.
pub const MAX_CLASSES: u16 = 32;

/// Grey level that a JPEG mask must reach somewhere to have any foreground.
pub const JPEG_FLOOR: u16 = 64;

/// How the values of a data set's masks become labels.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum LabelRule {
    /// One foreground class.
    Binary {
        /// Whether 255 marks pixels without truth.
        ignore_255: bool,
    },
    /// Values are class ids.
    Ids {
        /// Number of foreground classes.
        n_classes: usize,
        /// Whether 255 marks pixels without truth.
        ignore_255: bool,
    },
    /// What `dataset.toml` says.
    Stated {
        /// The policy, which is not `auto`.
        policy: MaskPolicy,
        /// Number of foreground classes.
        n_classes: usize,
    },
}

impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ignore_255) = match self {
            Self::Binary { ignore_255 } => ("one class", *ignore_255),
            Self::Ids { ignore_255, .. } => ("class ids", *ignore_255),
            Self::Stated { policy, .. } => {
                return write!(f, "policy {} of dataset.toml", policy.name());
            }
        };
        f.write_str(name)?;
        f.write_str(if ignore_255 { ", 255 is ignored" } else { "" })
    }
}

/// The distinct non-zero values of one mask and where they came from.
#[derive(Debug, Clone)]
pub(crate) struct MaskValues {
    pub(crate) nonzero: BTreeSet<u16>,
    pub(crate) source: MaskSource,
}

impl MaskValues {
    pub(crate) fn of(mask: &RawMask) -> Self {
        let nonzero = mask.histogram().into_keys().filter(|&v| v != 0).collect();
        Self {
            nonzero,
            source: mask.source,
        }
    }

    fn has_255_beside_ids(&self) -> bool {
        let ignore = u16::from(IGNORE_LABEL);
        let mut ids = self.nonzero.iter().filter(|&&v| v != ignore);
        self.nonzero.contains(&ignore) && self.nonzero.len() > 1 && ids.all(|&v| v <= MAX_CLASSES)
    }

    fn exact(&self) -> bool {
        matches!(self.source, MaskSource::Indices | MaskSource::Grey)
    }
}

impl LabelRule {
    /// Number of foreground classes.
    pub fn n_classes(&self) -> usize {
        match self {
            Self::Binary { .. } => 1,
            Self::Ids { n_classes, .. } | Self::Stated { n_classes, .. } => *n_classes,
        }
    }

    /// The policy under which masks are read.
    pub(crate) fn policy(&self) -> &MaskPolicy {
        match self {
            Self::Stated { policy, .. } => policy,
            Self::Binary { .. } | Self::Ids { .. } => &MaskPolicy::Auto,
        }
    }

    /// The rule for masks under a policy.
    pub(crate) fn of(policy: &MaskPolicy, masks: &[MaskValues]) -> Self {
        if *policy == MaskPolicy::Auto {
            return Self::decide(masks.iter());
        }
        let values = masks.iter().flat_map(|mask| &mask.nonzero);
        let labels = values.filter_map(|&value| policy.label(value));
        let largest = labels.filter(|&label| label != IGNORE_LABEL).max();
        Self::Stated {
            n_classes: policy.n_classes(largest.unwrap_or(1)),
            policy: policy.clone(),
        }
    }

    /// Two masks, by index, of which the first has 255 beside small ids, where it would mark pixels without
    /// truth, and the second has 255 alone, where it would be the foreground. One stray grey pixel in a set
    /// of 0/255 masks looks like this.
    /// A stated policy settles it.
    pub(crate) fn contradiction(policy: &MaskPolicy, masks: &[MaskValues]) -> Option<[usize; 2]> {
        if *policy != MaskPolicy::Auto || !masks.iter().all(MaskValues::exact) {
            return None;
        }
        let beside = masks.iter().position(MaskValues::has_255_beside_ids)?;
        let alone = |mask: &MaskValues| mask.nonzero.iter().eq([&u16::from(IGNORE_LABEL)]);
        Some([beside, masks.iter().position(alone)?])
    }

    /// Decides for a data set.
    pub(crate) fn decide<'a>(masks: impl Iterator<Item = &'a MaskValues>) -> Self {
        let ignore = u16::from(IGNORE_LABEL);
        let (mut all, mut exact, mut ignore_255) = (BTreeSet::new(), true, false);
        for mask in masks {
            exact &= mask.exact();
            all.extend(mask.nonzero.iter().copied());
            ignore_255 |= mask.has_255_beside_ids();
        }
        if !exact {
            return Self::Binary { ignore_255: false };
        }
        let ids: Vec<u16> = all
            .iter()
            .copied()
            .filter(|&v| !(ignore_255 && v == ignore))
            .collect();
        match ids[..] {
            [] | [_] => Self::Binary { ignore_255 },
            [.., max] if max <= MAX_CLASSES => Self::Ids {
                n_classes: usize::from(max),
                ignore_255,
            },
            _ => Self::Binary { ignore_255: false },
        }
    }

    /// Turns a mask into labels, or says why a stated policy does not apply to it.
    pub(crate) fn labels(&self, mask: &RawMask, path: &Path) -> Result<LabelMap, DataError> {
        if let Self::Stated { policy, .. } = self {
            policy.check(&mask.histogram(), mask.source, path)?;
        }
        Ok(self.apply(mask))
    }

    /// Turns a mask into labels. A stated policy is known to apply to it; a value that it does not
    /// mention would have no label.
    pub(crate) fn apply(&self, mask: &RawMask) -> LabelMap {
        let ignore = u16::from(IGNORE_LABEL);
        let classes = match self {
            Self::Ids { .. } => mask.values.iter().map(|&v| v.min(ignore) as u8).collect(),
            Self::Stated { policy, .. } => {
                let largest = mask.values.iter().copied().max().unwrap_or(0);
                let label = |value| policy.label(value).unwrap_or(IGNORE_LABEL);
                let table: Vec<u8> = (0..=largest).map(label).collect();
                let labels = mask.values.iter().map(|&v| table[usize::from(v)]);
                labels.collect()
            }
            Self::Binary { ignore_255: true } => {
                let label = |v: u16| {
                    if v == ignore {
                        IGNORE_LABEL
                    } else {
                        u8::from(v > 0)
                    }
                };
                mask.values.iter().map(|&v| label(v)).collect()
            }
            Self::Binary { ignore_255: false } => {
                let least = threshold(mask);
                mask.values.iter().map(|&v| u8::from(v >= least)).collect()
            }
        };
        LabelMap {
            width: mask.width,
            height: mask.height,
            classes,
        }
    }
}

/// Smallest value that is foreground in a binary mask.
fn threshold(mask: &RawMask) -> u16 {
    let largest = mask.values.iter().copied().max().unwrap_or(0);
    let half = largest / 2 + largest % 2;
    match mask.source {
        MaskSource::Indices | MaskSource::Colour | MaskSource::Mapped => 1,
        MaskSource::Lossy if largest < JPEG_FLOOR => u16::MAX,
        MaskSource::Lossy => half,
        MaskSource::Grey => {
            let single = mask.values.iter().all(|&v| v == 0 || v == largest);
            if single { 1 } else { half }
        }
    }
}

/// Whether a mask has grey levels between background and foreground.
pub(crate) fn has_soft_edges(mask: &RawMask, rule: &LabelRule) -> bool {
    matches!(rule, LabelRule::Binary { ignore_255: false })
        && mask.source == MaskSource::Grey
        && threshold(mask) > 1
}

#[cfg(test)]
mod tests {
    use super::{LabelRule, MaskValues};
    use crate::decode_mask::{MaskSource, RawMask};
    use crate::mask_policy::MaskPolicy;

    fn mask(values: &[u16], source: MaskSource) -> RawMask {
        RawMask {
            width: values.len(),
            height: 1,
            values: values.to_vec(),
            source,
        }
    }

    fn check(masks: &[RawMask], rule: LabelRule, labels: &[&[u8]]) {
        let values: Vec<MaskValues> = masks.iter().map(MaskValues::of).collect();
        let decided = LabelRule::decide(values.iter());
        assert_eq!(decided, rule);
        for (mask, expected) in masks.iter().zip(labels) {
            assert_eq!(decided.apply(mask).classes, *expected);
        }
    }

    const BINARY: LabelRule = LabelRule::Binary { ignore_255: false };

    #[test]
    fn binary_masks_in_all_their_spellings() {
        use MaskSource::{Colour, Grey, Indices, Lossy};
        check(&[mask(&[0, 1, 1], Grey)], BINARY, &[&[0, 1, 1]]);
        check(&[mask(&[0, 255, 0], Grey)], BINARY, &[&[0, 1, 0]]);
        check(&[mask(&[0, 65535, 0], Grey)], BINARY, &[&[0, 1, 0]]);
        check(&[mask(&[0, 3, 0], Indices)], BINARY, &[&[0, 1, 0]]);
        check(&[mask(&[0, 0], Grey)], BINARY, &[&[0, 0]]);
        check(&[mask(&[0, 1, 1], Colour)], BINARY, &[&[0, 1, 1]]);
        check(
            &[mask(&[3, 250, 120, 140], Lossy)],
            BINARY,
            &[&[0, 1, 0, 1]],
        );
        check(&[mask(&[0, 9, 2], Lossy)], BINARY, &[&[0, 0, 0]]);
    }

    #[test]
    fn a_set_that_mixes_0_1_and_0_255_is_binary() {
        let masks = [
            mask(&[0, 1], MaskSource::Grey),
            mask(&[0, 255], MaskSource::Grey),
        ];
        check(&masks, BINARY, &[&[0, 1], &[0, 1]]);
    }

    #[test]
    fn a_255_that_would_mean_two_things_is_a_contradiction() {
        let check = |masks: &[&[u16]], expected: Option<[usize; 2]>| {
            let values: Vec<MaskValues> = masks
                .iter()
                .map(|values| MaskValues::of(&mask(values, MaskSource::Grey)))
                .collect();
            assert_eq!(
                LabelRule::contradiction(&MaskPolicy::Auto, &values),
                expected,
                "{masks:?}"
            );
        };
        // One stray grey pixel among masks of 0 and 255.
        check(&[&[0, 255], &[0, 1, 255], &[255]], Some([1, 0]));
        check(&[&[0, 1, 255], &[0, 2], &[0, 2, 255]], None);
        check(&[&[0, 255], &[0, 1]], None);
        check(&[&[0, 255], &[0, 128, 255]], None);
    }

    #[test]
    fn soft_edges_are_cut_at_half_of_the_largest_value() {
        let soft = mask(&[0, 40, 127, 128, 255], MaskSource::Grey);
        check(&[soft], BINARY, &[&[0, 0, 0, 1, 1]]);
    }

    #[test]
    fn ids_are_kept_even_where_a_file_shows_only_one_of_them() {
        let masks = [
            mask(&[0, 1, 3], MaskSource::Indices),
            mask(&[0, 2, 2], MaskSource::Indices),
        ];
        let rule = LabelRule::Ids {
            n_classes: 3,
            ignore_255: false,
        };
        check(&masks, rule, &[&[0, 1, 3], &[0, 2, 2]]);
    }

    #[test]
    fn void_pixels_beside_ids_stay_without_truth() {
        let rule = LabelRule::Ids {
            n_classes: 2,
            ignore_255: true,
        };
        check(
            &[mask(&[0, 1, 2, 255], MaskSource::Indices)],
            rule,
            &[&[0, 1, 2, 255]],
        );
        let rule = LabelRule::Binary { ignore_255: true };
        check(
            &[mask(&[0, 1, 255], MaskSource::Grey)],
            rule,
            &[&[0, 1, 255]],
        );
    }
}
