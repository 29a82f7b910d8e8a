//! A folder of images and masks with its splits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::decode_image::{dimensions, read_image};
use crate::decode_mask::read_mask;
use crate::draw_rng::DrawRng;
use crate::error::DataError;
use crate::file_sha256::{file_sha256, hex};
use crate::label_rule::{LabelRule, MaskValues};
use crate::mask_policy::MaskPolicy;
use crate::normalise::Normalise;
use crate::pixels::{ImageRgb, LabelMap};
use crate::settings::Settings;
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
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Unique in the data set: the stem of the image's file name, with its folders if need be.
    pub id: String,
    /// The image file.
    pub image: PathBuf,
    /// The mask file.
    pub mask: PathBuf,
    /// What it is for.
    pub split: Split,
    /// What must not be in two splits: patient, child, sequence. `None` where nobody said so.
    pub group: Option<String>,
    /// Width and height of a pixel in millimetres, where known.
    pub spacing_mm: Option<[f64; 2]>,
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
    /// How pictures are brought to one range when they are loaded; [`Normalise::None`] after opening.
    pub normalise: Normalise,
}

impl Dataset {
    /// Reads the table of `dir`, finds every file, compares sizes and decides what the values of
    /// the masks mean ([`LabelRule`]), by `dataset.toml` or else by the values of all masks. Every mask is
    /// decoded for that; images are only measured.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of the table.
    pub fn open(dir: &Path) -> Result<Self, DataError> {
        let mut table = Table::read(dir)?;
        let policy = Settings::read(dir)?.masks;
        let rows = std::mem::take(&mut table.rows);
        let mut cases = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row?;
            cases.push((row.line, table.resolve(&row)?));
        }
        table.unique_ids(&mut cases)?;
        let cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
        if let Some(leak) = table.leaks(&cases).into_iter().next() {
            return Err(leak);
        }
        let measured: Vec<Result<MaskValues, DataError>> = cases
            .par_iter()
            .map(|case| measure(case, &policy))
            .collect();
        let values = measured.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some([beside, alone]) = LabelRule::contradiction(&policy, &values) {
            return Err(DataError::Contradiction {
                path: cases[beside].mask.clone(),
                alone: cases[alone].mask.clone(),
            });
        }
        let label_rule = LabelRule::of(&policy, &values);
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
            normalise: Normalise::None,
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

    /// The same data set with the cases of one split only.
    pub fn only(&self, split: Split) -> Self {
        let mut only = self.without_cases();
        only.cases = self.split(split).into_iter().cloned().collect();
        only
    }

    /// What reading a case needs, without the cases.
    pub(crate) fn without_cases(&self) -> Self {
        Self {
            name: self.name.clone(),
            root: self.root.clone(),
            cases: Vec::new(),
            n_classes: self.n_classes,
            label_rule: self.label_rule.clone(),
            normalise: self.normalise,
        }
    }

