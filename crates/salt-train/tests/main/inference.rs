//! Test-time augmentation and cleaning of answers.

use burn::module::Module as _;
use burn::tensor::Device;
use salt_data::{Dataset, ImageRgb, Split, View};
use salt_train::recipe::InferenceSection;
use salt_train::scratch::redraw;
use salt_train::segment::Segmenter;
use salt_train::{Interrupt, Session, Silent, evaluate_run};

use crate::support::{inputs, machine, recipe, tiny, train};

fn segmenter(inference: InferenceSection) -> Segmenter {
    let device = Device::default();
    let sam = redraw(tiny().with_prompt_tokens(1).init(&device).unwrap(), 3).no_grad();
    let view = View::Tiles {
        tile: 32,
        scale: 1.0,
        overlap: 0.25,
    };
    Segmenter::new(sam, view, 4, &device).with_inference(inference)
}

/// The image with pixel (x, y) taken from where `from` says.
fn moved(image: &ImageRgb, from: impl Fn(usize, usize) -> [usize; 2]) -> ImageRgb {
    let mut data = Vec::new();
    for y in 0..image.height {
        for x in 0..image.width {
            let [x, y] = from(x, y);
            let at = 3 * (y * image.width + x);
            data.extend_from_slice(&image.data[at..at + 3]);
        }
    }
    ImageRgb::new(image.width, image.height, data).unwrap()
}

#[test]
fn mirrored_logits_are_the_mean_over_the_image_and_its_mirror_images() {
    let dataset = Dataset::open(&inputs().data()).unwrap();
    let case = dataset.load(&dataset.cases[0]).unwrap();
    // Not square, and no multiple of the tile.
    let [w, h] = [41, 37];
    let data = case.image.data.chunks_exact(3).take(w * h).flatten();
    let image = ImageRgb::new(w, h, data.copied().collect()).unwrap();
    let plain = segmenter(InferenceSection::default());
    let mirrored = segmenter(InferenceSection {
        mirror: true,
        ..InferenceSection::default()
    });
    let mut expected = vec![0.0; w * h];
    for [flip_x, flip_y] in [[false, false], [true, false], [false, true], [true, true]] {
        let from = |x: usize, y: usize| {
            [
                if flip_x { w - 1 - x } else { x },
                if flip_y { h - 1 - y } else { y },
            ]
        };
        let logits = plain.logits(&moved(&image, from)).unwrap();
        for y in 0..h {
            for x in 0..w {
                let [mx, my] = from(x, y);
                expected[y * w + x] += logits[my * w + mx] / 4.0;
            }
        }
    }
    let found = mirrored.logits(&image).unwrap();
    let once = plain.logits(&image).unwrap();
    let apart = |a: &[f32], b: &[f32]| {
        let each = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        each.fold(0.0, f32::max)
    };
    assert!(apart(&found, &expected) < 1e-5);
    assert!(apart(&found, &once) > 1e-3);
}

#[test]
fn a_run_answers_at_its_end_as_it_is_asked_later() {
    let tmp = tempfile::tempdir().unwrap();
    let test_of = |name: &str, overrides: &[&str]| {
        let run = tmp.path().join(name);
        let result = train(&recipe("full", overrides).unwrap(), &run).unwrap();
        let mut silent = Silent;
        let mut session = Session::new(&mut silent, Interrupt::new());
        let later = evaluate_run(&run, Split::Test, &machine(), &mut session).unwrap();
        assert_eq!(later.summary, result.test, "{name}");
        std::fs::read(run.join("cases.csv")).unwrap()
    };
    let plain = test_of("plain", &[]);
    assert!(plain != test_of("mirror", &["inference.mirror=true"]));
    assert!(plain != test_of("largest", &["inference.largest_component=true"]));
}
