//! The table of a data set: `data_split.csv` (`imgs,split`) or `pairs.csv` (`image,mask,split`).
//!
//! `pairs.csv` names both files by path. `data_split.csv` is SALT's: the stem of `imgs` is looked
//! up as `images/<stem>.{png,jpg,jpeg}`, its mask as `masks/<stem>_mask` or `masks/<stem>` with the
//! same extensions. Where both tables exist, `pairs.csv` wins, because it is explicit.

use std::path::{Component, Path, PathBuf};

use crate::dataset::{Case, Split};
use crate::error::DataError;

const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "PNG", "JPG", "JPEG"];

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
}

/// A table that was read but not yet believed.
#[derive(Debug)]
pub(crate) struct Table {
    root: PathBuf,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its lines, good and bad.
    pub(crate) rows: Vec<Result<Row, DataError>>,
}

impl Table {
    /// Reads the table of the data set in `root`.
    pub(crate) fn read(root: &Path) -> Result<Self, DataError> {
        if !root.is_dir() {
            return Err(DataError::MissingFolder {
                path: root.to_owned(),
            });
        }
        let pairs = root.join("pairs.csv");
        let splits = root.join("data_split.csv");
        let (path, columns, expected): (_, &[&'static str], _) = if pairs.is_file() {
            (pairs, &["image", "mask", "split"], "image,mask,split")
        } else if splits.is_file() {
            (splits, &["imgs", "split"], "imgs,split")
        } else {
            return Err(DataError::MissingTable {
                path: root.to_owned(),
            });
        };
        let bytes = std::fs::read(&path).map_err(DataError::io("read", &path))?;
        // Spreadsheets put a byte order mark before the first column's name.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_reader(text);
        let bad_row = |line: u64, problem: String| DataError::BadRow {
            path: path.clone(),
            line,
            problem,
        };
        let header = reader
            .headers()
            .map_err(|error| bad_row(1, error.to_string()))?
            .clone();
        let position = |column: &'static str| {
            header
                .iter()
                .position(|name| name == column)
                .ok_or_else(|| DataError::MissingColumn {
                    path: path.clone(),
                    column,
                    expected,
                    received: header.iter().map(str::to_owned).collect(),
                })
        };
        let positions = columns
            .iter()
            .map(|c| position(c))
            .collect::<Result<Vec<_>, _>>()?;
        let mut rows = Vec::new();
        for record in reader.records() {
            rows.push(match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let fields: Vec<String> =
                        positions.iter().map(|&p| record[p].to_owned()).collect();
                    match fields.iter().position(String::is_empty) {
                        Some(k) => Err(bad_row(line, format!("an empty `{}`", columns[k]))),
                        None => Ok(Row {
                            line,
                            image: fields[0].clone(),
                            mask: (fields.len() == 3).then(|| fields[1].clone()),
                            split: fields[fields.len() - 1].clone(),
                        }),
                    }
                }
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
        })
    }

    /// Finds the files of a line. The id is the stem of the image's file; [`unique_ids`] makes it unique.
    pub(crate) fn resolve(&self, row: &Row) -> Result<Case, DataError> {
        let split = Split::from_name(&row.split).ok_or_else(|| DataError::UnknownSplit {
            path: self.path.clone(),
            line: row.line,
            received: row.split.clone(),
            nearest: Split::nearest_name(&row.split),
        })?;
        let image_field = self.inside(row, &row.image)?;
        let (image, mask) = match &row.mask {
            Some(mask) => (
                self.root.join(image_field),
                self.root.join(self.inside(row, mask)?),
            ),
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
            split,
        })
    }

    /// A field as a path that stays inside of the data set. Links inside the folder are followed:
    /// whoever made the folder may link to where the files are.
    fn inside<'a>(&self, row: &Row, field: &'a str) -> Result<&'a Path, DataError> {
        let path = Path::new(field);
        let plain = path
            .components()
            .all(|c| matches!(c, Component::Normal(_) | Component::CurDir));
        // Windows spellings are refused everywhere, so that a table means the same on all systems.
        if plain && !field.contains('\\') && !field.contains(':') {
            return Ok(path);
        }
        Err(DataError::EscapingPath {
            path: self.path.clone(),
            line: row.line,
            received: field.to_owned(),
        })
    }

    /// Makes ids unique: equal stems get their folders in front. The same image twice is an error.
    pub(crate) fn unique_ids(&self, cases: &mut [(u64, Case)]) -> Result<(), DataError> {
        let mut seen = std::collections::BTreeMap::<String, usize>::new();
        cases
            .iter()
            .for_each(|(_, case)| *seen.entry(case.id.clone()).or_default() += 1);
        let mut taken = std::collections::BTreeSet::new();
        for (line, case) in cases {
            let stem = case.id.clone();
            if seen[&case.id] > 1 {
                let relative = case.image.strip_prefix(&self.root).unwrap_or(&case.image);
                let parts: Vec<_> = relative
                    .with_extension("")
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

fn stem_of(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}

/// The first of `<folder>/<stem>.<extension>` that exists, or the first one tried.
fn find(folder: &Path, stems: &[&str]) -> PathBuf {
    let tried = stems.iter().flat_map(|stem| {
        EXTENSIONS
            .iter()
            .map(move |e| folder.join(format!("{stem}.{e}")))
    });
    let mut first = None;
    for path in tried {
        if path.is_file() {
            return path;
        }
        first.get_or_insert(path);
    }
    first.unwrap_or_else(|| folder.to_owned())
}
