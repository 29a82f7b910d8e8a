//! One line of a table: what its columns are, and what its fields mean.
//!
//! Beside the columns that a table must have, a line may say which `group` (patient, child,
//! sequence: whatever must not be in two splits) a case belongs to, and the size of its pixels as
//! `spacing_mm`: one number for square pixels, or `0.5x0.7`, across and down.

use std::path::{Component, Path, PathBuf};

use csv::StringRecord;

use crate::dataset::Split;
use crate::error::DataError;

/// The names under which a column of groups is known.
const GROUP: [&str; 4] = ["group", "patient", "patient_id", "subject"];

const SPACING: &str = "spacing_mm";

/// Where the fields of a line are.
#[derive(Debug)]
pub(crate) struct Columns {
    /// Positions of the required columns with their names: image, mask (`pairs.csv`), split.
    required: Vec<(usize, &'static str)>,
    /// Position of the groups.
    pub(crate) group: Option<usize>,
    /// Position of the spacings.
    spacing: Option<usize>,
    /// Columns that mean nothing here.
    pub(crate) ignored: Vec<String>,
}

impl Columns {
    /// Finds the columns in a header. Columns without a meaning are allowed and listed.
    ///
    /// # Errors
    /// [`DataError::Separator`]; [`DataError::MissingColumn`]; [`DataError::AmbiguousColumn`] where two columns could be
    /// meant.
    pub(crate) fn find(
        path: &Path,
        header: &StringRecord,
        required: &[&'static str],
        expected: &'static str,
    ) -> Result<Self, DataError> {
        let one = |names: &[&str], meaning: &'static str| {
            let found: Vec<usize> = (0..header.len())
                .filter(|&i| names.contains(&&header[i]))
                .collect();
            match found[..] {
                [] => Ok(None),
                [position] => Ok(Some(position)),
                _ => Err(DataError::AmbiguousColumn {
                    path: path.to_owned(),
                    meaning,
                    received: found.iter().map(|&i| header[i].to_owned()).collect(),
                }),
            }
        };
        let missing = |column| DataError::MissingColumn {
            path: path.to_owned(),
            column,
            expected,
            received: header.iter().map(str::to_owned).collect(),
        };
        if let Some(separator) = other_separator(header, required) {
            return Err(DataError::Separator {
                path: path.to_owned(),
                expected,
                separator,
            });
        }
        let required = required
            .iter()
            .map(|&name| Ok((one(&[name], name)?.ok_or_else(|| missing(name))?, name)))
            .collect::<Result<Vec<_>, DataError>>()?;
        let group = one(&GROUP, "group")?;
        let spacing = one(&[SPACING], SPACING)?;
        let known = |i: usize| {
            Some(i) == group || Some(i) == spacing || required.iter().any(|(p, _)| *p == i)
        };
        let ignored = (0..header.len()).filter(|&i| !known(i) && !header[i].is_empty());
        Ok(Self {
            ignored: ignored.map(|i| header[i].to_owned()).collect(),
            required,
            group,
            spacing,
        })
    }

    /// Takes the fields of a record; where a required one is empty, its line and column.
    pub(crate) fn row(&self, record: &StringRecord) -> Result<Row, (u64, &'static str)> {
        let line = record.position().map_or(0, csv::Position::line);
        let field = |position: usize| record.get(position).unwrap_or_default().to_owned();
        let optional = |position: Option<usize>| position.map(field).filter(|f| !f.is_empty());
        let mut fields = Vec::with_capacity(self.required.len());
        for &(position, name) in &self.required {
            let value = field(position);
            if value.is_empty() {
                return Err((line, name));
            }
            fields.push(value);
        }
        // The split is the last of the required columns, the image the first.
        let split = fields.pop().unwrap_or_default();
        let mut fields = fields.into_iter();
        Ok(Row {
            line,
            image: fields.next().unwrap_or_default(),
            mask: fields.next(),
            split,
            group: optional(self.group),
            spacing_mm: optional(self.spacing),
        })
    }
}

/// What stands between the columns of a header that was read as a single one: separators that spreadsheets use in
/// place of the comma. `None` unless the header has a required column when it is cut there.
fn other_separator(header: &StringRecord, required: &[&str]) -> Option<String> {
    let whole = header.get(0).filter(|_| header.len() == 1)?;
    let fits = |separator: &char| {
        let mut columns = whole
            .split(*separator)
            .map(|name| name.trim().trim_matches('"'));
        whole.contains(*separator) && columns.any(|name| required.contains(&name))
    };
    let separator = [';', '\t', '|'].into_iter().find(fits)?;
    Some(separator.escape_default().to_string())
}

/// One line of a table, as written.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// Line number, from 1.
    pub(crate) line: u64,
    /// Field `image` or `imgs`.
    pub(crate) image: String,
    /// Field `mask`, for `pairs.csv`.
    pub(crate) mask: Option<String>,
    /// Field `split`.
    pub(crate) split: String,
    /// Field `group`.
    pub(crate) group: Option<String>,
    /// Field `spacing_mm`.
    pub(crate) spacing_mm: Option<String>,
}

