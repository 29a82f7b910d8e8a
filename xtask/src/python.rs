//! A Python for the programs of others that this project is compared with.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::workspace::{output, root, step};

/// A Python that has `modules`: the one that was asked for, or one made for it in `venv` with the packages of
/// the file `requirements`.
pub(crate) fn with_modules(
    asked: &Path,
    venv: &Path,
    modules: &str,
    requirements: &str,
) -> anyhow::Result<PathBuf> {
    let import = format!("import {modules}");
    let has_all =
        |python: &Path| output(Command::new(python).args(["-c", import.as_str()])).is_ok();
    if has_all(asked) {
        return Ok(asked.to_owned());
    }
    let own = venv.join("bin/python");
    if has_all(&own) {
        return Ok(own);
    }
    let mut create = Command::new(asked);
    step(create.args(["-m", "venv"]).arg(venv)).with_context(|| {
        format!("expected a Python 3 with venv as {asked:?}; give another with --python")
    })?;
    let mut install = Command::new(&own);
    step(
        install
            .args(["-m", "pip", "install", "-r"])
            .arg(root().join(requirements)),
    )?;
    Ok(own)
}
