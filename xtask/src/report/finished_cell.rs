//! One finished run of the matrix, read back from its run directory.
//!
//! `result.json` gives what holds for the run as a whole, `cases.csv` the value of every test case,
//! which intervals and comparisons need.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::bench::CellId;

/// A run whose `result.json` says that it finished.
#[derive(Debug, Clone)]
pub(crate) struct FinishedCell {
    /// Which cell of the matrix it is.
    pub(crate) id: CellId,
    /// The parts of `result.json` that the report uses.
    pub(crate) result: RunResult,
    /// The whole of `result.json`, as written.
    pub(crate) document: serde_json::Value,
    /// The test cases, by name.
    pub(crate) cases: BTreeMap<String, CaseValues>,
}

/// What a run says about itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct RunResult {
    /// Parameter counts.
    pub(crate) params: Params,
    /// Wall-clock times.
    #[serde(default)]
    pub(crate) time: Time,
    /// Memory.
    #[serde(default)]
    pub(crate) memory: Memory,
}

/// Parameter counts of a run.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Params {
    /// Parameters that were trained.
    pub(crate) trainable: u64,
    /// Trained share of all parameters, in percent.
    pub(crate) percent: f64,
}

/// Wall-clock times of a run.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Time {
    /// Training, in seconds.
    pub(crate) train_s: Option<f64>,
    /// Median optimiser step, in milliseconds; absent when nothing was trained.
    pub(crate) step_ms_median: Option<f64>,
    /// Evaluation, in seconds.
    pub(crate) eval_s: Option<f64>,
}

/// Memory of a run.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Memory {
    /// Highest resident memory of the process, in megabytes.
    pub(crate) peak_rss_mb: Option<f64>,
}

/// Metrics of one test case, the mean over its classes. `None` where a metric is undefined.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct CaseValues {
    /// Dice coefficient.
    pub(crate) dice: Option<f64>,
    /// 95th percentile of the surface distance, in the unit of the case's spacing.
    pub(crate) hd95: Option<f64>,
    /// Centreline Dice.
    pub(crate) cldice: Option<f64>,
}

/// One line of `cases.csv`; further columns are of no interest here.
#[derive(Debug, Deserialize)]
struct CaseLine {
    case: String,
    split: String,
    dice: Option<f64>,
    hd95: Option<f64>,
    cldice: Option<f64>,
}

/// What is in the folder of a cell.
#[derive(Debug)]
pub(crate) enum CellState {
    /// A finished run.
    Finished(Box<FinishedCell>),
    /// A run that did not come to its end.
    Unfinished(CellId),
}

