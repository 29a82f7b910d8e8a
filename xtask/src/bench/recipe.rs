//! The recipe of a cell: a document that `salt train` runs, written before the cell starts.
//!
//! It also says what the cell depends on beyond the recipe itself (backend, program, bytes of the base and of the data
//! set) in comments, so that two cells are the same work exactly when their documents are the same text. The comment
//! `matrix` is a hash of what all cells of one benchmark have in common, by which the report tells cells of another
//! one that were left in the folder.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use super::binary::hex;
use super::cell::CellId;
use super::dataset::Source;
use super::method::Method;
use super::preset::Preset;

/// What all cells of a matrix share.
#[derive(Debug)]
pub(crate) struct Shared<'a> {
    pub(crate) preset: &'a Preset,
    /// Feature and device the cells run on.
    pub(crate) backend: &'a str,
    /// A base from a file; `None` is the one in the program.
    pub(crate) base: Option<&'a Path>,
    /// SHA-256 of the base's bytes, hexadecimal.
    pub(crate) base_sha256: &'a str,
    /// What the program is made of ([`super::binary::program_sha256`]), hexadecimal.
    pub(crate) program_sha256: &'a str,
    /// `--set section.key=value`, applied last.
    pub(crate) overrides: &'a [Override],
}

/// A `section.key=value` argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Override {
    section: String,
    key: String,
    value: Value,
}

impl std::str::FromStr for Override {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected section.key=value, for example train.epochs=3, received `{text}`");
        let (path, value) = text.split_once('=').ok_or_else(wrong)?;
        let (section, key) = path.trim().split_once('.').ok_or_else(wrong)?;
        if section.is_empty() || key.is_empty() {
            return Err(wrong());
        }
        // Anything that is not a TOML value is a string: `--set model.token_init=thin`.
        let document = format!("v = {}", value.trim()).parse::<Table>().ok();
        let value = document.and_then(|mut table| table.remove("v"));
        let value =
            value.unwrap_or_else(|| Value::String(text[path.len() + 1..].trim().to_owned()));
        Ok(Self {
            section: section.to_owned(),
            key: key.to_owned(),
            value,
        })
    }
}

/// Opens the comment that names the matrix.
const MATRIX: &str = "# matrix = ";

impl Shared<'_> {
    /// Hash of everything that must be the same for two cells to stand in one table.
    pub(crate) fn matrix(&self) -> String {
        let mut hasher = Sha256::new();
        let size = self.preset.image_size.to_string();
        let overrides = format!("{:?}", self.overrides);
        let rates = format!("{:?}", self.preset.rates);
        for part in [
            self.backend,
            self.base_sha256,
            self.program_sha256,
            self.preset.model,
            self.preset.train,
            &rates,
            &size,
            &overrides,
        ] {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part);
        }
        hex(&hasher.finalize()[..8])
    }
}

/// The matrix that a cell's document names.
pub(crate) fn matrix_of(document: &str) -> Option<&str> {
    document.lines().find_map(|line| line.strip_prefix(MATRIX))
}

