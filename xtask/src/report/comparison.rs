//! Is one method better than another, or is it the luck of these test images?
//!
//! Every method is compared with one reference method on the same test cases: Wilcoxon signed-rank test on the
//! per-case Dice (each case's mean over seeds), two-sided, corrected by Holm within a data set. A small
//! test set cannot show a small difference, and then absence of proof is no proof of absence: the
//! verdict says how large a difference these cases could have shown.

use salt_metrics::{ALPHA, POWER, compare_paired, detectable_difference, holm};
use serde::Serialize;

use super::table::Group;

/// The method the others are compared with, where it is in the table.
const REFERENCE: &str = "salt";

/// A Dice difference worth knowing about. Cases that could not show it are called too few.
const WORTHWHILE: f64 = 0.01;

/// Seed of the bootstrap behind the deviation of differences.
const BOOTSTRAP_SEED: u64 = 0;

/// One pair of methods on one data set. Differences are `a - b`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Comparison {
    /// The reference method.
    pub(crate) a: String,
    /// The method compared with it.
    pub(crate) b: String,
    /// Data set.
    pub(crate) dataset: String,
    /// Test cases where both have a defined Dice, over the seeds that both have.
    pub(crate) n: usize,
    /// Mean difference of the Dice.
    pub(crate) mean_diff: f64,
    /// 95 % bootstrap interval of the mean difference over cases.
    pub(crate) ci95: [f64; 2],
    /// Median difference of the Dice.
    pub(crate) median_diff: f64,
    /// Effect size from -1 (b higher on every case) to 1 (a higher on every case).
    pub(crate) rank_biserial: f64,
    /// Two-sided p value, before correction.
    pub(crate) p: f64,
    /// The p value corrected by Holm over the comparisons of the data set.
    pub(crate) p_holm: f64,
    /// The smallest mean difference these cases would show four times out of five, at a level that
    /// allows for the other comparisons; `None` when they are too few to show any.
    pub(crate) detectable: Option<f64>,
    /// The outcome.
    pub(crate) verdict: Verdict,
    /// The outcome in words.
    pub(crate) note: String,
}

/// What a comparison shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The reference method is better.
    ABetter,
    /// The other method is better.
    BBetter,
    /// No difference shown by cases that could have shown a worthwhile one.
    Tie,
    /// No difference shown by cases that could not have.
    Underpowered,
}

