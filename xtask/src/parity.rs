//! `cargo xtask parity`: this project against programs that it did not write.
//!
//! Hugging Face peft makes adapter directories, salt-peft reads them, writes its own, and peft reads
//! those; both sides compare outputs and merged weights. The test suite does the first half with the
//! small directories that are committed; this does both with the peft at hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::test::{self, TestDevice};
use crate::workspace::{cargo, output, root, step};

/// Where the peft half lives.
const INTEROP: &str = "crates/salt-peft/tests/interop";

/// Compare with Hugging Face peft, both ways, and write the figures down
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Needs Python 3.10 or newer. Without torch and peft in it, they are installed from PyPI into \
                  target/parity/venv.\n\nExample:\n  cargo xtask parity"
)]
pub(crate) struct Args {
    /// Python to use
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// File for the figures
    #[arg(
        long,
        value_name = "FILE.md",
        default_value = "docs/results/parity-hf-peft.md"
    )]
    out: PathBuf,
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = root().join("target/parity");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {folder:?}"))?;
    let python = python(&args.python, &folder.join("venv"))?;
    let script = root().join(INTEROP).join("hf_peft.py");
    let hf = folder.join("hf");
    if hf.exists() {
        std::fs::remove_dir_all(&hf).with_context(|| format!("cannot empty {hf:?}"))?;
    }
    step(Command::new(&python).arg(&script).arg("write").arg(&hf))?;

    let mut tests = cargo();
    let words = [
        "test",
        "--package",
        "salt-peft",
        "--test",
        "main",
        "interop::",
    ];
    tests.args(words).env("SALT_INTEROP", &hf);
    test::environment(&mut tests, TestDevice::Flex)?;
    step(&mut tests)?;

    let mut check = Command::new(&python);
    let written = output(check.arg(&script).arg("check").arg(hf.join("ours")))?;
    let read = hf.join("read.md");
    let read = std::fs::read_to_string(&read).with_context(|| format!("cannot read {read:?}"))?;
    let commit =
        output(
            Command::new("git")
                .current_dir(root())
                .args(["rev-parse", "--short", "HEAD"]),
        )?;
    let (versions, written) = written.split_once('\n').unwrap_or((&written, ""));
    let report = format!(
        "# Parity with Hugging Face peft\n\n`cargo xtask parity` at {commit}, {versions}; flex, f32. Largest \
         difference relative to the largest value, over a network with a convolution, linear layers and a \
         fused projection ({INTEROP}); 1e-5 is the limit.\n\n{read}\n{written}\n"
    );
    let out = root().join(&args.out);
    std::fs::write(&out, &report).with_context(|| format!("cannot write {out:?}"))?;
    println!("\n{report}\nwritten to {}", args.out.display());
    Ok(())
}

/// A Python that has what is needed: the given one, or one made for it.
fn python(given: &Path, venv: &Path) -> anyhow::Result<PathBuf> {
    let has_all = |python: &Path| {
        let modules = ["-c", "import torch, peft, safetensors"];
        output(Command::new(python).args(modules)).is_ok()
    };
    if has_all(given) {
        return Ok(given.to_owned());
    }
    let own = venv.join("bin/python");
    if has_all(&own) {
        return Ok(own);
    }
    step(Command::new(given).args(["-m", "venv"]).arg(venv)).with_context(|| {
        format!("expected a Python 3 with venv as {given:?}; give another with --python")
    })?;
    let requirements = root().join(INTEROP).join("requirements.txt");
    let mut install = Command::new(&own);
    step(
        install
            .args(["-m", "pip", "install", "-r"])
            .arg(requirements),
    )?;
    Ok(own)
}
