//! `salt data list`: the published sets that can be fetched.

use salt_data::registry::{Access, SETS};
use serde::Serialize;

use crate::failure::Failure;
use crate::screen;

/// Options of `salt data list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt data list
  salt data list --json")]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    datasets: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
    modality: &'static str,
    classes: &'static [&'static str],
    cases: usize,
    licence: &'static str,
    terms: &'static str,
    /// Whether `--accept-terms` is not needed.
    open: bool,
    citation: &'static str,
    home: &'static str,
    /// `automatic`, `unpack by hand` or `by hand`.
    access: &'static str,
    how: Option<&'static str>,
    archives: Vec<Archive>,
    layout: &'static str,
    grouping: Option<&'static str>,
    official: Option<&'static str>,
    paper: Option<Paper>,
    variants: Vec<Variant>,
}

#[derive(Serialize)]
struct Archive {
    file: &'static str,
    urls: &'static [&'static str],
    bytes: Option<u64>,
    /// `sha256 HEX` or `md5 HEX`.
    checksum: Option<String>,
}

#[derive(Serialize)]
struct Paper {
    train: usize,
    test: usize,
}

#[derive(Serialize)]
struct Variant {
    name: &'static str,
    title: &'static str,
    cases: usize,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.json {
        let datasets = entries();
        return screen::json(&Document { datasets });
    }
    let rows = SETS.iter().map(|entry| {
        [
            entry.name.to_owned(),
            entry.modality.to_owned(),
            entry.cases.to_string(),
            entry.licence.name.to_owned(),
            entry.access.name().to_owned(),
        ]
    });
    let titles = ["name", "modality", "#cases", "licence", "fetched"];
    screen::result(screen::table(titles, rows.collect()))?;
    screen::result("fetch one with: salt data fetch NAME")
}

fn entries() -> Vec<Entry> {
    let entry = |entry: &&'static salt_data::registry::DatasetEntry| Entry {
        name: entry.name,
        title: entry.title,
        modality: entry.modality,
        classes: entry.classes,
        cases: entry.cases,
        licence: entry.licence.name,
        terms: entry.licence.terms,
        open: entry.licence.open,
        citation: entry.citation,
        home: entry.home,
        access: entry.access.name(),
        how: match entry.access {
            Access::ByHand { how, .. } => Some(how),
            _ => None,
        },
        archives: entry
            .access
            .archives()
            .iter()
            .map(|archive| Archive {
                file: archive.file_name,
                urls: archive.urls,
                bytes: archive.bytes,
                checksum: archive.checksum.map(|checksum| checksum.to_string()),
            })
            .collect(),
        layout: entry.layout,
        grouping: entry.grouping,
        official: entry.official,
        paper: entry.paper.map(|paper| Paper {
            train: paper.train,
            test: paper.test,
        }),
        variants: entry
            .variants
            .iter()
            .map(|variant| Variant {
                name: variant.name,
                title: variant.title,
                cases: variant.cases,
            })
            .collect(),
    };
    SETS.iter().map(entry).collect()
}
