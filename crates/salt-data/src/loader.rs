//! Training batches, made ahead of time by worker threads and handed over in order.
//!
//! Sample `i` of an epoch is a pure function of `(seed, epoch, i)`: number of workers, machine load and
//! the point of resumption do not enter.

use std::sync::Arc;

use rayon::prelude::*;

use crate::augment::Augment;
use crate::batches::{Batch, Batches};
use crate::dataset::LoadedCase;
use crate::draw_rng::DrawRng;
use crate::error::DataError;
use crate::pixels::{ImageRgb, LabelMap};
use crate::resize::{resize_image, resize_labels};
use crate::sample::sample;
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

/// A case brought to the view's scale, which random sampling then reads from.
#[derive(Debug)]
struct Source {
    /// `None` where the scale is native: the case itself is the source.
    scaled: Option<(ImageRgb, LabelMap)>,
    /// Mean intensity, 0 to 1.
    mean: f64,
}

/// Everything that making a batch needs.
#[derive(Debug)]
pub(crate) struct Shop {
    cases: Arc<Vec<LoadedCase>>,
    sources: Vec<Source>,
    pub(crate) config: LoaderConfig,
}

/// Makes the batches of any epoch, from any batch on.
#[derive(Debug, Clone)]
pub struct TrainLoader {
    shop: Arc<Shop>,
}

impl TrainLoader {
    /// Checks the settings and scales the cases once (antialiased; labels nearest).
    ///
    /// # Errors
    /// [`DataError::NoCases`], [`DataError::Setting`], or [`DataError::Length`] for a case whose labels
    /// are not of its image's size.
    pub fn new(cases: Arc<Vec<LoadedCase>>, config: LoaderConfig) -> Result<Self, DataError> {
        if cases.is_empty() {
            return Err(DataError::NoCases);
        }
        config.view.check()?;
        config.augment.check()?;
        for (name, value) in [
            ("batch_size", config.batch_size),
            ("samples_per_epoch", config.samples_per_epoch),
        ] {
            if value == 0 {
                let received = value.to_string();
                return Err(DataError::Setting {
                    name,
                    expected: "at least 1",
                    received,
                });
            }
        }
        let sources: Vec<Result<Source, DataError>> = cases
            .par_iter()
            .map(|case| Source::prepare(case, &config.view))
            .collect();
        let sources = sources.into_iter().collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            shop: Arc::new(Shop {
                cases,
                sources,
                config,
            }),
        })
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
        Batches::open(
            Arc::clone(&self.shop),
            epoch,
            first_batch,
            self.batches_per_epoch(),
        )
    }
}

impl Source {
    fn prepare(case: &LoadedCase, view: &View) -> Result<Self, DataError> {
        let (image, labels) = (&case.image, &case.labels);
        image.check()?;
        labels.check()?;
        if [image.width, image.height] != [labels.width, labels.height] {
            return Err(DataError::Length {
                what: "the labels of a case",
                expected: image.width * image.height,
                received: labels.classes.len(),
            });
        }
        let sum: u64 = image.data.iter().map(|&v| u64::from(v)).sum();
        let mean = sum as f64 / (255.0 * image.data.len() as f64);
        let [width, height] = view.scaled_size(image.width, image.height);
        if [width, height] == [image.width, image.height] {
            return Ok(Self { scaled: None, mean });
        }
        let scaled = resize_image(image, width, height)?;
        Ok(Self {
            scaled: Some((scaled, resize_labels(labels, width, height))),
            mean,
        })
    }
}

/// Separates the streams of the epoch's order from those of its samples.
const ORDER_STREAM: u64 = 1 << 63;

impl Shop {
    /// The case of every sample of an epoch: each round is a fresh shuffle of all cases.
    pub(crate) fn order(&self, epoch: u64) -> Vec<usize> {
        let mut rng = DrawRng::new(self.config.seed, ORDER_STREAM | epoch);
        let mut order = Vec::with_capacity(self.config.samples_per_epoch + self.cases.len());
        while order.len() < self.config.samples_per_epoch {
            let start = order.len();
            order.extend(0..self.cases.len());
            rng.shuffle(&mut order[start..]);
        }
        order.truncate(self.config.samples_per_epoch);
        order
    }

    /// Batch `index` of an epoch.
    pub(crate) fn batch(&self, order: &[usize], epoch: u64, index: usize) -> Batch {
        let side = self.config.view.input_size();
        let first = index * self.config.batch_size;
        let chosen = &order[first..(first + self.config.batch_size).min(order.len())];
        let pixels = side * side;
        let mut batch = Batch {
            size: chosen.len(),
            height: side,
            width: side,
            pixels_bchw: vec![0.0; chosen.len() * 3 * pixels],
            labels_bhw: vec![0; chosen.len() * pixels],
            ids: chosen
                .iter()
                .map(|&case| self.cases[case].id.clone())
                .collect(),
        };
        let images = batch.pixels_bchw.chunks_exact_mut(3 * pixels);
        let labels = batch.labels_bhw.chunks_exact_mut(pixels);
        for (k, ((image, labels), &case)) in images.zip(labels).zip(chosen).enumerate() {
            // 31 bits of epoch and 32 of sample make every sample's stream its own.
            let stream = ((epoch & 0x7fff_ffff) << 32) | (first + k) as u64;
            self.sample(
                case,
                &mut DrawRng::new(self.config.seed, stream),
                image,
                labels,
            );
        }
        batch
    }

    fn sample(&self, case: usize, rng: &mut DrawRng, pixels: &mut [f32], labels: &mut [u8]) {
        let source = &self.sources[case];
        let (image, classes) = match &source.scaled {
            Some((image, classes)) => (image, classes),
            None => (&self.cases[case].image, &self.cases[case].labels),
        };
        let side = self.config.view.input_size();
        // In a resized view there is no room, and the origin is the corner.
        let origin = [image.width, image.height].map(|length| {
            let room = length.saturating_sub(side);
            rng.int(0, room)
        });
        let content = [side.min(image.width), side.min(image.height)];
        let drawn = self.config.augment.draw(rng);
        let warp = drawn.warp(origin, content, side);
        let intensities = drawn.intensities(source.mean);
        sample(image, classes, &warp, &intensities, side, pixels, labels);
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
            .collect()
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
        let batch = loader.batches(0, 0).next().expect("one batch");
        let labels = &batch.labels_bhw[..400];
        assert!(labels[..15 * 20].iter().all(|&c| c < 2));
        assert!(labels[15 * 20..].iter().all(|&c| c == 255));
    }
}
