//! Who trains, who validates, who tests. Whole groups (a patient, a child, a sequence) go to one split, and the
//! draw depends on the seed, the groups and the ids, not on the order in which files were found.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use crate::dataset::Split;
use crate::draw_rng::DrawRng;
use crate::error::DataError;

/// Shares of training, validation and test where a set has no sizes of its own.
const SHARES: [f64; 3] = [0.7, 0.1, 0.2];

/// Stream of the draw, apart from those of other draws with the same seed.
const SPLIT_STREAM: u64 = u64::MAX - 1;

/// A way to make splits, as it is written on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitPlan {
    /// `official`: as the set's authors publish it.
    Official,
    /// `paper` or `paper:SEED`: the numbers of SALT's experiments, drawn by seed, because its lists are not public.
    Paper {
        /// Seed of the draw.
        seed: u64,
    },
    /// `seed:N`: the sizes of the official split, or else 70 % for training, 10 % for validation, 20 % for the test.
    Seed(u64),
    /// `fold:K/N` or `fold:K/N:SEED`: the K-th of N parts (from 0) is the test, the others are for training.
    Fold {
        /// Which part is the test.
        fold: usize,
        /// Number of parts.
        of: usize,
        /// Seed of the draw.
        seed: u64,
    },
}

impl fmt::Display for SplitPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Official => f.write_str("official"),
            Self::Paper { seed } => write!(f, "paper:{seed}"),
            Self::Seed(seed) => write!(f, "seed:{seed}"),
            Self::Fold { fold, of, seed } => write!(f, "fold:{fold}/{of}:{seed}"),
        }
    }
}

impl FromStr for SplitPlan {
    type Err = DataError;

    fn from_str(text: &str) -> Result<Self, DataError> {
        let refuse = || DataError::Setting {
            name: "a split",
            expected: "official, paper, paper:SEED, seed:N, fold:K/N or fold:K/N:SEED with K below N and N from 2 on",
            received: format!("`{text}`"),
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| refuse());
        let (kind, rest) = match text.split_once(':') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (text, None),
        };
        match (kind, rest) {
            ("official", None) => Ok(Self::Official),
            ("paper", None) => Ok(Self::Paper { seed: 0 }),
            ("paper", Some(seed)) => Ok(Self::Paper {
                seed: number(seed)?,
            }),
            ("seed", Some(seed)) => Ok(Self::Seed(number(seed)?)),
            ("fold", Some(rest)) => {
                let (part, seed) = rest.split_once(':').unwrap_or((rest, "0"));
                let (fold, of) = part.split_once('/').ok_or_else(refuse)?;
                let (fold, of, seed) = (number(fold)?, number(of)?, number(seed)?);
                if of < 2 || fold >= of || of > 1_000_000 {
                    return Err(refuse());
                }
                Ok(Self::Fold {
                    fold: fold as usize,
                    of: of as usize,
                    seed,
                })
            }
            _ => Err(refuse()),
        }
    }
}

/// What a split is decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'a> {
    /// The case.
    pub id: &'a str,
    /// What must not be divided; a case without one stands alone.
    pub group: Option<&'a str>,
}

impl<'a> Member<'a> {
    /// Groups and ids are two kinds of names.
    fn key(&self) -> (bool, &'a str) {
        match self.group {
            Some(group) => (true, group),
            None => (false, self.id),
        }
    }
}

/// How large the splits should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// Cases for training, validation and test; groups make them inexact by less than one group.
    Cases([usize; 3]),
    /// Groups (cases without a group count as one) for training, validation and test: exact.
    Groups([usize; 3]),
}

impl Sizes {
    /// Sizes of `cases` cases by the usual shares.
    pub fn usual(cases: usize) -> Self {
        let part = |share: f64| (share * cases as f64).round() as usize;
        let (val, test) = (part(SHARES[1]), part(SHARES[2]));
        Self::Cases([cases.saturating_sub(val + test), val, test])
    }

    fn targets(self) -> [usize; 3] {
        match self {
            Self::Cases(sizes) | Self::Groups(sizes) => sizes,
        }
    }
}

