//! `results.json`: everything the report shows, for other programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::comparison::{Comparison, compare};
use super::finished_cell::{CellState, FinishedCell, read_all};
use super::table::{Row, group};
use crate::bench::machine::Machine;
use crate::bench::method;
use crate::bench::recipe;
use crate::bench::work_left::CellFiles;
use crate::replaced_file::replace;

/// Name of the file that says what a benchmark was asked to do.
const ABOUT: &str = "bench.json";

/// What a benchmark was asked to do, and where. Kept beside the cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Name of the preset.
    pub(crate) preset: String,
    /// What the cells ran on.
    pub(crate) backend: String,
    /// The command as typed.
    pub(crate) command: String,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// The matrix that its cells belong to ([`recipe::matrix_of`]).
    #[serde(default)]
    pub(crate) matrix: Option<String>,
    /// SHA-256 of each data set it used, by name.
    #[serde(default)]
    pub(crate) data: BTreeMap<String, String>,
    /// Every cell that was asked for, those of other machines too.
    #[serde(default)]
    pub(crate) cells: Vec<String>,
}

impl About {
    /// Write it into the output folder.
    pub(crate) fn write(&self, out: &Path) -> anyhow::Result<()> {
        let path = out.join(ABOUT);
        let text = serde_json::to_string_pretty(self).context("cannot write bench.json")?;
        fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
        replace(&path, &(text + "\n"))
    }

    /// Read it back; cells from elsewhere have none.
    pub(super) fn read(out: &Path) -> anyhow::Result<Option<Self>> {
        let path = out.join(ABOUT);
        if !path.is_file() {
            return Ok(None);
        }
        let read = || format!("cannot read {}", path.display());
        let text = fs::read_to_string(&path).with_context(read)?;
        serde_json::from_str(&text).map(Some).with_context(read)
    }
}

/// The whole report.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Results {
    /// Name of the preset, `custom` for cells of unknown origin.
    pub(crate) preset: String,
    /// What was asked for, where it is known.
    pub(crate) about: Option<About>,
    /// `result.json` of every finished cell.
    pub(crate) cells: Vec<serde_json::Value>,
    /// Cells that have begun and not finished.
    pub(crate) unfinished: Vec<String>,
    /// Cells that were asked for and have not begun.
    pub(crate) missing: Vec<String>,
    /// What the finished cells ran on, in words, each machine once.
    pub(crate) machines: Vec<String>,
    /// Finished cells of another matrix or of other data, left out of everything else.
    pub(crate) left_out: Vec<String>,
    /// One row per data set and method.
    pub(crate) table: Vec<Row>,
    /// Every method against the reference method, per data set.
    pub(crate) comparisons: Vec<Comparison>,
}

impl Results {
    /// Read the cells under an output folder.
    pub(crate) fn read(out: &Path) -> anyhow::Result<Self> {
        let about = About::read(out)?;
        let mut finished: Vec<FinishedCell> = Vec::new();
        let (mut unfinished, mut left_out) = (Vec::new(), Vec::new());
        for state in read_all(&out.join("cells"))? {
            match state {
                CellState::Finished(cell) if !belongs(&cell, about.as_ref(), out) => {
                    left_out.push(cell.id.to_string());
                }
                CellState::Finished(cell) => finished.push(*cell),
                CellState::Unfinished(id) => unfinished.push(id.to_string()),
            }
        }
        finished.sort_by_key(|cell| {
            let id = &cell.id;
            (
                id.dataset.clone(),
                method::order(&id.method),
                id.method.clone(),
                id.seed,
            )
        });
        let groups = group(&finished);
        let there: Vec<String> = finished
            .iter()
            .map(|cell| cell.id.to_string())
            .chain(unfinished.iter().cloned())
            .chain(left_out.iter().cloned())
            .collect();
        let asked = about.iter().flat_map(|about| &about.cells);
        let missing = asked.filter(|cell| !there.contains(cell)).cloned();
        Ok(Self {
            missing: missing.collect(),
            machines: machines(&finished, about.as_ref(), out),
            preset: about
                .as_ref()
                .map_or_else(|| "custom".to_owned(), |about| about.preset.clone()),
            table: groups.iter().map(|group| group.row()).collect(),
            comparisons: compare(&groups),
            cells: finished.iter().map(|cell| cell.document.clone()).collect(),
            unfinished,
            left_out,
            about,
        })
    }

