//! The loss of every step of short trainings against a PyTorch loop with the same weights, data order and recipe
//! (`tests/parity/steps.py`): loader, network, adapter, loss, accumulation, clipping, schedule and update rule at once.

use std::path::Path;

use burn::tensor::Device;
use image::{GrayImage, Luma, Rgb, RgbImage};
use salt_sam::SamConfig;
use salt_train::{Event, Interrupt, Observer, Recipe, Session};
use serde::Deserialize;
use toml::Table;

use crate::support::{finished, machine};

/// Least fall of every loss over the steps, so that they are compared while they move.
const LEARNED: f64 = 0.2;

/// Largest difference of a loss.
///
/// On flex 5e-6 was measured. The other backends of Burn 0.22 differentiate the tanh approximation of the GELU; the
/// loop with that derivative in place of its own differs by up to 1.2e-4. Where products round their factors to
/// TF32, twenty roundings are allowed, as for the network's answers.
fn tolerance(device: &Device) -> f64 {
    let stated: f64 = if format!("{device:?}").contains("Flex") {
        1e-4
    } else {
        1e-3
    };
    stated.max(20.0 * salt_kernels::product_rounding(device))
}

/// Loaded from where salt-sam compares the network's answers with the original's.
const WEIGHTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../salt-sam/tests/parity/sam_small.safetensors"
);

const WIDTH: u32 = 64;
/// Less than the width, so that inputs have padding.
const HEIGHT: u32 = 56;
/// The first seven are trained on.
const SPLITS: [&str; 9] = [
    "train", "train", "train", "train", "train", "train", "train", "val", "test",
];

#[derive(Deserialize)]
struct Fixture {
    runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Run {
    name: String,
    adapter: Table,
    train: Table,
    losses: Vec<f64>,
}

/// `CONFIG` of salt-sam's fixture.
fn small() -> SamConfig {
    SamConfig {
        image_size: 64,
        patch_size: 8,
        embed_dim: 32,
        depth: 4,
        num_heads: 2,
        mlp_ratio: 4,
        window_size: 3,
        global_attn_indexes: vec![1, 3],
        out_chans: 16,
        decoder_depth: 2,
        decoder_heads: 2,
        decoder_mlp_dim: 32,
        iou_head_hidden: 16,
        mask_in_chans: 8,
        n_prompt_tokens: 1,
    }
}

/// `case` of steps.py: two discs, of class 1 and 2, on waves.
fn case(i: u32) -> (RgbImage, GrayImage) {
    let class = |x: u32, y: u32| {
        let discs = [(1, 11u32, 5), (2, 7, 9)].into_iter();
        let inside = discs.filter(|(label, radius, speed)| {
            let cx = 12 + i * speed % 40;
            let cy = 12 + (i * speed * 3 + 17 * label) % 32;
            x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) < radius.pow(2)
        });
        inside.fold(0, |_, (label, ..)| label)
    };
    let image = RgbImage::from_fn(WIDTH, HEIGHT, |x, y| {
        Rgb([0, 1, 2].map(|c| {
            ((x * (3 + c) + y * (5 - c) + 29 * i) % 97 + class(x, y) * (60 - 25 * c)) as u8
        }))
    });
    let mask = GrayImage::from_fn(WIDTH, HEIGHT, |x, y| Luma([class(x, y) as u8]));
    (image, mask)
}

fn write_cases(dir: &Path) {
    for folder in ["images", "masks"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let mut table = String::from("imgs,split\n");
    for (i, split) in (0..).zip(SPLITS) {
        let (image, mask) = case(i);
        image.save(dir.join(format!("images/{i}.png"))).unwrap();
        mask.save(dir.join(format!("masks/{i}.png"))).unwrap();
        table += &format!("{i}.png,{split}\n");
    }
    std::fs::write(dir.join("data_split.csv"), table).unwrap();
}

fn recipe(run: &Run, data: &Path) -> Recipe {
    let mut train = run.train.clone();
    // The whole image as it is, and only the last epoch is validated.
    let none = Table::try_from(salt_data::Augment::none()).unwrap();
    train.insert("augment".into(), none.into());
    train.insert("validate_every".into(), 1000.into());
    let config = Table::try_from(small()).unwrap();
    let model = Table::from_iter([
        ("name".into(), "small".into()),
        ("weights".into(), WEIGHTS.into()),
        ("config".into(), config.into()),
    ]);
    let data = Table::from_iter([
        ("path".into(), data.display().to_string().into()),
        ("view".into(), "resize".into()),
    ]);
    let document = Table::from_iter([
        ("model".into(), model.into()),
        ("adapter".into(), run.adapter.clone().into()),
        ("data".into(), data.into()),
        ("train".into(), train.into()),
    ]);
    Recipe::parse(&document.to_string(), &[]).unwrap()
}

#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Step { loss, .. } = event {
            self.0.push(loss);
        }
    }
}

#[test]
fn twenty_steps_have_the_losses_of_a_pytorch_loop() {
    let fixture: Fixture = serde_json::from_str(include_str!("../parity/steps.json")).unwrap();
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("discs");
    write_cases(&data);
    let tolerance = tolerance(&Device::default());
    for run in &fixture.runs {
        let name = &run.name;
        let mut losses = Losses::default();
        let mut session = Session::new(&mut losses, Interrupt::new());
        let (recipe, out) = (recipe(run, &data), tmp.path().join(name));
        finished(salt_train::train(&recipe, &out, &machine(), &mut session)).unwrap();
        assert_eq!((losses.0.len(), run.losses.len()), (20, 20), "{name}");
        assert!(run.losses[0] - run.losses[19] > LEARNED, "{name}");
        for (step, (found, expected)) in (1..).zip(losses.0.iter().zip(&run.losses)) {
            assert!(
                (found - expected).abs() <= tolerance,
                "{name}, step {step}: loss {found}, PyTorch's is {expected}"
            );
        }
    }
}
