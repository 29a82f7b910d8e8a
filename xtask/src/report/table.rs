//! The table: one row per method and data set, over all seeds.
//!
//! A case's value is its mean over seeds; the mean and the 95 % interval are over cases (bootstrap), which
//! is how sure one can be about other images. The deviation is over the seeds' means where there are at
//! least two seeds, which is how much a rerun moves, and over cases otherwise; `sd_over` says which.

use std::collections::BTreeMap;

use salt_metrics::summarize;
use serde::Serialize;

use super::finished_cell::{CaseValues, FinishedCell, mean};

/// Seed of the bootstrap: equal cells give equal intervals.
const BOOTSTRAP_SEED: u64 = 0;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// Row name of the method.
    pub(crate) method: String,
    /// Data set.
    pub(crate) dataset: String,
    /// Seeds that finished.
    pub(crate) n_seeds: usize,
    /// Test cases with a defined Dice.
    pub(crate) n_cases: usize,
    /// Trained parameters.
    pub(crate) trainable: u64,
    /// Trained share of all parameters, in percent.
    pub(crate) trainable_percent: f64,
    /// Dice coefficient over the test cases.
    pub(crate) dice: Option<Spread>,
    /// HD95 over the test cases, in the unit of the cases' spacing (pixels when none is given).
    pub(crate) hd95: Option<Spread>,
    /// Centreline Dice over the test cases.
    pub(crate) cldice: Option<Spread>,
    /// Median optimiser step in milliseconds, the median over seeds.
    pub(crate) step_ms: Option<f64>,
    /// Highest resident memory in megabytes, the largest over seeds.
    pub(crate) peak_rss_mb: Option<f64>,
    /// Training and evaluation of all seeds, in seconds.
    pub(crate) wall_s: f64,
}

/// A mean and how far it can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    /// Mean over cases of each case's mean over seeds.
    pub(crate) mean: f64,
    /// Standard deviation.
    pub(crate) sd: f64,
    /// What the deviation is over.
    pub(crate) sd_over: SdOver,
    /// 95 % bootstrap interval of the mean over cases.
    pub(crate) ci95: [f64; 2],
}

/// What a standard deviation is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SdOver {
    /// The means of several seeds.
    Seeds,
    /// The cases of the only seed.
    Cases,
}

/// The cells of one method on one data set.
#[derive(Debug)]
pub(crate) struct Group<'a> {
    pub(crate) method: &'a str,
    pub(crate) dataset: &'a str,
    pub(crate) cells: Vec<&'a FinishedCell>,
}

/// Group cells by data set, then method, in the order of first appearance.
pub(crate) fn group(cells: &[FinishedCell]) -> Vec<Group<'_>> {
    let mut datasets: Vec<&str> = Vec::new();
    for cell in cells {
        if !datasets.contains(&cell.id.dataset.as_str()) {
            datasets.push(&cell.id.dataset);
        }
    }
    let mut groups: Vec<Group<'_>> = Vec::new();
    for dataset in datasets {
        for cell in cells.iter().filter(|cell| cell.id.dataset == dataset) {
            let method = cell.id.method.as_str();
            match groups
                .iter_mut()
                .find(|g| g.method == method && g.dataset == dataset)
            {
                Some(group) => group.cells.push(cell),
                None => groups.push(Group {
                    method,
                    dataset,
                    cells: vec![cell],
                }),
            }
        }
    }
    groups
}

