//! The model against transformers' `SamModel` in PyTorch: training steps, encoding, decoding, decompositions.
//!
//! Rows are `WORK_SIZE_bBATCH`, steps `step_METHOD_SIZE_bBATCH`; every repeat is a process of its own that
//! warms up once and takes the median of [`INNER`] runs. Both sides have random weights: no operation
//! of either depends on them.

use std::path::PathBuf;
use std::process::Command;

use super::row::{Measured, Row, Subject, alone, interleaved};
use super::{Bench, Compared};
use crate::python;
use crate::workspace::{cargo, example, root, step};

const SCRIPTS: &str = "crates/salt-cli/tests/model_speed";
/// Runs of a process that count.
const INNER: &str = "3";
/// Methods that the PyTorch program has too.
const PEERS: [&str; 5] = ["paper-salt-256", "lora", "dora", "pissa", "full"];

/// Training steps of every method that was asked for.
pub(super) fn steps(bench: &Bench) -> anyhow::Result<Compared> {
    let model = Model::build(bench)?;
    let mut rows = Compared::default();
    for (size, batch) in bench.shapes() {
        for method in &bench.methods {
            let name = format!("step_{method}_{size}_b{batch}");
            let words = ["--work", "step", "--method", method];
            let peer = PEERS.contains(&method.as_str());
            rows.add(model.row(name, &words, (size, batch), peer)?);
        }
    }
    Ok(rows)
}

/// Pixels to embedding.
pub(super) fn encode(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "encode", true)
}

/// An embedding and a box to masks.
pub(super) fn decode(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "decode", true)
}

/// The bytes of an image and a box to masks at its size.
pub(super) fn predict(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "predict", false)
}

/// The decompositions of a first start, against PyTorch's; then of one that finds them on disk.
pub(super) fn attach(bench: &Bench) -> anyhow::Result<Compared> {
    let mut rows = plain(bench, "attach", true)?;
    let cached = plain(bench, "attach-cached", false)?;
    rows.rows.extend(cached.rows);
    Ok(rows)
}

/// Every operation of a SALT step on its own.
pub(super) fn operations(bench: &Bench) -> anyhow::Result<Compared> {
    plain(bench, "operations", false)
}

fn plain(bench: &Bench, work: &str, peer: bool) -> anyhow::Result<Compared> {
    let model = Model::build(bench)?;
    let mut rows = Compared::default();
    for (size, batch) in bench.shapes() {
        let name = format!("{work}_{size}_b{batch}");
        rows.add(model.row(name, &["--work", work], (size, batch), peer)?);
    }
    Ok(rows)
}

/// Both programs.
struct Model {
    program: PathBuf,
    script: PathBuf,
    python: PathBuf,
    device: &'static str,
    repeats: usize,
}

impl Model {
    fn build(bench: &Bench) -> anyhow::Result<Self> {
        let modules = "torch, transformers, peft";
        let requirements = format!("{SCRIPTS}/requirements.txt");
        let venv = bench.folder.join("venv-model");
        let python = python::with_modules(&bench.python, &venv, modules, &requirements)?;
        let device = bench.device.name();
        let mut build = cargo();
        build.args(["build", "--release", "--package", "salt-cli"]);
        build.args(["--features", device, "--example", "model_speed"]);
        step(&mut build)?;
        Ok(Self {
            program: example("model_speed")?,
            script: root().join(SCRIPTS).join("pytorch.py"),
            python,
            device,
            repeats: bench.repeats,
        })
    }

    fn row(
        &self,
        work: String,
        words: &[&str],
        (size, batch): (usize, usize),
        with_peer: bool,
    ) -> anyhow::Result<(Row, Option<String>)> {
        let (size, batch) = (size.to_string(), batch.to_string());
        let shape = ["--size", &size, "--batch", &batch, "--repeats", INNER];
        let ours = || {
            let mut command = Command::new(&self.program);
            command.env("BURN_DEVICE", self.device);
            Measured::by(command.args(words).args(shape))
        };
        let subject = Subject {
            work,
            backend: self.device,
            peer: "pytorch",
        };
        if !with_peer {
            return Ok((alone(subject, self.repeats, ours)?, None));
        }
        let peer = || {
            let mut command = Command::new(&self.python);
            let device = if self.device == "cuda" { "cuda" } else { "cpu" };
            command
                .arg(&self.script)
                .args(words)
                .args(shape)
                .args(["--device", device]);
            Measured::by(&mut command)
        };
        let (row, program) = interleaved(subject, self.repeats, ours, peer)?;
        Ok((row, Some(program)))
    }
}
