//! `cargo xtask data`: data sets of the repository. The checks themselves are `salt data verify`.

use std::path::PathBuf;

use crate::workspace;

/// Check data sets
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Check a folder: files, sizes, masks, splits; exit 1 when anything is wrong
    Verify {
        /// The folder that holds images/, masks/ and the split file
        dir: PathBuf,
    },
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Args::Verify { dir } = args;
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--release", "--package", "salt-cli", "--"]);
    // Cargo is started elsewhere than we were, so a relative path has to be spelled out.
    let dir = std::path::absolute(dir)?;
    workspace::step(command.args(["data", "verify"]).arg(dir))
}
