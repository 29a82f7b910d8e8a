//! Patients, children and sequences that are in two splits.
//!
//! What the table says about groups is checked by [`Table::leaks`](crate::table::Table::leaks).
//! Where it says nothing, file names are asked; they can only raise a suspicion.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::report::{Check, Finding, Severity};
use crate::counted::{ARE, HAVE, agreeing, counted};
use crate::dataset::Case;
use crate::picture_name::stem_of;

/// What groups are missing, or guessed from file names.
pub(super) fn check(table: &Path, cases: &[Case], has_group: bool) -> Vec<Finding> {
    if cases.is_empty() {
        return Vec::new();
    }
    if has_group {
        let without = cases.iter().filter(|case| case.group.is_none()).count();
        let finding = (without > 0).then(|| {
            Finding::warning(
                Check::Leakage,
                Some(table),
                format!(
                    "{} {} no group",
                    counted(without, "line"),
                    agreeing(without, HAVE)
                ),
                "fill the column, or each of these cases counts as a group of its own",
            )
        });
        return finding.into_iter().chain(spellings(table, cases)).collect();
    }
    let groups = guessed_groups(cases);
    let mut findings = vec![Finding::new(
        Severity::Info,
        Check::Leakage,
        Some(table),
        "there is no column `group`: whether a patient is in two splits was not checked".to_owned(),
        "add one with the patient, child or sequence of each image, or trust the split",
    )];
    if let Some(example) = groups.values().next() {
        findings[0].problem += &format!(
            "; file names look grouped, such as {}",
            example
                .iter()
                .map(|case| case.id.as_str())
                .take(3)
                .collect::<Vec<_>>()
                .join(", ")
        );
    }
    let crossing: Vec<_> = groups
        .iter()
        .filter(|(_, cases)| cases.iter().any(|case| case.split != cases[0].split))
        .collect();
    if let Some((name, members)) = crossing.first() {
        // One case of each split says it all.
        let mut splits = BTreeSet::new();
        let shown: Vec<String> = members
            .iter()
            .filter(|case| splits.insert(case.split))
            .map(|case| format!("{} ({})", case.id, case.split))
            .collect();
        findings.push(Finding::warning(
            Check::Leakage,
            Some(table),
            format!(
                "by their file names {} of images {} in more than one split, such as `{name}`: {}",
                counted(crossing.len(), "group"),
                agreeing(crossing.len(), ARE),
                shown.join(", ")
            ),
            "add a `group` column to the table and give every group one split",
        ));
    }
    findings
}

/// Groups whose names differ in case only: they count as several, and one patient written in two ways is divided
/// without a word.
fn spellings(table: &Path, cases: &[Case]) -> Option<Finding> {
    let mut names = BTreeMap::<String, BTreeSet<&str>>::new();
    for group in cases.iter().filter_map(|case| case.group.as_deref()) {
        names.entry(group.to_lowercase()).or_default().insert(group);
    }
    names.retain(|_, spellings| spellings.len() > 1);
    let example = names.values().next()?;
    let example: Vec<String> = example.iter().map(|name| format!("`{name}`")).collect();
    let number = names.len();
    Some(Finding::warning(
        Check::Leakage,
        Some(table),
        format!(
            "{} {} written in ways that differ in case only, such as {}; each spelling counts as a group of its own",
            counted(number, "name"),
            agreeing(number, ARE),
            example.join(" and ")
        ),
        "write the name of a group in one way on all of its lines; nothing is to be done if they are different ones",
    ))
}

/// Groups of at least two cases with one guess.
pub(super) fn guessed_groups(cases: &[Case]) -> BTreeMap<String, Vec<&Case>> {
    let mut groups = BTreeMap::<String, Vec<&Case>>::new();
    for case in cases {
        if let Some(group) = guess(stem(case)) {
            groups.entry(group).or_default().push(case);
        }
    }
    groups.retain(|_, cases| cases.len() > 1);
    groups
}

/// The stem of a case's image file.
fn stem(case: &Case) -> &str {
    stem_of(&case.image)
}

/// Whether two cases are of one group, by the table or, where it is silent, by their names.
pub(super) fn one_group(a: &Case, b: &Case) -> bool {
    match (&a.group, &b.group) {
        (Some(a), Some(b)) => a == b,
        _ => guess(stem(a)).is_some_and(|group| Some(group) == guess(stem(b))),
    }
}

const PEOPLE: [&str; 8] = [
    "patient",
    "volunteer",
    "subject",
    "person",
    "child",
    "case",
    "pat",
    "sub",
];

const SIDES: [&str; 6] = ["right", "left", "od", "os", "l", "r"];

const FRAMES: [&str; 9] = ["image", "frame", "slice", "img", "im", "i", "f", "z", "t"];

const GAPS: [char; 4] = ['_', '-', ' ', '.'];

/// The group that a file name suggests: `patient012` of `patient012_frame01`, `image_01` of
/// `Image_01L`, `12` of `12_left`, `s03` of `s03_i2`.
pub(super) fn guess(stem: &str) -> Option<String> {
    let name = stem.to_ascii_lowercase();
    person(&name)
        .or_else(|| side(&name))
        .or_else(|| frame(&name))
}

/// A word for a person with a number, beside something else.
fn person(name: &str) -> Option<String> {
    let bytes = name.as_bytes();
    for word in PEOPLE {
        for (start, _) in name.match_indices(word) {
            let after = name[start + word.len()..].trim_start_matches(GAPS);
            let digits = after.bytes().take_while(u8::is_ascii_digit).count();
            let begins = start == 0 || !bytes[start - 1].is_ascii_alphanumeric();
            let ends = !after[digits..].starts_with(|c: char| c.is_ascii_alphanumeric());
            let beside = start > 0 || after.len() > digits;
            if digits > 0 && begins && ends && beside {
                return Some(format!("{word}{}", &after[..digits]));
            }
        }
    }
    None
}

/// A number followed by a side of the body.
fn side(name: &str) -> Option<String> {
    let rests = SIDES.iter().filter_map(|side| name.strip_suffix(side));
    rests
        .map(|rest| rest.trim_end_matches(GAPS))
        .find(|rest| rest.ends_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

/// Something with a number, followed by a word for a frame with a number.
fn frame(name: &str) -> Option<String> {
    let before = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if before.len() == name.len() {
        return None;
    }
    let before = before.trim_end_matches(GAPS);
    let rests = FRAMES.iter().filter_map(|word| before.strip_suffix(word));
    rests
        .filter(|rest| rest.ends_with(GAPS))
        .map(|rest| rest.trim_end_matches(GAPS))
        .find(|rest| rest.contains(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::guess;

    #[test]
    fn groups_are_guessed_from_names() {
        for (name, expected) in [
            ("Image_01L", Some("image_01")),
            ("Image_01R", Some("image_01")),
            ("12_left", Some("12")),
            ("12_right", Some("12")),
            ("eye7-OD", Some("eye7")),
            ("patient012_frame01", Some("patient012")),
            ("Patient-3 slice 4", Some("patient3")),
            ("scan_subject_12", Some("subject12")),
            ("s03_i2", Some("s03")),
            ("image_s40_i5", Some("image_s40")),
            ("seq12_frame_0003", Some("seq12")),
            ("image_12", None),
            ("case_07", None),
            ("casein12_a", None),
            ("vessel_000", None),
            ("ISIC_0000000", None),
            ("benign (1)", None),
            ("21_training", None),
            ("01_dr", None),
            ("final", None),
            ("201", None),
            ("", None),
        ] {
            assert_eq!(guess(name).as_deref(), expected, "{name}");
        }
    }
}
