//! A folder of images and masks with its splits.

use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::decode_image::{dimensions, read_image};
use crate::decode_mask::read_raw;
use crate::draw_rng::DrawRng;
use crate::error::DataError;
use crate::label_rule::{LabelRule, MaskValues};
use crate::pixels::{ImageRgb, LabelMap};
use crate::table::Table;

/// What a case is for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Trained on.
    Train,
    /// Chooses the epoch.
    Val,
    /// Read once, at the end.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// The name in tables and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }

    /// The split of a name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|split| split.name().eq_ignore_ascii_case(name))
    }

    /// The name most alike to `name`.
    pub fn nearest_name(name: &str) -> &'static str {
        let name = name.to_lowercase();
        let alike = |split: &Self| (strsim::jaro_winkler(split.name(), &name) * 1e6) as u64;
        Self::ALL
            .into_iter()
            .max_by_key(alike)
            .unwrap_or(Self::Train)
            .name()
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One image with its mask, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Unique in the data set: the stem of the image's file name, with its folders if need be.
    pub id: String,
    /// The image file.
    pub image: PathBuf,
    /// The mask file.
    pub mask: PathBuf,
    /// What it is for.
    pub split: Split,
}

/// One image with its labels, in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedCase {
    /// Id of the case.
    pub id: String,
    /// The picture.
    pub image: ImageRgb,
    /// Its labels, of the same size.
    pub labels: LabelMap,
}

/// A data set: files that were found and whose sizes agree; pixels are read by [`Dataset::load`].
#[derive(Debug, Clone)]
pub struct Dataset {
    /// Name of the folder.
    pub name: String,
    /// The folder.
    pub root: PathBuf,
    /// The cases in the order of the table.
    pub cases: Vec<Case>,
    /// Number of foreground classes.
    pub n_classes: usize,
    /// How mask values become labels.
    pub label_rule: LabelRule,
}

