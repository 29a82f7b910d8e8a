//! Training batches, made ahead of time by worker threads and handed over in order.
//!
//! Sample `i` of an epoch is a pure function of `(seed, epoch, i)`: number of workers, machine load, the
//! point of resumption, and whether the cases lie in memory, in files or in a cache do not enter.

use std::ops::Range;
use std::sync::Arc;

use crate::augment::Augment;
use crate::batches::{Batch, Batches};
use crate::cache_options::CacheOptions;
use crate::case_cache::CacheReport;
use crate::case_source::{CaseInHand, CaseSource, InMemoryCases, StoredCases};
use crate::dataset::{Dataset, LoadedCase, Split};
use crate::draw_input::draw_input;
use crate::draw_rng::DrawRng;
use crate::epoch_order::EpochOrder;
use crate::error::DataError;
use crate::view::View;

/// How batches are made.
#[derive(Debug, Clone, PartialEq)]
pub struct LoaderConfig {
    /// Samples per batch.
    pub batch_size: usize,
    /// Samples per epoch; every case comes equally often, give or take one.
    pub samples_per_epoch: usize,
    /// Seed of order, tiles and augmentation.
    pub seed: u64,
    /// Worker threads; 0 makes batches when they are asked for.
    pub workers: usize,
    /// Most batches made ahead by all workers together (at least one per worker).
    pub prefetch: usize,
    /// How a case becomes an input.
    pub view: View,
    /// How inputs are varied.
    pub augment: Augment,
}

impl Default for LoaderConfig {
    fn default() -> Self {
        Self {
            batch_size: 8,
            samples_per_epoch: 160,
            seed: 0,
            workers: 2,
            prefetch: 4,
            view: View::Resize { image_size: 256 },
            augment: Augment::none(),
        }
    }
}

impl LoaderConfig {
    /// Confirms that every setting is in its range.
    fn check(&self) -> Result<(), DataError> {
        self.view.check()?;
        self.augment.check()?;
        for (name, value, most, expected) in [
            ("batch_size", self.batch_size, 1 << 16, "from 1 to 65536"),
            // A sample's number has 32 bits in the address of its random stream.
            (
                "samples_per_epoch",
                self.samples_per_epoch,
                u32::MAX as usize,
                "from 1 to 4294967295",
            ),
        ] {
            if !(1..=most).contains(&value) {
                return Err(DataError::Setting {
                    name,
                    expected,
                    received: value.to_string(),
                });
            }
        }
        Ok(())
    }
}

/// Everything that making a batch needs.
#[derive(Debug)]
pub(crate) struct Shop {
    cases: CaseSource,
    pub(crate) config: LoaderConfig,
}

/// Makes the batches of any epoch, from any sample on.
#[derive(Debug, Clone)]
pub struct TrainLoader {
    shop: Arc<Shop>,
}

impl TrainLoader {
    /// A loader of cases that are in memory: checks the settings and scales the cases once
    /// (antialiased; labels nearest).
    ///
    /// # Errors
    /// [`DataError::NoCases`], [`DataError::Setting`], or [`DataError::Length`] for a case whose labels
    /// are not of its image's size.
    pub fn new(cases: Arc<Vec<LoadedCase>>, config: LoaderConfig) -> Result<Self, DataError> {
        if cases.is_empty() {
            return Err(DataError::NoCases);
        }
        config.check()?;
        let cases = CaseSource::InMemory(InMemoryCases::new(cases, &config.view)?);
        Ok(Self::of(cases, config))
    }

    /// A loader of cases that stay in their files: the workers decode and scale a case when a sample
    /// needs it, and keep of it what `cache` allows. The batches are the bytes that [`TrainLoader::new`]
    /// makes of the same cases, whatever the cache holds; memory does not grow with the data set.
    ///
    /// A file that cannot be read is an error in the place of the batch that needs it.
    ///
    /// # Errors
    /// [`DataError::EmptySplit`], [`DataError::Setting`], or [`DataError::Io`] for a cache folder that
    /// cannot be made or read.
    pub fn open(
        dataset: &Dataset,
        split: Split,
        config: LoaderConfig,
        cache: &CacheOptions,
    ) -> Result<Self, DataError> {
        config.check()?;
        let cases = StoredCases::open(dataset, split, config.view, cache)?;
        Ok(Self::of(CaseSource::Stored(Box::new(cases)), config))
    }

    fn of(cases: CaseSource, config: LoaderConfig) -> Self {
        Self {
            shop: Arc::new(Shop { cases, config }),
        }
    }

