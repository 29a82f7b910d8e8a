//! What the values of masks mean, as whoever made a data set states it in `dataset.toml`:
//!
//! ```toml
//! [masks]
//! policy = "classes"
//! ignore = 7
//! other = 0
//! [masks.classes]
//! 255 = 1
//! 128 = 2
//! ```
//!
//! | `policy` | keys | meaning |
//! |---|---|---|
//! | `auto` | | found out from all masks of the set ([`crate::LabelRule`]); the default |
//! | `nonzero` | `ignore` | everything but 0 is class 1 |
//! | `threshold` | `at`, `ignore` | grey levels from `at` on are class 1; the only one for JPEG masks |
//! | `ids` | `n_classes`, `ignore` | values are classes, 0 the background |
//! | `classes` | `[masks.classes]`, `other`, `ignore` | a class for each stored value |
//! | `colours` | `[masks.colours]`, `other`, `ignore` | a class for each colour `"#rrggbb"` |
//!
//! Values are those that are stored: the index of a palette, 0 or 1 of a 1-bit file. 0 and black are
//! background unless a map says otherwise. Pixels of the value (or colour) `ignore` carry no truth.
//! Any other value that is not mentioned is an error that names it, unless `other` gives the class
//! for all of them.

mod classes;
mod colours;
mod error;
mod written;

use std::collections::BTreeMap;
use std::path::Path;

pub use classes::Classes;
pub use colours::{Colour, Colours};
pub use error::PolicyError;
pub(crate) use written::KEYS;

use crate::decode_mask::MaskSource;
use crate::error::DataError;
use crate::label_rule::MAX_CLASSES;
use crate::pixels::IGNORE_LABEL;

/// How masks become labels.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub enum MaskPolicy {
    /// Decided from the values of all masks ([`crate::LabelRule`]).
    #[default]
    Auto,
    /// Everything but 0 is foreground.
    Nonzero {
        /// Value of pixels without truth.
        ignore: Option<u16>,
    },
    /// Grey levels from a threshold on are foreground.
    Threshold {
        /// The smallest level of the foreground.
        at: u16,
        /// Value of pixels without truth.
        ignore: Option<u16>,
    },
    /// Values are class ids.
    Ids {
        /// Number of foreground classes; otherwise the largest id of the set.
        n_classes: Option<u8>,
        /// Value of pixels without truth.
        ignore: Option<u16>,
    },
    /// A class for each stored value.
    Classes(Classes),
    /// A class for each colour.
    Colours(Colours),
}

impl MaskPolicy {
    /// The name in `dataset.toml`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Nonzero { .. } => "nonzero",
            Self::Threshold { .. } => "threshold",
            Self::Ids { .. } => "ids",
            Self::Classes(_) => "classes",
            Self::Colours(_) => "colours",
        }
    }

    /// Number of foreground classes, given the largest label of all masks.
    pub(crate) fn n_classes(&self, largest_label: u8) -> usize {
        match self {
            Self::Auto | Self::Nonzero { .. } | Self::Threshold { .. } => 1,
            Self::Ids { n_classes, .. } => usize::from(n_classes.unwrap_or(largest_label).max(1)),
            Self::Classes(classes) => classes.n_classes(),
            Self::Colours(colours) => colours.n_classes(),
        }
    }

    /// The label of a value; none for a value that the policy does not mention.
    pub(crate) fn label(&self, value: u16) -> Option<u8> {
        let unless_ignored = |ignore: &Option<u16>, label: Option<u8>| match *ignore == Some(value)
        {
            true => Some(IGNORE_LABEL),
            false => label,
        };
        match self {
            Self::Auto => None,
            Self::Nonzero { ignore } => unless_ignored(ignore, Some(u8::from(value > 0))),
            Self::Threshold { at, ignore } => unless_ignored(ignore, Some(u8::from(value >= *at))),
            Self::Ids { n_classes, ignore } => {
                let most = n_classes.map_or(MAX_CLASSES, u16::from);
                unless_ignored(ignore, (value <= most).then_some(value as u8))
            }
            Self::Classes(classes) => classes.label(value),
            // Colours become labels when the file is read.
            Self::Colours(_) => Some(value as u8),
        }
    }

    /// Confirms that the policy applies to a mask of these values: counted as stored.
    pub(crate) fn check(
        &self,
        histogram: &BTreeMap<u16, u64>,
        source: MaskSource,
        path: &Path,
    ) -> Result<(), DataError> {
        if *self == Self::Auto {
            return Ok(());
        }
        self.check_kind(source, path)?;
        let unmapped = histogram.iter().find(|(v, _)| self.label(**v).is_none());
        let Some((value, &count)) = unmapped else {
            return Ok(());
        };
        Err(PolicyError::Unmapped {
            path: path.to_owned(),
            value: format!("the value {value}"),
            count,
            known: match self {
                Self::Ids { n_classes, .. } => {
                    format!("ids 0 to {}", n_classes.map_or(MAX_CLASSES, u16::from))
                }
                Self::Classes(classes) => classes.known(),
                _ => self.name().to_owned(),
            },
        }
        .into())
    }

    fn check_kind(&self, source: MaskSource, path: &Path) -> Result<(), DataError> {
        use MaskSource::{Colour, Grey, Indices, Lossy, Mapped};
        let refusal = match (self, source) {
            (_, Grey | Mapped) | (Self::Threshold { .. }, Lossy) => None,
            (Self::Nonzero { ignore: None }, Colour) => None,
            (Self::Threshold { .. }, Indices) => Some((
                "palette indices, which have no order",
                "use the policy nonzero, classes or colours",
            )),
            (_, Indices) => None,
            (_, Colour) => Some(("colours", "use the policy colours")),
            (_, Lossy) => Some((
                "the disturbed values of a JPEG file",
                "use the policy threshold, or better masks in PNG",
            )),
        };
        match refusal {
            None => Ok(()),
            Some((received, remedy)) => Err(PolicyError::Kind {
                path: path.to_owned(),
                policy: self.name(),
                received,
                remedy,
            }
            .into()),
        }
    }
}

/// Largest class of a map, at least 1.
fn largest_class<'a>(labels: impl Iterator<Item = &'a u8>) -> usize {
    usize::from(labels.copied().max().unwrap_or(1).max(1))
}
