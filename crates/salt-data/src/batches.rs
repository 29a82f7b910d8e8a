//! An epoch of batches, made by worker threads and handed over in order.
//!
//! Worker `k` of `W` makes the batches `k, k + W, ...` and puts them into a bounded channel of its
//! own; the consumer takes from the channels in turn, so the order needs no sorting and the memory no
//! other bound.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

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

/// An epoch's batches in order. See [`crate::TrainLoader::batches`].
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

impl Batches {
    /// Starts the workers for the batches `first_batch..end` of `epoch`.
    pub(crate) fn open(shop: Arc<Shop>, epoch: u64, first_batch: usize, end: usize) -> Self {
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