/// The document of one cell.
pub(crate) fn write(
    cell: &CellId,
    method: &Method,
    source: &Source,
    data_sha256: &str,
    shared: &Shared<'_>,
) -> anyhow::Result<String> {
    let parsed = |what: &str, text: &str| -> anyhow::Result<Table> {
        text.parse()
            .with_context(|| format!("the {what} of `{}` is not TOML", cell.method))
    };
    let mut model = Table::new();
    model.insert("name".into(), shared.preset.model.into());
    let base = shared
        .base
        .map_or("embedded".into(), |path| path.display().to_string());
    model.insert("weights".into(), base.into());
    model.insert(
        "image_size".into(),
        i64::from(shared.preset.image_size).into(),
    );

    let adapter = parsed("adapter section", method.adapter)?;

    let mut data = Table::new();
    data.insert("path".into(), source.path.display().to_string().into());
    data.extend(source.view.keys());

    let mut train = parsed("preset", shared.preset.train)?;
    train.extend(shared.preset.keys_of(method.learns));
    let seed = i64::try_from(cell.seed).context("a seed is at most 2^63 - 1")?;
    train.extend(parsed("training section", method.train)?);
    train.insert("seed".into(), seed.into());

    let mut recipe = Table::new();
    for (name, section) in [
        ("model", model),
        ("adapter", adapter),
        ("data", data),
        ("train", train),
    ] {
        recipe.insert(name.into(), Value::Table(section));
    }
    for Override {
        section,
        key,
        value,
    } in shared.overrides
    {
        let section = recipe
            .entry(section.as_str())
            .or_insert_with(|| Value::Table(Table::new()));
        let section = section
            .as_table_mut()
            .context("a section of a recipe is a table")?;
        section.insert(key.clone(), value.clone());
    }

    let mut text = format!("# Cell {cell} of the benchmark, written by `cargo xtask bench`.\n");
    for (what, value) in [
        ("matrix", shared.matrix().as_str()),
        ("backend", shared.backend),
        ("program_sha256", shared.program_sha256),
        ("base_sha256", shared.base_sha256),
        ("data_sha256", data_sha256),
    ] {
        writeln!(text, "# {what} = {value}")?;
    }
    text.push('\n');
    text.push_str(&toml::to_string(&recipe).context("cannot write the recipe as TOML")?);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::bench::dataset::View;
    use crate::bench::method;
    use crate::bench::preset::PresetName;

    fn text(method: &str, seed: u64, data_sha256: &str, overrides: &[&str]) -> String {
        let overrides: Vec<Override> = overrides.iter().map(|text| text.parse().unwrap()).collect();
        let shared = Shared {
            preset: PresetName::Quick.get(),
            backend: "flex",
            base: None,
            base_sha256: "b0",
            program_sha256: "p0",
            overrides: &overrides,
        };
        let source = Source {
            name: "vessels".into(),
            path: PathBuf::from("runs/vessels"),
            view: View::Tiles { scale: 0.5 },
        };
        let cell = CellId {
            dataset: "vessels".into(),
            method: method.into(),
            seed,
        };
        write(
            &cell,
            method::by_name(method).unwrap(),
            &source,
            data_sha256,
            &shared,
        )
        .unwrap()
    }

    #[test]
    fn every_method_gives_a_document_with_the_four_sections() {
        for method in method::METHODS {
            let recipe: Table = text(method.name, 3, "d0", &[]).parse().unwrap();
            let sections: Vec<_> = recipe.keys().map(String::as_str).collect();
            assert_eq!(sections.len(), 4, "{sections:?}");
            assert_eq!(recipe["train"]["seed"].as_integer(), Some(3));
            assert_eq!(recipe["model"]["weights"].as_str(), Some("embedded"));
            assert_eq!(recipe["data"]["view"].as_str(), Some("tiles"));
            assert_eq!(recipe["data"]["scale"].as_float(), Some(0.5));
        }
    }

    #[test]
    fn the_method_and_then_the_command_line_have_the_last_word() {
        let recipe: Table = text("frozen", 0, "d0", &[]).parse().unwrap();
        assert_eq!(recipe["train"]["epochs"].as_integer(), Some(0));
        let overrides = [
            "train.epochs=7",
            "model.token_init=thin",
            "train.augment={hflip = 0.0}",
        ];
        let recipe: Table = text("frozen", 0, "d0", &overrides).parse().unwrap();
        assert_eq!(recipe["train"]["epochs"].as_integer(), Some(7));
        assert_eq!(recipe["model"]["token_init"].as_str(), Some("thin"));
        assert_eq!(recipe["train"]["augment"]["hflip"].as_float(), Some(0.0));
    }

    #[test]
    fn the_same_work_is_the_same_text_and_other_work_is_not() {
        let first = text("salt", 0, "d0", &[]);
        assert_eq!(first, text("salt", 0, "d0", &[]));
        let others = [
            text("salt", 1, "d0", &[]),
            text("lora", 0, "d0", &[]),
            text("salt", 0, "d1", &[]),
            text("salt", 0, "d0", &["train.lr=0.1"]),
        ];
        assert!(others.iter().all(|other| *other != first));
    }

    #[test]
    fn a_matrix_is_what_its_cells_have_in_common() {
        let of = |text: String| matrix_of(&text).map(str::to_owned).unwrap();
        let first = of(text("salt", 0, "d0", &[]));
        assert_eq!(first, of(text("lora", 1, "d1", &[])));
        assert_ne!(first, of(text("salt", 0, "d0", &["train.lr=0.1"])));
        assert_eq!(matrix_of("a = 1"), None);
    }

    #[test]
    fn an_override_without_section_is_refused_with_an_example() {
        for wrong in ["epochs=3", "train.epochs", ".epochs=3", "train.=3"] {
            let error = wrong.parse::<Override>().unwrap_err();
            assert!(
                error.contains("train.epochs=3") && error.contains(wrong),
                "{error}"
            );
        }
    }
}
