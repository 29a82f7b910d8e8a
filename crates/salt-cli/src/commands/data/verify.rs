//! `salt data verify`: everything that is wrong or odd, one finding a line.

use std::path::PathBuf;

use salt_data::verify::{Finding, Severity};

use super::look;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt data verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt data verify data/vessels

Exit code 1 when a finding is an error; warnings alone leave it at 0.")]
pub(crate) struct Args {
    /// Folder of the data set
    dir: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let report = look(&args.dir)?;
    if args.json {
        screen::json(&report)?;
    } else {
        for finding in &report.findings {
            screen::result(line(finding))?;
        }
        if report.cases > 0 {
            screen::result(format_args!("mask values: {}", report.mapping))?;
        }
        for class in &report.pieces {
            screen::result(class)?;
        }
        screen::result(format_args!("{}: {}", args.dir.display(), report.tally()))?;
    }
    if report.is_sound() {
        Ok(())
    } else {
        Err(Failure::Found)
    }
}

fn line(finding: &Finding) -> String {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let file = finding
        .file
        .as_ref()
        .map_or_else(String::new, |file| format!("{}: ", file.display()));
    format!("{severity}: {file}{}; {}", finding.problem, finding.remedy)
}
