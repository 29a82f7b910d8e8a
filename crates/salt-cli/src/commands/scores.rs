//! Summaries of scores as a table.

use comfy_table::Table;
use salt_metrics::{CohortSummary, Summary};

use crate::screen;

/// One row per summary: mean, deviation and interval of Dice, means of the others.
pub(super) fn table(of: &str, rows: &[(String, &CohortSummary)]) -> Table {
    let titles = [
        of,
        "#cases",
        "#Dice",
        "#sd",
        "#95 % interval",
        "#IoU",
        "#HD95 px",
        "#clDice",
        "#missed",
    ];
    let rows = rows
        .iter()
        .map(|(name, summary)| row(name, summary))
        .collect();
    screen::table(titles, rows)
}

fn row(name: &str, summary: &CohortSummary) -> [String; 9] {
    let mean = |of: Option<Summary>, decimals| screen::score(of.map(|s| s.mean), decimals);
    let interval = summary.dice.map_or_else(
        || "-".to_owned(),
        |dice| format!("{:.4} to {:.4}", dice.ci95[0], dice.ci95[1]),
    );
    [
        name.to_owned(),
        summary.n.to_string(),
        mean(summary.dice, 4),
        screen::score(summary.dice.map(|dice| dice.sd), 4),
        interval,
        mean(summary.iou, 4),
        mean(summary.hd95, 2),
        mean(summary.cldice, 4),
        summary.n_missed.to_string(),
    ]
}
