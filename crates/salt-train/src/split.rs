//! `split = "seed:N"`: the same numbers of training, validation and test cases, drawn anew.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use salt_data::Case;

use crate::recipe::SplitRule;

/// Apply the rule of a recipe: the split labels stay as many as they were, their owners change.
pub(crate) fn apply(cases: &mut [Case], rule: SplitRule) {
    if let SplitRule::Seed(seed) = rule {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Fisher and Yates over the labels; the data set's order of cases stays.
        for i in (1..cases.len()).rev() {
            // multiply-shift: uniform up to n / 2^64
            let j = ((u128::from(rng.next_u64()) * (i as u128 + 1)) >> 64) as usize;
            let (a, b) = (cases[i].split, cases[j].split);
            cases[i].split = b;
            cases[j].split = a;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use salt_data::Split;

    fn tests(rule: SplitRule) -> Vec<String> {
        let case = |i: usize| Case {
            id: i.to_string(),
            image: format!("{i}.png").into(),
            mask: format!("{i}.png").into(),
            split: if i < 8 { Split::Train } else { Split::Test },
        };
        let mut cases: Vec<Case> = (0..12).map(case).collect();
        apply(&mut cases, rule);
        cases
            .into_iter()
            .filter(|c| c.split == Split::Test)
            .map(|c| c.id)
            .collect()
    }

    #[test]
    fn numbers_stay_and_the_seed_decides_who() {
        assert_eq!(tests(SplitRule::File), ["8", "9", "10", "11"]);
        assert_eq!(tests(SplitRule::Seed(1)).len(), 4);
        assert_eq!(tests(SplitRule::Seed(1)), tests(SplitRule::Seed(1)));
        let distinct: std::collections::BTreeSet<_> =
            (0..20).map(|s| tests(SplitRule::Seed(s))).collect();
        assert!(distinct.len() > 15, "{distinct:?}");
    }
}
