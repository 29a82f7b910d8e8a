//! `--weights` and `--model`: which checkpoint, which model it holds, and pictures for it.

use std::path::Path;

use burn::tensor::Device;
use salt_data::ImageRgb;
use salt_sam::weights::{Checkpoint, embedded_nano_bytes};
use salt_sam::{RgbImage, Sam, SamConfig};
use salt_train::base_model::EMBEDDED;

use crate::failure::Failure;

/// `--weights`: a checkpoint file, or `embedded`.
pub(crate) fn read(weights: &str) -> Result<Checkpoint, Failure> {
    if weights == EMBEDDED {
        let name = Path::new("the embedded base of sam_nano");
        return Ok(Checkpoint::from_safetensors(embedded_nano_bytes(), name)?);
    }
    check_exists(weights)?;
    Ok(Checkpoint::read(Path::new(weights))?)
}

/// Refuse weights that are not there, before anything slow is done for them.
pub(crate) fn check_exists(weights: &str) -> Result<(), Failure> {
    if weights == EMBEDDED || Path::new(weights).is_file() {
        return Ok(());
    }
    Err(Failure::usage(
        format!("the weights `{weights}` do not exist"),
        "give a .pth or .safetensors file, or `embedded` for the small base in this program; `salt weights \
         fetch sam_vit_b` brings the published ones",
    ))
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
            SamConfig::by_name(name)?.sized_as(checkpoint)?,
        ),
        None => {
            let (name, config) = SamConfig::of_checkpoint(checkpoint)?;
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
    Ok((name, checkpoint.into_sam(&config, None, device)?))
}

/// A decoded picture as salt-sam takes it.
pub(crate) fn rgb(image: &ImageRgb) -> RgbImage<'_> {
    RgbImage {
        width: image.width,
        height: image.height,
        data: &image.data,
    }
}
