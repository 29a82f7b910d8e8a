//! The small base that travels inside this crate, made by `salt pretrain` from generated images.

use std::path::Path;

use burn::tensor::Device;

use super::read::Checkpoint;
use crate::config::SamConfig;
use crate::error::SamError;
use crate::sam::Sam;

/// The checkpoint's bytes, as committed.
pub fn embedded_nano_bytes() -> &'static [u8] {
    include_bytes!("../../assets/sam_nano.safetensors")
}

/// How the base was made and what it scores on held-out generated images (JSON).
pub fn embedded_nano_card() -> &'static str {
    include_str!("../../assets/sam_nano.json")
}

/// The embedded base as a model with `n_classes` prompt tokens, each starting from the stored
/// token `token_init` (for instance `thin`).
///
/// # Errors
/// [`SamError::Config`] for an unknown token name.
pub fn embedded_nano(
    config: &SamConfig,
    token_init: Option<&str>,
    device: &Device,
) -> Result<Sam, SamError> {
    Checkpoint::from_safetensors(
        embedded_nano_bytes(),
        Path::new("embedded sam_nano.safetensors"),
    )?
    .into_sam(config, token_init, device)
}
