//! `cargo xtask parity`: this project against programs that it did not write.
//!
//! | file | against |
//! |---|---|
//! | `peft` | Hugging Face peft: adapter directories, both ways |
//! | `sam` | the original Segment Anything and transformers, at full size |

mod peft;
mod sam;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::python;
use crate::test::{self, TestDevice};
use crate::workspace::{cargo, output, root, step};

/// Compare with programs of others, both halves or one, and write the figures down
#[derive(Debug, clap::Args)]
#[command(
    subcommand_precedence_over_arg = true,
    after_help = "Needs Python 3.10 or newer. What is missing in it is installed from PyPI into \
                  target/parity/venv.\n\nExamples:\n  cargo xtask parity\n  cargo xtask parity peft\n  \
                  cargo xtask parity sam --model vit_l"
)]
pub(crate) struct Args {
    /// Python to use
    #[arg(long, value_name = "PROGRAM", default_value = "python3", global = true)]
    python: PathBuf,
    #[command(subcommand)]
    half: Option<Half>,
}

#[derive(Debug, clap::Subcommand)]
enum Half {
    Peft(peft::Args),
    Sam(sam::Args),
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let folder = root().join("target/parity");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {folder:?}"))?;
    let parity = Parity {
        folder,
        python: args.python.clone(),
    };
    match &args.half {
        Some(Half::Peft(args)) => peft::run(&parity, args),
        Some(Half::Sam(args)) => sam::run(&parity, args),
        None => {
            peft::run(&parity, &peft::Args::default())?;
            sam::run(&parity, &sam::Args::default())
        }
    }
}

/// What both halves work with.
struct Parity {
    /// For whatever is made on the way.
    folder: PathBuf,
    /// The Python that was asked for.
    python: PathBuf,
}

impl Parity {
    /// A Python that has `modules`: the given one, or one made for it with `requirements`.
    fn python(&self, modules: &str, requirements: &str) -> anyhow::Result<PathBuf> {
        let venv = self.folder.join("venv");
        python::with_modules(&self.python, &venv, modules, requirements)
    }
}

/// Tests of one crate on flex, with `variable` set to the folder of files that they compare with.
fn tests(package: &str, filter: &str, variable: &str, folder: &Path) -> anyhow::Result<()> {
    let mut tests = cargo();
    tests.args(["test", "--package", package, "--test", "main", filter]);
    tests.env(variable, folder);
    test::environment(&mut tests, TestDevice::Flex)?;
    step(&mut tests)
}

/// The commit that is checked out, shortened.
fn commit() -> anyhow::Result<String> {
    let mut git = Command::new("git");
    output(
        git.current_dir(root())
            .args(["rev-parse", "--short", "HEAD"]),
    )
}

/// Nothing at `path`.
fn clear(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        std::fs::remove_dir_all(path).with_context(|| format!("cannot empty {path:?}"))?;
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {path:?}"))
}

/// Write a report, and show it.
fn publish(out: &Path, report: &str) -> anyhow::Result<()> {
    let path = root().join(out);
    std::fs::write(&path, report).with_context(|| format!("cannot write {path:?}"))?;
    println!("\n{report}\nwritten to {}", out.display());
    Ok(())
}