    /// Names of the data sets, in the order of the table.
    pub(crate) fn datasets(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.table.iter().map(|row| row.dataset.as_str()).collect();
        names.dedup();
        names
    }

    /// The rows of one data set.
    pub(crate) fn rows<'a>(&'a self, dataset: &'a str) -> impl Iterator<Item = &'a Row> {
        self.table.iter().filter(move |row| row.dataset == dataset)
    }

    /// The comparisons on one data set.
    pub(crate) fn compared<'a>(&'a self, dataset: &'a str) -> impl Iterator<Item = &'a Comparison> {
        self.comparisons
            .iter()
            .filter(move |comparison| comparison.dataset == dataset)
    }

    /// The file itself.
    pub(crate) fn json(&self) -> anyhow::Result<String> {
        let text = serde_json::to_string_pretty(self).context("cannot write results.json")?;
        Ok(text + "\n")
    }
}

/// Whether a cell is of the matrix and the data that `about` describes. What is not known is not held
/// against it: cells from elsewhere come without documents.
fn belongs(cell: &FinishedCell, about: Option<&About>, out: &Path) -> bool {
    let Some(about) = about else { return true };
    let document = fs::read_to_string(CellFiles::new(out, &cell.id).recipe).ok();
    let matrix = document.as_deref().and_then(recipe::matrix_of);
    let data = cell
        .document
        .get("data_sha256")
        .and_then(|hash| hash.as_str());
    let differs = |one: Option<&str>, other: Option<&str>| {
        one.zip(other).is_some_and(|(one, other)| one != other)
    };
    let known = about.data.get(&cell.id.dataset).map(String::as_str);
    !differs(matrix, about.matrix.as_deref()) && !differs(data, known)
}

