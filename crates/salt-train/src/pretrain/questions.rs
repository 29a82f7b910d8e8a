//! Scenes and what is asked of them.

use std::ops::Range;

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use salt_data::synth::scenes::{self, DENSE_CLASSES, Scene};

use crate::stream::Stream;

/// Points of the refining question.
pub(super) const REFINE_POINTS: usize = 3;

/// Largest shift of a box edge, as a share of the box's side (SAM: 10 %).
const BOX_JITTER: f64 = 0.1;

/// One batch of scenes with prompts and the masks that answer them.
///
/// `b` images, `k` dense classes, `s` pixels a side; masks hold 0 or 1.
pub(super) struct Questions {
    /// `[b, 3, s, s]`, 0..=255.
    pub(super) pixels: Tensor<4>,
    /// One foreground point per image: `[b, 1, 2]`, labels `[b, 1]`.
    pub(super) point: (Tensor<3>, Tensor<2, Int>),
    /// More points on the same instance, the last one on the background.
    pub(super) refine: (Tensor<3>, Tensor<2, Int>),
    /// The instance that `point` and `refine` mean, `[b, 1, s, s]`.
    pub(super) point_mask: Tensor<4>,
    /// A jittered box around another instance, `[b, 4]`.
    pub(super) boxes: Tensor<2>,
    /// That instance, `[b, 1, s, s]`.
    pub(super) box_mask: Tensor<4>,
    /// Every dense class, `[b, k, s, s]`.
    pub(super) dense: Tensor<4>,
}

impl Questions {
    /// The scenes of an index range. Everything is a function of `(size, seed, index)` and of how
    /// much easier the scene of an index is made.
    pub(super) fn draw(
        size: usize,
        seed: u64,
        indexes: Range<u64>,
        ease: impl Fn(u64) -> f32,
        device: &Device,
    ) -> Self {
        let mut host = Host::default();
        for index in indexes {
            let scene = scenes::draw_eased(size, seed, index, ease(index));
            host.push(&scene, size, seed, index);
        }
        host.upload(size, device)
    }
}

#[derive(Default)]
struct Host {
    pixels: Vec<f32>,
    point: Vec<f32>,
    refine: Vec<f32>,
    refine_labels: Vec<i64>,
    point_mask: Vec<f32>,
    boxes: Vec<f32>,
    box_mask: Vec<f32>,
    dense: Vec<f32>,
    count: usize,
}

impl Host {
    fn push(&mut self, scene: &Scene, size: usize, seed: u64, index: u64) {
        let mut rng = choices(seed, index);
        let area = size * size;
        for channel in 0..3 {
            self.pixels
                .extend((0..area).map(|i| f32::from(scene.image.data[3 * i + channel])));
        }
        let clicked = &scene.instances[rng.below(scene.instances.len())].mask;
        let inside = positions(clicked, true);
        let outside = positions(clicked, false);
        self.point.extend(xy(inside[rng.below(inside.len())], size));
        for i in 0..REFINE_POINTS {
            let background = i + 1 == REFINE_POINTS && !outside.is_empty();
            let from = if background { &outside } else { &inside };
            self.refine.extend(xy(from[rng.below(from.len())], size));
            self.refine_labels.push(i64::from(!background));
        }
        self.point_mask.extend(as_floats(clicked));
        let boxed = &scene.instances[rng.below(scene.instances.len())].mask;
        self.boxes.extend(jittered_box(boxed, size, &mut rng));
        self.box_mask.extend(as_floats(boxed));
        for mask in &scene.dense {
            self.dense.extend(as_floats(mask));
        }
        self.count += 1;
    }

    fn upload(self, size: usize, device: &Device) -> Questions {
        let (b, k) = (self.count, DENSE_CLASSES.len());
        let maps = |values: Vec<f32>, channels: usize| {
            Tensor::<4>::from_data(TensorData::new(values, [b, channels, size, size]), device)
        };
        let points = |values: Vec<f32>, n: usize| {
            Tensor::<3>::from_data(TensorData::new(values, [b, n, 2]), device)
        };
        let labels = |values: Vec<i64>, n: usize| {
            Tensor::<2, Int>::from_data(TensorData::new(values, [b, n]), device)
        };
        Questions {
            pixels: maps(self.pixels, 3),
            point: (points(self.point, 1), labels(vec![1; b], 1)),
            refine: (
                points(self.refine, REFINE_POINTS),
                labels(self.refine_labels, REFINE_POINTS),
            ),
            point_mask: maps(self.point_mask, 1),
            boxes: Tensor::from_data(TensorData::new(self.boxes, [b, 4]), device),
            box_mask: maps(self.box_mask, 1),
            dense: maps(self.dense, k),
        }
    }
}

fn positions(mask: &[bool], value: bool) -> Vec<usize> {
    (0..mask.len()).filter(|&i| mask[i] == value).collect()
}

fn xy(position: usize, size: usize) -> [f32; 2] {
    [(position % size) as f32, (position / size) as f32]
}

fn as_floats(mask: &[bool]) -> impl Iterator<Item = f32> {
    mask.iter().map(|&m| f32::from(u8::from(m)))
}

/// The tight box `(x0, y0, x1, y1)` of a mask, every edge shifted by up to [`BOX_JITTER`].
fn jittered_box(mask: &[bool], size: usize, rng: &mut Stream) -> [f32; 4] {
    let (mut x0, mut y0, mut x1, mut y1) = (size, size, 0, 0);
    for position in positions(mask, true) {
        let (x, y) = (position % size, position / size);
        x0 = x0.min(x);
        y0 = y0.min(y);
        x1 = x1.max(x);
        y1 = y1.max(y);
    }
    let (width, height) = ((x1 - x0 + 1) as f64, (y1 - y0 + 1) as f64);
    let mut edge = |at: usize, side: f64| {
        let shifted = at as f64 + (2.0 * rng.unit() - 1.0) * BOX_JITTER * side;
        shifted.clamp(0.0, (size - 1) as f64) as f32
    };
    [
        edge(x0, width),
        edge(y0, height),
        edge(x1, width),
        edge(y1, height),
    ]
}

/// Prompt choices of one scene; another stream than the scene's own.
fn choices(seed: u64, index: u64) -> Stream {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x51A7_9A0C_5EED_0001);
    rng.set_stream(index);
    Stream(rng)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_lie_where_their_labels_say() {
        let device = Device::default();
        let q = Questions::draw(64, 3, 0..6, |_| 0.0, &device);
        let masks: Vec<f32> = q.point_mask.into_data().iter::<f32>().collect();
        let (coords, labels) = q.refine;
        let coords: Vec<f32> = coords.into_data().iter::<f32>().collect();
        let labels: Vec<i64> = labels.into_data().iter::<i64>().collect();
        for image in 0..6 {
            for p in 0..REFINE_POINTS {
                let i = image * REFINE_POINTS + p;
                let (x, y) = (coords[2 * i] as usize, coords[2 * i + 1] as usize);
                let inside = masks[image * 64 * 64 + y * 64 + x] == 1.0;
                assert_eq!(inside, labels[i] == 1, "image {image} point {p}");
            }
        }
    }

    #[test]
    fn a_batch_is_a_pure_function_of_seed_and_indexes() {
        let device = Device::default();
        let data = |seed, range| {
            let q = Questions::draw(64, seed, range, |_| 0.0, &device);
            (q.pixels.into_data(), q.boxes.into_data())
        };
        assert_eq!(data(1, 4..6), data(1, 4..6));
        assert_ne!(data(1, 4..6), data(2, 4..6));
    }
}
