//! What can go wrong when a model is built, loaded or prompted.

use std::path::PathBuf;

/// Errors of this crate: what was expected, what was received, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SamError {
    /// A model name that is not in [`crate::config::MODELS`].
    #[error("unknown model `{name}`; known models: {known}")]
    UnknownModel {
        /// The name received.
        name: String,
        /// The names accepted, comma separated.
        known: String,
    },
    /// A configuration whose numbers do not fit together.
    #[error("invalid model configuration: {0}")]
    Config(String),
    /// A file could not be read or written.
    #[error("cannot access `{path}`: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// A file is not the container it should be.
    #[error("`{path}` is not a readable {expected} file: {reason}")]
    Format {
        /// The file.
        path: PathBuf,
        /// The container that was expected.
        expected: &'static str,
        /// Why it was refused.
        reason: String,
    },
    /// The keys of a checkpoint do not match the model.
    #[error("checkpoint does not match the model: {0}")]
    Keys(KeyMismatch),
    /// A tensor of a checkpoint has another shape than the model's.
    #[error(
        "`{key}`: the checkpoint holds shape {found:?}, the model expects {expected:?}; \
         choose the model that the checkpoint was made for (model.name)"
    )]
    Shape {
        /// The checkpoint key.
        key: String,
        /// The model's shape, in the checkpoint's layout.
        expected: Vec<usize>,
        /// The shape received.
        found: Vec<usize>,
    },
    /// A tensor of a checkpoint is not of a float type.
    #[error("`{key}` holds {found} values; weights must be f32, f16, bf16 or f64")]
    DType {
        /// The checkpoint key.
        key: String,
        /// The type received.
        found: String,
    },
    /// A tensor of a checkpoint holds NaN or infinite values.
    #[error("`{key}` holds NaN or infinite values; the file is damaged or its training diverged")]
    NonFinite {
        /// The checkpoint key.
        key: String,
    },
    /// A picture that cannot be encoded.
    #[error("invalid image: {0}")]
    Image(String),
    /// The model answered with something that is no number.
    #[error(
        "the model answered with NaN or infinity; check the weights, or compute on another device"
    )]
    Answer,
    /// Whoever watches the work has stopped it.
    #[error("stopped")]
    Stopped,
    /// A prompt that cannot be encoded.
    #[error("invalid prompt: {0}")]
    Prompt(String),
}

/// Keys that one side has and the other lacks, with the nearest names of the other side.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct KeyMismatch {
    /// Keys of the model that the checkpoint lacks.
    pub missing: Vec<String>,
    /// Keys of the checkpoint that the model lacks; the first [`KeyMismatch::SHOWN`] with the model's nearest
    /// key.
    pub unused: Vec<(String, Option<String>)>,
}

impl KeyMismatch {
    /// Keys of either kind that the message names.
    pub const SHOWN: usize = 5;
}

impl std::fmt::Display for KeyMismatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.missing.is_empty() {
            write!(f, "{} missing (", self.missing.len())?;
            write!(
                f,
                "{}",
                self.missing[..self.missing.len().min(Self::SHOWN)].join(", ")
            )?;
            if self.missing.len() > Self::SHOWN {
                write!(f, ", ...")?;
            }
            write!(f, ")")?;
        }
        if !self.unused.is_empty() {
            if !self.missing.is_empty() {
                write!(f, "; ")?;
            }
            write!(f, "{} unused (", self.unused.len())?;
            for (i, (key, near)) in self.unused.iter().take(Self::SHOWN).enumerate() {
                if i > 0 {
                    write!(f, ", ")?;
                }
                match near {
                    Some(near) => write!(f, "{key} [nearest: {near}]")?,
                    None => write!(f, "{key}")?,
                }
            }
            if self.unused.len() > Self::SHOWN {
                write!(f, ", ...")?;
            }
            write!(f, ")")?;
        }
        Ok(())
    }
}
