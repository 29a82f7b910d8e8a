//! Looks at a whole data set and reports everything that is wrong or odd, each with a remedy.
//!
//! [`crate::Dataset::open`] stops at the first error, because a run must not start on a broken set.
//! This goes on, because whoever repairs a set wants the whole list. Nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use crate::dataset::{Case, Split, check_sizes};
use crate::decode_image::read_image;
use crate::decode_mask::{MaskSource, RawMask, read_raw};
use crate::error::DataError;
use crate::label_rule::{LabelRule, MaskValues, has_soft_edges};
use crate::pixels::IGNORE_LABEL;
use crate::table::Table;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Results would be wrong, or nothing would run.
    Error,
    /// Worth a look.
    Warning,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The folder and its table.
    Table,
    /// Image and mask both exist.
    Pairing,
    /// Image and mask have one size.
    Size,
    /// Files can be decoded.
    Readable,
    /// Values of the masks.
    MaskValues,
    /// Masks without foreground.
    EmptyMask,
    /// One picture under two names.
    Duplicate,
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

/// Fingerprint of a data set and the findings about it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct VerifyReport {
    /// The folder.
    pub root: PathBuf,
    /// Number of cases that could be read.
    pub cases: usize,
    /// Number of those per split.
    pub splits: BTreeMap<Split, usize>,
    /// How the values of the masks are understood.
    pub label_rule: LabelRule,
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
    /// What is wrong or odd, errors first.
    pub findings: Vec<Finding>,
}

impl VerifyReport {
    /// Whether there is no finding of severity error.
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Error)
    }
}

/// What is kept of a case after reading it.
struct Seen {
    case: Case,
    size: [usize; 2],
    grey: bool,
    image_hash: String,
    histogram: BTreeMap<u16, u64>,
    source: MaskSource,
}

/// Checks the data set in `dir`.
pub fn verify(dir: &Path) -> VerifyReport {
    let mut findings = Vec::new();
    let cases = match Table::read(dir) {
        Ok(table) => {
            findings.extend(unlisted(dir, &table));
            listed(table, &mut findings)
        }
        Err(error) => {
            findings.push(from_error(Check::Table, &error));
            Vec::new()
        }
    };
    let looked: Vec<Result<Seen, DataError>> = cases.into_par_iter().map(look).collect();
    let mut seen = Vec::new();
    for outcome in looked {
        match outcome {
            Ok(one) => seen.push(one),
            Err(error) => {
                let check = match error {
                    DataError::SizeMismatch { .. } => Check::Size,
                    _ => Check::Readable,
                };
                findings.push(from_error(check, &error));
            }
        }
    }
    let mut report = summarise(dir, &seen);
    if !seen.is_empty() {
        findings.extend(missing_splits(&report.splits, dir));
    }
    findings.append(&mut report.findings);
    findings.extend(odd_masks(&seen, report.label_rule));
    findings.extend(duplicates(&seen));
    findings.sort_by(|a, b| (a.severity, a.check, &a.file).cmp(&(b.severity, b.check, &b.file)));
    report.findings = findings;
    report
}

fn from_error(check: Check, error: &DataError) -> Finding {
    Finding {
        severity: Severity::Error,
        check,
        file: error.path().map(Path::to_owned),
        problem: error.problem(),
        remedy: error.remedy(),
    }
}

/// The cases whose files exist; the others become findings.
fn listed(mut table: Table, findings: &mut Vec<Finding>) -> Vec<Case> {
    let mut cases = Vec::new();
    for row in std::mem::take(&mut table.rows) {
        match row.and_then(|row| Ok((row.line, table.resolve(&row)?))) {
            Ok(case) => cases.push(case),
            Err(error) => {
                let check = match error {
                    DataError::MissingImage { .. } | DataError::MissingMask { .. } => {
                        Check::Pairing
                    }
                    _ => Check::Table,
                };
                findings.push(from_error(check, &error));
            }
        }
    }
    while let Err(error) = table.unique_ids(&mut cases) {
        findings.push(from_error(Check::Table, &error));
        let DataError::DuplicateCase { line, .. } = error else {
            break;
        };
        cases.retain(|(other, _)| *other != line);
    }
    cases.into_iter().map(|(_, case)| case).collect()
}

