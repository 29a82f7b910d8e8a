//! The split of every case, by a plan.

use super::entry::DatasetEntry;
use super::error::RegistryError;
use super::found::FoundCase;
use crate::dataset::Split;
use crate::error::DataError;
use crate::splits::{Member, Sizes, SplitPlan, deal, fold};

/// Whether there are cases for training and for the test.
pub(super) fn has_official(cases: &[FoundCase]) -> bool {
    let any = |split| cases.iter().any(|case| case.official == Some(split));
    any(Split::Train) && any(Split::Test)
}

/// Official where that is possible, and else drawn.
pub(super) fn usual_split(cases: &[FoundCase]) -> SplitPlan {
    if has_official(cases) {
        SplitPlan::Official
    } else {
        SplitPlan::Seed(0)
    }
}

/// The split of every case; `None` for those that a plan leaves out.
pub(super) fn assign(
    entry: &DatasetEntry,
    cases: &[FoundCase],
    plan: SplitPlan,
) -> Result<Vec<Option<Split>>, RegistryError> {
    let set = entry.name;
    let member = |case: &FoundCase| case.official;
    let members: Vec<Member<'_>> = cases.iter().map(as_member).collect();
    let official = |split| {
        cases
            .iter()
            .filter(|case| member(case) == Some(split))
            .count()
    };
    match plan {
        SplitPlan::Official if has_official(cases) => Ok(cases.iter().map(member).collect()),
        SplitPlan::Official => Err(RegistryError::NoSuchSplit {
            set,
            what: "an official split into training and test, with labels of both, in these files",
        }),
        SplitPlan::Seed(seed) => {
            let sizes = if has_official(cases) {
                Sizes::Cases(Split::ALL.map(official))
            } else {
                Sizes::usual(cases.len())
            };
            Ok(deal(&members, sizes, seed)?)
        }
        SplitPlan::Fold { fold: k, of, seed } => {
            let splits = fold(&members, k, of, seed)?;
            Ok(splits.into_iter().map(Some).collect())
        }
        SplitPlan::Paper { seed } => {
            let paper = entry.paper.ok_or(RegistryError::NoSuchSplit {
                set,
                what: "numbers in SALT's paper",
            })?;
            let drawn =
                |case: &FoundCase| !paper.of_training_part || case.official == Some(Split::Train);
            let indices: Vec<usize> = (0..cases.len()).filter(|&i| drawn(&cases[i])).collect();
            let members: Vec<Member<'_>> = indices.iter().map(|&i| members[i]).collect();
            let sizes = Sizes::Groups([paper.train, 0, paper.test]);
            let dealt = deal(&members, sizes, seed).map_err(|error| match error {
                DataError::Setting { .. } => RegistryError::TooFewForPaper {
                    set,
                    expected: paper.train + paper.test,
                    received: members.len(),
                },
                other => other.into(),
            })?;
            let mut splits = vec![None; cases.len()];
            for (index, split) in indices.into_iter().zip(dealt) {
                splits[index] = split;
            }
            Ok(splits)
        }
    }
}

fn as_member(case: &FoundCase) -> Member<'_> {
    Member {
        id: &case.id,
        group: case.group.as_deref(),
    }
}