/// What cells ran on; where they do not say, it is where the benchmark was started.
fn machines(cells: &[FinishedCell], about: Option<&About>, out: &Path) -> Vec<String> {
    let mut found = BTreeSet::new();
    for cell in cells {
        let text = fs::read_to_string(CellFiles::new(out, &cell.id).machine);
        let machine: Option<Machine> = text.ok().and_then(|text| serde_json::from_str(&text).ok());
        let machine = machine.as_ref().or(about.map(|about| &about.machine));
        found.extend(machine.map(Machine::in_words));
    }
    found.into_iter().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::finished_cell::tests::write_cell;

    /// A benchmark of three methods on two data sets, with one cell unfinished.
    pub(crate) fn example(out: &Path) {
        let cells = out.join("cells");
        let dice = |by: f64| {
            (0..8)
                .map(|i| 0.5 + 0.02 * f64::from(i) + by)
                .collect::<Vec<_>>()
        };
        for dataset in ["vessels", "CHASE_DB1"] {
            for (method, percent, by) in [
                ("salt", 4.0, 0.2),
                ("full", 100.0, 0.25),
                ("frozen", 0.0, 0.0),
            ] {
                write_cell(
                    &cells,
                    &format!("{method}__{dataset}__s0"),
                    percent,
                    &dice(by),
                );
            }
        }
        fs::create_dir_all(cells.join("lora__vessels__s0")).unwrap();
        let about = About {
            preset: "quick".into(),
            backend: "flex".into(),
            command: "cargo xtask bench".into(),
            machine: Machine {
                system: "linux <x86_64>".into(),
                ..Machine::default()
            },
            matrix: Some("m0".into()),
            data: BTreeMap::new(),
            cells: [
                "salt__vessels__s0",
                "lora__vessels__s0",
                "salt__vessels__s1",
            ]
            .map(str::to_owned)
            .into(),
        };
        about.write(out).unwrap();
    }

    #[test]
    fn cells_of_another_matrix_or_other_data_are_left_out_and_named() {
        let tmp = tempfile::tempdir().unwrap();
        let out = tmp.path();
        example(out);
        let mut about = About::read(out).unwrap().unwrap();
        about.data.insert("CHASE_DB1".into(), "of now".into());
        about.write(out).unwrap();
        fs::create_dir_all(out.join("recipes")).unwrap();
        fs::write(
            out.join("recipes/salt__vessels__s0.toml"),
            "# matrix = m0\n",
        )
        .unwrap();
        fs::write(
            out.join("recipes/full__vessels__s0.toml"),
            "# matrix = m1\n",
        )
        .unwrap();
        let result = out.join("cells/frozen__CHASE_DB1__s0/result.json");
        let mut json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&result).unwrap()).unwrap();
        json["data_sha256"] = "of then".into();
        fs::write(&result, json.to_string()).unwrap();
        let results = Results::read(out).unwrap();
        assert_eq!(
            results.left_out,
            ["frozen__CHASE_DB1__s0", "full__vessels__s0"]
        );
        assert_eq!(results.cells.len(), 4);
    }

    #[test]
    fn the_file_has_the_keys_that_other_programs_read() {
        let tmp = tempfile::tempdir().unwrap();
        example(tmp.path());
        let results = Results::read(tmp.path()).unwrap();
        let json: serde_json::Value = serde_json::from_str(&results.json().unwrap()).unwrap();
        assert_eq!(json["preset"], "quick");
        assert_eq!(json["cells"].as_array().unwrap().len(), 6);
        for key in [
            "method",
            "dataset",
            "n_seeds",
            "trainable_percent",
            "dice",
            "hd95",
            "step_ms",
            "peak_rss_mb",
        ] {
            assert!(json["table"][0].get(key).is_some(), "{key}");
        }
        for key in ["mean", "sd", "ci95"] {
            assert!(json["table"][0]["dice"].get(key).is_some(), "{key}");
        }
        for key in ["a", "b", "dataset", "median_diff", "p_holm", "verdict"] {
            assert!(json["comparisons"][0].get(key).is_some(), "{key}");
        }
        assert_eq!(json["unfinished"][0], "lora__vessels__s0");
        assert_eq!(json["missing"], serde_json::json!(["salt__vessels__s1"]));
    }

    #[test]
    fn a_cell_says_what_it_ran_on_and_otherwise_it_is_where_the_benchmark_was_started() {
        let tmp = tempfile::tempdir().unwrap();
        example(tmp.path());
        let read = || Results::read(tmp.path()).unwrap().machines;
        assert_eq!(read(), ["linux <x86_64>"]);
        let node = Machine {
            system: "a node".into(),
            ..Machine::default()
        };
        let path = tmp.path().join("machines/salt__vessels__s0.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, serde_json::to_string(&node).unwrap()).unwrap();
        assert_eq!(read(), ["a node", "linux <x86_64>"]);
    }

    #[test]
    fn rows_are_in_the_order_of_the_methods() {
        let tmp = tempfile::tempdir().unwrap();
        example(tmp.path());
        let results = Results::read(tmp.path()).unwrap();
        assert_eq!(results.datasets(), ["CHASE_DB1", "vessels"]);
        let methods: Vec<_> = results
            .rows("vessels")
            .map(|row| row.method.as_str())
            .collect();
        assert_eq!(methods, ["frozen", "salt", "full"]);
        assert_eq!(results.compared("vessels").count(), 2);
    }

    #[test]
    fn cells_of_unknown_origin_make_a_report_too() {
        let tmp = tempfile::tempdir().unwrap();
        write_cell(&tmp.path().join("cells"), "mine__a__s0", 1.0, &[0.5, 0.6]);
        let results = Results::read(tmp.path()).unwrap();
        assert_eq!(
            (results.preset.as_str(), results.table.len()),
            ("custom", 1)
        );
        assert!(results.comparisons.is_empty());
    }
}