/// Images that lie in the folder but are in no line of the table.
fn unlisted(dir: &Path, table: &Table) -> Option<Finding> {
    let rows = table.rows.iter().flatten();
    let named: BTreeSet<&str> = rows
        .flat_map(|row| {
            let path = Path::new(&row.image);
            [path.file_stem(), path.file_name()]
        })
        .filter_map(|name| name?.to_str())
        .collect();
    let mut extra: Vec<PathBuf> = walkdir::WalkDir::new(dir.join("images"))
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| {
            let hidden = |name: &str| name.starts_with('.') || name == "Thumbs";
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.is_some_and(|stem| !hidden(stem) && !named.contains(stem))
        })
        .collect();
    extra.sort();
    let first = extra.first()?.clone();
    Some(Finding {
        severity: Severity::Warning,
        check: Check::Pairing,
        file: Some(first),
        problem: format!(
            "{} files in images/ are in no line of the table",
            extra.len()
        ),
        remedy: "add a line for each, or move them out of the folder".to_owned(),
    })
}

fn look(case: Case) -> Result<Seen, DataError> {
    let image = read_image(&case.image)?;
    let mask = read_raw(&case.mask)?;
    let size = [image.width, image.height];
    check_sizes(&case, size, [mask.width, mask.height])?;
    let grey = image
        .data
        .chunks_exact(3)
        .all(|p| p[0] == p[1] && p[1] == p[2]);
    let mut hasher = Sha256::new();
    hasher.update(image.width.to_le_bytes());
    hasher.update(&image.data);
    let image_hash = hasher
        .finalize()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    Ok(Seen {
        size,
        grey,
        image_hash,
        histogram: mask.histogram(),
        source: mask.source,
        case,
    })
}

impl Seen {
    /// A mask with every stored value once: what a rule needs in order to decide.
    fn distinct(&self) -> RawMask {
        let values: Vec<u16> = self.histogram.keys().copied().collect();
        RawMask {
            width: values.len(),
            height: 1,
            values,
            source: self.source,
        }
    }

    /// Number of pixels per label.
    fn label_counts(&self, rule: LabelRule) -> BTreeMap<u8, u64> {
        let mut counts = BTreeMap::new();
        let labels = rule.apply(&self.distinct()).classes;
        for (label, count) in labels.into_iter().zip(self.histogram.values()) {
            *counts.entry(label).or_default() += count;
        }
        counts
    }
}

fn summarise(dir: &Path, seen: &[Seen]) -> VerifyReport {
    let values: Vec<MaskValues> = seen
        .iter()
        .map(|one| MaskValues::of(&one.distinct()))
        .collect();
    let label_rule = LabelRule::decide(values.iter());
    let contradiction = LabelRule::contradiction(&values).map(|[beside, alone]| {
        let mask = |i: usize| seen[i].case.mask.clone();
        from_error(
            Check::MaskValues,
            &DataError::Contradiction {
                path: mask(beside),
                alone: mask(alone),
            },
        )
    });
    let mut splits: BTreeMap<Split, usize> = BTreeMap::new();
    let mut sizes: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    let mut mask_values: BTreeMap<u16, u64> = BTreeMap::new();
    let mut labels: BTreeMap<u8, u64> = BTreeMap::new();
    for one in seen {
        *splits.entry(one.case.split).or_default() += 1;
        *sizes.entry(one.size).or_default() += 1;
        for (&value, &count) in &one.histogram {
            *mask_values.entry(value).or_default() += count;
        }
        for (label, count) in one.label_counts(label_rule) {
            *labels.entry(label).or_default() += count;
        }
    }
    let known: u64 = labels
        .iter()
        .filter(|(l, _)| **l != IGNORE_LABEL)
        .map(|(_, n)| n)
        .sum();
    let n_classes = label_rule.n_classes();
    let share = |class: usize| {
        let count = u8::try_from(class)
            .ok()
            .and_then(|class| labels.get(&class));
        count.copied().unwrap_or(0) as f64 / known.max(1) as f64
    };
    VerifyReport {
        root: dir.to_owned(),
        cases: seen.len(),
        splits,
        label_rule,
        n_classes,
        grey_images: seen.iter().filter(|one| one.grey).count(),
        sizes: sizes
            .into_iter()
            .map(|([width, height], cases)| SizeCount {
                width,
                height,
                cases,
            })
            .collect(),
        mask_values,
        foreground_share: (1..=n_classes).map(share).collect(),
        findings: contradiction.into_iter().collect(),
    }
}

