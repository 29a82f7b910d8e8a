//! What can be wrong with a stated policy, or with a mask under it.

use std::path::{Path, PathBuf};

/// Why masks have no meaning under the policy that `dataset.toml` states.
///
/// Messages read like those of [`crate::DataError`]: the part after the last `"; "` is what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A mask of a kind that the policy cannot be applied to.
    #[error(
        "expected masks that the policy `{policy}` applies to, received {received} in {}; {remedy}",
        path.display()
    )]
    Kind {
        /// The mask.
        path: PathBuf,
        /// The policy.
        policy: &'static str,
        /// What the mask holds.
        received: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// A mask with a value or colour that the policy does not mention.
    #[error(
        "expected only {known} in mask {}, received {value} in {count} pixels; \
         add it to [masks] of dataset.toml (as a class, as `ignore` or by `other`) or correct the mask",
        path.display()
    )]
    Unmapped {
        /// The mask.
        path: PathBuf,
        /// The value or colour.
        value: String,
        /// Number of pixels that have it.
        count: u64,
        /// What the policy knows.
        known: String,
    },
    /// A key of dataset.toml that does not exist.
    #[error(
        "expected a key that exists in {}, received `{key}`; write `{nearest}` or remove the key",
        path.display()
    )]
    UnknownKey {
        /// The settings file.
        path: PathBuf,
        /// The key that came.
        key: String,
        /// The existing key that is most alike.
        nearest: &'static str,
    },
    /// A dataset.toml that is no TOML or whose values make no sense.
    #[error(
        "expected settings that make sense in {}, received: {problem}; \
         correct them as datasets/README.md shows", path.display()
    )]
    BadSettings {
        /// The settings file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl PolicyError {
    /// The file.
    pub fn path(&self) -> &Path {
        match self {
            Self::Kind { path, .. }
            | Self::Unmapped { path, .. }
            | Self::UnknownKey { path, .. }
            | Self::BadSettings { path, .. } => path,
        }
    }
}
