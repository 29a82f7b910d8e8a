//! Looks at a whole data set and reports everything that is wrong or odd, each with a remedy.
//!
//! [`crate::Dataset::open`] stops at the first error, because a run must not start on a broken set.
//! This goes on, because whoever repairs a set wants the whole list. Nothing is changed. Of a case
//! only small facts are kept, so memory does not grow with the size of the pictures.

mod advice;
mod components;
mod cut_short;
mod duplicates;
mod facts;
mod fingerprint;
mod leakage;
mod likeness;
mod masks;
mod pairing;
mod pictures;
mod report;
mod splits;
mod storage;
mod values;
mod widths;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;

pub use crate::counted::counted;
pub use advice::Advice;
pub use components::{CasePieces, ClassPieces};
pub use fingerprint::{ChannelStats, Fingerprint, Spread};
pub use report::{Check, Finding, Severity, SizeCount, VerifyReport};
pub use widths::WidthStats;

use crate::counted::agreeing;
use crate::dataset::{Case, Split};
use crate::error::DataError;
use crate::label_rule::{LabelRule, MaskValues};
use crate::mask_policy::MaskPolicy;
use crate::pixels::IGNORE_LABEL;
use crate::settings::Settings;
use crate::table::Table;
use facts::{Facts, look};
use fingerprint::Intensities;

/// Checks the data set in `dir`.
pub fn verify(dir: &Path) -> VerifyReport {
    let mut findings = Vec::new();
    let (mut cases, mut has_group) = (Vec::<Case>::new(), false);
    match Table::read(dir) {
        Ok(table) => {
            has_group = table.has_group;
            findings.extend(pairing::ignored_columns(&table));
            findings.extend(pairing::orphans(dir, &table));
            let table_file = table.path.clone();
            let (listed, problems) = pairing::listed(table);
            findings.extend(problems);
            findings.extend(leakage::check(&table_file, &listed, has_group));
            cases = listed;
        }
        Err(error) => findings.push(Finding::from_error(Check::Table, &error)),
    }
    let policy = match Settings::read(dir) {
        Ok(settings) => settings.masks,
        Err(error) => {
            findings.push(Finding::from_error(Check::MaskValues, &error));
            MaskPolicy::Auto
        }
    };
    let intensities = Mutex::new(Intensities::default());
    let looked: Vec<Result<Facts, Finding>> = cases
        .into_par_iter()
        .map(|case| look(case, &policy, &intensities))
        .collect();
    let mut seen = Vec::new();
    for outcome in looked {
        match outcome {
            Ok(facts) => seen.push(facts),
            Err(finding) => findings.push(finding),
        }
    }
    let mut report = summarise(dir, &seen, &policy, &mut findings);
    report.groups = has_group.then(|| {
        let groups: BTreeSet<_> = seen.iter().filter_map(|f| f.case.group.as_ref()).collect();
        groups.len()
    });
    if !seen.is_empty() {
        let intensities = intensities.into_inner().unwrap_or_default();
        report.fingerprint = Some(fingerprint::measure(
            &seen,
            &policy,
            &report.label_rule,
            &intensities,
        ));
        findings.extend(splits::missing_splits(&report.splits, dir));
        findings.extend(splits::missing_classes(&seen, &report.label_rule));
        findings.extend(values::check(&seen, &report.label_rule));
        findings.extend(masks::check(&seen, &report.label_rule));
        let (pieces, odd) = components::check(&seen, &policy, &report.label_rule);
        report.pieces = pieces;
        findings.extend(odd);
        findings.extend(storage::check(&seen));
        findings.extend(pictures::check(&seen));
        findings.extend(duplicates::check(&seen, &report.label_rule));
    }
    findings.sort_by(|a, b| (a.severity, a.check, &a.file).cmp(&(b.severity, b.check, &b.file)));
    report.findings = findings;
    report
}

/// What is counted over all cases.
fn summarise(
    dir: &Path,
    seen: &[Facts],
    policy: &MaskPolicy,
    findings: &mut Vec<Finding>,
) -> VerifyReport {
    let values: Vec<MaskValues> = seen
        .iter()
        .map(|one| MaskValues::of(&one.distinct()))
        .collect();
    let label_rule = LabelRule::of(policy, &values);
    if let Some([beside, alone]) = LabelRule::contradiction(policy, &values) {
        let mask = |i: usize| seen[i].case.mask.clone();
        findings.push(Finding::from_error(
            Check::MaskValues,
            &DataError::Contradiction {
                path: mask(beside),
                alone: mask(alone),
            },
        ));
    }
    let mut splits: BTreeMap<Split, usize> = BTreeMap::new();
    let mut sizes: BTreeMap<[usize; 2], usize> = BTreeMap::new();
    let mut mask_values: BTreeMap<u16, u64> = BTreeMap::new();
    let mut labels: BTreeMap<u8, u64> = BTreeMap::new();
    for one in seen {
        *splits.entry(one.case.split).or_default() += 1;
        *sizes.entry(one.size).or_default() += 1;
        for &(value, count) in &one.histogram {
            *mask_values.entry(value).or_default() += count;
        }
        for (label, count) in one.label_counts(&label_rule) {
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
        groups: None,
        mapping: values::mapping(&mask_values, &label_rule),
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
        pieces: Vec::new(),
        fingerprint: None,
        findings: Vec::new(),
    }
}

/// One finding about all the cases of which `odd` holds, naming the first. The problem is their number, a noun, a verb
/// that agrees, and the rest of the sentence.
fn together(
    seen: &[Facts],
    check: Check,
    odd: impl Fn(&Facts) -> bool,
    file: impl Fn(&Facts) -> &Path,
    (noun, verb, rest): (&str, [&'static str; 2], &str),
    remedy: &str,
) -> Option<Finding> {
    let found: Vec<&Facts> = seen.iter().filter(|one| odd(one)).collect();
    let first = found.first()?;
    let verb = agreeing(found.len(), verb);
    let problem = format!("{} {verb} {rest}", counted(found.len(), noun));
    Some(Finding::warning(check, Some(file(first)), problem, remedy))
}
