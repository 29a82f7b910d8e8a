//! `salt eval`: the scores of a finished run on a split.

use std::path::PathBuf;

use salt_data::Split;
use salt_metrics::{CaseMetrics, CohortSummary};
use salt_train::{Evaluation, Session, evaluate_run};
use serde::Serialize;

use super::scores;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::screen;

/// Options of `salt eval`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt eval runs/vessels --split test --json > scores.json

Distances are in pixels. A dash, or null, is a score that is not defined for the case.")]
pub(crate) struct Args {
    /// Run directory of a finished salt train
    run: PathBuf,
    /// Which cases: train, val or test
    #[arg(long, default_value = "test", value_parser = parse_split)]
    split: Split,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

fn parse_split(name: &str) -> Result<Split, String> {
    Split::from_name(name).ok_or_else(|| {
        let nearest = Split::nearest_name(name);
        format!("expected train, val or test; did you mean `{nearest}`?")
    })
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    run: String,
    split: &'static str,
    /// Whether the data set differs from the one that the run was trained on.
    data_changed: bool,
    device: String,
    metric_impl: &'static str,
    summary: &'a CohortSummary,
    classes: &'a [CohortSummary],
    cases: Vec<Case<'a>>,
}

#[derive(Serialize)]
struct Case<'a> {
    case: &'a str,
    class: u8,
    #[serde(flatten)]
    metrics: &'a CaseMetrics,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let machine = args.device.device.machine()?;
    let interrupt = interrupt::listen()?;
    let mut progress = Progress::new();
    let mut session = Session::new(&mut progress, interrupt.clone());
    let evaluation = evaluate_run(&args.run, args.split, &machine, &mut session)?;
    drop(progress);
    if interrupt.is_set() {
        return Err(Failure::Interrupted(None));
    }
    if evaluation.data_changed {
        screen::note(
            "the data set has changed since the run was trained: these are not its scores",
        );
    }
    if args.json {
        return screen::json(&document(args, &machine.name, &evaluation));
    }
    show(args.split, &evaluation)
}

fn document<'a>(args: &Args, device: &str, evaluation: &'a Evaluation) -> Document<'a> {
    let cases = evaluation.rows.iter().map(|row| Case {
        case: &row.case,
        class: row.class,
        metrics: &row.metrics,
    });
    Document {
        run: args.run.display().to_string(),
        split: args.split.name(),
        data_changed: evaluation.data_changed,
        device: device.to_owned(),
        metric_impl: salt_metrics::METRIC_IMPL,
        summary: &evaluation.summary,
        classes: &evaluation.classes,
        cases: cases.collect(),
    }
}

fn show(split: Split, evaluation: &Evaluation) -> Result<(), Failure> {
    let titles = [
        "case", "#class", "#Dice", "#IoU", "#HD95 px", "#clDice", "status",
    ];
    let rows = evaluation.rows.iter().map(|row| {
        let m = &row.metrics;
        [
            row.case.clone(),
            row.class.to_string(),
            screen::score(m.dice, 4),
            screen::score(m.iou, 4),
            screen::score(m.hd95, 2),
            screen::score(m.cldice, 4),
            m.status.to_string(),
        ]
    });
    screen::result(screen::table(titles, rows.collect()))?;
    screen::result("")?;
    let mut summaries = vec![(split.name().to_owned(), &evaluation.summary)];
    for (class, summary) in evaluation.classes.iter().enumerate() {
        summaries.push((format!("{split}, class {}", class + 1), summary));
    }
    screen::result(scores::table("split", &summaries))
}