fn missing_splits(splits: &BTreeMap<Split, usize>, dir: &Path) -> Vec<Finding> {
    let missing = Split::ALL
        .into_iter()
        .filter(|split| !splits.contains_key(split));
    let remedy = |split| match split {
        Split::Train => "training is not possible until some lines have the split train",
        Split::Val => "give some lines the split val, or let training take a share of train",
        Split::Test => "give some lines the split test to have a final score",
    };
    missing
        .map(|split| Finding {
            severity: Severity::Warning,
            check: Check::Splits,
            file: Some(dir.to_owned()),
            problem: format!("split {split} has no case"),
            remedy: remedy(split).to_owned(),
        })
        .collect()
}

/// Share of foreground from which a mask may well be inverted.
const MOSTLY_FOREGROUND: f64 = 0.75;

fn odd_masks(seen: &[Seen], rule: LabelRule) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut empty = 0;
    for one in seen {
        let counts = one.label_counts(rule);
        let share = |label: u8| counts.get(&label).copied().unwrap_or(0);
        let ground = share(0);
        let total = counts.values().sum::<u64>() - share(IGNORE_LABEL);
        if total > 0 && ground as f64 <= (1.0 - MOSTLY_FOREGROUND) * total as f64 {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::MaskValues,
                file: Some(one.case.mask.clone()),
                problem: format!(
                    "{:.0} % of the mask of {} is foreground",
                    100.0 * (1.0 - ground as f64 / total as f64),
                    one.case.id
                ),
                remedy: "confirm that it is not inverted (a palette of white and black counts by index: 0 is background)"
                    .to_owned(),
            });
        }
        if counts
            .keys()
            .all(|&label| label == 0 || label == IGNORE_LABEL)
        {
            empty += 1;
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::EmptyMask,
                file: Some(one.case.mask.clone()),
                problem: format!("the mask of {} has no foreground", one.case.id),
                remedy: "confirm that there is nothing to see in the image".to_owned(),
            });
        }
    }
    if empty == seen.len() && empty > 0 {
        findings.push(Finding {
            severity: Severity::Error,
            check: Check::EmptyMask,
            file: None,
            problem: "no mask of the set has any foreground".to_owned(),
            remedy: "check how the masks were exported: there is nothing to learn".to_owned(),
        });
    }
    let mut group = |odd: &dyn Fn(&Seen) -> bool, problem: &str, remedy: &str| {
        let files: Vec<&Seen> = seen.iter().filter(|one| odd(one)).collect();
        if let Some(first) = files.first() {
            findings.push(Finding {
                severity: Severity::Warning,
                check: Check::MaskValues,
                file: Some(first.case.mask.clone()),
                problem: format!("{} masks {problem}", files.len()),
                remedy: remedy.to_owned(),
            });
        }
    };
    group(
        &|one| one.source == MaskSource::Lossy,
        "are JPEG files, whose edges are disturbed; they are cut at half of their largest value",
        "export them as PNG",
    );
    group(
        &|one| one.source == MaskSource::Colour,
        "are in colours; every colour but black is taken for foreground",
        "export class ids 1, 2, ... as grey or palette PNG if there are several classes",
    );
    group(
        &|one| has_soft_edges(&one.distinct(), rule),
        "have several grey levels; at least half of the largest is taken for foreground",
        "export them with two values, or as class ids 1, 2, ...",
    );
    findings
}

/// Equal pictures: across splits the test would be seen in training.
fn duplicates(seen: &[Seen]) -> Vec<Finding> {
    let mut groups: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for one in seen {
        groups.entry(&one.image_hash).or_default().push(&one.case);
    }
    let found = groups
        .into_values()
        .filter(|group| group.len() > 1)
        .map(|group| {
            let across = group.iter().any(|case| case.split != group[0].split);
            let names: Vec<String> = group
                .iter()
                .map(|case| format!("{} ({})", case.id, case.split))
                .collect();
            Finding {
                severity: if across {
                    Severity::Error
                } else {
                    Severity::Warning
                },
                check: Check::Duplicate,
                file: Some(group[0].image.clone()),
                problem: format!("the same picture is {}", names.join(", ")),
                remedy: if across {
                    "keep it in one split only: the test must not be seen in training".to_owned()
                } else {
                    "keep one of them, or their weight is doubled".to_owned()
                },
            }
        });
    found.collect()
}
