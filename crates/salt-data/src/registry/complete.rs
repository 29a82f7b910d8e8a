//! Whether all cases of a set were found.

use std::collections::{BTreeMap, BTreeSet};

use super::entry::{DatasetEntry, Variant};
use super::error::RegistryError;
use super::found::FoundCase;
use crate::dataset::Split;

/// Too few cases, in all or in a part, or two of one name.
pub(super) fn check(
    entry: &DatasetEntry,
    variant: &Variant,
    cases: &[FoundCase],
    partial: bool,
) -> Result<(), RegistryError> {
    let expected = if partial { 1 } else { variant.cases };
    if cases.len() < expected {
        return Err(RegistryError::Incomplete {
            set: entry.name,
            expected,
            received: cases.len(),
        });
    }
    if !partial {
        check_parts(entry, variant, cases)?;
    }
    // Names that differ in case only are one file on some systems.
    let mut ids = BTreeMap::new();
    for case in cases {
        if let Some(other) = ids.insert(case.id.to_lowercase(), &case.id) {
            return Err(RegistryError::Ambiguous {
                set: entry.name,
                what: format!("the case {}", case.id),
                first: other.into(),
                second: (&case.id).into(),
            });
        }
    }
    Ok(())
}

/// Half of a set may have as many cases as are known for the whole: its parts are counted as well.
fn check_parts(
    entry: &DatasetEntry,
    variant: &Variant,
    cases: &[FoundCase],
) -> Result<(), RegistryError> {
    let received = Split::ALL.map(|split| {
        let part = cases.iter().filter(|case| case.official == Some(split));
        let groups = part.map(|case| match &case.group {
            Some(group) => (true, group.as_str()),
            None => (false, case.id.as_str()),
        });
        groups.collect::<BTreeSet<_>>().len()
    });
    let mut known = entry
        .parts
        .iter()
        .filter(|parts| parts.are_of(variant))
        .peekable();
    let Some(first) = known.peek().copied() else {
        return Ok(());
    };
    // More than are known of does no harm, but a part that a copy should not have is an incomplete one.
    let fits = |[expected, received]: [usize; 2]| match expected {
        0 => received == 0,
        _ => received >= expected,
    };
    if known.any(|parts| (0..3).all(|k| fits([parts.counts[k], received[k]]))) {
        return Ok(());
    }
    Err(RegistryError::IncompleteParts {
        set: entry.name,
        unit: first.unit,
        expected: first.counts,
        received,
    })
}

#[cfg(test)]
mod tests {
    use super::super::by_name;
    use super::{FoundCase, RegistryError, check};
    use crate::dataset::Split;

    /// `groups` groups in each part, of `each` cases; single cases have no group.
    fn cases(groups: [usize; 3], each: usize) -> Vec<FoundCase> {
        let mut cases = Vec::new();
        for (split, groups) in Split::ALL.into_iter().zip(groups) {
            for group in 0..groups {
                for k in 0..each {
                    let name = format!("{split}_{group}");
                    let truth = Box::new(|| Err(RegistryError::Stopped));
                    let case = FoundCase::new(format!("{name}_{k}"), "", truth).in_split(split);
                    cases.push(if each > 1 { case.in_group(name) } else { case });
                }
            }
        }
        cases
    }

    #[test]
    fn as_many_cases_as_a_whole_set_do_not_make_one() {
        for (set, variant, groups, each, whole) in [
            ("acdc", None, [100, 0, 50], 20, true),
            ("acdc", None, [100, 0, 0], 30, false),
            ("acdc", None, [149, 0, 1], 20, false),
            ("dias", None, [30, 10, 20], 1, true),
            ("dias", None, [58, 1, 1], 1, false),
            ("dias", Some("frames"), [30, 10, 20], 7, true),
            ("dias", Some("frames"), [58, 1, 1], 7, false),
            ("drive", None, [20, 0, 0], 1, true),
            ("drive", None, [20, 0, 20], 1, true),
            ("drive", None, [20, 0, 5], 1, false),
            ("drive", None, [15, 0, 5], 1, false),
            ("rossa", Some("all"), [718, 100, 100], 1, true),
            ("rossa", Some("all"), [100, 418, 400], 1, false),
            ("rose", Some("rose2"), [90, 0, 22], 1, true),
            ("rose", Some("rose2"), [30, 0, 82], 1, false),
            ("kvasir_seg", None, [880, 0, 120], 1, true),
            ("kvasir_seg", None, [500, 0, 500], 1, false),
        ] {
            let entry = by_name(set).expect("a set");
            let variant = entry.variant(variant).expect("a variant");
            let cases = cases(groups, each);
            let checked = check(entry, &variant, &cases, false);
            let parts = matches!(checked, Err(RegistryError::IncompleteParts { received, .. }) if received == groups);
            assert_eq!(
                (checked.is_ok(), parts),
                (whole, !whole),
                "{set} {groups:?}: {checked:?}"
            );
            assert!(
                check(entry, &variant, &cases, true).is_ok(),
                "{set}: a part will do"
            );
        }
        // Two frames for nearly all sequences are not all frames.
        let entry = by_name("dias").expect("a set");
        let frames = entry.variant(Some("frames")).expect("a variant");
        let checked = check(entry, &frames, &cases([30, 10, 20], 2), false);
        assert!(
            matches!(checked, Err(RegistryError::Incomplete { .. })),
            "{checked:?}"
        );
    }
}
