//! `salt adapter merge`: adapter and base into one checkpoint.
//!
//! The base must be what the adapter was trained over: the same weights at the same input size with
//! the same prompt tokens. The last two stand in the recipe of the run, which lies beside the
//! adapter; for an adapter that was copied elsewhere they are told by its own tensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use clap::ValueEnum;
use safetensors::SafeTensors;
use salt_peft::adapter_file::TENSOR_FILE;
use salt_sam::weights::{Naming, SaveOptions, save};
use salt_train::{Recipe, RunResult, base_model};

use super::folder;
use crate::checkpoint_model;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::output_file;
use crate::screen;

/// Options of `salt adapter merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt adapter merge --weights embedded --adapter runs/vessels/adapter --out merged.safetensors
  salt segment --weights merged.safetensors --image eye.png --point 120,80 --out mask.png")]
pub(crate) struct Args {
    /// The base weights the adapter was trained over, or `embedded`
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// Adapter folder or run directory
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Checkpoint to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Names of the tensors: as in the original checkpoints, or as Hugging Face has them
    #[arg(long, value_enum, default_value = "original")]
    naming: NamingName,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum NamingName {
    Original,
    Hf,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    output_file::prepare(&args.out, Some("safetensors"), &[Path::new(&args.weights)])?;
    let adapter = folder(&args.adapter)?;
    let device = args.device.device.open()?;
    checkpoint_model::check_exists(&args.weights)?;
    let mut recipe = match recipe_beside(&adapter)? {
        Some(recipe) => recipe,
        None => recipe_of_tensors(&adapter, &args.weights)?,
    };
    recipe.model.weights.clone_from(&args.weights);
    if recipe.adapter.scratch {
        screen::note("this run began from random numbers: --weights is not read");
    }
    let base = base_model::load(&recipe, classes(&adapter)?, &device)?.sam;
    let (model, report) = salt_peft::load_adapter(base, &adapter)?;
    let merged = salt_peft::merge(model)?;
    let options = SaveOptions {
        naming: match args.naming {
            NamingName::Original => Naming::Original,
            NamingName::Hf => Naming::HuggingFace,
        },
        metadata: BTreeMap::from([("merged_adapter".to_owned(), report.method.to_string())]),
        ..SaveOptions::default()
    };
    save(&merged, &args.out, &options)?;
    screen::result(format_args!(
        "{} merged into {} parameters: {}",
        report.method,
        screen::count(merged.num_params() as u64),
        args.out.display()
    ))
}

/// The recipe of the run that an adapter folder belongs to.
fn recipe_beside(adapter: &Path) -> Result<Option<Recipe>, Failure> {
    let path = adapter.join("../recipe.toml");
    match path.is_file() {
        true => Ok(Some(Recipe::read(&path, &[])?)),
        false => Ok(None),
    }
}

/// What a recipe must say for its base to be loaded.
const LEAST: &str = "[model]\nname = ''\n[adapter]\nmethod = 'frozen'\n[data]\npath = ''\n";

/// A recipe over the base that the adapter's tensors fit.
fn recipe_of_tensors(adapter: &Path, weights: &str) -> Result<Recipe, Failure> {
    let checkpoint = checkpoint_model::read(weights)?;
    let (name, config) = checkpoint_model::config(&checkpoint, None)?;
    let image_size = match shape(adapter, "image_encoder.pos_embed")?.as_deref() {
        Some([_, grid, _, _]) => grid * config.patch_size,
        _ => config.image_size,
    };
    let settings = [
        format!("model.name={name}"),
        format!("model.image_size={image_size}"),
    ];
    Ok(Recipe::parse(LEAST, &settings)?)
}

/// Classes the adapter was trained for: rows of its prompt tokens, else as the run's result tells,
/// else one.
fn classes(adapter: &Path) -> Result<usize, Failure> {
    let tokens = shape(adapter, "prompt_tokens")?;
    if let Some(classes) = tokens.as_deref().and_then(|shape| shape.first()) {
        return Ok(*classes);
    }
    let result = RunResult::load(&adapter.join("../result.json"));
    Ok(result.map_or(1, |result| result.test_classes.len().max(1)))
}

/// Shape of a parameter that the adapter holds whole.
fn shape(adapter: &Path, parameter: &str) -> Result<Option<Vec<usize>>, Failure> {
    let path = adapter.join(TENSOR_FILE);
    let bytes = std::fs::read(&path).map_err(|error| Failure::io("read", &path, &error))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| {
        Failure::usage(
            format!("`{}` is no safetensors file: {error}", path.display()),
            "copy the adapter folder again",
        )
    })?;
    let tensors = header.tensors();
    let named = tensors.iter().find(|(name, _)| {
        let prefix = name.strip_suffix(parameter);
        prefix.is_some_and(|prefix| prefix.is_empty() || prefix.ends_with('.'))
    });
    Ok(named.map(|(_, info)| info.shape.clone()))
}
