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
    /// A checkpoint in which no Segment Anything is recognised.
    #[error(
        "the weights hold no image encoder of Segment Anything: {0}; rename the tensors, or give a checkpoint of \
         sam_nano, sam_vit_b, sam_vit_l or sam_vit_h"
    )]
    NoEncoder(NoEncoder),
    /// A checkpoint with more than one Segment Anything.
    #[error(
        "expected the weights of one Segment Anything, received several: {}; save those that you want as a file of \
         their own",
        at_places(places)
    )]
    SeveralModels {
        /// What stands before the keys of each; nothing for one at the top.
        places: Vec<String>,
    },
    /// Two tensors of a checkpoint that stand for the same one.
    #[error(
        "expected `{first}` and `{second}` to be the same, received two that differ; keep the one that the weights \
         were trained with"
    )]
    Contradiction {
        /// One key.
        first: &'static str,
        /// The other.
        second: &'static str,
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

fn at_places(places: &[String]) -> String {
    let shown = places
        .iter()
        .take(KeyMismatch::SHOWN)
        .map(|place| match place.strip_suffix('.') {
            Some(place) => format!("under `{}`", shown(place)),
            None => "at the top".to_owned(),
        });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if places.len() > KeyMismatch::SHOWN {
        text += ", ...";
    }
    text
}

/// A key for a message: a file may hold very long ones, and such that move a terminal's cursor.
fn shown(key: &str) -> String {
    const MOST: usize = 160;
    let mut text: String = key
        .chars()
        .take(MOST)
        .flat_map(char::escape_debug)
        .collect();
    if key.chars().nth(MOST).is_some() {
        text += "...";
    }
    text
}

/// What a checkpoint has in place of the tensors that tell a Segment Anything.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct NoEncoder {
    /// The keys that are looked for and were not found, with the nearest received ones.
    pub missing: Vec<(&'static str, Option<String>)>,
    /// The first received keys.
    pub received: Vec<String>,
    /// How many there are.
    pub count: usize,
}

impl std::fmt::Display for NoEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let missing = self.missing.iter().map(|(key, nearest)| match nearest {
            Some(nearest) => format!("`{key}` [nearest: {}]", shown(nearest)),
            None => format!("`{key}`"),
        });
        let missing = missing.collect::<Vec<_>>().join(" and ");
        write!(f, "expected {missing}, received ")?;
        if self.count == 0 {
            return write!(f, "no tensor");
        }
        let received: Vec<String> = self.received.iter().map(|key| shown(key)).collect();
        let more = if self.count > received.len() {
            ", ..."
        } else {
            ""
        };
        write!(f, "{} others ({}{more})", self.count, received.join(", "))
    }
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
                write!(f, "{}", shown(key))?;
                if let Some(near) = near {
                    write!(f, " [nearest: {near}]")?;
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
