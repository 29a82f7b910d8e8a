//! Values of the masks: what they are taken for, and values that suggest something else was meant.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::facts::Facts;
use super::report::{Check, Finding};
use super::{counted, together};
use crate::counted::{ARE, HAVE};
use crate::decode_mask::MaskSource;
use crate::label_rule::{LabelRule, has_soft_edges};
use crate::mask_policy::MaskPolicy;
use crate::pixels::IGNORE_LABEL;

/// Distinct grey levels up to which they may be classes; soft edges have more.
const FEW: usize = 16;

/// What every stored value is taken for, in words.
pub(super) fn mapping(values: &BTreeMap<u16, u64>, rule: &LabelRule) -> String {
    let ignore = u16::from(IGNORE_LABEL);
    let nonzero: Vec<u16> = values.keys().copied().filter(|v| *v != 0).collect();
    let (ignore_255, classes) = match rule {
        LabelRule::Stated { policy, .. } => return stated(&nonzero, policy),
        LabelRule::Ids { ignore_255, .. } | LabelRule::Binary { ignore_255 } => {
            let classes = nonzero.iter().filter(|v| !(*ignore_255 && **v == ignore));
            (*ignore_255, classes.copied().collect::<Vec<_>>())
        }
    };
    let mut parts = match (rule, &classes[..]) {
        (_, []) => vec!["only 0 occurs, background".to_owned()],
        (LabelRule::Ids { .. }, ids) => ids.iter().map(|v| format!("{v} -> class {v}")).collect(),
        (LabelRule::Binary { .. }, [one]) => vec![format!("{one} -> class 1")],
        (LabelRule::Binary { .. }, many) if many.len() <= 4 => {
            let names: Vec<String> = many.iter().map(u16::to_string).collect();
            vec![format!(
                "{} -> class 1 from half of a file's largest value on",
                names.join(", ")
            )]
        }
        (_, many) => vec![format!(
            "{} values up to {} -> class 1 from half of a file's largest value on",
            many.len(),
            many[many.len() - 1]
        )],
    };
    if ignore_255 {
        parts.push("255 -> ignored".to_owned());
    }
    parts.join(", ")
}

/// What `dataset.toml` says the values are.
fn stated(nonzero: &[u16], policy: &MaskPolicy) -> String {
    const SHOWN: usize = 8;
    let meaning = |&value: &u16| match policy.label(value) {
        Some(IGNORE_LABEL) => format!("{value} -> ignored"),
        Some(0) => format!("{value} -> background"),
        Some(class) => format!("{value} -> class {class}"),
        None => format!("{value} -> nothing"),
    };
    let mut parts: Vec<String> = nonzero.iter().take(SHOWN).map(meaning).collect();
    if nonzero.len() > SHOWN {
        parts.push(format!(
            "and {}",
            counted(nonzero.len() - SHOWN, "more value")
        ));
    }
    if parts.is_empty() {
        parts.push("only 0 occurs, background".to_owned());
    }
    parts.join(", ")
}

/// Values that are odd.
pub(super) fn check(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let mut findings = Vec::new();
    if matches!(rule, LabelRule::Stated { .. }) {
        // Whoever states what the values mean has looked at them.
        return findings;
    }
    let mut group = |odd: &dyn Fn(&Facts) -> bool, verb, rest: &str, remedy: &str| {
        findings.extend(together(
            seen,
            Check::MaskValues,
            odd,
            |one| &one.case.mask,
            ("mask", verb, rest),
            remedy,
        ));
    };
    group(
        &|one| one.source == MaskSource::Lossy,
        ARE,
        "stored as JPEG, which disturbs edges; what reaches half of a file's largest value is foreground",
        "export them as PNG",
    );
    group(
        &|one| one.source == MaskSource::Colour,
        ARE,
        "in colours; every colour but black is taken for foreground",
        "export class ids 1, 2, ... as grey or palette PNG if there are several classes",
    );
    let soft = |one: &Facts| has_soft_edges(&one.distinct(), rule);
    let levels: BTreeSet<u16> = seen
        .iter()
        .filter(|one| soft(one))
        .flat_map(|one| one.nonzero())
        .collect();
    if levels.len() <= FEW {
        let first = seen.iter().find(|one| soft(one));
        findings.extend(first.map(|one| classes_as_grey(&one.case.mask, &levels)));
    } else {
        group(
            &soft,
            HAVE,
            "several grey levels; at least half of the largest is taken for foreground",
            "export them with two values, or as class ids 1, 2, ...",
        );
    }
    findings.extend(mixed(seen, rule));
    findings
}

