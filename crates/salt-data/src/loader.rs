//! Training batches, made ahead of time by worker threads and handed over in order.
//!
//! Sample `i` of an epoch is a pure function of `(seed, epoch, i)`: number of workers, machine load and
//! the point of resumption do not enter. Worker `k` of `W` makes the batches `k, k + W, ...` and puts
//! them into a bounded channel of its own; the consumer takes from the channels in turn, so the order
//! needs no sorting and the memory no bound of its own.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use rayon::prelude::*;

use crate::augment::Augment;
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

/// Inputs and labels of one training step.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Number of samples; the last batch of an epoch may be smaller than the others.
    pub size: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// `[size, 3, height, width]`, RGB in 0 to 255.
    pub pixels_bchw: Vec<f32>,
    /// `[size, height, width]`, classes, 255 where there is no truth.
    pub labels_bhw: Vec<u8>,
    /// Ids of the cases.
    pub ids: Vec<String>,
}

/// A case brought to the view's scale, which random sampling then reads from.
#[derive(Debug)]
struct Source {
    /// `None` where the scale is native: the case itself is the source.
    scaled: Option<(ImageRgb, LabelMap)>,
    /// Mean intensity, 0 to 1.
    mean: f64,
}

#[derive(Debug)]
struct Shop {
    cases: Arc<Vec<LoadedCase>>,
    sources: Vec<Source>,
    config: LoaderConfig,
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
        let end = self.batches_per_epoch();
        let shop = Arc::clone(&self.shop);
        let order = Arc::new(shop.order(epoch));
        let left = end.saturating_sub(first_batch);
        let count = shop.config.workers.min(left);
        let ahead = shop.config.prefetch.div_ceil(count.max(1)).max(1);
        let mut workers = Vec::with_capacity(count);
        for k in 0..count {
            // Of the batches made ahead one is in the worker's hands, the others in the channel.
            let (sender, receiver) = sync_channel(ahead - 1);
            let (shop, order) = (Arc::clone(&shop), Arc::clone(&order));
            let mine = (first_batch + k..end).step_by(count);
            let work = move || deliver(&shop, &order, epoch, mine, &sender);
            match std::thread::Builder::new()
                .name(format!("salt-loader-{k}"))
                .spawn(work)
            {
                Ok(handle) => workers.push(Worker {
                    receiver,
                    handle: Some(handle),
                }),
                // No thread to be had: the consumer makes the batches itself, which is only slower.
                Err(_) => {
                    workers.clear();
                    break;
                }
            }
        }
        Batches {
            shop,
            order,
            epoch,
            next: first_batch,
            first: first_batch,
            end,
            workers,
        }
    }
}

fn deliver(
    shop: &Shop,
    order: &[usize],
    epoch: u64,
    mine: impl Iterator<Item = usize>,
    sender: &SyncSender<Batch>,
) {
    for index in mine {
        if sender.send(shop.batch(order, epoch, index)).is_err() {
            // The consumer has gone.
            return;
        }
    }
}

#[derive(Debug)]
struct Worker {
    receiver: Receiver<Batch>,
    handle: Option<JoinHandle<()>>,
}

/// An epoch's batches in order. See [`TrainLoader::batches`].
#[derive(Debug)]
pub struct Batches {
    shop: Arc<Shop>,
    order: Arc<Vec<usize>>,
    epoch: u64,
    next: usize,
    first: usize,
    end: usize,
    workers: Vec<Worker>,
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            return Some(self.shop.batch(&self.order, self.epoch, index));
        }
        let turn = (index - self.first) % self.workers.len();
        let worker = &mut self.workers[turn];
        match worker.receiver.recv() {
            Ok(batch) => Some(batch),
            Err(_) => {
                // A worker ends early only by a panic; an epoch must not end quietly because of it.
                if let Some(Err(panic)) = worker.handle.take().map(JoinHandle::join) {
                    std::panic::resume_unwind(panic);
                }
                None
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end.saturating_sub(self.next);
        (left, Some(left))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        for Worker { receiver, handle } in self.workers.drain(..) {
            // Closing the channel wakes a worker that waits to deliver.
            drop(receiver);
            if let Some(handle) = handle {
                // A panic has been, or is being, reported elsewhere; dropping must not start another.
                let _ = handle.join();
            }
        }
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
    fn order(&self, epoch: u64) -> Vec<usize> {
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

    fn batch(&self, order: &[usize], epoch: u64, index: usize) -> Batch {
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

    use super::{Batch, LoaderConfig, TrainLoader};
    use crate::augment::Augment;
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
