//! A cell of the matrix: one method on one data set with one seed.

use std::collections::HashSet;
use std::fmt;

/// Which cell. Its `Display` form names its folder under `cells/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CellId {
    /// Data set.
    pub(crate) dataset: String,
    /// Row name of the method.
    pub(crate) method: String,
    /// Seed of everything random in the run.
    pub(crate) seed: u64,
}

impl fmt::Display for CellId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}__{}__s{}", self.method, self.dataset, self.seed)
    }
}

impl CellId {
    /// The cell that a folder belongs to, `None` for a folder that is no cell.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (method, rest) = name.split_once("__")?;
        let (dataset, seed) = rest.rsplit_once("__s")?;
        let named = !method.is_empty() && !dataset.is_empty();
        named.then_some(Self {
            method: method.to_owned(),
            dataset: dataset.to_owned(),
            seed: seed.parse().ok()?,
        })
    }
}

/// Every combination: all methods of a seed and data set before the next, so that a comparison is
/// complete as early as possible. What is named twice is there once.
pub(crate) fn matrix(methods: &[&str], datasets: &[&str], seeds: &[u64]) -> Vec<CellId> {
    let mut cells = Vec::new();
    let mut seen = HashSet::new();
    for &seed in seeds {
        for &dataset in datasets {
            for &method in methods {
                let (method, dataset) = (method.to_owned(), dataset.to_owned());
                let cell = CellId {
                    dataset,
                    method,
                    seed,
                };
                if seen.insert(cell.clone()) {
                    cells.push(cell);
                }
            }
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_name_is_read_back() {
        for name in [
            "salt__vessels__s0",
            "lora-4__CHASE_DB1__s12",
            "full__a__sb__s3",
        ] {
            assert_eq!(CellId::parse(name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_folders_are_no_cells() {
        for name in [
            "salt",
            "salt__vessels",
            "salt__vessels__sx",
            "__vessels__s0",
            "salt____s0",
        ] {
            assert_eq!(CellId::parse(name), None, "{name}");
        }
    }

    #[test]
    fn the_matrix_finishes_one_seed_before_the_next() {
        let cells = matrix(&["a", "b"], &["x", "y"], &[0, 1]);
        let names: Vec<_> = cells.iter().map(ToString::to_string).collect();
        assert_eq!(names[..3], ["a__x__s0", "b__x__s0", "a__y__s0"]);
        assert_eq!((names.len(), names[7].as_str()), (8, "b__y__s1"));
    }

    #[test]
    fn what_is_named_twice_is_one_cell() {
        assert_eq!(matrix(&["a", "a"], &["x"], &[0, 1, 0]).len(), 2);
    }
}
