//! Points and boxes beside the class tokens, drawn from the masks.
//!
//! In training every (sample, class) is asked by its class token, with probability `points` also by points
//! on the class, and with probability `boxes`, drawn apart, also by the box around it. So a share
//! `(1 - points) (1 - boxes)` is asked by the token alone, as validation, test and prediction ask: what is learned
//! stays usable without prompts. A class without a pixel in the input has nothing to point at and is
//! always asked by its token alone.
//!
//! The prompt of a (sample, class) is a function of (seed, epoch, sample, class) and of the labels, from a
//! stream of its own: neither workers, nor shards, nor the point of resumption enter.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use salt_data::{Batch, IGNORE_LABEL, LabelMap, View, resize_labels};
use salt_sam::ClassPrompt;
use sha2::{Digest, Sha256};

use crate::recipe::{EvaluationPrompts, PromptSection};
use crate::stream::Stream;

impl EvaluationPrompts {
    /// A prompt per class for a case whose whole image is one network input; empty without prompts.
    pub(crate) fn of_case(
        self,
        reference: &LabelMap,
        view: &View,
        n_classes: usize,
    ) -> Vec<ClassPrompt> {
        if self.is_none() {
            return Vec::new();
        }
        let [width, height] = view.scaled_size(reference.width, reference.height);
        let labels = resize_labels(reference, width, height);
        (1..=n_classes)
            .map(|class| {
                let inside = positions(&labels.classes, |label| usize::from(label) == class);
                ClassPrompt {
                    points: Vec::new(),
                    bounding_box: bounding_box(&inside, width, [view.input_size(); 2]),
                }
            })
            .collect()
    }
}

/// Where in a run a batch, or a part of one, stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
    /// Of its first sample, counted through the epoch.
    pub(crate) sample: usize,
}

impl PromptSection {
    /// A prompt for every class of every sample of `batch`, sample by sample.
    pub(crate) fn draw(&self, place: Place, batch: &Batch, n_classes: usize) -> Vec<ClassPrompt> {
        let area = batch.height * batch.width;
        let samples = batch.labels_bhw.chunks_exact(area).enumerate();
        samples
            .flat_map(|(i, labels)| {
                (1..=n_classes).map(move |class| {
                    let sample = place.sample + i;
                    let mut stream = stream(Place { sample, ..place }, class);
                    self.draw_one(labels, [batch.width, batch.height], class, &mut stream)
                })
            })
            .collect()
    }

    fn draw_one(
        &self,
        labels: &[u8],
        [width, height]: [usize; 2],
        class: usize,
        stream: &mut Stream,
    ) -> ClassPrompt {
        let with_points = stream.unit() < self.points;
        let with_box = stream.unit() < self.boxes;
        let mut prompt = ClassPrompt::default();
        if !with_points && !with_box {
            return prompt;
        }
        let is_class = |label: u8| usize::from(label) == class;
        let mut inside = positions(labels, is_class);
        if inside.is_empty() {
            return prompt;
        }
        if with_box && let Some(tight) = bounding_box(&inside, width, [width, height]) {
            prompt.bounding_box = Some(jittered(tight, self.jitter, [width, height], stream));
        }
        if with_points {
            let count = (1 + stream.below(self.max_points)).min(inside.len());
            for i in 0..count {
                let from = i + stream.below(inside.len() - i);
                inside.swap(i, from);
                prompt.points.push((xy(inside[i], width), true));
            }
            if stream.unit() < self.background {
                // What is not known to lie beside the class is no background.
                let outside = positions(labels, |l| !is_class(l) && l != IGNORE_LABEL);
                if !outside.is_empty() {
                    let chosen = outside[stream.below(outside.len())];
                    prompt.points.push((xy(chosen, width), false));
                }
            }
        }
        prompt
    }
}

/// The stream of one (sample, class).
fn stream(place: Place, class: usize) -> Stream {
    let mut hash = Sha256::new_with_prefix("prompts");
    for part in [place.seed, place.epoch, place.sample as u64, class as u64] {
        hash.update(part.to_le_bytes());
    }
    Stream(ChaCha8Rng::from_seed(hash.finalize().into()))
}

fn positions(labels: &[u8], wanted: impl Fn(u8) -> bool) -> Vec<usize> {
    (0..labels.len()).filter(|&i| wanted(labels[i])).collect()
}

