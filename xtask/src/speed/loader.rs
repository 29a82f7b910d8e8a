//! The training loader against a PyTorch `DataLoader` with PIL: batches of 4 at 512 pixels.
//!
//! Rows are `loader_512_KIND_CASES_wN`: pictures in `png` or `jpeg`, `N` workers, and cases from
//! - `files`: decoded for every sample, both sides;
//! - `disk`: ours from its cache on disk, PyTorch, which has none, from the files;
//! - `memory`: decoded and resized beforehand, both sides.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use super::row::{Measured, Row, Subject, interleaved};
use super::{Bench, Compared};
use crate::python;
use crate::workspace::{cargo, example, root, step};

const SCRIPTS: &str = "crates/salt-data/tests/loader_speed";
/// How many pictures are generated, and of how many pixels a side.
const PICTURES: [&str; 2] = ["24", "1000"];

/// Measure all rows.
pub(super) fn rows(bench: &Bench) -> anyhow::Result<Compared> {
    let modules = "torch, torchvision, PIL, numpy";
    let requirements = format!("{SCRIPTS}/requirements.txt");
    let venv = bench.folder.join("venv");
    let python = python::with_modules(&bench.python, &venv, modules, &requirements)?;
    let mut build = cargo();
    build.args(["build", "--release", "--package", "salt-data"]);
    step(build.args(["--example", "loader_speed"]))?;
    let loader = Loader {
        program: example("loader_speed")?,
        script: root().join(SCRIPTS).join("pytorch.py"),
        python,
        cache: bench.folder.join("loader-cache"),
        repeats: bench.repeats,
    };
    let mut rows = Compared::default();
    for (kind, dir) in loader.pictures(bench)? {
        for cases in ["files", "disk", "memory"] {
            for workers in [1, 2] {
                let (row, program) = loader.row(&kind, &dir, cases, workers)?;
                rows.add((row, Some(program)));
            }
        }
    }
    let folder = &loader.cache;
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot delete {folder:?}"))?;
    Ok(rows)
}

struct Loader {
    program: PathBuf,
    script: PathBuf,
    python: PathBuf,
    cache: PathBuf,
    repeats: usize,
}

impl Loader {
    /// The folders to read, by name: the one that was given, or generated ones.
    fn pictures(&self, bench: &Bench) -> anyhow::Result<Vec<(String, PathBuf)>> {
        if let Some(given) = &bench.images {
            return Ok(vec![("given".into(), std::path::absolute(given)?)]);
        }
        let folder = bench.folder.join("pictures");
        let both = ["png", "jpeg"].map(|kind| (kind.to_owned(), folder.join(kind)));
        // The tables are written last.
        let done = |(_, dir): &(String, PathBuf)| dir.join("data_split.csv").is_file();
        if !both.iter().all(done) {
            let mut write = Command::new(&self.program);
            step(write.arg("write").arg(&folder).args(PICTURES))?;
        }
        Ok(both.into())
    }

    fn row(
        &self,
        kind: &str,
        dir: &Path,
        cases: &str,
        workers: usize,
    ) -> anyhow::Result<(Row, String)> {
        let samples = if cases == "files" { "96" } else { "384" };
        let workers_text = workers.to_string();
        let ours = || {
            let mut command = Command::new(&self.program);
            command.arg("measure").arg(dir);
            command.args([&workers_text, samples, cases]);
            if cases == "disk" {
                command.arg(&self.cache);
            }
            Measured::by(&mut command)
        };
        let (peer_cases, peer_samples) = match cases {
            "memory" => ("memory", "384"),
            _ => ("files", "96"),
        };
        let peer = || {
            let mut command = Command::new(&self.python);
            command.arg(&self.script).arg(dir);
            command.args(["--workers", &workers_text, "--samples", peer_samples]);
            Measured::by(command.args(["--cases", peer_cases]))
        };
        let subject = Subject {
            work: format!("loader_512_{kind}_{cases}_w{workers}"),
            backend: "cpu",
            peer: "pytorch-pil",
        };
        interleaved(subject, self.repeats, ours, peer)
    }
}