/// Read the run directories under `cells`, in the order of their names.
pub(crate) fn read_all(cells: &Path) -> anyhow::Result<Vec<CellState>> {
    let entries =
        fs::read_dir(cells).with_context(|| format!("cannot list {}", cells.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", cells.display()))?
            .path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Anything else in the folder was not put there by the benchmark.
        if let Some(id) = CellId::parse(&name) {
            found.push(read(id, &path)?);
        }
    }
    found.sort_by(|a, b| a.id().cmp(b.id()));
    Ok(found)
}

/// Read the run directory of one cell.
pub(crate) fn read(id: CellId, run: &Path) -> anyhow::Result<CellState> {
    let path = run.join("result.json");
    if !path.is_file() {
        return Ok(CellState::Unfinished(id));
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let document: serde_json::Value = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a JSON document", path.display()))?;
    if document.get("status").and_then(serde_json::Value::as_str) != Some("finished") {
        return Ok(CellState::Unfinished(id));
    }
    let result: RunResult = serde_json::from_value(document.clone())
        .with_context(|| format!("{} lacks what a finished run has", path.display()))?;
    let cases = read_cases(&run.join("cases.csv"))?;
    Ok(CellState::Finished(Box::new(FinishedCell {
        id,
        result,
        document,
        cases,
    })))
}

/// The test rows of `cases.csv`, averaged over classes.
fn read_cases(path: &Path) -> anyhow::Result<BTreeMap<String, CaseValues>> {
    let mut reader =
        csv::Reader::from_path(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines: BTreeMap<String, Vec<CaseLine>> = BTreeMap::new();
    for line in reader.deserialize() {
        let line: CaseLine =
            line.with_context(|| format!("{} has a row that cannot be read", path.display()))?;
        if line.split == "test" {
            lines.entry(line.case.clone()).or_default().push(line);
        }
    }
    ensure!(
        !lines.is_empty(),
        "{} has no row of the test split",
        path.display()
    );
    let mean_over_classes = |(case, lines): (String, Vec<CaseLine>)| {
        let values = CaseValues {
            dice: mean(lines.iter().filter_map(|line| line.dice)),
            hd95: mean(lines.iter().filter_map(|line| line.hd95)),
            cldice: mean(lines.iter().filter_map(|line| line.cldice)),
        };
        (case, values)
    };
    Ok(lines.into_iter().map(mean_over_classes).collect())
}

/// The mean, `None` of nothing.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

impl CellState {
    fn id(&self) -> &CellId {
        match self {
            Self::Finished(cell) => &cell.id,
            Self::Unfinished(id) => id,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Write the run directory of a finished cell: `dice` are the test cases in order.
    pub(crate) fn write_cell(cells: &Path, name: &str, percent: f64, dice: &[f64]) {
        let run = cells.join(name);
        fs::create_dir_all(&run).unwrap();
        let mut csv = String::from("case,split,class,dice,iou,hd95,cldice,status\n");
        csv.push_str("v0,val,1,0.999,0.9,1.0,0.9,ok\n");
        for (index, dice) in dice.iter().enumerate() {
            let hd95 = 10.0 * (1.0 - dice);
            csv.push_str(&format!("t{index},test,1,{dice},0.5,{hd95},,ok\n"));
        }
        fs::write(run.join("cases.csv"), csv).unwrap();
        let result = serde_json::json!({
            "status": "finished", "method": name, "seed": 0,
            "params": { "trainable": 1000, "total": 100_000, "percent": percent, "adapter_bytes": 4000 },
            "time": { "train_s": 30.0, "step_ms_median": 120.5, "eval_s": 2.0 },
            "memory": { "peak_rss_mb": 512.0 },
        });
        fs::write(run.join("result.json"), result.to_string()).unwrap();
    }

    #[test]
    fn test_rows_are_read_and_validation_rows_are_not() {
        let tmp = tempfile::tempdir().unwrap();
        write_cell(tmp.path(), "salt__vessels__s0", 3.0, &[0.5, 0.7]);
        let cells = read_all(tmp.path()).unwrap();
        let [CellState::Finished(cell)] = cells.as_slice() else {
            panic!("{cells:?}")
        };
        assert_eq!(cell.cases.len(), 2);
        assert_eq!(cell.cases["t1"].dice, Some(0.7));
        assert_eq!(cell.cases["t1"].cldice, None);
        assert_eq!(cell.result.time.step_ms_median, Some(120.5));
    }

    #[test]
    fn classes_of_a_case_are_averaged_and_undefined_ones_left_out() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("cases.csv");
        let rows =
            "case,split,class,dice,hd95,cldice\na,test,1,0.4,2,\na,test,2,0.8,,\nb,test,1,,,\n";
        fs::write(&path, rows).unwrap();
        let cases = read_cases(&path).unwrap();
        assert!((cases["a"].dice.unwrap() - 0.6).abs() < 1e-12);
        assert_eq!(cases["a"].hd95, Some(2.0));
        assert_eq!(cases["b"], CaseValues::default());
    }

    #[test]
    fn a_run_without_a_finished_result_is_unfinished() {
        let tmp = tempfile::tempdir().unwrap();
        fs::create_dir_all(tmp.path().join("salt__a__s0")).unwrap();
        fs::create_dir_all(tmp.path().join("lora__a__s0")).unwrap();
        fs::write(
            tmp.path().join("lora__a__s0/result.json"),
            r#"{"status":"running"}"#,
        )
        .unwrap();
        fs::create_dir_all(tmp.path().join("something else")).unwrap();
        let states = read_all(tmp.path()).unwrap();
        assert_eq!(states.len(), 2);
        assert!(
            states
                .iter()
                .all(|state| matches!(state, CellState::Unfinished(_)))
        );
    }

    #[test]
    fn a_finished_run_without_test_cases_is_an_error_that_names_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        write_cell(tmp.path(), "salt__a__s0", 3.0, &[]);
        let error = format!("{:#}", read_all(tmp.path()).unwrap_err());
        assert!(
            error.contains("cases.csv") && error.contains("test"),
            "{error}"
        );
    }
}
