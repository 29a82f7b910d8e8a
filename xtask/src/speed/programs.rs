//! The programs that measure the model: each is built when a work first asks for it, and only then.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::peer::Peer;
use super::{Bench, SpeedDevice};
use crate::python;
use crate::workspace::{cargo, example, release, root, step};

const SCRIPTS: &str = "crates/salt-cli/tests/model_speed";

/// Ours and the peer's, as far as they were asked for.
#[derive(Default)]
pub(super) struct Programs {
    ours: OnceCell<PathBuf>,
    peer: OnceCell<PeerProgram>,
}

/// How a peer is started.
#[derive(Debug)]
struct PeerProgram {
    program: PathBuf,
    /// What comes before the arguments of the work.
    script: Option<PathBuf>,
    /// What comes after them.
    device: &'static [&'static str],
}

impl Programs {
    /// A start of our example `model_speed` on the device.
    pub(super) fn ours(&self, device: SpeedDevice) -> anyhow::Result<Command> {
        let program = kept(&self.ours, || build_ours(device))?;
        let mut command = Command::new(program);
        command.env("BURN_DEVICE", device.name());
        Ok(command)
    }

    /// A start of the peer's program with the arguments of a work.
    pub(super) fn peer(&self, bench: &Bench, arguments: &[&str]) -> anyhow::Result<Command> {
        let peer = kept(&self.peer, || match bench.peer {
            Peer::Pytorch => install_pytorch(bench),
            Peer::Candle => build_candle(),
        })?;
        let mut command = Command::new(&peer.program);
        command.args(&peer.script).args(arguments).args(peer.device);
        Ok(command)
    }
}

/// What the cell holds; made first where it holds nothing. A failure is not kept.
fn kept<T>(cell: &OnceCell<T>, make: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<&T> {
    if let Some(value) = cell.get() {
        return Ok(value);
    }
    let value = make()?;
    Ok(cell.get_or_init(|| value))
}

fn build_ours(device: SpeedDevice) -> anyhow::Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--release", "--package", "salt-cli"]);
    build.args(["--features", device.name(), "--example", "model_speed"]);
    step(&mut build)?;
    example("model_speed")
}

fn install_pytorch(bench: &Bench) -> anyhow::Result<PeerProgram> {
    let modules = "torch, transformers, peft";
    let requirements = format!("{SCRIPTS}/requirements.txt");
    let venv = bench.folder.join("venv-model");
    Ok(PeerProgram {
        program: python::with_modules(&bench.python, &venv, modules, &requirements)?,
        script: Some(root().join(SCRIPTS).join("pytorch.py")),
        device: match bench.device {
            SpeedDevice::Flex => &["--device", "cpu"],
            SpeedDevice::Cuda => &["--device", "cuda"],
        },
    })
}

/// Apart from the workspace, with its own lock file; into the same folder.
fn build_candle() -> anyhow::Result<PeerProgram> {
    let release = release()?;
    let target = release.parent().unwrap_or(Path::new("target"));
    let manifest = root().join(SCRIPTS).join("candle/Cargo.toml");
    let mut build = cargo();
    build.args(["build", "--release", "--locked", "--manifest-path"]);
    build.arg(manifest).arg("--target-dir").arg(target);
    step(&mut build)?;
    let file = format!("model-speed-candle{}", std::env::consts::EXE_SUFFIX);
    Ok(PeerProgram {
        program: release.join(file),
        script: None,
        device: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_made_once_and_a_failure_is_tried_again() {
        let cell = OnceCell::new();
        let failed = kept(&cell, || anyhow::bail!("no compiler"));
        assert_eq!(failed.unwrap_err().to_string(), "no compiler");
        assert_eq!(*kept(&cell, || Ok(1)).unwrap(), 1);
        assert_eq!(*kept(&cell, || anyhow::bail!("made twice")).unwrap(), 1);
    }

    #[test]
    fn candle_stays_out_of_the_workspace() {
        let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
        assert!(!read("Cargo.lock").contains("\"candle"));
        let manifest: toml::Table = read(&format!("{SCRIPTS}/candle/Cargo.toml"))
            .parse()
            .unwrap();
        assert!(manifest.contains_key("workspace"));
        for (name, dependency) in manifest["dependencies"].as_table().unwrap() {
            let plain = dependency.is_str() || !name.starts_with("candle");
            assert!(plain, "{name}: default features only");
        }
    }
}
