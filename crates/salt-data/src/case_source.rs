//! Where the loader's cases are: in memory, or in files that are read when a sample needs them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use crate::cache_options::CacheOptions;
use crate::case_cache::{CacheReport, CaseCache};
use crate::dataset::{Dataset, LoadedCase, Split};
use crate::error::DataError;
use crate::pixels::{ImageRgb, LabelMap};
use crate::prepared_case::{PreparedCase, mean_of, scaled};
use crate::view::View;

/// The cases of a loader.
#[derive(Debug)]
pub(crate) enum CaseSource {
    /// All of them in memory.
    InMemory(InMemoryCases),
    /// In files.
    Stored(Box<StoredCases>),
}

/// One case, for as long as a sample is made of it.
pub(crate) enum CaseInHand<'a> {
    Borrowed(&'a ImageRgb, &'a LabelMap, f64),
    Shared(Arc<PreparedCase>),
}

impl CaseInHand<'_> {
    /// Picture and labels at the view's scale, and the picture's mean intensity, 0 to 1.
    pub(crate) fn parts(&self) -> (&ImageRgb, &LabelMap, f64) {
        match self {
            Self::Borrowed(image, labels, mean) => (image, labels, *mean),
            Self::Shared(case) => (&case.image, &case.labels, case.mean),
        }
    }
}

impl CaseSource {
    /// Number of cases.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::InMemory(held) => held.cases.len(),
            Self::Stored(stored) => stored.dataset.cases.len(),
        }
    }

    /// Id of a case.
    pub(crate) fn id(&self, case: usize) -> &str {
        match self {
            Self::InMemory(held) => &held.cases[case].id,
            Self::Stored(stored) => &stored.dataset.cases[case].id,
        }
    }

    /// A case at the view's scale.
    pub(crate) fn fetch(&self, case: usize) -> Result<CaseInHand<'_>, DataError> {
        match self {
            Self::InMemory(held) => Ok(held.fetch(case)),
            Self::Stored(stored) => stored.fetch(case).map(CaseInHand::Shared),
        }
    }

    /// What the cache on disk did; nothing where there is none.
    pub(crate) fn report(&self) -> CacheReport {
        match self {
            Self::InMemory(_) => CacheReport::default(),
            Self::Stored(stored) => stored
                .disk
                .as_ref()
                .map_or_else(CacheReport::default, CaseCache::report),
        }
    }
}

/// Cases in memory, scaled once.
#[derive(Debug)]
pub(crate) struct InMemoryCases {
    cases: Arc<Vec<LoadedCase>>,
    sources: Vec<Source>,
}

/// What samples of a case in memory are read from.
#[derive(Debug)]
struct Source {
    /// `None` where the scale is native: the case itself is the source.
    scaled: Option<(ImageRgb, LabelMap)>,
    mean: f64,
}

impl InMemoryCases {
    /// Scales all cases, in parallel.
    pub(crate) fn new(cases: Arc<Vec<LoadedCase>>, view: &View) -> Result<Self, DataError> {
        let prepare = |case: &LoadedCase| {
            Ok(Source {
                mean: mean_of(case)?,
                scaled: scaled(case, view)?,
            })
        };
        let sources: Vec<Result<Source, DataError>> = cases.par_iter().map(prepare).collect();
        Ok(Self {
            sources: sources.into_iter().collect::<Result<_, _>>()?,
            cases,
        })
    }

    fn fetch(&self, case: usize) -> CaseInHand<'_> {
        let (source, original) = (&self.sources[case], &self.cases[case]);
        let (image, labels) = match &source.scaled {
            Some((image, labels)) => (image, labels),
            None => (&original.image, &original.labels),
        };
        CaseInHand::Borrowed(image, labels, source.mean)
    }
}

/// Cases in files, with as many of them kept in memory as the options allow.
///
/// What has been read is kept until the allowance is used up, and then nothing more. The order of an
/// epoch takes every case equally often, so no case is worth more than another, and a fixed share `f`
/// of them answers `f` of the reads. Dropping the least recently used instead would answer
/// `f + (1 - f) ln (1 - f)` of them: between two shuffles most cases are dropped before they come again.
#[derive(Debug)]
pub(crate) struct StoredCases {
    /// With the cases of one split only.
    dataset: Dataset,
    view: View,
    kept: Vec<OnceLock<Arc<PreparedCase>>>,
    room: AtomicU64,
    disk: Option<CaseCache>,
}

impl StoredCases {
    /// The cases of a split; opens the cache on disk where there is one.
    pub(crate) fn open(
        dataset: &Dataset,
        split: Split,
        view: View,
        options: &CacheOptions,
    ) -> Result<Self, DataError> {
        dataset.require(split)?;
        let dataset = dataset.only(split);
        let disk = options.disk.as_ref();
        let disk = disk.map(|disk| CaseCache::open(disk, &dataset, &view));
        let disk = disk.transpose()?;
        Ok(Self {
            kept: dataset.cases.iter().map(|_| OnceLock::new()).collect(),
            dataset,
            view,
            room: AtomicU64::new(options.memory_bytes),
            disk,
        })
    }

    fn fetch(&self, index: usize) -> Result<Arc<PreparedCase>, DataError> {
        if let Some(case) = self.kept[index].get() {
            return Ok(Arc::clone(case));
        }
        let read = || {
            let case = self.dataset.load(&self.dataset.cases[index])?;
            PreparedCase::of(case, &self.view)
        };
        let prepared = Arc::new(match &self.disk {
            None => read()?,
            Some(cache) => cache.fetch(&self.dataset, index, read)?,
        });
        self.keep(index, &prepared);
        Ok(prepared)
    }

    fn keep(&self, index: usize, case: &Arc<PreparedCase>) {
        let bytes = case.bytes();
        let take = |room: u64| room.checked_sub(bytes);
        let taken = self
            .room
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        if taken.is_ok() && self.kept[index].set(Arc::clone(case)).is_err() {
            // Another worker has kept the same case in the meantime.
            self.room.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}
