//! Cases that stay in their files: the same batches as from memory, errors in their place, a cache that
//! is never believed where it should not be, and memory that does not grow.

mod damaged_entries;
mod flat_memory;
mod full_folder;
mod same_bytes;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use salt_data::synth::vessels;
use salt_data::{
    Augment, Batch, CacheOptions, DataError, Dataset, DiskCache, LoaderConfig, Split, TrainLoader,
    View,
};
use tempfile::TempDir;

const NO_LIMIT: u64 = u64::MAX;

/// Five training cases of 48 x 48 pixels.
struct Vessels {
    dir: TempDir,
    dataset: Dataset,
}

impl Vessels {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        vessels::write_dataset(&dir.path().join("set"), 10, 48, 5).expect("written");
        let dataset = Dataset::open(&dir.path().join("set")).expect("opens");
        Self { dir, dataset }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn on_disk(&self, max_bytes: u64) -> CacheOptions {
        CacheOptions {
            memory_bytes: 0,
            disk: Some(DiskCache {
                dir: self.cache(),
                max_bytes,
            }),
        }
    }

    fn open(&self, config: &LoaderConfig, cache: &CacheOptions) -> TrainLoader {
        TrainLoader::open(&self.dataset, Split::Train, config.clone(), cache).expect("opens")
    }

    fn in_memory(&self, config: &LoaderConfig) -> TrainLoader {
        let cases = self.dataset.load_split(Split::Train).expect("loads");
        TrainLoader::new(Arc::new(cases), config.clone()).expect("valid")
    }

    /// The entries of the cache, sorted.
    fn entries(&self) -> Vec<PathBuf> {
        files_under(&self.cache(), "case")
    }
}

fn files_under(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("listed").path();
        if path.is_dir() {
            found.extend(files_under(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Two rounds of five cases and three samples of a third, in batches of two.
fn config(view: View, workers: usize) -> LoaderConfig {
    LoaderConfig {
        batch_size: 2,
        samples_per_epoch: 13,
        seed: 3,
        workers,
        prefetch: 3,
        view,
        augment: Augment::standard(),
    }
}

const RESIZED: View = View::Resize { image_size: 32 };

fn batches(loader: &TrainLoader, epoch: u64) -> Vec<Batch> {
    loader
        .batches(epoch, 0)
        .collect::<Result<_, DataError>>()
        .expect("readable")
}
