//! `salt params`: what would be trained, without training.

use std::path::PathBuf;

use burn::tensor::Device;
use salt_peft::{AttachReport, LayerReport, presets};
use salt_train::Recipe;
use serde::Serialize;

use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt params`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt params --preset paper-salt-256
  salt params docs/recipes/vessels-sam_nano-salt.toml --set adapter.head_rank=0.5

Presets: paper-salt-256, paper-salt-4, paper-lora-256, paper-lora-4, paper-ssam. They count the
paper's own network, SAM ViT-B at 512 px with CLIP's text encoder. A recipe needs its weights only
when a rank is chosen from the spectrum.")]
pub(crate) struct Args {
    /// The recipe, a TOML document
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    recipe: Option<PathBuf>,
    /// A setting of the paper
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Change a key of the recipe; may be given several times
    #[arg(
        long = "set",
        value_name = "SECTION.KEY=VALUE",
        conflicts_with = "preset"
    )]
    overrides: Vec<String>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    preset: Option<&'a str>,
    method: String,
    total: usize,
    trainable: usize,
    percent: f64,
    adapter: usize,
    layers: &'a [LayerReport],
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (report, method) = match (&args.preset, &args.recipe) {
        (Some(preset), _) => {
            let report = presets::counts(preset)?;
            let method = report.method.to_string();
            (report, method)
        }
        (None, Some(path)) => {
            let recipe = Recipe::read(path, &args.overrides)?;
            let device = args.device.device.open()?;
            (plan(&recipe, &device)?, recipe.adapter.method())
        }
        // Refused by the parser already.
        (None, None) => {
            return Err(Failure::usage(
                "give a recipe or --preset NAME",
                "salt params --help",
            ));
        }
    };
    if args.json {
        return screen::json(&Document {
            preset: args.preset.as_deref(),
            method,
            total: report.total,
            trainable: report.trainable,
            percent: report.percent,
            adapter: report.adapter,
            layers: &report.layers,
        });
    }
    show(&report, &method)
}

/// Counts over the recipe's model. Shapes are enough, except for ranks from the spectrum.
fn plan(recipe: &Recipe, device: &Device) -> Result<AttachReport, Failure> {
    let n_classes = classes(recipe)?;
    let config = recipe.adapter_config();
    if config.ranks_by_spectrum() {
        return Ok(salt_train::plan(recipe, n_classes, device)?);
    }
    let shapes = recipe.sam_config()?.with_prompt_tokens(n_classes);
    let model = shapes.init(device)?;
    Ok(salt_peft::plan(&model, &config)?)
}

/// Classes of the recipe's data set: each has a prompt token. One, where the data is not there yet.
fn classes(recipe: &Recipe) -> Result<usize, Failure> {
    let path = &recipe.data.path;
    if !path.exists() {
        screen::note(format_args!(
            "the data set {} is not there: counting for one class",
            path.display()
        ));
        return Ok(1);
    }
    Ok(salt_train::open_dataset(recipe)?.n_classes)
}

fn show(report: &AttachReport, method: &str) -> Result<(), Failure> {
    let rows = report.layers.iter().map(|layer| {
        let shape: Vec<String> = layer.shape.iter().map(usize::to_string).collect();
        [
            layer.path.clone(),
            shape.join(" x "),
            layer.method.clone(),
            layer.rank.clone(),
            screen::count(layer.trainable as u64),
        ]
    });
    let titles = ["path", "shape", "method", "rank", "#trainable"];
    screen::result(screen::table(titles, rows.collect()))?;
    screen::result(format_args!(
        "\n{method}: {} trainable of {} parameters ({:.3} %), {} of them in the adapter",
        screen::count(report.trainable as u64),
        screen::count(report.total as u64),
        report.percent,
        screen::count(report.adapter as u64),
    ))
}
