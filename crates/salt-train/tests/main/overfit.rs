//! Every method that can learns four pictures by heart.

use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Module as _;
use image::GrayImage;
use salt_data::Split;
use salt_sam::SamConfig;
use salt_sam::weights::{SaveOptions, save};
use salt_train::{Interrupt, Recipe, Session, Silent, base_model, evaluate_run};

use crate::support::{machine, on_flex, train};

/// Methods that cannot, with the reason.
const CANNOT: [(&str, &str); 1] = [("frozen", "nothing is trained")];

/// Least Dice over the four.
const LEARNED: f64 = 0.95;

const SIDE: u32 = 32;

/// A network that sees squares of four pixels and answers at the picture's own resolution.
fn config() -> SamConfig {
    SamConfig {
        image_size: SIDE as usize,
        patch_size: 4,
        embed_dim: 32,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 2,
        window_size: 4,
        global_attn_indexes: vec![1],
        out_chans: 32,
        decoder_depth: 1,
        decoder_heads: 2,
        decoder_mlp_dim: 32,
        iou_head_hidden: 8,
        mask_in_chans: 4,
        n_prompt_tokens: 1,
    }
}

/// Settings of a method, steps on batches of four, rate.
struct Trial {
    method: &'static str,
    settings: &'static str,
    steps: usize,
    lr: f64,
}

/// All of the encoder's linear layers, and the token that asks.
macro_rules! layers {
    ($settings:literal) => {
        concat!(
            "targets = ['attn\\.(qkv|proj)', 'mlp\\.lin[12]']\nmodules_to_save = ['prompt_token']\n",
            $settings
        )
    };
}

fn trials() -> Vec<Trial> {
    let trial = |method, settings, steps, lr| Trial {
        method,
        settings,
        steps,
        lr,
    };
    vec![
        trial("salt", layers!("head_rank = 0.5\ntail_rank = 2"), 150, 2e-2),
        trial("ssam", layers!(""), 150, 2e-2),
        trial("lora", layers!("rank = 4"), 150, 2e-2),
        trial("rslora", layers!("rank = 4"), 150, 2e-2),
        trial("pissa", layers!("rank = 4"), 150, 2e-2),
        trial("olora", layers!("rank = 4"), 150, 2e-2),
        trial("dora", layers!("rank = 4"), 150, 2e-2),
        trial("loraxs", layers!("rank = 8"), 200, 2e-2),
        trial("svft", layers!("band = 2"), 150, 2e-2),
        trial("norms", "modules_to_save = ['prompt_token']", 150, 1e-1),
        // Offsets alone move slowly.
        trial("bias", "modules_to_save = ['prompt_token']", 900, 1e-1),
        trial("decoder", "", 200, 3e-3),
        trial("full", "", 150, 3e-3),
        // Not from the base.
        trial("scratch", "", 250, 3e-3),
    ]
}

/// Recipe over a folder of pictures, without chance in what is seen.
fn recipe(trial: &Trial, base: &str, data: &Path) -> Recipe {
    let config = toml::to_string(&config()).unwrap();
    let text = format!(
        "[model]\nname = 'small'\nweights = '{base}'\n[model.config]\n{config}\n\
         [adapter]\nmethod = '{}'\n{}\n[data]\npath = '{}'\n\
         [train]\nepochs = {}\nbatch_size = 4\nsamples_per_epoch = {}\nlr = {}\n\
         weight_decay = 0\noverlay_every = 0\noverlays = 0\nworkers = 0\n\
         augment = {{ hflip = 0, vflip = 0, rotate_deg = 0, scale = [1, 1], brightness = 0, contrast = 0, gamma = 0 }}\n",
        trial.method,
        trial.settings,
        data.display(),
        // One epoch: checkpoints and validation are not what this is about.
        u64::from(trial.steps > 0),
        4 * trial.steps,
        trial.lr,
    );
    Recipe::parse(&text, &[]).unwrap()
}

