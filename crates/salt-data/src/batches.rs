//! An epoch of batches, made by worker threads and handed over in order.
//!
//! Worker `k` of `W` makes the batches `k, k + W, ...` and puts them into a bounded channel of its
//! own; the consumer takes from the channels in turn, so the order needs no sorting and the memory no
//! other bound.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::epoch_order::EpochOrder;
use crate::error::DataError;
use crate::loader::Shop;

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

/// Which samples are made into batches.
#[derive(Debug, Clone, Copy)]
struct Grid {
    epoch: u64,
    /// The first sample that is wanted.
    first_sample: usize,
    batch_size: usize,
    /// Number of samples in the epoch.
    samples: usize,
}

impl Grid {
    /// The batches that hold any wanted sample.
    fn batches(&self) -> Range<usize> {
        let end = self.samples.div_ceil(self.batch_size);
        if self.first_sample >= self.samples {
            return end..end;
        }
        self.first_sample / self.batch_size..end
    }

    /// The wanted samples of a batch.
    fn samples_of(&self, batch: usize) -> Range<usize> {
        let start = batch * self.batch_size;
        let end = (start + self.batch_size).min(self.samples);
        start.max(self.first_sample)..end
    }
}

type Made = Result<Batch, DataError>;

fn deliver(shop: &Shop, grid: Grid, mine: impl Iterator<Item = usize>, sender: &SyncSender<Made>) {
    let mut order = shop.order(grid.epoch);
    for index in mine {
        let made = shop.batch(&mut order, grid.epoch, grid.samples_of(index));
        if sender.send(made).is_err() {
            // The consumer has gone.
            return;
        }
    }
}

#[derive(Debug)]
struct Worker {
    receiver: Receiver<Made>,
    handle: Option<JoinHandle<()>>,
}

/// An epoch's batches in order. See [`crate::TrainLoader::batches`].
///
/// A batch of which a case cannot be read is an error in its place; the batches after it follow.
#[derive(Debug)]
pub struct Batches {
    shop: Arc<Shop>,
    grid: Grid,
    /// For the batches that are made without a worker.
    order: EpochOrder,
    next: usize,
    first: usize,
    end: usize,
    workers: Vec<Worker>,
}

impl Batches {
    /// Starts the workers for what is left of `epoch` from `first_sample` on.
    pub(crate) fn open(shop: Arc<Shop>, epoch: u64, first_sample: usize) -> Self {
        let grid = Grid {
            epoch,
            first_sample,
            batch_size: shop.config.batch_size,
            samples: shop.config.samples_per_epoch,
        };
        let Range { start: first, end } = grid.batches();
        let count = shop.config.workers.min(end - first);
        let ahead = shop.config.prefetch.div_ceil(count.max(1)).max(1);
        let mut workers = Vec::with_capacity(count);
        for k in 0..count {
            // Of the batches made ahead one is in the worker's hands, the others in the channel.
            let (sender, receiver) = sync_channel(ahead - 1);
            let shop = Arc::clone(&shop);
            let mine = (first + k..end).step_by(count);
            let work = move || deliver(&shop, grid, mine, &sender);
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
            order: shop.order(epoch),
            shop,
            grid,
            next: first,
            first,
            end,
            workers,
        }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.end {
            return None;
        }
        let index = self.next;
        self.next += 1;
        if self.workers.is_empty() {
            let samples = self.grid.samples_of(index);
            return Some(self.shop.batch(&mut self.order, self.grid.epoch, samples));
        }
        let turn = (index - self.first) % self.workers.len();
        let worker = &mut self.workers[turn];
        match worker.receiver.recv() {
            Ok(made) => Some(made),
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