/// One line of a table that makes sense, whether or not its files exist.
#[derive(Debug, Clone, PartialEq)]
pub struct TableLine {
    /// Line number, from 1.
    pub line: u64,
    /// The image as written: a path inside of the data set, or a name in `images/`.
    pub image: PathBuf,
    /// The mask's path inside of the data set, where the table names masks.
    pub mask: Option<PathBuf>,
    /// What the case is for.
    pub split: Split,
    /// Patient, child, sequence: what must not be in two splits.
    pub group: Option<String>,
    /// Width and height of a pixel in millimetres.
    pub spacing_mm: Option<[f64; 2]>,
}

impl Row {
    /// Understands the fields; `table` is named in errors.
    pub(crate) fn check(&self, table: &Path) -> Result<TableLine, DataError> {
        let split = Split::from_name(&self.split).ok_or_else(|| DataError::UnknownSplit {
            path: table.to_owned(),
            line: self.line,
            received: self.split.clone(),
            nearest: Split::nearest_name(&self.split),
        })?;
        let image = self.inside(table, &self.image)?;
        let mask = self.mask.as_ref().map(|mask| self.inside(table, mask));
        let spacing = self.spacing_mm.as_ref().map(|text| {
            parse_spacing(text).ok_or_else(|| DataError::BadSpacing {
                path: table.to_owned(),
                line: self.line,
                received: text.clone(),
            })
        });
        Ok(TableLine {
            line: self.line,
            image,
            mask: mask.transpose()?,
            split,
            group: self.group.clone(),
            spacing_mm: spacing.transpose()?,
        })
    }

    /// A field as a path that stays inside of the data set. Links inside the folder are followed:
    /// whoever made the folder may link to where the files are.
    fn inside(&self, table: &Path, field: &str) -> Result<PathBuf, DataError> {
        let path = Path::new(field);
        let plain = path
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        // Windows spellings are refused everywhere, so that a table means the same on all systems.
        if plain && !field.contains('\\') && !field.contains(':') {
            return Ok(path.to_owned());
        }
        Err(DataError::EscapingPath {
            path: table.to_owned(),
            line: self.line,
            received: field.to_owned(),
        })
    }
}

/// `0.5` or `0.5x0.7`, in millimetres; every number positive and finite.
fn parse_spacing(text: &str) -> Option<[f64; 2]> {
    let number = |text: &str| {
        let value: f64 = text.trim().parse().ok()?;
        (value > 0.0 && value.is_finite()).then_some(value)
    };
    match text.split_once('x') {
        Some((x, y)) => Some([number(x)?, number(y)?]),
        None => number(text).map(|side| [side, side]),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_spacing;

    #[test]
    fn spacings() {
        for (text, expected) in [
            ("0.5", Some([0.5, 0.5])),
            ("0.5x0.7", Some([0.5, 0.7])),
            ("0.5 x 7e-1", Some([0.5, 0.7])),
            ("0", None),
            ("-1", None),
            ("NaN", None),
            ("inf", None),
            ("1e999", None),
            ("1x", None),
            ("1x2x3", None),
            ("0,5", None),
            ("half", None),
        ] {
            assert_eq!(parse_spacing(text), expected, "{text}");
        }
    }
}
