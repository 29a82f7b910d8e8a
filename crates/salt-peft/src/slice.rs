//! Rows of a fused projection: `attn\.qkv[q,v]` means two thirds of one weight.
//!
//! A pattern may end in brackets that hold names out of `q`, `k`, `v` (thirds of the output
//! features, in this order) or ranges of output features such as `0:768`, separated by commas. Any other
//! bracket is the character class of a regular expression.

use std::ops::Range;

use crate::error::PeftError;
use crate::weight::{Layout, WeightShape};

/// The parts of a fused projection of queries, keys and values, in their order.
const THIRDS: [&str; 3] = ["q", "k", "v"];

/// Rows as a pattern writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// A third, by its place in [`THIRDS`].
    Third(usize),
    /// Output features from..to.
    Range(Range<usize>),
}

/// Rows of a weight's matrix `[out, in]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slice {
    /// The rows in words: `q`, `0:768`.
    pub(crate) label: String,
    /// The rows.
    pub(crate) rows: Range<usize>,
}

/// The path of a weight and the label of its rows, of the path that [`Slice::shape`] gives.
pub(crate) fn split_path(path: &str) -> (&str, Option<&str>) {
    let bracket = path
        .strip_suffix(']')
        .and_then(|rest| rest.rsplit_once('['));
    bracket.map_or((path, None), |(stem, label)| (stem, Some(label)))
}

/// A pattern without its slices, and the slices. Without any, the whole weight is meant.
pub(crate) fn split(pattern: &str) -> (&str, Vec<Rows>) {
    let (stem, inside) = split_path(pattern);
    // An escaped bracket is a bracket in a name.
    let Some(inside) = inside.filter(|_| !stem.ends_with('\\')) else {
        return (pattern, Vec::new());
    };
    let rows: Option<Vec<Rows>> = inside.split(',').map(|part| rows(part.trim())).collect();
    match rows {
        Some(rows) if !stem.is_empty() => (stem, rows),
        _ => (pattern, Vec::new()),
    }
}

fn rows(part: &str) -> Option<Rows> {
    if let Some(third) = THIRDS.iter().position(|name| *name == part) {
        return Some(Rows::Third(third));
    }
    let (from, to) = part.split_once(':')?;
    Some(Rows::Range(from.parse().ok()?..to.parse().ok()?))
}

impl Rows {
    /// The rows in words.
    pub(crate) fn label(&self) -> String {
        match self {
            Rows::Third(third) => THIRDS[*third].into(),
            Rows::Range(rows) => format!("{}:{}", rows.start, rows.end),
        }
    }

    /// The rows in a weight of this shape.
    ///
    /// # Errors
    /// [`PeftError::InvalidSetting`] for rows that the weight does not have.
    pub(crate) fn of(&self, shape: &WeightShape) -> Result<Slice, PeftError> {
        let refuse = |value: String, expected| {
            let setting = "targets";
            Err(PeftError::InvalidSetting {
                setting,
                value,
                expected,
            })
        };
        let (out, path) = (shape.out(), &shape.path);
        if shape.layout == Layout::ConvTranspose {
            return refuse(
                format!("rows of `{path}`, a transposed convolution"),
                "rows of linear layers and convolutions; leave the brackets out",
            );
        }
        let rows = match self {
            Rows::Third(third) if out % THIRDS.len() != 0 => {
                return refuse(
                    format!("`{}` of `{path}`, which has {out} rows", THIRDS[*third]),
                    "a fused projection whose rows divide by 3, or ranges such as [0:64]",
                );
            }
            Rows::Third(third) => {
                let size = out / THIRDS.len();
                third * size..(third + 1) * size
            }
            Rows::Range(rows) => rows.clone(),
        };
        if rows.is_empty() || rows.end > out {
            return refuse(
                format!("rows {}:{} of `{path}`", rows.start, rows.end),
                "a range from:to, from below to, that ends within the output features",
            );
        }
        Ok(Slice {
            label: self.label(),
            rows,
        })
    }
}

impl Slice {
    /// The shape of the rows, as a weight of its own.
    pub(crate) fn shape(&self, whole: &WeightShape) -> WeightShape {
        let mut dims = whole.dims.clone();
        dims[0] = self.rows.len();
        WeightShape {
            path: format!("{}[{}]", whole.path, self.label),
            dims,
            layout: whole.layout,
        }
    }

    /// The values of the rows, both in Burn's layout.
    pub(crate) fn values(&self, whole: &WeightShape, values: &[f32]) -> Vec<f32> {
        let fan_in = whole.fan_in();
        if whole.is_transposed() {
            let rows = values.chunks(whole.out());
            rows.flat_map(|row| &row[self.rows.clone()])
                .copied()
                .collect()
        } else {
            values[self.rows.start * fan_in..self.rows.end * fan_in].to_vec()
        }
    }

    /// The name of the module that holds the rows' factors.
    pub(crate) fn segment(&self) -> String {
        format!("[{}]", self.label)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, stem: &str, rows: &[Rows]) {
        assert_eq!(split(pattern), (stem, rows.to_vec()), "{pattern}");
    }

    #[test]
    fn brackets_at_the_end_may_be_rows() {
        let [q, k, v] = [0, 1, 2].map(Rows::Third);
        check("qkv[q,v]", "qkv", &[q, v.clone()]);
        check(
            r"blocks\.\d+\.attn\.qkv[k]",
            r"blocks\.\d+\.attn\.qkv",
            &[k],
        );
        check(
            "fc[0:4, 8:12]",
            "fc",
            &[Rows::Range(0..4), Rows::Range(8..12)],
        );
        check("(qkv|proj)[v]", "(qkv|proj)", &[v]);
        for class in [
            "lin[12]", "to_[qkv]", "[q,v]", "lin[1-2]", r"a\[q]", "a[q,x]", "a[]",
        ] {
            check(class, class, &[]);
        }
    }

    #[test]
    fn rows_must_exist() {
        let shape = WeightShape::new("qkv", [6, 4]);
        let slice = Rows::Third(2).of(&shape).expect("two rows each");
        assert_eq!((slice.rows.clone(), slice.label.as_str()), (4..6, "v"));
        assert_eq!(slice.shape(&shape).path, "qkv[v]");
        assert_eq!(slice.shape(&shape).dims, [2, 4]);
        let refused = |rows: Rows, shape: &WeightShape, part: &str| {
            let error = rows.of(shape).expect_err("refused").to_string();
            assert!(error.contains(part), "{error}");
        };
        refused(Rows::Third(0), &WeightShape::new("w", [7, 4]), "7 rows");
        refused(Rows::Range(4..7), &shape, "rows 4:7");
        refused(Rows::Range(4..4), &shape, "rows 4:4");
        let up = WeightShape::conv_transpose("up", [6, 6, 2, 2]);
        refused(Rows::Third(0), &up, "transposed convolution");
    }

    #[test]
    fn values_of_rows_in_both_layouts() {
        let slice = Slice {
            label: "1:2".into(),
            rows: 1..2,
        };
        // [out 2, in 3], stored [in, out].
        let linear = WeightShape::new("l", [2, 3]);
        let values = slice.values(&linear, &[0., 1., 2., 3., 4., 5.]);
        assert_eq!(values, [1., 3., 5.]);
        let conv = WeightShape::new("c", [2, 3, 1, 1]);
        let values = slice.values(&conv, &[0., 1., 2., 3., 4., 5.]);
        assert_eq!(values, [3., 4., 5.]);
    }
}
