//! `salt data fetch`: a published set as a folder that can be trained on.

use std::path::PathBuf;

use salt_data::Split;
use salt_data::download::FetchOptions;
use salt_data::registry::{self, FetchRequest, Narration, Prepared, Stage, fetch_dataset};
use salt_data::splits::SplitPlan;

use crate::failure::Failure;
use crate::interrupt;
use crate::screen;
use crate::transfer::Transfer;

/// Options of `salt data fetch`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt data fetch arcade --split paper
  salt data fetch drive --archive training.zip --split paper
  salt data fetch chase_db1 --archive CHASEDB1.zip

Without --archive the set is downloaded where its publisher lets programs do so; a download that was cut
off goes on where it was. Archives are kept below --raw. The folder holds images as they were published,
masks with 0 and 255 (or class ids), pairs.csv with the splits, and dataset.json, which says where
everything came from. Whole groups (patient, child, sequence) go to one split.

--split official: the authors'; paper: the numbers of SALT's paper, drawn by seed (paper:SEED);
seed:N: drawn by seed, of the official sizes or 70/10/20 %; fold:K/N: the K-th of N parts is the test.
SALT_OFFLINE=1: as --offline. ALL_PROXY, HTTPS_PROXY, HTTP_PROXY: the
proxy, the first that is set, asked for a tunnel (CONNECT) also for http:// addresses; NO_PROXY: hosts without it.
SSL_CERT_FILE: certificates (PEM) to trust.")]
pub(crate) struct Args {
    /// Name, as `salt data list` shows it
    name: String,
    /// An archive, or the folder it unpacks to, that you bring; may be given several times
    #[arg(long = "archive", value_name = "FILE|DIR")]
    archives: Vec<PathBuf>,
    /// official, paper, seed:N or fold:K/N; paper and fold take another :SEED. Left out: official, or seed:0
    #[arg(long, value_name = "SPLIT")]
    split: Option<String>,
    /// Another way to read the set: datasets/README.md lists them
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
    /// Folder to make [default: datasets/prepared/NAME]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Folder that keeps downloads
    #[arg(long, value_name = "DIR", default_value = "datasets/raw")]
    raw: PathBuf,
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

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let entry = registry::by_name(&args.name)?;
    let split = args
        .split
        .as_deref()
        .map(str::parse::<SplitPlan>)
        .transpose();
    let split = split.map_err(|error| {
        Failure::from(error).with_hint("change --split; `salt data fetch --help` explains them")
    })?;
    let mut options = FetchOptions::from_environment();
    options.offline |= args.offline;
    let usual = PathBuf::from("datasets/prepared").join(entry.name);
    let out = args.out.clone().unwrap_or(usual);
    let request = FetchRequest {
        entry,
        variant: args.variant.as_deref(),
        split,
        archives: &args.archives,
        raw: &args.raw,
        out: &out,
        accept_terms: args.accept_terms,
        partial: args.partial,
        options,
    };
    let interrupt = interrupt::listen()?;
    let mut display = Display::new();
    let outcome = fetch_dataset(&request, &mut |stage| {
        display.show(&stage);
        interrupt::go_on(&interrupt)
    });
    drop(display);
    let prepared = outcome?;
    show(&prepared, &out)
}

fn show(prepared: &Prepared, out: &std::path::Path) -> Result<(), Failure> {
    let counts = Split::ALL.map(|split| {
        let count = prepared.splits.get(&split).copied().unwrap_or(0);
        format!("{split} {count}")
    });
    let left_out = match prepared.left_out {
        0 => String::new(),
        n => format!(", {n} left out"),
    };
    screen::result(format_args!(
        "{} ({}), split {}: {}{left_out}",
        prepared.name,
        prepared.variant,
        prepared.split,
        counts.join(", ")
    ))?;
    screen::result(format_args!(
        "check it with: salt data verify {}",
        out.display()
    ))
}

/// A bar for downloads on a terminal, lines for everything else.
struct Display {
    narration: Narration,
    transfer: Option<(&'static str, Transfer)>,
    terminal: bool,
}

impl Display {
    fn new() -> Self {
        Self {
            narration: Narration::new(),
            transfer: None,
            terminal: screen::can_draw(),
        }
    }

    fn show(&mut self, stage: &Stage<'_>) {
        match stage {
            Stage::Download { file, progress } if self.terminal => {
                if self.transfer.as_ref().is_none_or(|(name, _)| name != file) {
                    self.transfer = Some((file, Transfer::new(file)));
                }
                if let Some((_, transfer)) = &mut self.transfer {
                    transfer.show(progress);
                }
            }
            other => {
                self.transfer = None;
                if let Some(line) = self.narration.line(other) {
                    screen::note(line);
                }
            }
        }
    }
}
