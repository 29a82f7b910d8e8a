//! `salt weights list`: what can be fetched.

use salt_sam::weights::PUBLISHED;
use serde::Serialize;

use crate::failure::Failure;
use crate::screen;
use crate::transfer::size;

/// Options of `salt weights list`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt weights list
  salt weights list --json")]
pub(crate) struct Args {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    weights: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: &'static str,
    title: &'static str,
    model: &'static str,
    file: &'static str,
    urls: &'static [&'static str],
    bytes: Option<u64>,
    /// Of these two, the one that is published.
    sha256: Option<&'static str>,
    md5: Option<&'static str>,
    licence: &'static str,
    terms: &'static str,
    citation: &'static str,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    if args.json {
        let weights = PUBLISHED
            .iter()
            .map(|published| {
                let hex_of =
                    |kind| (published.checksum.kind() == kind).then_some(published.checksum.hex());
                Entry {
                    name: published.name,
                    title: published.title,
                    model: published.model,
                    file: published.file_name,
                    urls: published.urls,
                    bytes: published.bytes,
                    sha256: hex_of("sha256"),
                    md5: hex_of("md5"),
                    licence: published.licence,
                    terms: published.terms,
                    citation: published.citation,
                }
            })
            .collect();
        return screen::json(&Document { weights });
    }
    let rows = PUBLISHED.iter().map(|published| {
        [
            published.name.to_owned(),
            published.model.to_owned(),
            published.bytes.map_or_else(|| "-".to_owned(), size),
            published.licence.to_owned(),
            published.title.to_owned(),
        ]
    });
    let titles = ["name", "model", "#size", "licence", "what"];
    screen::result(screen::table(titles, rows.collect()))?;
    screen::result("fetch one with: salt weights fetch NAME")
}
