//! `salt data inspect`: the fingerprint of a data set.

use std::path::PathBuf;

use salt_data::verify::VerifyReport;
use salt_data::{Dataset, LabelRule};

use super::look;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt data inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt data inspect data/vessels")]
pub(crate) struct Args {
    /// Folder of the data set
    dir: PathBuf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let report = look(&args.dir)?;
    // A broken set has no fingerprint: the first thing that is wrong is said instead.
    let sha256 = Dataset::open(&args.dir)?.sha256()?;
    let rows = vec![
        row("cases", report.cases.to_string()),
        row(
            "splits",
            join(
                report
                    .splits
                    .iter()
                    .map(|(split, n)| format!("{split} {n}")),
            ),
        ),
        row("sizes", sizes(&report)),
        row("channels", channels(&report)),
        row("masks", rule(report.label_rule).to_owned()),
        row(
            "mask values",
            join(report.mask_values.keys().map(u16::to_string)),
        ),
        row("classes", report.n_classes.to_string()),
        row(
            "foreground",
            join(
                report
                    .foreground_share
                    .iter()
                    .map(|share| format!("{:.2} %", 100.0 * share)),
            ),
        ),
        row("sha256", sha256),
    ];
    screen::result(screen::table(
        ["data set", &args.dir.display().to_string()],
        rows,
    ))?;
    match report.findings.len() {
        0 => Ok(()),
        n => screen::result(format_args!(
            "{n} findings: salt data verify {}",
            args.dir.display()
        )),
    }
}

fn row(name: &str, value: String) -> [String; 2] {
    [name.to_owned(), value]
}

fn join(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

fn sizes(report: &VerifyReport) -> String {
    // A collection of photographs may have as many sizes as images.
    const SHOWN: usize = 5;
    let each = report.sizes.iter().take(SHOWN);
    let mut text =
        join(each.map(|size| format!("{} x {} ({})", size.width, size.height, size.cases)));
    if let Some(more) = report.sizes.len().checked_sub(SHOWN + 1) {
        text.push_str(&format!(" and {} more", more + 1));
    }
    text
}

/// Grey pictures are repeated in the network's three channels, so a mixture is worth knowing.
fn channels(report: &VerifyReport) -> String {
    let counts = [
        ("grey", report.grey_images),
        ("colour", report.cases - report.grey_images),
    ];
    let there = counts.into_iter().filter(|(_, n)| *n > 0);
    join(there.map(|(name, n)| format!("{name} ({n})")))
}

fn rule(rule: LabelRule) -> &'static str {
    match rule {
        LabelRule::Binary { ignore_255: false } => "one class",
        LabelRule::Binary { ignore_255: true } => "one class, 255 is ignored",
        LabelRule::Ids {
            ignore_255: false, ..
        } => "class ids",
        LabelRule::Ids {
            ignore_255: true, ..
        } => "class ids, 255 is ignored",
    }
}