impl Dataset {
    /// Reads the table of `dir`, finds every file, compares sizes and decides what the values of
    /// the masks mean ([`LabelRule`]). Every mask is decoded for that; images are only measured.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the table.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        let mut table = Table::read(dir)?;
        let rows = std::mem::take(&mut table.rows);
        let mut cases = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row?;
            cases.push((row.line, table.resolve(&row)?));
        }
        table.unique_ids(&mut cases)?;
        let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
        let measured: Vec<Result<MaskValues, DataError>> = cases.par_iter().map(measure).collect();
        let values = measured.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some([beside, alone]) = LabelRule::contradiction(&values) {
            return Err(DataError::Contradiction {
                path: cases[beside].mask.clone(),
                alone: cases[alone].mask.clone(),
            });
        }
        let label_rule = LabelRule::decide(values.iter());
        let full = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let name = full
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        let n_classes = label_rule.n_classes();
        Ok(Self {
            name,
            root: dir.to_owned(),
            cases,
            n_classes,
            label_rule,
        })
    }

    /// The cases of one split; may be empty.
    pub fn split(&self, split: Split) -> Vec<&Case> {
        self.cases
            .iter()
            .filter(|case| case.split == split)
            .collect()
    }

    /// The cases of a split that is needed.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`].
    pub fn require(&self, split: Split) -> Result<Vec<&Case>, DataError> {
        let cases = self.split(split);
        if cases.is_empty() {
            return Err(DataError::EmptySplit {
                split,
                dataset: self.name.clone(),
            });
        }
        Ok(cases)
    }

    /// Makes sure there are validation cases: a set without any gives up `fraction` of its training
    /// cases (at least one, never all), drawn by `seed`. A set that has some is left alone.
    ///
    /// The draw depends on the ids and not on the order of the table.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a fraction outside of `(0, 1)`, [`DataError::EmptySplit`] when
    /// fewer than two training cases are there to share.
    pub fn with_validation(mut self, fraction: f64, seed: u64) -> Result<Self, DataError> {
        if !(fraction > 0.0 && fraction < 1.0) {
            return Err(DataError::Setting {
                name: "the validation fraction",
                expected: "between 0 and 1",
                received: fraction.to_string(),
            });
        }
        if self.cases.iter().any(|case| case.split == Split::Val) {
            return Ok(self);
        }
        let mut train: Vec<usize> = (0..self.cases.len())
            .filter(|&i| self.cases[i].split == Split::Train)
            .collect();
        if train.len() < 2 {
            let split = if train.is_empty() {
                Split::Train
            } else {
                Split::Val
            };
            return Err(DataError::EmptySplit {
                split,
                dataset: self.name,
            });
        }
        train.sort_by(|&a, &b| self.cases[a].id.cmp(&self.cases[b].id));
        DrawRng::new(seed, VALIDATION_STREAM).shuffle(&mut train);
        let count = (fraction * train.len() as f64).round() as usize;
        for &i in &train[..count.clamp(1, train.len() - 1)] {
            self.cases[i].split = Split::Val;
        }
        Ok(self)
    }

    /// Reads one case.
    ///
    /// # Errors
    /// [`DataError::Unreadable`], [`DataError::TooLarge`] or [`DataError::SizeMismatch`].
    pub fn load(&self, case: &Case) -> Result<LoadedCase, DataError> {
        let image = read_image(&case.image)?;
        let mask = read_raw(&case.mask)?;
        check_sizes(case, [image.width, image.height], [mask.width, mask.height])?;
        Ok(LoadedCase {
            id: case.id.clone(),
            image,
            labels: self.label_rule.apply(&mask),
        })
    }

    /// Reads all cases of a split that is needed, in parallel, in the order of the table.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`], or what [`Dataset::load`] says about the first bad case.
    pub fn load_split(&self, split: Split) -> Result<Vec<LoadedCase>, DataError> {
        let cases = self.require(split)?;
        let loaded: Vec<_> = cases.par_iter().map(|case| self.load(case)).collect();
        loaded.into_iter().collect()
    }

    /// Hash of the content: SHA-256 over one line `id split sha256(image) sha256(mask)` per case,
    /// sorted by id. Neither the folder's place nor the table's order enters.
    ///
    /// # Errors
    /// [`DataError::Io`] when a file cannot be read.
    pub fn sha256(&self) -> Result<String, DataError> {
        let lines: Vec<Result<String, DataError>> = self
            .cases
            .par_iter()
            .map(|case| {
                let image = file_sha256(&case.image)?;
                let mask = file_sha256(&case.mask)?;
                Ok(format!("{}\t{}\t{image}\t{mask}\n", case.id, case.split))
            })
            .collect();
        let mut lines = lines.into_iter().collect::<Result<Vec<_>, _>>()?;
        lines.sort();
        Ok(hex(&Sha256::digest(lines.concat())))
    }
}

/// Stream of the validation draw; apart from the streams of other draws with the same seed.
const VALIDATION_STREAM: u64 = u64::MAX;

fn measure(case: &Case) -> Result<MaskValues, DataError> {
    let image = dimensions(&case.image)?;
    let mask = read_raw(&case.mask)?;
    check_sizes(case, image, [mask.width, mask.height])?;
    Ok(MaskValues::of(&mask))
}

pub(crate) fn check_sizes(
    case: &Case,
    image: [usize; 2],
    mask: [usize; 2],
) -> Result<(), DataError> {
    if image == mask {
        return Ok(());
    }
    Err(DataError::SizeMismatch {
        path: case.mask.clone(),
        image,
        mask,
    })
}

/// SHA-256 of a file in lower-case hexadecimal.
pub(crate) fn file_sha256(path: &Path) -> Result<String, DataError> {
    let bytes = std::fs::read(path).map_err(DataError::io("read", path))?;
    Ok(hex(&Sha256::digest(bytes)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::Split;

    #[test]
    fn split_names_round_trip_and_typos_find_their_neighbour() {
        for split in Split::ALL {
            assert_eq!(Split::from_name(split.name()), Some(split));
        }
        assert_eq!(Split::from_name("TRAIN"), Some(Split::Train));
        assert_eq!(Split::from_name("sample"), None);
        assert_eq!(Split::nearest_name("validation"), "val");
        assert_eq!(Split::nearest_name("tset"), "test");
    }
}
