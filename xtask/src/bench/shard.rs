//! `--shard I/N`: the part of a matrix that one of N machines does.

use std::str::FromStr;

/// Part `index` (from 1) of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Every `count`-th item, starting with the `index`-th: parts differ by one item at most, and
    /// slow methods are spread over all of them.
    pub(crate) fn of<T>(self, items: Vec<T>) -> Vec<T> {
        items
            .into_iter()
            .skip(self.index - 1)
            .step_by(self.count)
            .collect()
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

    #[test]
    fn the_parts_together_are_the_whole_without_overlap() {
        let items: Vec<u32> = (0..10).collect();
        for count in 1..=11 {
            let parts = (1..=count).map(|index| Shard { index, count });
            let mut all: Vec<_> = parts.flat_map(|shard| shard.of(items.clone())).collect();
            all.sort_unstable();
            assert_eq!(all, items, "{count} parts");
        }
    }

    #[test]
    fn text_outside_the_range_is_refused_with_an_example() {
        assert_eq!("2/4".parse(), Ok(Shard { index: 2, count: 4 }));
        for text in ["0/4", "5/4", "2", "a/4", "2/0", "/"] {
            let error = text.parse::<Shard>().unwrap_err();
            assert!(error.contains("2/4") && error.contains(text), "{error}");
        }
    }
}
