//! `salt data inspect`: the fingerprint of a data set.

use std::path::PathBuf;

use salt_data::Dataset;
use salt_data::verify::{Fingerprint, Severity, VerifyReport, counted};

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
    let mut rows = vec![
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
        row("masks", report.label_rule.to_string()),
        row("mask values", report.mapping.clone()),
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
    ];
    rows.extend(report.fingerprint.iter().flat_map(measured));
    rows.push(row("sha256", sha256));
    screen::result(screen::table(
        ["data set", &args.dir.display().to_string()],
        rows,
    ))?;
    if let Some(advice) = report.fingerprint.as_ref().and_then(|f| f.advice.as_ref()) {
        screen::result(format_args!("{}\n\n{}", advice.reason, advice.recipe))?;
    }
    match report.count(Severity::Error) + report.count(Severity::Warning) {
        0 => Ok(()),
        n => screen::result(format_args!(
            "{}: salt data verify {}",
            counted(n, "finding"),
            args.dir.display()
        )),
    }
}

/// Intensities, spacing and widths.
fn measured(fingerprint: &Fingerprint) -> Vec<[String; 2]> {
    let channels = fingerprint.channels.iter();
    let intensity =
        join(channels.map(|c| format!("{:.0} ± {:.0} ({} to {})", c.mean, c.sd, c.p005, c.p995)));
    let mut rows = vec![row("red, green, blue", intensity)];
    if let Some([x, y]) = fingerprint.spacing_mm {
        rows.push(row("spacing", format!("{x} x {y} mm")));
    }
    if let Some(width) = &fingerprint.structure_width {
        let text = format!(
            "{:.1} px (the thinnest tenth up to {:.1} px)",
            width.median_px, width.p10_px
        );
        rows.push(row("structures", text));
    }
    rows
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
