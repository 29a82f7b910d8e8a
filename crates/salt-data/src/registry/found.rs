//! A case that an importer has found: its names, and where picture and mask come from. Nothing is read before the
//! case is written, so that finding a set of ten thousand pictures costs a list of names; only where one file holds many
//! pictures (arrays, volumes) does an importer read it, once, and put them down as files.

use std::fmt;
use std::path::PathBuf;

use super::error::RegistryError;
use crate::dataset::Split;
use crate::pixels::{ImageRgb, LabelMap};

/// Makes something when it is needed.
pub(crate) type Make<T> = Box<dyn Fn() -> Result<T, RegistryError> + Send + Sync>;

/// Where a picture comes from.
pub(crate) enum Picture {
    /// A file that is kept as it is: nothing is encoded anew.
    File(PathBuf),
    /// A picture that is computed: the minimum of some frames, a slice of a volume.
    Made(Make<ImageRgb>),
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Made(_) => f.write_str("Made"),
        }
    }
}

/// One picture with its mask.
pub(crate) struct FoundCase {
    /// Unique in the set; the prepared files are called by it.
    pub(crate) id: String,
    /// The picture.
    pub(crate) picture: Picture,
    /// The labels, of the picture's size.
    pub(crate) truth: Make<LabelMap>,
    /// What must not be divided.
    pub(crate) group: Option<String>,
    /// Its place in the authors' split, where there is one.
    pub(crate) official: Option<Split>,
    /// Width and height of a pixel in millimetres, where known.
    pub(crate) spacing_mm: Option<[f64; 2]>,
}

impl FoundCase {
    /// A case of a picture file and a mask, alone and without an official place.
    pub(crate) fn new(
        id: impl Into<String>,
        picture: impl Into<PathBuf>,
        truth: Make<LabelMap>,
    ) -> Self {
        Self {
            id: id.into(),
            picture: Picture::File(picture.into()),
            truth,
            group: None,
            official: None,
            spacing_mm: None,
        }
    }

    pub(crate) fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into());
        self
    }

    pub(crate) fn in_split(mut self, split: Split) -> Self {
        self.official = Some(split);
        self
    }
}

impl fmt::Debug for FoundCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FoundCase")
            .field("id", &self.id)
            .field("picture", &self.picture)
            .field("group", &self.group)
            .field("official", &self.official)
            .finish_non_exhaustive()
    }
}
