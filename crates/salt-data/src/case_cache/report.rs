//! What a cache did, and what was wrong in it.

use std::fmt;
use std::path::PathBuf;

/// Most warnings that are kept; all are counted.
pub(super) const WARNINGS_KEPT: usize = 64;

/// What the cache on disk has done since its loader was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheReport {
    /// Cases found in the cache.
    pub hits: u64,
    /// Cases that had to be decoded.
    pub misses: u64,
    /// Cases decoded and stored.
    pub stored: u64,
    /// Cases decoded and not stored, since the folder was full of cases in use.
    pub no_room: u64,
    /// Entries removed to make room.
    pub evicted: u64,
    /// Number of warnings.
    pub warnings_total: u64,
    /// The first of them, at most 64.
    pub warnings: Vec<CacheWarning>,
}

/// Something wrong in a cache, which costs time and changes no batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheWarning {
    /// An entry that is not as it was written: not used, and written again.
    Damaged {
        /// The entry.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// An entry that could not be written.
    NotWritten {
        /// The entry.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// A case whose files changed while they were read: not stored.
    Changing {
        /// The image file.
        path: PathBuf,
    },
}

impl fmt::Display for CacheWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged { path, problem } => write!(
                f,
                "expected a cached case in {}, received {problem}; it was decoded anew, check the disk if this goes on",
                path.display()
            ),
            Self::NotWritten { path, problem } => write!(
                f,
                "expected to write the cached case {}, received: {problem}; check permissions and free space",
                path.display()
            ),
            Self::Changing { path } => write!(
                f,
                "expected {} and its mask to stay as they are, received files that changed while they were read; \
                 let the program that writes them finish",
                path.display()
            ),
        }
    }
}