/// A few grey levels far apart are often classes spread over the range for the eye.
fn classes_as_grey(file: &Path, levels: &BTreeSet<u16>) -> Finding {
    let names: Vec<String> = levels.iter().map(u16::to_string).collect();
    let ids = levels.iter().enumerate();
    let map: Vec<String> = ids
        .map(|(k, level)| format!("{level} -> {}", k + 1))
        .collect();
    Finding::warning(
        Check::MaskValues,
        Some(file),
        format!(
            "masks have the several grey levels {}; at least half of a file's largest is taken for foreground",
            names.join(", ")
        ),
        &format!(
            "if they are classes, write ids instead: {}; if they are soft edges, export two values",
            map.join(", ")
        ),
    )
}

/// Binary masks of which some store the foreground as one number and some as another. Each file is
/// understood, but it is a sign of two sources, or of one class per number.
fn mixed(seen: &[Facts], rule: &LabelRule) -> Option<Finding> {
    if !matches!(rule, LabelRule::Binary { ignore_255: false }) {
        return None;
    }
    // A 1-bit file can hold nothing but 1: reported with the bit depths.
    let exact = |one: &&Facts| {
        matches!(one.source, MaskSource::Grey | MaskSource::Indices)
            && one.mask_storage.bits != Some(1)
    };
    let mut kinds = BTreeMap::<u16, Vec<&Facts>>::new();
    for one in seen.iter().filter(exact) {
        let mut values = one.nonzero();
        if let (Some(value), None) = (values.next(), values.next()) {
            kinds.entry(value).or_default().push(one);
        }
    }
    if kinds.len() < 2 {
        return None;
    }
    let rare = kinds.values().min_by_key(|files| files.len())?.first()?;
    let counts: Vec<String> = kinds
        .iter()
        .map(|(value, files)| format!("{value} ({})", counted(files.len(), "mask")))
        .collect();
    Some(Finding::warning(
        Check::MaskValues,
        Some(&rare.case.mask),
        format!(
            "the foreground is stored as different numbers: {}; each is taken for class 1",
            counts.join(", ")
        ),
        "export all masks alike, or as class ids 1, 2, ... if the numbers are classes",
    ))
}

#[cfg(test)]
mod tests {
    use super::mapping;
    use crate::label_rule::LabelRule;

    #[test]
    fn the_mapping_in_words() {
        let binary = |ignore_255| LabelRule::Binary { ignore_255 };
        let ids = |ignore_255| LabelRule::Ids {
            n_classes: 3,
            ignore_255,
        };
        for (values, rule, expected) in [
            (&[0, 255][..], binary(false), "255 -> class 1"),
            (&[0, 1, 255], binary(true), "1 -> class 1, 255 -> ignored"),
            (&[0], binary(false), "only 0 occurs, background"),
            (
                &[0, 1, 3, 255],
                ids(true),
                "1 -> class 1, 3 -> class 3, 255 -> ignored",
            ),
            (
                &[0, 1, 255],
                binary(false),
                "1, 255 -> class 1 from half of a file's largest value on",
            ),
            (
                &[0, 10, 20, 30, 40, 50],
                binary(false),
                "5 values up to 50 -> class 1 from half of a file's largest value on",
            ),
        ] {
            let counts = values.iter().map(|v| (*v, 1)).collect();
            assert_eq!(mapping(&counts, &rule), expected);
        }
    }
}
