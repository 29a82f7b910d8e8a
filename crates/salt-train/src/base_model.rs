//! The model a recipe starts from, and the identity of its weights.

use std::path::Path;

use burn::tensor::Device;
use salt_data::file_sha256;
use salt_sam::Sam;
use salt_sam::weights::{Checkpoint, embedded_nano_bytes};
use sha2::{Digest, Sha256};

use crate::error::TrainError;
use crate::recipe::Recipe;
use crate::scratch::redraw;

/// `model.weights` of the base inside the program.
pub const EMBEDDED: &str = "embedded";

/// Prompt token that class tokens start from when the recipe names none: vessels are thin.
const DEFAULT_TOKEN: &str = "thin";

/// A base model before any adapter.
#[derive(Debug)]
pub struct Base {
    /// The model, with one prompt token per class.
    pub sam: Sam,
    /// SHA-256 of the weights file; `random:<seed>` for a network from scratch.
    pub weights_sha256: String,
}

/// Load or draw the base of a recipe on `device`.
///
/// # Errors
/// Missing or foreign weights, an unknown token, sizes that do not fit.
pub fn load(recipe: &Recipe, n_classes: usize, device: &Device) -> Result<Base, TrainError> {
    let config = recipe.sam_config()?.with_prompt_tokens(n_classes);
    if recipe.adapter.scratch {
        let seed = recipe.train.seed;
        let sam = redraw(config.init(device)?, seed);
        return Ok(Base {
            sam,
            weights_sha256: format!("random:{seed}"),
        });
    }
    let (checkpoint, weights_sha256) = if recipe.model.weights == EMBEDDED {
        let bytes = embedded_nano_bytes();
        let name = Path::new("the embedded base of sam_nano");
        (
            Checkpoint::from_safetensors(bytes, name)?,
            hex(&Sha256::digest(bytes)),
        )
    } else {
        let path = Path::new(&recipe.model.weights);
        if !path.is_file() {
            return Err(TrainError::WeightsMissing {
                path: path.to_owned(),
            });
        }
        let checkpoint = Checkpoint::read(path)?;
        let sha256 = file_sha256(path).map_err(|e| TrainError::io(path, e))?;
        (checkpoint, sha256)
    };
    let token = match &recipe.model.token_init {
        Some(name) => Some(name.as_str()),
        None => checkpoint
            .token_names()
            .contains(&DEFAULT_TOKEN)
            .then_some(DEFAULT_TOKEN),
    };
    let sam = checkpoint.into_sam(&config, token, device)?;
    Ok(Base {
        sam,
        weights_sha256,
    })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