/// Pictures of a disc and a square, equally bright; the disc is marked, and the square too if `both`. One more for
/// validation and for test each.
fn draw(folder: &Path, train: u32, both: bool) {
    for name in ["images", "masks"] {
        std::fs::create_dir_all(folder.join(name)).unwrap();
    }
    let mut table = String::from("imgs,split\n");
    for i in 0..train + 2 {
        // Where both are marked they may touch.
        let (cx, cy, radius) = match both {
            true => (8 + i * 7 % 15, 9 + i * 11 % 14, 5 + i % 3),
            false => [(10, 10, 7), (22, 11, 6), (11, 21, 6), (20, 22, 7)][i as usize % 4],
        };
        let (sx, sy) = (SIDE - cx, SIDE - cy);
        let disc =
            move |x: u32, y: u32| x.abs_diff(cx).pow(2) + y.abs_diff(cy).pow(2) <= radius * radius;
        let square = move |x: u32, y: u32| x.abs_diff(sx).max(y.abs_diff(sy)) <= 4;
        let picture = |bright: u8, dark: u8, wanted: &dyn Fn(u32, u32) -> bool| {
            GrayImage::from_fn(SIDE, SIDE, |x, y| {
                image::Luma([if wanted(x, y) { bright } else { dark }])
            })
        };
        let shown = picture(190, 60, &|x, y| disc(x, y) || square(x, y));
        let marked = picture(255, 0, &|x, y| disc(x, y) || both && square(x, y));
        shown.save(folder.join(format!("images/{i}.png"))).unwrap();
        marked.save(folder.join(format!("masks/{i}.png"))).unwrap();
        let split = match i.checked_sub(train) {
            None => "train",
            Some(0) => "val",
            Some(_) => "test",
        };
        table += &format!("{i}.png,{split}\n");
    }
    std::fs::write(folder.join("data_split.csv"), table).unwrap();
}

/// A base that knows shapes, and not which of them are wanted.
fn make_base(folder: &Path) -> String {
    let (data, run) = (folder.join("shapes"), folder.join("base"));
    draw(&data, 24, true);
    let trial = Trial {
        method: "scratch",
        settings: "",
        steps: 120,
        lr: 3e-3,
    };
    let recipe = recipe(&trial, "embedded", &data);
    train(&recipe, &run).unwrap();
    let device = machine().device;
    let sam = base_model::load(&recipe, 1, &device).unwrap().sam;
    let (adapted, _) = salt_peft::load_adapter(sam, &run.join("adapter")).unwrap();
    let base = folder.join("base.safetensors");
    let merged = salt_peft::merge(adapted.valid()).unwrap();
    save(&merged, &base, &SaveOptions::default()).unwrap();
    base.display().to_string()
}

/// Dice over the training pictures, and parameters trained.
fn learn(recipe: &Recipe, run: &Path) -> (f64, usize) {
    let result = train(recipe, run).unwrap();
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let scores = evaluate_run(run, Split::Train, &machine(), &mut session).unwrap();
    assert_eq!(scores.summary.n, 4);
    (scores.summary.dice.unwrap().mean, result.params.trainable)
}

#[test]
fn every_method_that_can_learns_four_pictures_by_heart() {
    if !on_flex("thousands of steps; gradients are compared on every device") {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let base = make_base(tmp.path());
    let data = tmp.path().join("discs");
    draw(&data, 4, false);
    let mut scores = Vec::new();
    for trial in trials() {
        let recipe = recipe(&trial, &base, &data);
        let (dice, trained) = learn(&recipe, &tmp.path().join(trial.method));
        scores.push(format!("{} {dice:.3}", trial.method));
        assert!(trained > 0 && dice > LEARNED, "{scores:?}");
    }
    for (method, reason) in CANNOT {
        let trial = Trial {
            method,
            settings: "",
            steps: 0,
            lr: 1.0,
        };
        let recipe = recipe(&trial, &base, &data);
        let (dice, trained) = learn(&recipe, &tmp.path().join(method));
        assert!(trained == 0 && dice < LEARNED, "{method}: {reason}; {dice}");
    }
}

#[test]
fn no_method_is_left_out() {
    let tried = trials().into_iter().map(|trial| trial.method.to_owned());
    let cannot = CANNOT.iter().map(|(method, _)| (*method).to_owned());
    let named: BTreeSet<String> = tried.chain(cannot).collect();
    let mut methods: BTreeSet<String> = salt_peft::all_methods()
        .map(|method| method.to_string())
        .collect();
    methods.insert(salt_train::recipe::SCRATCH.to_owned());
    assert_eq!(named, methods);
    assert_eq!(CANNOT.map(|(method, _)| method), ["frozen"]);
}