    /// Number of batches in an epoch.
    pub fn batches_per_epoch(&self) -> usize {
        self.shop
            .config
            .samples_per_epoch
            .div_ceil(self.shop.config.batch_size)
    }

    /// The batches of `epoch` from `first_batch` on, in order; workers run while this is held and end
    /// when it is dropped.
    pub fn batches(&self, epoch: u64, first_batch: usize) -> Batches {
        let first_sample = first_batch.saturating_mul(self.shop.config.batch_size);
        self.batches_from_sample(epoch, first_sample)
    }

    /// The batches of `epoch` from `first_sample` on.
    ///
    /// The grid of batches is that of the whole epoch: a sample within batch `k` makes a first batch of
    /// the rest of batch `k`, and the batches after it equal those of an epoch read from its start.
    pub fn batches_from_sample(&self, epoch: u64, first_sample: usize) -> Batches {
        Batches::open(Arc::clone(&self.shop), epoch, first_sample)
    }

    /// What the cache on disk has done since the loader was opened, with what was wrong in it.
    pub fn cache_report(&self) -> CacheReport {
        self.shop.cases.report()
    }
}

/// The stream that tile and augmentation of a sample are drawn from, of the generator that the loader's seed makes:
/// 31 bits of epoch and 32 of sample make every sample's stream its own.
pub fn sample_stream(epoch: u64, sample: usize) -> u64 {
    ((epoch & 0x7fff_ffff) << 32) | sample as u64
}

impl Shop {
    /// The order of an epoch.
    pub(crate) fn order(&self, epoch: u64) -> EpochOrder {
        EpochOrder::new(self.config.seed, epoch, self.cases.len())
    }

    /// The batch of the given samples of an epoch.
    pub(crate) fn batch(
        &self,
        order: &mut EpochOrder,
        epoch: u64,
        samples: Range<usize>,
    ) -> Result<Batch, DataError> {
        let side = self.config.view.input_size();
        let pixels = side * side;
        let mut batch = Batch {
            size: samples.len(),
            height: side,
            width: side,
            pixels_bchw: vec![0.0; samples.len() * 3 * pixels],
            labels_bhw: vec![0; samples.len() * pixels],
            ids: Vec::with_capacity(samples.len()),
        };
        let images = batch.pixels_bchw.chunks_exact_mut(3 * pixels);
        let labels = batch.labels_bhw.chunks_exact_mut(pixels);
        for ((image, labels), sample) in images.zip(labels).zip(samples) {
            let case = order.case_of(sample);
            batch.ids.push(self.cases.id(case).to_owned());
            self.sample(
                &self.cases.fetch(case)?,
                &mut DrawRng::new(self.config.seed, sample_stream(epoch, sample)),
                image,
                labels,
            );
        }
        Ok(batch)
    }

