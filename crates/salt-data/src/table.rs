//! The table of a data set: `data_split.csv` (`imgs,split`) or `pairs.csv` (`image,mask,split`).
//! Both may have the columns `group` and `spacing_mm` ([`crate::table_line`]).
//!
//! `pairs.csv` names both files by path. `data_split.csv` is SALT's: the stem of `imgs` is looked
//! up as `images/<stem>.{png,jpg,tif,...}`, its mask as `masks/<stem>_mask` or `masks/<stem>` with the
//! same extensions. Where both tables exist, `pairs.csv` wins, because it is explicit.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv::{ByteRecord, StringRecord};

use crate::dataset::Case;
use crate::error::DataError;
use crate::picture_name::{find, stem_of};
use crate::table_line::{Columns, Row, TableLine};

/// The columns that a kind of table must have.
struct Layout {
    required: &'static [&'static str],
    header: &'static str,
}

const PAIRS: Layout = Layout {
    required: &["image", "mask", "split"],
    header: "image,mask,split",
};

const SPLITS: Layout = Layout {
    required: &["imgs", "split"],
    header: "imgs,split",
};

/// A table that was read but not yet believed.
#[derive(Debug)]
pub(crate) struct Table {
    root: PathBuf,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its lines, good and bad.
    pub(crate) rows: Vec<Result<Row, DataError>>,
    /// Whether it has a column of groups.
    pub(crate) has_group: bool,
    /// Columns that mean nothing here.
    pub(crate) ignored: Vec<String>,
}

/// Reads the text of a table without looking at any other file. `path` is named in errors and says
/// which kind it is: `pairs.csv`, or by any other name `data_split.csv`.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse_table(path: &Path, bytes: &[u8]) -> Result<Vec<TableLine>, DataError> {
    let table = Table::parse(Path::new(""), path.to_owned(), bytes)?;
    let lines = table.rows.into_iter();
    lines.map(|row| row?.check(path)).collect()
}

/// The table of a folder, where there is one.
fn table_in(dir: &Path) -> Option<PathBuf> {
    let names = ["pairs.csv", "data_split.csv"];
    let mut paths = names.into_iter().map(|name| dir.join(name));
    paths.find(|path| path.is_file())
}

/// What is said of a folder without a table. Archives often unpack to a folder in a folder.
fn missing(root: &Path) -> DataError {
    let path = root.to_owned();
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    let inner = entries.map(|entry| entry.path());
    match inner.filter(|path| table_in(path).is_some()).min() {
        Some(inside) => DataError::TableDeeper { path, inside },
        None => DataError::MissingTable { path },
    }
}

/// A record as text. `text` is the whole table, which tells the line of a byte that is none of it.
fn in_utf8(path: &Path, text: &[u8], record: ByteRecord) -> Result<StringRecord, DataError> {
    StringRecord::from_byte_record(record).map_err(|error| {
        let record = error.into_byte_record();
        let start = record.position().map_or(0, csv::Position::byte) as usize;
        let rest = text.get(start..).unwrap_or_default();
        // A record is text before the first byte that is none: the position is that of all that is left.
        let valid = match std::str::from_utf8(rest) {
            Ok(valid) => valid.len(),
            Err(error) => error.valid_up_to(),
        };
        let before = text.iter().take(start + valid);
        DataError::Encoding {
            path: path.to_owned(),
            line: 1 + before.filter(|byte| **byte == b'\n').count() as u64,
            byte: rest.get(valid).copied().unwrap_or_default(),
        }
    })
}

