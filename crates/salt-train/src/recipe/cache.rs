//! `[data.cache]`: what is kept of the training cases that have been decoded and scaled.

use std::path::PathBuf;

use salt_data::{CacheOptions, DiskCache};
use serde::{Deserialize, Serialize};

use crate::error::TrainError;

const MIB: u64 = 1 << 20;

/// Costs memory and disk, saves time, and changes no byte of any batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CacheSection {
    /// Most MiB kept in memory; 0 reads a case from its files whenever a sample needs it.
    pub memory_mib: u64,
    /// Folder in which cases are kept from run to run; several data sets, runs and processes may share it. Left out:
    /// nothing is kept on disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<PathBuf>,
    /// Most MiB in that folder.
    pub disk_mib: u64,
}

impl Default for CacheSection {
    fn default() -> Self {
        Self {
            memory_mib: 1024,
            dir: None,
            disk_mib: 16 * 1024,
        }
    }
}

impl CacheSection {
    /// Whether nothing was asked for, so that the resolved recipe need not mention it.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Confirms that the folder has a name, and that its size comes with a folder.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        if self.dir.is_none() && self.disk_mib != Self::default().disk_mib {
            return Err(TrainError::value(
                "data.cache.disk_mib",
                "data.cache.dir beside it, the folder that it limits",
                self.disk_mib,
            ));
        }
        if self
            .dir
            .as_ref()
            .is_some_and(|dir| dir.as_os_str().is_empty())
        {
            let expected = "the name of a folder, or no such key";
            return Err(TrainError::value(
                "data.cache.dir",
                expected,
                "an empty one",
            ));
        }
        Ok(())
    }

    /// The same in bytes, for the loader.
    pub fn options(&self) -> CacheOptions {
        CacheOptions {
            memory_bytes: self.memory_mib.saturating_mul(MIB),
            disk: self.dir.as_ref().map(|dir| DiskCache {
                dir: dir.clone(),
                max_bytes: self.disk_mib.saturating_mul(MIB),
            }),
        }
    }
}