/// Members by group, in an order that depends on seed and names only.
fn shuffled<'a>(members: &[Member<'a>], seed: u64) -> Vec<Vec<usize>> {
    let mut groups: BTreeMap<(bool, &'a str), Vec<usize>> = BTreeMap::new();
    for (index, member) in members.iter().enumerate() {
        groups.entry(member.key()).or_default().push(index);
    }
    let mut groups: Vec<Vec<usize>> = groups.into_values().collect();
    DrawRng::new(seed, SPLIT_STREAM).shuffle(&mut groups);
    groups
}

/// Deals the members out: test first, then validation, then training. `None` for those that `sizes` has no place
/// for.
///
/// # Errors
/// [`DataError::Setting`] when [`Sizes::Groups`] asks for more groups than there are.
pub fn deal(
    members: &[Member<'_>],
    sizes: Sizes,
    seed: u64,
) -> Result<Vec<Option<Split>>, DataError> {
    let groups = shuffled(members, seed);
    let targets = sizes.targets();
    let wanted: usize = targets.iter().sum();
    if matches!(sizes, Sizes::Groups(_)) && wanted > groups.len() {
        return Err(DataError::Setting {
            name: "the sizes of the splits",
            expected: "of no more cases (or groups of cases) than the set has",
            received: format!("{wanted} of {}", groups.len()),
        });
    }
    let all = wanted >= members.len();
    let mut splits = vec![None; members.len()];
    let mut groups = groups.into_iter().peekable();
    for split in [Split::Test, Split::Val, Split::Train] {
        let target = targets[split as usize];
        // The last one takes what is left when everybody has a place.
        let rest = split == Split::Train && all && matches!(sizes, Sizes::Cases(_));
        let mut count = 0;
        while let Some(group) = groups.peek() {
            let weight = match sizes {
                Sizes::Cases(_) => group.len(),
                Sizes::Groups(_) => 1,
            };
            // A group enters where it brings the split nearer to its size.
            let nearer = count < target && 2 * (target - count) >= weight;
            if !nearer && !rest {
                break;
            }
            count += weight;
            for &index in group {
                splits[index] = Some(split);
            }
            groups.next();
        }
    }
    Ok(splits)
}

/// Fold `fold` of `of`: its members are the test, the others are for training. The folds of one seed are disjoint,
/// none is empty, and together they are everything; each group goes to the fold that is smallest so far.
///
/// # Errors
/// [`DataError::TooManyFolds`] when there are fewer groups (a case without one counts as one) than folds: some fold
/// would have no test.
pub fn fold(
    members: &[Member<'_>],
    fold: usize,
    of: usize,
    seed: u64,
) -> Result<Vec<Split>, DataError> {
    let mut groups = shuffled(members, seed);
    if of > groups.len() {
        return Err(DataError::TooManyFolds {
            groups: groups.len(),
            received: of,
        });
    }
    let mut counts = vec![0_usize; of.max(1)];
    let mut splits = vec![Split::Train; members.len()];
    // Large groups first, or the last one could not be evened out; the sort keeps the drawn order among equals.
    groups.sort_by_key(|group| std::cmp::Reverse(group.len()));
    for group in groups {
        let smallest = (0..counts.len()).min_by_key(|&k| counts[k]).unwrap_or(0);
        counts[smallest] += group.len();
        if smallest == fold {
            group
                .into_iter()
                .for_each(|index| splits[index] = Split::Test);
        }
    }
    Ok(splits)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::{Member, Sizes, SplitPlan, deal, fold};
    use crate::dataset::Split;
    use crate::error::DataError;

    #[test]
    fn plans_are_read_as_they_are_written() {
        for (text, plan) in [
            ("official", SplitPlan::Official),
            ("paper", SplitPlan::Paper { seed: 0 }),
            ("paper:7", SplitPlan::Paper { seed: 7 }),
            ("seed:3", SplitPlan::Seed(3)),
            (
                "fold:1/5",
                SplitPlan::Fold {
                    fold: 1,
                    of: 5,
                    seed: 0,
                },
            ),
            (
                "fold:0/2:9",
                SplitPlan::Fold {
                    fold: 0,
                    of: 2,
                    seed: 9,
                },
            ),
        ] {
            assert_eq!(text.parse::<SplitPlan>().ok(), Some(plan), "{text}");
            assert_eq!(plan.to_string().parse::<SplitPlan>().ok(), Some(plan));
        }
        for text in [
            "",
            "seed",
            "seed:-1",
            "seed:x",
            "official:1",
            "fold:5/5",
            "fold:0/1",
            "fold:1",
            "fold:1/2:",
            "paper:",
            "random",
        ] {
            assert!(text.parse::<SplitPlan>().is_err(), "{text}");
        }
    }

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("case{i:03}")).collect()
    }

    fn alone(names: &[String]) -> Vec<Member<'_>> {
        names.iter().map(|id| Member { id, group: None }).collect()
    }

    fn counts(splits: &[Option<Split>]) -> [usize; 4] {
        [
            Some(Split::Train),
            Some(Split::Val),
            Some(Split::Test),
            None,
        ]
        .map(|split| splits.iter().filter(|s| **s == split).count())
    }

    #[test]
    fn sizes_are_exact_without_groups_and_the_rest_is_left_out() {
        let names = names(30);
        let dealt = deal(&alone(&names), Sizes::Groups([14, 0, 6]), 0).expect("enough");
        assert_eq!(counts(&dealt), [14, 0, 6, 10]);
        let dealt = deal(&alone(&names), Sizes::usual(30), 0).expect("enough");
        assert_eq!(counts(&dealt), [21, 3, 6, 0]);
        assert!(deal(&alone(&names), Sizes::Groups([20, 1, 10]), 0).is_err());
    }

    #[test]
    fn the_order_of_the_files_does_not_enter_and_the_seed_does() {
        let names = names(20);
        let mut members = alone(&names);
        let of = |members: &[Member<'_>], seed| -> BTreeMap<String, Option<Split>> {
            let dealt = deal(members, Sizes::usual(20), seed).expect("enough");
            let ids = members.iter().map(|m| m.id.to_owned());
            ids.zip(dealt).collect()
        };
        let first = of(&members, 1);
        members.reverse();
        assert_eq!(of(&members, 1), first);
        assert_ne!(of(&members, 2), first);
    }

    proptest! {
        #[test]
        fn splits_never_share_a_group(
            groups in prop::collection::vec(0_usize..12, 1..60),
            seed in 0_u64..1000,
            of in 2_usize..6,
        ) {
            let ids = names(groups.len());
            let labels: Vec<String> = groups.iter().map(|g| format!("p{g}")).collect();
            let members: Vec<Member<'_>> = ids
                .iter()
                .zip(&labels)
                .enumerate()
                // Every fifth case has no group, also where its id is another's group.
                .map(|(i, (id, group))| Member { id, group: (i % 5 != 4).then_some(group.as_str()) })
                .collect();
            let shared = |splits: &[Option<Split>]| {
                let mut seen: BTreeMap<&str, BTreeSet<Option<Split>>> = BTreeMap::new();
                for (member, split) in members.iter().zip(splits) {
                    if let Some(group) = member.group {
                        seen.entry(group).or_default().insert(*split);
                    }
                }
                seen.values().any(|splits| splits.len() > 1)
            };
            let dealt = deal(&members, Sizes::usual(members.len()), seed).expect("no exact sizes");
            prop_assert!(!shared(&dealt));
            prop_assert!(dealt.iter().all(Option::is_some), "everybody has a place");
            let mut tested = vec![0; members.len()];
            let parts: BTreeSet<(bool, &str)> = members.iter().map(Member::key).collect();
            if of > parts.len() {
                let refused = fold(&members, 0, of, seed);
                let told = matches!(
                    refused,
                    Err(DataError::TooManyFolds { groups, received }) if (groups, received) == (parts.len(), of)
                );
                prop_assert!(told, "{refused:?}");
                return Ok(());
            }
            for k in 0..of {
                let splits = fold(&members, k, of, seed).expect("enough groups");
                prop_assert!(splits.contains(&Split::Test), "a fold without a test");
                let splits: Vec<_> = splits.into_iter().map(Some).collect();
                prop_assert!(!shared(&splits));
                for (count, split) in tested.iter_mut().zip(&splits) {
                    *count += usize::from(*split == Some(Split::Test));
                }
            }
            prop_assert!(tested.iter().all(|&count| count == 1), "every case is tested once");
        }
    }
}