    /// Makes sure there are validation cases: a set without any gives up `fraction` of its training
    /// cases (at least one, never all), drawn by `seed`. A set that has some is left alone.
    ///
    /// Whole groups are drawn; a case without a group is one of its own. A group that would overshoot
    /// the wanted number by more than it brings closer is passed over. The draw depends on ids and
    /// groups and not on the order of the table.
    ///
    /// # Errors
    /// [`DataError::Setting`] for a fraction outside of `(0, 1)`, [`DataError::EmptySplit`] when
    /// fewer than two training groups are there to share.
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
        let mut units = self.training_units();
        if units.len() < 2 {
            let split = if units.is_empty() {
                Split::Train
            } else {
                Split::Val
            };
            return Err(DataError::EmptySplit {
                split,
                dataset: self.name,
            });
        }
        DrawRng::new(seed, VALIDATION_STREAM).shuffle(&mut units);
        let total: usize = units.iter().map(Vec::len).sum();
        let wanted = ((fraction * total as f64).round() as usize).clamp(1, total - 1);
        let (mut taken, mut left) = (0, units.len());
        let mut drawn: Vec<&Vec<usize>> = Vec::new();
        for unit in &units {
            if left > 1 && wanted.abs_diff(taken + unit.len()) < wanted.abs_diff(taken) {
                taken += unit.len();
                left -= 1;
                drawn.push(unit);
            }
        }
        if drawn.is_empty() {
            // Every group is at least twice what is wanted.
            drawn.extend(units.iter().min_by_key(|unit| unit.len()));
        }
        for &i in drawn.into_iter().flatten() {
            self.cases[i].split = Split::Val;
        }
        Ok(self)
    }

    /// The training cases by group, in the order of their ids.
    fn training_units(&self) -> Vec<Vec<usize>> {
        let mut train: Vec<usize> = (0..self.cases.len())
            .filter(|&i| self.cases[i].split == Split::Train)
            .collect();
        train.sort_by(|&a, &b| self.cases[a].id.cmp(&self.cases[b].id));
        let mut places = BTreeMap::<&str, usize>::new();
        let mut units: Vec<Vec<usize>> = Vec::new();
        for i in train {
            let next = units.len();
            let place = match self.cases[i].group.as_deref() {
                Some(group) => *places.entry(group).or_insert(next),
                None => next,
            };
            match units.get_mut(place) {
                Some(unit) => unit.push(i),
                None => units.push(vec![i]),
            }
        }
        units
    }

    /// Reads one case.
    ///
    /// # Errors
    /// [`DataError::Picture`], [`DataError::TooLarge`], [`DataError::SizeMismatch`] or
    /// [`DataError::Policy`].
    pub fn load(&self, case: &Case) -> Result<LoadedCase, DataError> {
        let image = read_image(&case.image)?;
        let image = match self.normalise.apply(&image)? {
            Cow::Borrowed(_) => image,
            Cow::Owned(normalised) => normalised,
        };
        let mask = read_mask(&case.mask, self.label_rule.policy())?;
        check_sizes(case, [image.width, image.height], [mask.width, mask.height])?;
        Ok(LoadedCase {
            id: case.id.clone(),
            image,
            labels: self.label_rule.labels(&mask, &case.mask)?,
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
    /// followed by group and spacing where the table has them, sorted by id, and one line for the policy of the masks
    /// where `dataset.toml` states one. Neither the folder's place nor the table's order enters.
    ///
    /// # Errors
    /// [`DataError::Io`] when a file cannot be read.
    pub fn sha256(&self) -> Result<String, DataError> {
        let hash = |path: &Path| file_sha256(path).map_err(DataError::io("read", path));
        let lines: Vec<Result<String, DataError>> = self
            .cases
            .par_iter()
            .map(|case| {
                let image = hash(&case.image)?;
                let mask = hash(&case.mask)?;
                let mut line = format!("{}\t{}\t{image}\t{mask}", case.id, case.split);
                if let Some(group) = &case.group {
                    line += &format!("\tgroup {group}");
                }
                if let Some([x, y]) = case.spacing_mm {
                    line += &format!("\tspacing {x}x{y}");
                }
                Ok(line + "\n")
            })
            .collect();
        let mut lines = lines.into_iter().collect::<Result<Vec<_>, _>>()?;
        lines.sort();
        if let LabelRule::Stated { policy, .. } = &self.label_rule {
            // The same files mean something else under another policy.
            let policy = serde_json::to_string(policy)
                .map_err(|error| DataError::io("hash the settings of", &self.root)(error.into()))?;
            lines.push(format!("masks\t{policy}\n"));
        }
        Ok(hex(&Sha256::digest(lines.concat())))
    }
}

/// Stream of the validation draw; apart from the streams of other draws with the same seed.
const VALIDATION_STREAM: u64 = u64::MAX;

fn measure(case: &Case, policy: &MaskPolicy) -> Result<MaskValues, DataError> {
    let image = dimensions(&case.image)?;
    let mask = read_mask(&case.mask, policy)?;
    check_sizes(case, image, [mask.width, mask.height])?;
    policy.check(&mask.histogram(), mask.source, &case.mask)?;
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
