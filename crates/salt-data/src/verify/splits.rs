//! Splits without cases, and classes that are not in every split.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::facts::Facts;
use super::report::{Check, Finding, Severity};
use crate::dataset::Split;
use crate::label_rule::LabelRule;

/// A finding for each of the three splits that has no case.
pub(super) fn missing_splits(splits: &BTreeMap<Split, usize>, dir: &Path) -> Vec<Finding> {
    let missing = Split::ALL
        .into_iter()
        .filter(|split| !splits.contains_key(split));
    let remedy = |split| match split {
        Split::Train => "training is not possible until some lines have the split train",
        Split::Val => {
            "give some lines the split val, or let training take a share of train, as it does by default"
        }
        Split::Test => "give some lines the split test to have a final score",
    };
    missing
        .map(|split| {
            let problem = format!("split {split} has no case");
            let severity = match split {
                // Most published sets have none, and nothing is wrong with them.
                Split::Val => Severity::Info,
                Split::Train | Split::Test => Severity::Warning,
            };
            Finding::new(severity, Check::Splits, Some(dir), problem, remedy(split))
        })
        .collect()
}

/// Classes that occur nowhere, and classes that are missing from a split that has cases.
pub(super) fn missing_classes(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let n_classes = match rule {
        LabelRule::Ids { n_classes, .. } => *n_classes,
        LabelRule::Stated { n_classes, .. } if *n_classes > 1 => *n_classes,
        LabelRule::Stated { .. } | LabelRule::Binary { .. } => return Vec::new(),
    };
    let mut present = BTreeMap::<Split, BTreeSet<usize>>::new();
    for one in seen {
        let classes = one.label_counts(rule).into_keys().map(usize::from);
        present.entry(one.case.split).or_default().extend(classes);
    }
    let mut findings = Vec::new();
    for class in 1..=n_classes {
        let (with, without): (Vec<Split>, Vec<Split>) = present
            .keys()
            .copied()
            .partition(|split| present[split].contains(&class));
        if with.is_empty() {
            findings.push(Finding::warning(
                Check::Classes,
                None,
                format!("class {class} occurs in no mask, though ids go up to {n_classes}"),
                "number the classes without gaps: an output of the network is spent on each id",
            ));
        } else if !without.is_empty() {
            let list = |splits: &[Split]| {
                let names: Vec<&str> = splits.iter().map(|split| split.name()).collect();
                names.join(" and ")
            };
            findings.push(Finding::warning(
                Check::Classes,
                None,
                format!("class {class} occurs in {} but not in {}", list(&with), list(&without)),
                "move cases between the splits until every class is in each: what is not in train cannot be learned, \
                 what is only in train is never scored",
            ));
        }
    }
    findings
}