impl Group<'_> {
    /// A metric of every case, averaged over the seeds that define it.
    pub(crate) fn per_case(&self, metric: fn(&CaseValues) -> Option<f64>) -> BTreeMap<&str, f64> {
        let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for (name, case) in self.cells.iter().flat_map(|cell| &cell.cases) {
            values.entry(name).or_default().extend(metric(case));
        }
        let averaged = |(name, values): (_, Vec<f64>)| Some((name, mean(values.into_iter())?));
        values.into_iter().filter_map(averaged).collect()
    }

    /// The cells of the seeds that `other` has too: a pair of methods is compared over the same seeds.
    pub(crate) fn with_seeds_of(&self, other: &Group<'_>) -> Self {
        let shared = |seed| other.cells.iter().any(|cell| cell.id.seed == seed);
        let cells = self.cells.iter().copied();
        Self {
            method: self.method,
            dataset: self.dataset,
            cells: cells.filter(|cell| shared(cell.id.seed)).collect(),
        }
    }

    fn spread(&self, metric: fn(&CaseValues) -> Option<f64>) -> Option<Spread> {
        let over_cases: Vec<f64> = self.per_case(metric).into_values().collect();
        let cases = summarize(&over_cases, BOOTSTRAP_SEED)?;
        let over_seeds: Vec<f64> = self
            .cells
            .iter()
            .filter_map(|cell| mean(cell.cases.values().filter_map(metric)))
            .collect();
        let (sd, sd_over) = if over_seeds.len() >= 2 {
            (summarize(&over_seeds, BOOTSTRAP_SEED)?.sd, SdOver::Seeds)
        } else {
            (cases.sd, SdOver::Cases)
        };
        Some(Spread {
            mean: cases.mean,
            sd,
            sd_over,
            ci95: cases.ci95,
        })
    }

    /// The group as a line of the table.
    pub(crate) fn row(&self) -> Row {
        let results = || self.cells.iter().map(|cell| &cell.result);
        let params = self
            .cells
            .first()
            .map(|cell| cell.result.params.clone())
            .unwrap_or_default();
        let peak = results()
            .filter_map(|result| result.memory.peak_rss_mb)
            .reduce(f64::max);
        let seconds = |result: &super::finished_cell::RunResult| {
            result.time.train_s.unwrap_or(0.0) + result.time.eval_s.unwrap_or(0.0)
        };
        Row {
            method: self.method.to_owned(),
            dataset: self.dataset.to_owned(),
            n_seeds: self.cells.len(),
            n_cases: self.per_case(|case| case.dice).len(),
            trainable: params.trainable,
            trainable_percent: params.percent,
            dice: self.spread(|case| case.dice),
            hd95: self.spread(|case| case.hd95),
            cldice: self.spread(|case| case.cldice),
            step_ms: median(
                results()
                    .filter_map(|result| result.time.step_ms_median)
                    .collect(),
            ),
            peak_rss_mb: peak,
            wall_s: results().map(seconds).sum(),
        }
    }
}

/// The middle value, the mean of the two middle ones of an even number.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    let high = *values.get(upper)?;
    if values.len() % 2 == 1 {
        return Some(high);
    }
    values
        .get(upper.checked_sub(1)?)
        .map(|low| f64::midpoint(*low, high))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::finished_cell::{CellState, read_all, tests::write_cell};

    fn finished(cells: &[(&str, &[f64])]) -> Vec<FinishedCell> {
        let tmp = tempfile::tempdir().unwrap();
        for (name, dice) in cells {
            write_cell(tmp.path(), name, 3.0, dice);
        }
        let take = |state| match state {
            CellState::Finished(cell) => Some(*cell),
            CellState::Unfinished(_) => None,
        };
        read_all(tmp.path())
            .unwrap()
            .into_iter()
            .filter_map(take)
            .collect()
    }

    #[test]
    fn seeds_are_averaged_per_case_and_their_spread_is_the_deviation() {
        let cells = finished(&[
            ("salt__a__s0", &[0.5, 0.7, 0.9]),
            ("salt__a__s1", &[0.7, 0.7, 0.7]),
        ]);
        let groups = group(&cells);
        let row = groups[0].row();
        assert_eq!((groups.len(), row.n_seeds, row.n_cases), (1, 2, 3));
        let dice = row.dice.unwrap();
        assert!((dice.mean - 0.7).abs() < 1e-12);
        // Both seeds have the mean 0.7.
        assert_eq!(dice.sd_over, SdOver::Seeds);
        assert!(dice.sd.abs() < 1e-9, "{dice:?}");
        assert!(
            dice.ci95[0] >= 0.6 - 1e-9 && dice.ci95[1] <= 0.8 + 1e-9,
            "{dice:?}"
        );
        assert_eq!(row.step_ms, Some(120.5));
        assert!((row.wall_s - 64.0).abs() < 1e-9);
        assert!(row.cldice.is_none());
    }

    #[test]
    fn one_seed_has_the_deviation_over_cases() {
        let cells = finished(&[("salt__a__s0", &[0.5, 0.7, 0.9])]);
        let dice = group(&cells)[0].row().dice.unwrap();
        assert_eq!(dice.sd_over, SdOver::Cases);
        assert!((dice.sd - 0.2).abs() < 1e-9, "{dice:?}");
    }

    #[test]
    fn data_sets_and_methods_are_kept_apart() {
        let cells = finished(&[
            ("salt__a__s0", &[0.5]),
            ("lora__a__s0", &[0.5]),
            ("salt__b__s0", &[0.5]),
        ]);
        let groups = group(&cells);
        let names: Vec<_> = groups.iter().map(|g| (g.dataset, g.method)).collect();
        assert_eq!(names.len(), 3);
        assert!(
            names[0].0 == names[1].0 || names[1].0 == names[2].0,
            "{names:?}"
        );
    }

    #[test]
    fn medians_of_odd_even_and_no_values() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![]), None);
    }
}
