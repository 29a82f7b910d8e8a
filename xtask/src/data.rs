//! `cargo xtask data`: data sets of the repository. Fetching is salt-data's, which is linked; the checks are
//! `salt data verify`, which is started.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use salt_data::download::FetchOptions;
use salt_data::registry::{self, FetchRequest, Narration, SETS, fetch_dataset};
use salt_data::splits::SplitPlan;

use crate::workspace;

/// Where the list of sets begins in `datasets/README.md`.
pub(crate) const LIST_BEGINS: &str =
    "<!-- written by `cargo xtask data readme` from here on -->\n\n";

/// Fetch, list and check data sets
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Args {
    /// Show the published sets
    List,
    /// Fetch a published set into datasets/prepared, as `salt data fetch` does
    Fetch(Fetch),
    /// Check a folder: files, sizes, masks, splits; exit 1 when anything is wrong
    Verify {
        /// The folder that holds images/, masks/ and the split file
        dir: PathBuf,
    },
    /// Write the list of published sets into datasets/README.md
    Readme,
}

/// What to fetch; `salt data fetch --help` explains it.
#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// Name, as `cargo xtask data list` shows it
    name: String,
    /// An archive, or the folder it unpacks to, that you bring; may be given several times
    #[arg(long = "archive", value_name = "FILE|DIR")]
    archives: Vec<PathBuf>,
    /// official, paper, seed:N or fold:K/N; paper and fold take another :SEED. Left out: official, or seed:0
    #[arg(long, value_name = "SPLIT")]
    split: Option<SplitPlan>,
    /// Another way to read the set: datasets/README.md lists them
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Folder to make [default: datasets/prepared/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// You have read the set's terms and agree to them
    #[arg(long)]
    accept_terms: bool,
    /// An incomplete copy will do
    #[arg(long)]
    partial: bool,
    /// Use no network: use what is there, or say what to bring
    #[arg(long)]
    offline: bool,
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    match args {
        Args::List => {
            for entry in SETS {
                println!(
                    "{:<24} {:>5} cases  {:<14} {:<15} {}",
                    entry.name,
                    entry.cases,
                    entry.licence.name,
                    entry.access.name(),
                    entry.modality
                );
            }
            Ok(())
        }
        Args::Fetch(fetch) => run_fetch(fetch),
        Args::Verify { dir } => verify(dir),
        Args::Readme => {
            let path = workspace::root().join("datasets/README.md");
            let text = std::fs::read_to_string(&path)?;
            std::fs::write(&path, with_list(&text)?)?;
            println!("{}", path.display());
            Ok(())
        }
    }
}

/// The README with the list of today.
pub(crate) fn with_list(text: &str) -> anyhow::Result<String> {
    let (written_by_hand, _) = text
        .split_once(LIST_BEGINS)
        .with_context(|| format!("datasets/README.md has no line `{}`", LIST_BEGINS.trim()))?;
    Ok(format!(
        "{written_by_hand}{LIST_BEGINS}{}",
        registry::markdown()
    ))
}

fn run_fetch(fetch: &Fetch) -> anyhow::Result<()> {
    let entry = registry::by_name(&fetch.name)?;
    let datasets = workspace::root().join("datasets");
    let usual = datasets.join("prepared").join(entry.name);
    let mut options = FetchOptions::from_environment();
    options.offline |= fetch.offline;
    let request = FetchRequest {
        entry,
        variant: fetch.variant.as_deref(),
        split: fetch.split,
        archives: &fetch.archives,
        raw: &datasets.join("raw"),
        out: fetch.out.as_ref().unwrap_or(&usual),
        accept_terms: fetch.accept_terms,
        partial: fetch.partial,
        options,
    };
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;
    let mut narration = Narration::new();
    let prepared = fetch_dataset(&request, &mut |stage| {
        if let Some(line) = narration.line(&stage) {
            eprintln!("{line}");
        }
        match stop.load(Ordering::Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    })?;
    let counts = prepared
        .splits
        .iter()
        .map(|(split, n)| format!("{split} {n}"));
    println!(
        "{}, split {}: {} in {}",
        prepared.name,
        prepared.split,
        counts.collect::<Vec<_>>().join(", "),
        request.out.display()
    );
    Ok(())
}

fn verify(dir: &Path) -> anyhow::Result<()> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--release", "--package", "salt-cli", "--"]);
    // Cargo is started elsewhere than we were, so a relative path has to be spelled out.
    let dir = std::path::absolute(dir)?;
    workspace::step(command.args(["data", "verify"]).arg(dir))
}

#[cfg(test)]
mod tests {
    use super::with_list;
    use crate::workspace;

    #[test]
    fn the_list_in_the_readme_is_that_of_the_registry() {
        let path = workspace::root().join("datasets/README.md");
        let text = std::fs::read_to_string(path).expect("datasets/README.md");
        let wanted = with_list(&text).expect("has the line");
        assert!(text == wanted, "run `cargo xtask data readme`");
    }
}
