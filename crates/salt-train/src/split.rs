//! `split = "seed:N"`: the same numbers of training, validation and test cases, drawn anew. `split = "fold:K/N"`:
//! one of N parts is the test. Groups of the table stay whole in both.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use salt_data::splits::{Member, Sizes, deal, fold};
use salt_data::{Case, DataError, Split};

use crate::recipe::SplitRule;

/// Apply the rule of a recipe.
///
/// # Errors
/// [`DataError::TooManyFolds`]; what [`deal`] says is passed on.
pub(crate) fn apply(cases: &mut [Case], rule: SplitRule) -> Result<(), DataError> {
    match rule {
        SplitRule::File => Ok(()),
        SplitRule::Seed(seed) if cases.iter().all(|case| case.group.is_none()) => {
            shuffle(cases, seed);
            Ok(())
        }
        SplitRule::Seed(seed) => {
            let count = |split| cases.iter().filter(|case| case.split == split).count();
            let sizes = Sizes::Cases(Split::ALL.map(count));
            let dealt = deal(&members(cases), sizes, seed)?;
            for (case, split) in cases.iter_mut().zip(dealt) {
                // There is a place for everybody: the sizes are those of the table.
                case.split = split.unwrap_or(case.split);
            }
            Ok(())
        }
        SplitRule::Fold { fold: k, of, seed } => {
            let splits = fold(&members(cases), k, of, seed)?;
            for (case, split) in cases.iter_mut().zip(splits) {
                case.split = split;
            }
            Ok(())
        }
    }
}

fn members(cases: &[Case]) -> Vec<Member<'_>> {
    let members = cases.iter().map(|case| Member {
        id: &case.id,
        group: case.group.as_deref(),
    });
    members.collect()
}

/// The split labels stay as many as they were, their owners change: Fisher and Yates over the labels, in the order
/// of the table.
fn shuffle(cases: &mut [Case], seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    for i in (1..cases.len()).rev() {
        // multiply-shift: uniform up to n / 2^64
        let j = ((u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64) as usize;
        let (a, b) = (cases[i].split, cases[j].split);
        cases[i].split = b;
        cases[j].split = a;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Eight cases for training and four for the test; with `groups`, neighbours belong together.
    fn cases(groups: bool) -> Vec<Case> {
        let case = |i: usize| Case {
            id: i.to_string(),
            image: format!("{i}.png").into(),
            mask: format!("{i}.png").into(),
            split: if i < 8 { Split::Train } else { Split::Test },
            group: groups.then(|| format!("patient {}", i / 2)),
            spacing_mm: None,
        };
        (0..12).map(case).collect()
    }

    fn tests(rule: SplitRule, groups: bool) -> Vec<String> {
        let mut cases = cases(groups);
        apply(&mut cases, rule).expect("a rule");
        let mut splits = BTreeMap::new();
        for case in &cases {
            if let Some(group) = &case.group {
                let split = splits.entry(group.clone()).or_insert(case.split);
                assert_eq!(*split, case.split, "{group} is divided by {rule:?}");
            }
        }
        let tested = cases.into_iter().filter(|case| case.split == Split::Test);
        tested.map(|case| case.id).collect()
    }

    #[test]
    fn numbers_stay_and_the_seed_decides_who() {
        for groups in [false, true] {
            assert_eq!(tests(SplitRule::File, groups), ["8", "9", "10", "11"]);
            assert_eq!(tests(SplitRule::Seed(1), groups).len(), 4);
            assert_eq!(
                tests(SplitRule::Seed(1), groups),
                tests(SplitRule::Seed(1), groups)
            );
            let distinct: BTreeSet<_> = (0..20)
                .map(|seed| tests(SplitRule::Seed(seed), groups))
                .collect();
            assert!(distinct.len() > 10, "{distinct:?}");
        }
    }

    #[test]
    fn every_case_is_tested_in_one_fold() {
        for groups in [false, true] {
            let folds = (0..3).map(|fold| SplitRule::Fold {
                fold,
                of: 3,
                seed: 5,
            });
            let mut all: Vec<String> = folds.flat_map(|rule| tests(rule, groups)).collect();
            all.sort();
            let mut expected: Vec<String> = (0..12).map(|i: usize| i.to_string()).collect();
            expected.sort();
            assert_eq!(all, expected);
        }
    }
}
