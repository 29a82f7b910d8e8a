//! One picture under two names, nearly one picture in two splits, one mask for two images.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::facts::Facts;
use super::leakage::one_group;
use super::likeness::LIKE;
use super::report::{Check, Finding};
use crate::counted::{ARE, agreeing, counted};
use crate::label_rule::LabelRule;

/// Near copies and repeated masks that are listed one by one; the rest is a number.
const LISTED: usize = 50;

/// Fewest pixels of foreground by which a mask can be known again.
const KNOWN_AGAIN: u64 = 32;

/// All findings about repeated content.
pub(super) fn check(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let mut findings = exact(seen);
    findings.extend(near(seen));
    findings.extend(masks(seen, rule));
    findings
}

fn named(one: &Facts) -> String {
    format!("{} ({})", one.case.id, one.case.split)
}

/// Cases with equal hashes, at least two of each.
fn groups<'a>(
    seen: impl Iterator<Item = &'a Facts>,
    hash: impl Fn(&Facts) -> [u8; 32],
) -> Vec<Vec<&'a Facts>> {
    let mut groups = BTreeMap::<[u8; 32], Vec<&Facts>>::new();
    for one in seen {
        groups.entry(hash(one)).or_default().push(one);
    }
    let mut groups: Vec<_> = groups.into_values().filter(|g| g.len() > 1).collect();
    groups.sort_by(|a, b| a[0].case.id.cmp(&b[0].case.id));
    groups
}

/// Equal pictures: across splits the test would be seen in training.
fn exact(seen: &[Facts]) -> Vec<Finding> {
    let found = groups(seen.iter(), |one| one.image_hash).into_iter();
    found
        .map(|group| {
            let names: Vec<String> = group.iter().map(|one| named(one)).collect();
            let problem = format!("the same picture is {}", names.join(", "));
            let file = Some(group[0].case.image.as_path());
            if group
                .iter()
                .any(|one| one.case.split != group[0].case.split)
            {
                let remedy = "keep it in one split only: the test must not be seen in training";
                Finding::error(Check::Duplicate, file, problem, remedy)
            } else {
                let remedy = "keep one of them, or their weight is doubled";
                Finding::warning(Check::Duplicate, file, problem, remedy)
            }
        })
        .collect()
}

/// Pictures in different splits that are copies of each other but for compression, size,
/// brightness or orientation.
fn near(seen: &[Facts]) -> Vec<Finding> {
    let pairs: Vec<(usize, usize, f32)> = (0..seen.len())
        .into_par_iter()
        .flat_map_iter(|i| near_copies(seen, i))
        .collect();
    let findings = pairs.iter().map(|&(i, j, correlation)| {
        Finding::warning(
            Check::NearDuplicate,
            Some(&seen[j].case.image),
            format!(
                "{} looks like a copy of {} (correlation {correlation:.2})",
                named(&seen[j]),
                named(&seen[i])
            ),
            "look at both; if they show the same, keep them in one split",
        )
    });
    shortened(findings)
}

/// The first findings one by one, the rest as a number.
fn shortened(findings: impl Iterator<Item = Finding>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = findings.collect();
    let more = findings.len().saturating_sub(LISTED);
    findings.truncate(LISTED);
    if more > 0
        && let Some(last) = findings.last()
    {
        let problem = format!(
            "{} of this kind {} not listed",
            counted(more, "more finding"),
            agreeing(more, ARE)
        );
        let rest = Finding::warning(
            last.check,
            None,
            problem,
            "repair those that are, then look again",
        );
        findings.push(rest);
    }
    findings
}

fn near_copies(seen: &[Facts], i: usize) -> Vec<(usize, usize, f32)> {
    let Some(likeness) = &seen[i].likeness else {
        return Vec::new();
    };
    let orientations = likeness.orientations();
    let later = (i + 1..seen.len()).filter(|&j| {
        seen[i].case.split != seen[j].case.split && seen[i].image_hash != seen[j].image_hash
    });
    later
        .filter_map(|j| {
            let other = seen[j].likeness.as_ref()?;
            let best = orientations
                .iter()
                .filter_map(|turned| turned.correlation(other))
                .fold(0.0, f32::max);
            (best >= LIKE).then_some((i, j, best))
        })
        .collect()
}

/// One mask for different images: often a copy that was not replaced. The images of one sequence
/// may share theirs.
fn masks(seen: &[Facts], rule: &LabelRule) -> Vec<Finding> {
    let telling = seen.iter().filter(|one| {
        let [foreground, known] = one.foreground(rule);
        foreground >= KNOWN_AGAIN && foreground < known
    });
    let repeated = groups(telling, |one| one.mask_hash).into_iter();
    let findings = repeated.filter_map(|group| {
            let first = group[0];
            let other = group.iter().find(|one| {
                one.image_hash != first.image_hash && !one_group(&one.case, &first.case)
            })?;
            Some(Finding::warning(
                Check::DuplicateMask,
                Some(&first.case.mask),
                format!(
                    "{} and {} have the same mask, but not the same image",
                    named(first),
                    named(other)
                ),
                "put each image's own mask in its place, or give both the same `group` if they share it rightly",
            ))
        });
    shortened(findings)
}

#[cfg(test)]
mod tests {
    use super::{Check, Finding, LISTED, shortened};

    #[test]
    fn what_is_not_listed_is_counted() {
        let finding = || Finding::warning(Check::NearDuplicate, None, "a".to_owned(), "b");
        let of = |count: usize| shortened((0..count).map(|_| finding()));
        assert_eq!(of(0).len(), 0);
        assert_eq!(of(LISTED).len(), LISTED);
        let long = of(LISTED + 3);
        assert_eq!(long.len(), LISTED + 1);
        assert!(
            long[LISTED]
                .problem
                .starts_with("3 more findings of this kind are")
        );
        let one_more = of(LISTED + 1);
        assert!(
            one_more[LISTED]
                .problem
                .starts_with("1 more finding of this kind is")
        );
    }
}