impl Table {
    /// Reads the table of the data set in `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, DataError> {
        if !root.is_dir() {
            return Err(DataError::MissingFolder {
                path: root.to_owned(),
            });
        }
        let path = table_in(root).ok_or_else(|| missing(root))?;
        let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
        Self::parse(root, path, &bytes)
    }

    fn parse(root: &Path, path: PathBuf, bytes: &[u8]) -> Result<Self, DataError> {
        let pairs = path.file_name().is_some_and(|name| name == "pairs.csv");
        let layout = if pairs { PAIRS } else { SPLITS };
        // Spreadsheets put a byte order mark before the first column's name.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text);
        let bad_row = |line: u64, problem: String| DataError::BadRow {
            path: path.clone(),
            line,
            problem,
        };
        let header = reader
            .byte_headers()
            .map_err(|error| bad_row(1, error.to_string()))?
            .clone();
        let header = in_utf8(&path, text, header)?;
        let columns = Columns::find(&path, &header, layout.required, layout.header)?;
        let mut rows = Vec::new();
        for record in reader.byte_records() {
            rows.push(match record {
                Ok(record) => in_utf8(&path, text, record).and_then(|record| {
                    let row = columns.row(&record);
                    row.map_err(|(line, column)| bad_row(line, format!("an empty `{column}`")))
                }),
                Err(error) => {
                    let line = error.position().map_or(0, csv::Position::line);
                    Err(bad_row(line, error.to_string()))
                }
            });
        }
        if rows.is_empty() {
            return Err(DataError::EmptyTable { path });
        }
        Ok(Self {
            root: root.to_owned(),
            path,
            rows,
            has_group: columns.group.is_some(),
            ignored: columns.ignored,
        })
    }

    /// Finds the files of a line. The id is the stem of the image's file; [`unique_ids`] makes it unique.
    pub(crate) fn resolve(&self, row: &Row) -> Result<Case, DataError> {
        let line = row.check(&self.path)?;
        let image_field = line.image.as_path();
        let (image, mask) = match &line.mask {
            Some(mask) => (self.root.join(image_field), self.root.join(mask)),
            None => {
                let images = self.root.join("images");
                let masks = self.root.join("masks");
                // A dot may be a part of the name or open an extension, not always the file's own.
                let name = image_field.to_str().unwrap_or_default();
                let image = [images.join(image_field), find(&images, &[name])]
                    .into_iter()
                    .find(|path| path.is_file())
                    .unwrap_or_else(|| find(&images, &[stem_of(image_field)]));
                let stem = stem_of(&image);
                let mask = find(&masks, &[&format!("{stem}_mask"), stem]);
                (image, mask)
            }
        };
        if !image.is_file() {
            return Err(DataError::MissingImage {
                path: image,
                line: row.line,
            });
        }
        if !mask.is_file() {
            return Err(DataError::MissingMask {
                path: mask,
                line: row.line,
            });
        }
        Ok(Case {
            id: stem_of(&image).to_owned(),
            image,
            mask,
            split: line.split,
            group: line.group,
            spacing_mm: line.spacing_mm,
        })
    }

    /// Two cases of one group in different splits, for every group where that is so.
    pub(crate) fn leaks(&self, cases: &[Case]) -> Vec<DataError> {
        let mut firsts = BTreeMap::<&str, &Case>::new();
        let mut leaks = BTreeMap::<&str, &Case>::new();
        for case in cases {
            let Some(group) = case.group.as_deref() else {
                continue;
            };
            if firsts.entry(group).or_insert(case).split != case.split {
                leaks.entry(group).or_insert(case);
            }
        }
        let of = |case: &Case| (case.id.clone(), case.split);
        let leaks = leaks.into_iter();
        leaks
            .map(|(group, second)| DataError::GroupAcrossSplits {
                path: self.path.clone(),
                group: group.to_owned(),
                first: of(firsts[group]),
                second: of(second),
            })
            .collect()
    }

    /// Makes ids unique: equal stems get their folders in front. The same image twice is an error.
    pub(crate) fn unique_ids(&self, cases: &mut [(u64, Case)]) -> Result<(), DataError> {
        let mut seen = BTreeMap::<String, usize>::new();
        cases
            .iter()
            .for_each(|(_, case)| *seen.entry(case.id.clone()).or_default() += 1);
        let mut taken = std::collections::BTreeSet::new();
        for (line, case) in cases {
            let stem = case.id.clone();
            if seen[&case.id] > 1 {
                let relative = case.image.strip_prefix(&self.root).unwrap_or(&case.image);
                let parts: Vec<_> = relative
                    .with_file_name(stem_of(relative))
                    .iter()
                    .map(|p| p.to_string_lossy().into_owned())
                    .collect();
                case.id = parts.join("__");
            }
            if !taken.insert(case.id.clone()) {
                return Err(DataError::DuplicateCase {
                    path: self.path.clone(),
                    line: *line,
                    id: stem,
                });
            }
        }
        Ok(())
    }
}
