//! Image embeddings that have been computed before, where nothing of the image encoder is trained.
//!
//! An entry is found by a hash of its network input, so it is right whatever case, view or mirror image the pixels
//! come from. It is what the encoder says to these inputs together: the last bits of an embedding depend on the batch
//! it is computed in. What fits stays until the end and the rest is computed every time: in passes over the same
//! cases, in another order each, that is found as often as with any rule of eviction.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::tensor::{Device, Tensor, TensorData};
use salt_sam::Sam;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How often the image encoder was used, and how often it was not needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmbeddingCounts {
    /// Inputs that went through it.
    pub computed: u64,
    /// Inputs whose embedding was there already.
    pub reused: u64,
}

/// Embeddings by their input, in the host's memory; shared by threads.
#[derive(Debug)]
pub(crate) struct EmbeddingCache {
    most_bytes: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Key, TensorData>,
    bytes: u64,
    counts: EmbeddingCounts,
}

type Key = [u8; 32];

/// Inputs of the network, not normalised.
pub(crate) struct Pixels {
    /// Row-major `[batch, 3, side, side]`.
    pub values: Vec<f32>,
    /// The same.
    pub dims: [usize; 4],
}

impl EmbeddingCache {
    /// Keeps at most `most_bytes` of embeddings.
    pub(crate) fn new(most_bytes: u64) -> Self {
        Self {
            most_bytes,
            state: Mutex::default(),
        }
    }

    /// What `sam.encode_image` says to these inputs, off the autodiff device.
    ///
    /// # Shapes
    /// - output: `[batch, out_chans, grid, grid]`
    pub(crate) fn embed(&self, sam: &Sam, pixels: Pixels, device: &Device) -> Tensor<4> {
        let plain = device.clone().without_autodiff();
        let inputs = pixels.dims[0] as u64;
        let key = (self.most_bytes > 0).then(|| key(&pixels.values));
        let found = key.and_then(|key| self.find(key, inputs));
        if let Some(data) = found {
            return Tensor::from_data(data, &plain);
        }
        let data = TensorData::new(pixels.values, pixels.dims);
        let embedding = sam.encode_image(Tensor::from_data(data, &plain)).inner();
        self.lock().counts.computed += inputs;
        if let Some(key) = key {
            self.keep(key, &embedding);
        }
        embedding
    }

    /// As [`EmbeddingCache::embed`] for each input by itself, whatever batch it stands in.
    pub(crate) fn embed_each(&self, sam: &Sam, pixels: &Pixels, device: &Device) -> Tensor<4> {
        let [batch, channels, height, width] = pixels.dims;
        let images = pixels.values.chunks_exact(channels * height * width);
        debug_assert_eq!(images.len(), batch);
        let embeddings = images.map(|image| {
            let image = Pixels {
                values: image.to_vec(),
                dims: [1, channels, height, width],
            };
            self.embed(sam, image, device)
        });
        Tensor::cat(embeddings.collect(), 0)
    }

    /// What has happened so far.
    pub(crate) fn counts(&self) -> EmbeddingCounts {
        self.lock().counts
    }

    fn find(&self, key: Key, inputs: u64) -> Option<TensorData> {
        let mut state = self.lock();
        let data = state.kept.get(&key)?.clone();
        state.counts.reused += inputs;
        Some(data)
    }

    fn keep(&self, key: Key, embedding: &Tensor<4>) {
        let values = embedding.dims().into_iter().product::<usize>();
        let bytes = (values * embedding.dtype().size() + size_of::<Key>()) as u64;
        let has_room = |state: &State| state.bytes.saturating_add(bytes) <= self.most_bytes;
        // Nothing is brought from the device for nothing.
        if !has_room(&self.lock()) {
            return;
        }
        let data = embedding.clone().into_data();
        let mut state = self.lock();
        // Another thread may have filled the room, or computed the same.
        if has_room(&state) && !state.kept.contains_key(&key) {
            state.bytes += bytes;
            state.kept.insert(key, data);
        }
    }

    /// A panic of another thread leaves whole entries.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(values: &[f32]) -> Key {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use salt_sam::SamConfig;
    use salt_sam::weights::embedded_nano;

    use super::*;

    const SIDE: usize = 64;
    const IMAGE: usize = 3 * SIDE * SIDE;

    fn sam() -> Sam {
        let config = SamConfig::nano().with_image_size(SIDE);
        embedded_nano(&config, Some("thin"), &Device::default()).unwrap()
    }

    /// The images with these numbers.
    fn pixels(images: &[usize]) -> Pixels {
        let value = |image: usize, i: usize| ((i * (image + 3) + i / SIDE * 11) % 256) as f32;
        Pixels {
            values: images
                .iter()
                .flat_map(|&image| (0..IMAGE).map(move |i| value(image, i)))
                .collect(),
            dims: [images.len(), 3, SIDE, SIDE],
        }
    }

    /// What the encoder says without a cache.
    fn encoded(sam: &Sam, images: &[usize]) -> TensorData {
        let Pixels { values, dims } = pixels(images);
        let pixels = Tensor::from_data(TensorData::new(values, dims), &Device::default());
        sam.encode_image(pixels).into_data()
    }

    #[test]
    fn what_is_kept_is_what_is_computed_and_no_more_than_there_is_room_for() {
        let (sam, device) = (sam(), Device::default());
        let alone: Vec<_> = (0..3).map(|image| encoded(&sam, &[image])).collect();
        let together = encoded(&sam, &[0, 2]);
        let each = (alone[0].as_bytes().len() + 32) as u64;
        // Inputs computed of: 0, 1, 2, 0, 1, 2, then 0 and 2 together, twice.
        for (room, computed) in [(u64::MAX, 5), (2 * each, 8), (2 * each - 1, 9), (0, 10)] {
            let cache = EmbeddingCache::new(room);
            for image in [0, 1, 2, 0, 1, 2] {
                let found = cache.embed(&sam, pixels(&[image]), &device);
                assert_eq!(found.into_data(), alone[image], "{image}");
            }
            for _ in 0..2 {
                let found = cache.embed(&sam, pixels(&[0, 2]), &device);
                assert_eq!(found.into_data(), together);
            }
            let counts = cache.counts();
            assert_eq!(counts.computed, computed, "room for {room} bytes");
            assert_eq!(counts.computed + counts.reused, 10);
        }
    }

    #[test]
    fn by_itself_an_input_is_the_same_in_every_batch() {
        let (sam, device) = (sam(), Device::default().autodiff());
        let cache = EmbeddingCache::new(u64::MAX);
        for images in [&[0, 1, 2][..], &[2, 0], &[1, 1]] {
            let found = cache.embed_each(&sam, &pixels(images), &device);
            assert!(!found.is_autodiff());
            for (at, &image) in images.iter().enumerate() {
                let found = found.clone().narrow(0, at, 1).into_data();
                assert_eq!(found, encoded(&sam, &[image]), "{image} of {images:?}");
            }
        }
        let counts = cache.counts();
        assert_eq!((counts.computed, counts.reused), (3, 4));
    }
}
