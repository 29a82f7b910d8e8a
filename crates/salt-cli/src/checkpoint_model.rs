//! `--weights` and `--model`: which checkpoint, which model it holds, and pictures for it.

use std::path::Path;

use burn::tensor::Device;
use salt_data::ImageRgb;
use salt_sam::weights::{Checkpoint, embedded_nano_bytes};
use salt_sam::{RgbImage, Sam, SamConfig, SamError};
use salt_train::base_model::EMBEDDED;

use crate::failure::Failure;

/// Where the sizes of a checkpoint are those of no model.
const KNOWN_MODELS: &str = "give a checkpoint of sam_nano, sam_vit_b, sam_vit_l or sam_vit_h";

/// Where the tensors of a checkpoint are not those of the model.
const OTHER_MODEL: &str = "choose the model that this checkpoint was made for with --model";

/// `--weights`: a checkpoint file, or `embedded`.
pub(crate) fn read(weights: &str) -> Result<Checkpoint, Failure> {
    if weights == EMBEDDED {
        let name = Path::new("the embedded base of sam_nano");
        return Ok(Checkpoint::from_safetensors(embedded_nano_bytes(), name)?);
    }
    check_exists(weights)?;
    Ok(Checkpoint::read(Path::new(weights))?)
}

/// Refuse weights that are not there or are no file, before anything slow is done for them.
pub(crate) fn check_exists(weights: &str) -> Result<(), Failure> {
    let path = Path::new(weights);
    if weights == EMBEDDED || path.is_file() {
        return Ok(());
    }
    let problem = if path.is_dir() {
        "are a folder"
    } else if path.exists() {
        // Tensors are read where they lie, and nothing can be looked up in a stream.
        "are a pipe or a device, which can be read only once"
    } else {
        "do not exist"
    };
    Err(Failure::usage(
        format!("the weights `{weights}` {problem}"),
        "give a .pth or .safetensors file, or `embedded` for the small base in this program; `salt weights \
         fetch sam_vit_b` brings the published ones",
    ))
}

/// No recipe names the model here, so none can be changed.
fn without_recipe(error: SamError, hint: &str) -> Failure {
    let told = matches!(&error, SamError::Config(message) if message.contains("; "));
    let is_about_the_model = matches!(
        error,
        SamError::Config(_) | SamError::Keys(_) | SamError::Shape { .. }
    );
    let failure = Failure::from(error);
    match is_about_the_model && !told {
        true => failure.with_hint(hint),
        false => failure,
    }
}

/// The name and sizes of the model that `checkpoint` is loaded into: the one that was named, or the one that
/// its shapes tell.
pub(crate) fn config(
    checkpoint: &Checkpoint,
    name: Option<&str>,
) -> Result<(String, SamConfig), Failure> {
    Ok(match name {
        Some(name) => (
            name.to_owned(),
            SamConfig::by_name(name)?
                .sized_as(checkpoint)
                .map_err(|error| without_recipe(error, KNOWN_MODELS))?,
        ),
        None => {
            let (name, config) = SamConfig::of_checkpoint(checkpoint)
                .map_err(|error| without_recipe(error, KNOWN_MODELS))?;
            (name.to_owned(), config)
        }
    })
}

/// The model that `checkpoint` holds, see [`config`], and its name.
pub(crate) fn sam(
    checkpoint: Checkpoint,
    name: Option<&str>,
    device: &Device,
) -> Result<(String, Sam), Failure> {
    let (name, config) = config(&checkpoint, name)?;
    let sam = checkpoint.into_sam(&config, None, device);
    Ok((
        name,
        sam.map_err(|error| without_recipe(error, OTHER_MODEL))?,
    ))
}

/// A decoded picture as salt-sam takes it.
pub(crate) fn rgb(image: &ImageRgb) -> RgbImage<'_> {
    RgbImage {
        width: image.width,
        height: image.height,
        data: &image.data,
    }
}
