//! Hugging Face peft makes adapter directories, salt-peft reads them, writes its own, and peft reads
//! those; both sides compare outputs and merged weights. The test suite does the first half with the
//! small directories that are committed; this does both with the peft at hand.

use std::path::PathBuf;
use std::process::Command;

use super::Parity;
use crate::workspace::{output, root, step};

/// Where the other side lives.
const INTEROP: &str = "crates/salt-peft/tests/interop";

/// Compare adapters with Hugging Face peft, both ways
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo xtask parity peft")]
pub(super) struct Args {
    /// File for the figures
    #[arg(long, value_name = "FILE.md", default_value = DEFAULT_OUT)]
    out: PathBuf,
}

const DEFAULT_OUT: &str = "docs/results/parity-hf-peft.md";

impl Default for Args {
    fn default() -> Self {
        Self {
            out: DEFAULT_OUT.into(),
        }
    }
}

/// Run this half.
pub(super) fn run(parity: &Parity, args: &Args) -> anyhow::Result<()> {
    let requirements = format!("{INTEROP}/requirements.txt");
    let python = parity.python("torch, peft, safetensors", &requirements)?;
    let script = root().join(INTEROP).join("hf_peft.py");
    let hf = parity.folder.join("hf");
    super::clear(&hf)?;
    step(Command::new(&python).arg(&script).arg("write").arg(&hf))?;
    super::tests("salt-peft", "interop::", "SALT_INTEROP", &hf)?;

    let mut check = Command::new(&python);
    let written = output(check.arg(&script).arg("check").arg(hf.join("ours")))?;
    let read = super::read(&hf.join("read.md"))?;
    let commit = super::commit()?;
    let (versions, written) = written.split_once('\n').unwrap_or((&written, ""));
    let report = format!(
        "# Parity with Hugging Face peft\n\n`cargo xtask parity peft` at {commit}, {versions}; flex, f32. Largest \
         difference relative to the largest value, over a network with a convolution, linear layers and a \
         fused projection ({INTEROP}); 1e-5 is the limit.\n\n{read}\n{written}\n"
    );
    super::publish(&args.out, &report)
}