/// Compare every group with the reference group of its data set.
pub(crate) fn compare(groups: &[Group<'_>]) -> Vec<Comparison> {
    let mut datasets: Vec<&str> = groups.iter().map(|group| group.dataset).collect();
    datasets.dedup();
    datasets
        .into_iter()
        .flat_map(|dataset| {
            let family: Vec<_> = groups
                .iter()
                .filter(|group| group.dataset == dataset)
                .collect();
            compare_family(&family)
        })
        .collect()
}

fn compare_family(family: &[&Group<'_>]) -> Vec<Comparison> {
    let Some(reference) = family
        .iter()
        .find(|group| group.method == REFERENCE)
        .or_else(|| family.first())
    else {
        return Vec::new();
    };
    let others = family
        .iter()
        .filter(|group| group.method != reference.method);
    let mut comparisons: Vec<_> = others
        .filter_map(|other| paired(reference, other, family.len() - 1))
        .collect();
    let p: Vec<f64> = comparisons.iter().map(|comparison| comparison.p).collect();
    for (comparison, corrected) in comparisons.iter_mut().zip(holm(&p)) {
        comparison.p_holm = corrected;
        (comparison.verdict, comparison.note) = conclude(comparison);
    }
    comparisons
}

/// The comparison before correction, one of `n_tests`; `None` when no case is shared.
fn paired(a: &Group<'_>, b: &Group<'_>, n_tests: usize) -> Option<Comparison> {
    let (a, b) = (&a.with_seeds_of(b), &b.with_seeds_of(a));
    let in_b = b.per_case(|case| case.dice);
    let (a_dice, b_dice): (Vec<f64>, Vec<f64>) = a
        .per_case(|case| case.dice)
        .into_iter()
        .filter_map(|(case, dice)| Some((dice, *in_b.get(case)?)))
        .unzip();
    let paired = compare_paired(&a_dice, &b_dice, BOOTSTRAP_SEED)?;
    let level = ALPHA / n_tests as f64;
    Some(Comparison {
        a: a.method.to_owned(),
        b: b.method.to_owned(),
        dataset: a.dataset.to_owned(),
        n: a_dice.len(),
        mean_diff: paired.difference.mean,
        ci95: paired.difference.ci95,
        median_diff: paired.wilcoxon.median_diff,
        rank_biserial: paired.wilcoxon.rank_biserial,
        p: paired.wilcoxon.p_value,
        p_holm: paired.wilcoxon.p_value,
        detectable: detectable_difference(a_dice.len(), paired.difference.sd, level, POWER),
        verdict: Verdict::Tie,
        note: String::new(),
    })
}

/// Verdict and words for a corrected comparison.
fn conclude(comparison: &Comparison) -> (Verdict, String) {
    let Comparison { a, b, n, .. } = comparison;
    if comparison.p_holm < ALPHA {
        let better = |one, other| format!("{one} better than {other}");
        return if comparison.rank_biserial > 0.0 {
            (Verdict::ABetter, better(a, b))
        } else {
            (Verdict::BBetter, better(b, a))
        };
    }
    match comparison.detectable {
        None => {
            let note = format!("underpowered: {n} cases cannot show a difference, however large");
            (Verdict::Underpowered, note)
        }
        Some(detectable) if detectable > WORTHWHILE => {
            let note = format!(
                "no difference shown; underpowered: detectable difference about {detectable:.3}"
            );
            (Verdict::Underpowered, note)
        }
        Some(_) if comparison.mean_diff == 0.0 && comparison.ci95 == [0.0; 2] => {
            (Verdict::Tie, "tie: the same on every case".to_owned())
        }
        Some(_) => (
            Verdict::Tie,
            format!("tie: a difference of {WORTHWHILE} would have shown"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finished_cell::{CellState, FinishedCell, read_all, tests::write_cell};
    use crate::report::table::group;

    fn compared(cells: &[(&str, &[f64])]) -> Vec<Comparison> {
        let tmp = tempfile::tempdir().unwrap();
        for (name, dice) in cells {
            write_cell(tmp.path(), name, 3.0, dice);
        }
        let take = |state| match state {
            CellState::Finished(cell) => Some(*cell),
            CellState::Unfinished(_) => None,
        };
        let cells: Vec<FinishedCell> = read_all(tmp.path())
            .unwrap()
            .into_iter()
            .filter_map(take)
            .collect();
        compare(&group(&cells))
    }

    fn shifted(by: f64) -> Vec<f64> {
        (0..10)
            .map(|i| 0.5 + 0.03 * f64::from(i) + by * (1.0 + 0.01 * f64::from(i)))
            .collect()
    }

    #[test]
    fn a_difference_on_every_case_is_a_verdict() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.1)),
            ("lora__a__s0", &shifted(0.0)),
        ]);
        let [only] = found.as_slice() else {
            panic!("{found:?}")
        };
        assert_eq!(
            (only.a.as_str(), only.b.as_str(), only.n),
            ("salt", "lora", 10)
        );
        assert_eq!(only.verdict, Verdict::ABetter);
        assert!((only.median_diff - 0.1).abs() < 0.01, "{only:?}");
        // Exact two-sided p value of ten differences of one sign: 2 / 2^10.
        assert!((only.p - 2.0 / 1024.0).abs() < 1e-9, "{only:?}");
        assert!((only.rank_biserial - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_pair_is_compared_over_the_seeds_that_both_have() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.1)),
            ("salt__a__s1", &shifted(-0.4)),
            ("lora__a__s0", &shifted(0.0)),
            ("full__a__s1", &shifted(0.0)),
        ]);
        let diff = |name: &str| found.iter().find(|c| c.b == name).unwrap().mean_diff;
        assert!((diff("lora") - 0.1).abs() < 0.01, "{}", diff("lora"));
        assert!((diff("full") + 0.4).abs() < 0.05, "{}", diff("full"));
    }

    #[test]
    fn the_direction_follows_the_data() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.0)),
            ("full__a__s0", &shifted(0.1)),
        ]);
        assert_eq!(found[0].verdict, Verdict::BBetter);
        assert!(
            found[0].note.contains("full better than salt"),
            "{}",
            found[0].note
        );
    }

    #[test]
    fn holm_multiplies_the_smallest_p_value_by_the_number_of_comparisons() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.1)),
            ("lora__a__s0", &shifted(0.0)),
            ("ssam__a__s0", &shifted(-0.1)),
        ]);
        for comparison in &found {
            let expected = 2.0 * comparison.p;
            assert!(
                (comparison.p_holm - expected).abs() < 1e-9,
                "{comparison:?}"
            );
        }
    }

    #[test]
    fn five_cases_cannot_show_anything() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.3)[..5]),
            ("lora__a__s0", &shifted(0.0)[..5]),
        ]);
        assert_eq!(found[0].verdict, Verdict::Underpowered);
        assert!(
            found[0].note.contains("5 cases cannot"),
            "{}",
            found[0].note
        );
    }

    #[test]
    fn noise_around_zero_is_underpowered_and_equal_cases_are_a_tie() {
        let noisy: Vec<f64> = shifted(0.0)
            .iter()
            .enumerate()
            .map(|(i, d)| if i % 2 == 0 { d + 0.1 } else { d - 0.1 })
            .collect();
        let found = compared(&[("salt__a__s0", &shifted(0.0)), ("lora__a__s0", &noisy)]);
        assert_eq!(found[0].verdict, Verdict::Underpowered);
        assert!(found[0].detectable.unwrap() > 0.05, "{:?}", found[0]);
        let found = compared(&[
            ("salt__a__s0", &shifted(0.0)),
            ("lora__a__s0", &shifted(0.0)),
        ]);
        assert_eq!(found[0].verdict, Verdict::Tie, "{:?}", found[0]);
    }

    #[test]
    fn without_the_usual_reference_the_first_method_is_it() {
        let found = compared(&[
            ("full__a__s0", &shifted(0.1)),
            ("lora__a__s0", &shifted(0.0)),
        ]);
        assert_eq!(found[0].a, "full");
    }

    #[test]
    fn data_sets_are_separate_families() {
        let found = compared(&[
            ("salt__a__s0", &shifted(0.1)),
            ("lora__a__s0", &shifted(0.0)),
            ("salt__b__s0", &shifted(0.1)),
            ("lora__b__s0", &shifted(0.0)),
        ]);
        assert_eq!(found.len(), 2);
        assert!(
            found.iter().all(|one| (one.p - one.p_holm).abs() < 1e-12),
            "{found:?}"
        );
    }
}
