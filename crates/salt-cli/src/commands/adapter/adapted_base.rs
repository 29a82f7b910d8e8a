//! The base an adapter was trained over, with the adapter on it.
//!
//! The base must be what the adapter was trained over: the same weights at the same input size with
//! the same prompt tokens. The last two stand in the recipe of the run, which lies beside the
//! adapter; for an adapter that was copied elsewhere they are told by its own tensors.

use std::path::Path;

use burn::tensor::Device;
use safetensors::SafeTensors;
use salt_peft::adapter_file::TENSOR_FILE;
use salt_sam::Sam;
use salt_train::{Recipe, RunResult, base_model};

use crate::checkpoint_model;
use crate::failure::Failure;
use crate::screen;

/// The base of the adapter in a folder. Without `weights` it is the one that the run's recipe names.
pub(super) fn load(adapter: &Path, weights: Option<&str>, device: &Device) -> Result<Sam, Failure> {
    let header = salt_peft::read_header(adapter)?;
    if header.imported
        && header
            .target_modules
            .iter()
            .any(|path| path.contains("vision_encoder."))
    {
        return Err(Failure::usage(
            format!(
                "the modules of `{}` are named as transformers names them",
                adapter.display()
            ),
            "make it one of ours first: salt adapter import --from DIR --out DIR",
        ));
    }
    if let Some(weights) = weights {
        checkpoint_model::check_exists(weights)?;
    }
    let mut recipe = match (recipe_beside(adapter)?, weights) {
        (Some(recipe), _) => recipe,
        (None, Some(weights)) => recipe_of_tensors(adapter, weights)?,
        (None, None) => {
            return Err(Failure::usage(
                format!(
                    "no recipe lies beside `{}` to tell the base weights",
                    adapter.display()
                ),
                "give --weights FILE, the base the adapter was trained over",
            ));
        }
    };
    if let Some(weights) = weights {
        weights.clone_into(&mut recipe.model.weights);
        if recipe.adapter.scratch {
            screen::note("this run began from random numbers: --weights is not read");
        }
    }
    Ok(base_model::load(&recipe, classes(adapter)?, device)?.sam)
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
