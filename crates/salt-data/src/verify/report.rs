//! What `verify` says: findings with their remedies, and the fingerprint of the set.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::components::ClassPieces;
use super::fingerprint::Fingerprint;
use crate::counted::counted;
use crate::dataset::Split;
use crate::error::DataError;
use crate::label_rule::LabelRule;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Results would be wrong, or nothing would run.
    Error,
    /// Worth a look.
    Warning,
    /// Good to know; nothing is wrong.
    Info,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Check {
    /// The folder and its table.
    Table,
    /// Image and mask both exist, and no file is left over.
    Pairing,
    /// Image and mask have one size.
    Size,
    /// Files can be decoded.
    Readable,
    /// Files that end early.
    Truncated,
    /// The mask is another picture than the image.
    ImageAsMask,
    /// Values of the masks and what they are taken for.
    MaskValues,
    /// Masks without foreground.
    EmptyMask,
    /// Masks without background.
    FullMask,
    /// Masks with far more or far less foreground than the others.
    MaskOutlier,
    /// Masks in which a class lies in far more pieces than in the others.
    Components,
    /// Classes that occur nowhere, or not in every split.
    Classes,
    /// Colours of palettes against the order of their indices.
    Palette,
    /// Bits per sample: fewer used than stored, or mixed.
    BitDepth,
    /// Transparency, which is dropped.
    Alpha,
    /// A rotation or reflection in the EXIF data, which is not applied.
    Orientation,
    /// Images that show nothing.
    Blank,
    /// Grey and coloured images in one set.
    Colour,
    /// Images of another shape or size than the others.
    SizeOutlier,
    /// Pixel sizes.
    Spacing,
    /// One picture under two names.
    Duplicate,
    /// Nearly one picture, in two splits.
    NearDuplicate,
    /// One mask for two images.
    DuplicateMask,
    /// Groups (patients, children, sequences) across splits.
    Leakage,
    /// Splits without cases.
    Splits,
}

/// One thing that is wrong or odd.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad.
    pub severity: Severity,
    /// What was looked at.
    pub check: Check,
    /// The file it is about.
    pub file: Option<PathBuf>,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl Finding {
    pub(super) fn error(check: Check, file: Option<&Path>, problem: String, remedy: &str) -> Self {
        Self::new(Severity::Error, check, file, problem, remedy)
    }

    pub(super) fn warning(
        check: Check,
        file: Option<&Path>,
        problem: String,
        remedy: &str,
    ) -> Self {
        Self::new(Severity::Warning, check, file, problem, remedy)
    }

    pub(super) fn new(
        severity: Severity,
        check: Check,
        file: Option<&Path>,
        problem: String,
        remedy: &str,
    ) -> Self {
        Self {
            severity,
            check,
            file: file.map(Path::to_owned),
            problem,
            remedy: remedy.to_owned(),
        }
    }

    /// An error of this crate as a finding.
    pub(super) fn from_error(check: Check, error: &DataError) -> Self {
        Self {
            severity: Severity::Error,
            check,
            file: error.path().map(Path::to_owned),
            problem: error.problem(),
            remedy: error.remedy(),
        }
    }
}

/// A picture size and how many cases have it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SizeCount {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Number of cases.
    pub cases: usize,
}

/// Facts about a data set and the findings about it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyReport {
    /// The folder.
    pub root: PathBuf,
    /// Number of cases that could be read.
    pub cases: usize,
    /// Number of those per split.
    pub splits: BTreeMap<Split, usize>,
    /// Number of groups, where the table has a column of them.
    pub groups: Option<usize>,
    /// How the values of the masks are understood.
    pub label_rule: LabelRule,
    /// The same in words, value by value.
    pub mapping: String,
    /// Number of foreground classes.
    pub n_classes: usize,
    /// Number of pictures without colour (three equal channels).
    pub grey_images: usize,
    /// Sizes of the pictures.
    pub sizes: Vec<SizeCount>,
    /// How often each stored mask value occurs.
    pub mask_values: BTreeMap<u16, u64>,
    /// Share of the labelled pixels in each foreground class.
    pub foreground_share: Vec<f64>,
    /// In how many connected pieces each class that occurs lies in a mask.
    pub pieces: Vec<ClassPieces>,
    /// Sizes, intensities and widths of structures; `None` where no case could be read.
    pub fingerprint: Option<Fingerprint>,
    /// What is wrong or odd, errors first.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether there is no finding of severity error.
    pub fn is_sound(&self) -> bool {
        self.count(Severity::Error) == 0
    }

    /// The numbers of cases, errors and warnings, in words.
    pub fn tally(&self) -> String {
        format!(
            "{}, {}, {}",
            counted(self.cases, "case"),
            counted(self.count(Severity::Error), "error"),
            counted(self.count(Severity::Warning), "warning")
        )
    }

    /// Number of findings of one severity.
    pub fn count(&self, severity: Severity) -> usize {
        let findings = self.findings.iter();
        findings.filter(|f| f.severity == severity).count()
    }
}
