//! Whether the files of the data set are still those that were hashed.
//!
//! Cases stay in their files, so a file that changes during a run would be trained on while `result.json` names the
//! hash from before. Sizes and times of change are compared after every epoch and at the end, and where they differ
//! the whole set is hashed again: a file that was only touched is no other file.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use salt_data::Dataset;

use crate::error::TrainError;

/// The files of a data set as they were when it was hashed.
#[derive(Debug, Clone)]
pub(crate) struct DataWatch {
    /// With the splits of the folder: they enter the hash.
    dataset: Arc<Dataset>,
    sha256: String,
    stamps: Vec<Stamp>,
}

/// Size and time of the last change; `None` for a file that is not there.
type Stamp = Option<(u64, SystemTime)>;

impl DataWatch {
    /// Hashes the data set.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub(crate) fn new(dataset: &Dataset) -> Result<Self, TrainError> {
        // Before the hash, so that a change during it is seen too.
        let stamps = stamps(dataset);
        Ok(Self {
            dataset: Arc::new(dataset.clone()),
            sha256: dataset.sha256()?,
            stamps,
        })
    }

    /// The hash.
    pub(crate) fn sha256(&self) -> &str {
        &self.sha256
    }

    /// Confirms that the files are what they were. Files that were only touched are hashed once, and known from then on.
    ///
    /// # Errors
    /// [`TrainError::Changed`], or a file that cannot be read any more.
    pub(crate) fn check(&mut self) -> Result<(), TrainError> {
        let stamps = stamps(&self.dataset);
        if stamps == self.stamps {
            return Ok(());
        }
        let now = self.dataset.sha256()?;
        if now == self.sha256 {
            self.stamps = stamps;
            return Ok(());
        }
        Err(TrainError::Changed {
            what: "the data set",
            was: self.sha256.clone(),
            is: now,
        })
    }
}

fn stamps(dataset: &Dataset) -> Vec<Stamp> {
    let files = dataset
        .cases
        .iter()
        .flat_map(|case| [&case.image, &case.mask]);
    let stamp = |path: &PathBuf| {
        let file = path.metadata().ok()?;
        Some((file.len(), file.modified().ok()?))
    };
    files.map(stamp).collect()
}
