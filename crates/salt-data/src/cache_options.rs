//! How much of a data set the loader may keep, and where.

use std::path::PathBuf;

/// What [`crate::TrainLoader::open`] keeps of the cases it has decoded and scaled.
///
/// Batches are the same bytes with any of these settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheOptions {
    /// Most bytes of decoded cases kept in memory, beside those that batches in the making use. A case
    /// takes four bytes a pixel at the view's scale.
    pub memory_bytes: u64,
    /// Where decoded cases are kept between runs; `None` keeps none.
    pub disk: Option<DiskCache>,
}

impl Default for CacheOptions {
    /// 1 GiB in memory, nothing on disk.
    fn default() -> Self {
        Self {
            memory_bytes: 1 << 30,
            disk: None,
        }
    }
}

impl CacheOptions {
    /// Decodes a case whenever a sample needs it.
    pub fn none() -> Self {
        Self {
            memory_bytes: 0,
            disk: None,
        }
    }
}

/// A folder of decoded cases; several data sets, runs and processes may share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCache {
    /// The folder; made when it is not there.
    pub dir: PathBuf,
    /// Most bytes of decoded cases in it, all data sets together. When a case does not fit, those that
    /// were not used since this loader was opened make room, the longest unused first; where there are
    /// none of these, the case is not stored. Processes that write at the same time may exceed this by
    /// what they write, until one of them looks again.
    pub max_bytes: u64,
}