    fn sample(
        &self,
        case: &CaseInHand<'_>,
        rng: &mut DrawRng,
        pixels: &mut [f32],
        labels: &mut [u8],
    ) {
        draw_input(
            case.parts(),
            &self.config.augment,
            self.config.view.input_size(),
            rng,
            (pixels, labels),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{LoaderConfig, TrainLoader};
    use crate::augment::Augment;
    use crate::batches::Batch;
    use crate::dataset::LoadedCase;
    use crate::error::DataError;
    use crate::pixels::{ImageRgb, LabelMap};
    use crate::view::View;

    fn cases(n: usize) -> Arc<Vec<LoadedCase>> {
        let case = |k: usize| LoadedCase {
            id: format!("case{k}"),
            image: ImageRgb::new(
                40,
                30,
                (0..3600).map(|i| (i * (k + 3) % 255) as u8).collect(),
            )
            .expect("valid"),
            labels: LabelMap::new(
                40,
                30,
                (0..1200).map(|i| u8::from(i % (k + 2) == 0)).collect(),
            )
            .expect("valid"),
        };
        Arc::new((0..n).map(case).collect())
    }

    fn config(workers: usize) -> LoaderConfig {
        LoaderConfig {
            batch_size: 4,
            samples_per_epoch: 22,
            seed: 11,
            workers,
            prefetch: 3,
            view: View::Tiles {
                tile: 16,
                scale: 1.0,
                overlap: 0.5,
            },
            augment: Augment::standard(),
        }
    }

    fn epoch(workers: usize, epoch: u64, first: usize) -> Vec<Batch> {
        TrainLoader::new(cases(5), config(workers))
            .expect("valid")
            .batches(epoch, first)
            .collect::<Result<_, _>>()
            .expect("in memory")
    }

    #[test]
    fn any_number_of_workers_gives_the_same_bytes() {
        let alone = epoch(0, 2, 0);
        assert_eq!(alone.len(), 6);
        assert_eq!(alone[5].size, 2);
        for workers in [1, 2, 3, 9] {
            assert_eq!(epoch(workers, 2, 0), alone, "{workers} workers");
        }
        assert_ne!(epoch(0, 3, 0), alone, "epochs differ");
    }

    #[test]
    fn resuming_continues_where_the_epoch_stopped() {
        assert_eq!(epoch(2, 1, 4), epoch(0, 1, 0)[4..]);
        assert!(epoch(2, 1, 6).is_empty());
        assert!(epoch(2, 1, 600).is_empty());
    }

    #[test]
    fn resuming_at_a_sample_keeps_the_grid_of_batches() {
        let whole = epoch(0, 1, 0);
        let loader = TrainLoader::new(cases(5), config(2)).expect("valid");
        for first in 0..22 {
            let rest: Vec<Batch> = loader
                .batches_from_sample(1, first)
                .collect::<Result<_, _>>()
                .expect("in memory");
            let (begun, inside) = (first / 4, first % 4);
            assert_eq!(rest.len(), 6 - begun);
            assert_eq!(rest[1..], whole[begun + 1..]);
            let sample = 3 * 16 * 16;
            let expected = &whole[begun].pixels_bchw[inside * sample..];
            assert_eq!(rest[0].pixels_bchw, expected, "from sample {first}");
            assert_eq!(rest[0].ids, whole[begun].ids[inside..]);
            assert_eq!(rest[0].size, whole[begun].size - inside);
        }
        assert_eq!(loader.batches_from_sample(1, 22).count(), 0);
        assert_eq!(loader.batches_from_sample(1, usize::MAX).count(), 0);
    }

    #[test]
    fn cases_come_equally_often() {
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for id in epoch(0, 0, 0).into_iter().flat_map(|batch| batch.ids) {
            *counts.entry(id).or_default() += 1;
        }
        assert_eq!(counts.len(), 5);
        assert!(counts.values().all(|n| (4..=5).contains(n)), "{counts:?}");
    }

    #[test]
    fn an_epoch_may_move_to_another_thread() {
        let loader = TrainLoader::new(cases(2), config(1)).expect("valid");
        let batches = loader.batches(0, 0);
        let count = std::thread::spawn(move || batches.count()).join();
        assert_eq!(count.ok(), Some(6));
    }

    #[test]
    fn dropping_an_epoch_half_way_ends_its_workers() {
        let loader = TrainLoader::new(cases(3), config(2)).expect("valid");
        let mut batches = loader.batches(0, 0);
        assert!(batches.next().is_some());
        assert_eq!(batches.size_hint(), (5, Some(5)));
        drop(batches);
        // Only the loader's own reference and this test's remain when the threads are gone.
        assert_eq!(Arc::strong_count(&loader.shop), 1);
    }

    #[test]
    fn wrong_settings_are_errors() {
        assert!(matches!(
            TrainLoader::new(Arc::new(Vec::new()), config(1)),
            Err(DataError::NoCases)
        ));
        let zero = LoaderConfig {
            batch_size: 0,
            ..config(1)
        };
        assert!(matches!(
            TrainLoader::new(cases(1), zero),
            Err(DataError::Setting {
                name: "batch_size",
                ..
            })
        ));
        let endless = LoaderConfig {
            samples_per_epoch: usize::MAX,
            ..config(1)
        };
        assert!(matches!(
            TrainLoader::new(cases(1), endless),
            Err(DataError::Setting {
                name: "samples_per_epoch",
                ..
            })
        ));
        let mut odd = cases(1).to_vec();
        odd[0].labels = LabelMap::new(30, 40, vec![0; 1200]).expect("valid");
        assert!(matches!(
            TrainLoader::new(Arc::new(odd), config(1)),
            Err(DataError::Length { .. })
        ));
    }

    #[test]
    fn a_resized_view_pads_at_the_bottom() {
        let view = View::Resize { image_size: 20 };
        let config = LoaderConfig {
            view,
            augment: Augment::none(),
            ..config(1)
        };
        let loader = TrainLoader::new(cases(1), config).expect("valid");
        let batch = loader
            .batches(0, 0)
            .next()
            .expect("one")
            .expect("in memory");
        let labels = &batch.labels_bhw[..400];
        assert!(labels[..15 * 20].iter().all(|&c| c < 2));
        assert!(labels[15 * 20..].iter().all(|&c| c == 255));
    }
}
