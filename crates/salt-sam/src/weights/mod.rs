//! Checkpoints: reading, matching against a model, writing.
//!
//! | file | job |
//! |---|---|
//! | `read` | `.safetensors` and `.pth` into named tensors; nothing is ever executed |
//! | `wrapped` | what training scripts put around weights, taken off |
//! | `stored` | one tensor of a file, read when it is asked for |
//! | `published` | the checkpoints that others publish: where, how large, which checksum |
//! | `names` | Hugging Face names to original names and back |
//! | `apply` | named tensors into a [`Sam`], every key accounted for |
//! | `infer` | which model a file holds, told by its shapes |
//! | `save` | a [`Sam`] into `.safetensors`, sorted, byte-stable, atomically |
//! | `embedded` | the small base that travels inside this crate |

mod apply;
mod embedded;
mod infer;
mod names;
mod published;
mod read;
mod save;
mod stored;
mod wrapped;

pub use embedded::{embedded_nano, embedded_nano_bytes, embedded_nano_card};
pub use names::{Naming, to_hugging_face, to_original};
pub use published::{PUBLISHED, PublishedCheckpoint, PublishedChecksum};
pub use read::Checkpoint;
pub use save::{Precision, SaveOptions, save, to_bytes};
pub use stored::StoredTensor;

use std::path::Path;

use burn::tensor::Device;

use crate::config::SamConfig;
use crate::error::SamError;
use crate::sam::Sam;

/// Key of the learned prompt tokens in a checkpoint. Official checkpoints lack it.
pub const PROMPT_TOKENS: &str = "prompt_tokens";

/// Metadata entry that names the rows of [`PROMPT_TOKENS`], comma separated.
pub const TOKEN_NAMES: &str = "prompt_token_names";

/// Loads a checkpoint file into a model of `config`: official `.pth`, or `.safetensors` with
/// original or Hugging Face names, also as training scripts wrap them ([`Checkpoint::read`]). Another `config.image_size` than the checkpoint's resamples the
/// positions. `token_init` names the stored prompt token from which every class token starts;
/// without it stored tokens are taken over, their number must fit; a checkpoint that has none (all official
/// ones) gives zeros.
///
/// # Errors
/// Unreadable files, missing, unused or misshapen keys, non-finite values, unknown token names.
pub fn load(
    path: &Path,
    config: &SamConfig,
    token_init: Option<&str>,
    device: &Device,
) -> Result<Sam, SamError> {
    Checkpoint::read(path)?.into_sam(config, token_init, device)
}
