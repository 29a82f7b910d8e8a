//! `--shard I/N`: the part of a matrix that one of N machines does.

use std::str::FromStr;

use super::cell::CellId;
use super::method;

/// Part `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The cells of this part, in the order in which they came.
    ///
    /// Sorted by method, data set and seed, the cells are dealt out like cards. So parts differ by one cell at most, in
    /// all and of every method, which is what time depends on; and the order of words on the command line does
    /// not matter, as long as they are the same words.
    pub(crate) fn of(self, cells: Vec<CellId>) -> Vec<CellId> {
        let mut sorted: Vec<&CellId> = cells.iter().collect();
        sorted.sort_by_key(|cell| {
            let CellId {
                dataset,
                method,
                seed,
            } = cell;
            (method::order(method), method, dataset, *seed)
        });
        let mine = sorted.into_iter().skip(self.index - 1).step_by(self.count);
        let mine: Vec<CellId> = mine.cloned().collect();
        cells
            .into_iter()
            .filter(|cell| mine.contains(cell))
            .collect()
    }

    /// All parts, the first first.
    pub(crate) fn all(count: usize) -> impl Iterator<Item = Self> {
        (1..=count).map(move |index| Self { index, count })
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected I/N with 1 <= I <= N, for example 2/4, received `{text}`");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<usize>().map_err(|_| wrong());
        let shard = Self {
            index: number(index)?,
            count: number(count)?,
        };
        if (1..=shard.count).contains(&shard.index) {
            Ok(shard)
        } else {
            Err(wrong())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::cell::matrix;

    const METHODS: [&str; 4] = ["frozen", "lora", "salt", "full"];

    fn cells() -> Vec<CellId> {
        matrix(&METHODS, &["vessels", "mine"], &[0, 1, 2])
    }

    #[test]
    fn the_parts_together_are_the_whole_without_overlap() {
        let mut whole = cells();
        whole.sort();
        for count in 1..=whole.len() + 1 {
            let parts = Shard::all(count).map(|shard| shard.of(cells()));
            let mut all: Vec<_> = parts.flatten().collect();
            all.sort();
            assert_eq!(all, whole, "{count} parts");
        }
    }

    #[test]
    fn parts_differ_by_one_cell_at_most_in_all_and_of_every_method() {
        for count in 1..=7 {
            let parts: Vec<_> = Shard::all(count).map(|shard| shard.of(cells())).collect();
            let even = |sizes: Vec<usize>| {
                let (low, high) = (sizes.iter().min(), sizes.iter().max());
                assert!(high.unwrap() - low.unwrap() <= 1, "{count}: {sizes:?}");
            };
            even(parts.iter().map(Vec::len).collect());
            for method in METHODS {
                let of_method =
                    |part: &Vec<CellId>| part.iter().filter(|cell| cell.method == method).count();
                even(parts.iter().map(of_method).collect());
            }
        }
    }

    #[test]
    fn the_order_of_words_does_not_matter_and_a_part_runs_in_the_order_of_the_matrix() {
        let shuffled = matrix(
            &["salt", "full", "frozen", "lora"],
            &["mine", "vessels"],
            &[2, 0, 1],
        );
        let shard: Shard = "2/5".parse().unwrap();
        let (part, mut same) = (shard.of(cells()), shard.of(shuffled));
        let order = |part: &[CellId]| {
            let cells = cells();
            let at = |cell| cells.iter().position(|other| other == cell);
            part.iter().map(at).collect::<Vec<_>>()
        };
        assert!(order(&part).is_sorted(), "{part:?}");
        same.sort_by_key(|cell| order(std::slice::from_ref(cell)));
        assert_eq!(part, same);
    }

    #[test]
    fn text_outside_the_range_is_refused_with_an_example() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, count: 4 }));
        for text in [
            "0/4", "5/4", "2", "a/4", "2/0", "1/0", "0/0", "/", "", "-1/4", "1/2/3", "1.5/2",
        ] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains("2/4") && error.contains(text), "{error}");
        }
    }
}
