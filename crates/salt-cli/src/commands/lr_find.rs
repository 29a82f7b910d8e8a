//! `salt lr-find`: which learning rates are worth a run.

use std::path::PathBuf;

use salt_train::lr_find::{LrFind, Stop};
use salt_train::{LrFindConfig, LrFindOutcome, Recipe, Session, lr_find};

use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::screen;

/// Options of `salt lr-find`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt lr-find docs/recipes/vessels-sam_nano-salt.toml --out runs/lr

Trains for a few steps at rates that grow from --from to --to, writes lr_find.csv and lr_find.svg,
and throws the model away. It ends early where the loss explodes. Of the two rates it suggests,
both are rules of thumb: look at the picture.")]
pub(crate) struct Args {
    /// The recipe, a TOML document
    recipe: PathBuf,
    /// Folder to make for the table and the picture
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Rate of the first step
    #[arg(long, value_name = "RATE", default_value_t = LrFindConfig::default().from)]
    from: f64,
    /// Rate of the last step
    #[arg(long, value_name = "RATE", default_value_t = LrFindConfig::default().to)]
    to: f64,
    /// Steps
    #[arg(long, value_name = "N", default_value_t = LrFindConfig::default().steps)]
    steps: u64,
    /// Share of the running mean of the loss that a step leaves
    #[arg(long, value_name = "SHARE", default_value_t = LrFindConfig::default().smoothing)]
    smoothing: f64,
    /// Change a key of the recipe; may be given several times
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let recipe = Recipe::read(&args.recipe, &args.overrides)?;
    let config = LrFindConfig {
        from: args.from,
        to: args.to,
        steps: args.steps,
        smoothing: args.smoothing,
    };
    let device = args.device.device.open()?;
    let mut progress = Progress::new();
    let mut session = Session::new(&mut progress, interrupt::listen()?);
    let outcome = lr_find(&recipe, &config, &args.out, &device, &mut session)?;
    drop(progress);
    match outcome {
        LrFindOutcome::Finished(found) if args.json => screen::json(&found),
        LrFindOutcome::Finished(found) => show(&found),
        LrFindOutcome::Interrupted(step) => Err(Failure::Interrupted(Some(format!(
            "stopped after step {step} of {}; nothing is written",
            config.steps
        )))),
    }
}

fn show(found: &LrFind) -> Result<(), Failure> {
    let last = found
        .points
        .last()
        .map_or(found.config.from, |point| point.lr);
    let end = match found.stop {
        Stop::Completed => "the last rate",
        Stop::Diverged => "the loss is four times its best",
        Stop::NotFinite => "loss or gradient is no number at the next one",
    };
    screen::result(format_args!(
        "{} steps, up to a rate of {last:.1e}: {end}",
        found.points.len()
    ))?;
    match &found.suggestion {
        None => screen::result(
            "no suggestion: the loss never fell; try a lower --from, more --steps, or another loss",
        )?,
        Some(suggestion) => {
            let row = |what: &str, lr: f64| [what.to_owned(), format!("{lr:.2e}")];
            let rows = vec![
                row("steepest descent of the loss", suggestion.steepest),
                row(
                    "a tenth of the rate of the lowest loss",
                    suggestion.tenth_of_minimum,
                ),
            ];
            screen::result(screen::table(["suggestion", "#rate"], rows))?;
            let lines = found.recipe_lines.join("\n");
            screen::result(format_args!(
                "\nin the recipe, the lower of both:\n\n[train]\n{lines}\n"
            ))?;
        }
    }
    screen::result(format_args!(
        "{}\n{}",
        found.csv.display(),
        found.svg.display()
    ))
}