fn xy(position: usize, width: usize) -> [f32; 2] {
    [(position % width) as f32, (position / width) as f32]
}

/// `(x0, y0, x1, y1)`, the first and last column and row of the positions; `None` without any. Where these are
/// one, the box grows by a pixel inside of the input, because a box needs an inside.
fn bounding_box(inside: &[usize], width: usize, input: [usize; 2]) -> Option<[f32; 4]> {
    let range = |side: usize, along: fn([f32; 2]) -> f32| {
        let values = inside.iter().map(|&position| along(xy(position, width)));
        let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low < high {
            [low, high]
        } else if (high as usize) + 1 < side {
            [low, high + 1.0]
        } else {
            [low - 1.0, high]
        }
    };
    let [x0, x1] = range(input[0], |[x, _]| x);
    let [y0, y1] = range(input[1], |[_, y]| y);
    (!inside.is_empty()).then_some([x0, y0, x1, y1])
}

/// Every edge shifted by up to `jitter` of the box's side, and kept inside of the input.
fn jittered(tight: [f32; 4], jitter: f64, input: [usize; 2], stream: &mut Stream) -> [f32; 4] {
    let [x0, y0, x1, y1] = tight;
    let sides = [x1 - x0, y1 - y0];
    std::array::from_fn(|i| {
        let shift = (2.0 * stream.unit() - 1.0) * jitter * f64::from(sides[i % 2]);
        let last = (input[i % 2] - 1) as f32;
        ((f64::from(tight[i]) + shift) as f32).clamp(0.0, last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: [usize; 2] = [13, 9];

    type Point = ([f32; 2], bool);

    fn batch(labels_bhw: Vec<u8>) -> Batch {
        let [width, height] = SIZE;
        let size = labels_bhw.len() / (width * height);
        Batch {
            size,
            height,
            width,
            pixels_bchw: Vec::new(),
            labels_bhw,
            ids: vec![String::new(); size],
        }
    }

    fn place(sample: usize) -> Place {
        Place {
            seed: 3,
            epoch: 2,
            sample,
        }
    }

    fn often() -> PromptSection {
        PromptSection {
            points: 0.7,
            boxes: 0.6,
            background: 0.5,
            ..PromptSection::default()
        }
    }

    /// Two samples of background, two classes, and pixels without truth; sparse ones have empty classes.
    fn labels() -> impl Strategy<Value = Vec<u8>> {
        let pixel = |weight| prop_oneof![30 => Just(0u8), weight => Just(1), 1 => Just(2), 3 => Just(IGNORE_LABEL)];
        let count = 2 * SIZE[0] * SIZE[1];
        prop_oneof![
            prop::collection::vec(pixel(1), count),
            prop::collection::vec(pixel(60), count),
        ]
    }

    proptest! {
        #[test]
        fn prompts_say_where_the_class_is(
            labels in labels(), sample in 0_usize..1000, jitter in 0.0_f64..0.49,
        ) {
            let [width, height] = SIZE;
            let batch = batch(labels.clone());
            for jitter in [0.0, jitter] {
                let section = PromptSection { jitter, ..often() };
                let drawn = section.draw(place(sample), &batch, 2);
                prop_assert_eq!(drawn.len(), 4);
                for (i, prompt) in drawn.iter().enumerate() {
                    prompt.validate().unwrap();
                    let class = (i % 2 + 1) as u8;
                    let map = &labels[i / 2 * width * height..][..width * height];
                    let at = |p: [f32; 2]| map[p[1] as usize * width + p[0] as usize];
                    let present = map.contains(&class);
                    prop_assert!(present || *prompt == ClassPrompt::default());
                    let (on, off): (Vec<Point>, Vec<Point>) = prompt.points.iter().partition(|p| p.1);
                    prop_assert!(on.iter().all(|(p, _)| at(*p) == class));
                    prop_assert!(off.iter().all(|(p, _)| ![class, IGNORE_LABEL].contains(&at(*p))));
                    prop_assert!(on.len() <= section.max_points && off.len() <= on.len().min(1));
                    let all_different = on.iter().enumerate().all(|(k, p)| !on[..k].contains(p));
                    prop_assert!(all_different);
                    let Some([x0, y0, x1, y1]) = prompt.bounding_box else { continue };
                    prop_assert!(x0 >= 0.0 && y0 >= 0.0);
                    prop_assert!(x1 <= (width - 1) as f32 && y1 <= (height - 1) as f32);
                    if jitter > 0.0 { continue }
                    let inside = positions(map, |label| label == class);
                    let within = |p: [f32; 2]| {
                        (x0..=x1).contains(&p[0]) && (y0..=y1).contains(&p[1])
                    };
                    prop_assert!(inside.iter().all(|&p| within(xy(p, width))));
                }
            }
        }

        /// Parts of a batch are asked what the whole is, and a class what it is without the others.
        #[test]
        fn a_prompt_depends_on_its_own_place_alone(labels in labels(), sample in 0_usize..1000) {
            let (section, area) = (often(), SIZE[0] * SIZE[1]);
            let whole = section.draw(place(sample), &batch(labels.clone()), 2);
            let first = section.draw(place(sample), &batch(labels[..area].to_vec()), 2);
            let second = section.draw(place(sample + 1), &batch(labels[area..].to_vec()), 2);
            prop_assert_eq!(&whole, &[first, second].concat());
            let one_class = section.draw(place(sample), &batch(labels), 1);
            prop_assert_eq!(&[whole[0].clone(), whole[2].clone()][..], &one_class[..]);
        }
    }

    #[test]
    fn seed_epoch_sample_and_class_are_all_drawn_apart() {
        let here = place(5);
        let first = |place, class| stream(place, class).unit();
        let epoch = Place { epoch: 3, ..here };
        let seed = Place { seed: 4, ..here };
        let all = [
            first(here, 1),
            first(here, 2),
            first(place(6), 1),
            first(epoch, 1),
            first(seed, 1),
        ];
        for (i, value) in all.iter().enumerate() {
            assert!(!all[..i].contains(value), "{all:?}");
        }
        assert_eq!(first(here, 1), all[0]);
    }

    #[test]
    fn prompts_come_as_often_as_asked() {
        let area = SIZE[0] * SIZE[1];
        let labels: Vec<u8> = (0..2000 * area).map(|i| u8::from(i % 3 == 0)).collect();
        let drawn = often().draw(place(0), &batch(labels), 1);
        let share = |wanted: fn(&ClassPrompt) -> bool| {
            drawn.iter().filter(|prompt| wanted(prompt)).count() as f64 / drawn.len() as f64
        };
        // Four standard deviations of 2000 draws are at most 0.045.
        let check = |found: f64, expected: f64| assert!((found - expected).abs() < 0.045);
        check(share(|p| !p.points.is_empty()), 0.7);
        check(share(|p| p.bounding_box.is_some()), 0.6);
        check(share(|p| *p == ClassPrompt::default()), 0.3 * 0.4);
        check(share(|p| p.points.iter().any(|p| !p.1)), 0.7 * 0.5);
        check(
            share(|p| p.points.iter().filter(|p| p.1).count() == 2),
            0.7 / 3.0,
        );
    }

    #[test]
    fn the_box_of_a_case_is_in_pixels_of_the_input() {
        // 20 x 10 pixels, seen at half the size; class 1 fills columns 4..=9 of rows 2..=7.
        let classes = (0..200).map(|i| {
            let (x, y) = (i % 20, i / 20);
            u8::from((4..=9).contains(&x) && (2..=7).contains(&y))
        });
        let labels = LabelMap {
            width: 20,
            height: 10,
            classes: classes.collect(),
        };
        let view = View::Resize { image_size: 10 };
        let found = EvaluationPrompts::Box.of_case(&labels, &view, 2);
        let boxes: Vec<_> = found.iter().map(|prompt| prompt.bounding_box).collect();
        assert_eq!(boxes, [Some([2.0, 1.0, 4.0, 3.0]), None]);
        assert!(
            EvaluationPrompts::None
                .of_case(&labels, &view, 2)
                .is_empty()
        );
    }

    #[test]
    fn a_single_pixel_has_a_box_with_an_inside() {
        let [width, height] = SIZE;
        let at = |x: usize, y: usize| bounding_box(&[y * width + x], width, [width, height]);
        assert_eq!(at(0, 3), Some([0.0, 3.0, 1.0, 4.0]));
        assert_eq!(at(12, 8), Some([11.0, 7.0, 12.0, 8.0]));
    }
}
