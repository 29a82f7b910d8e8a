//! What a picture and its labels go through between the case and the batch.

mod alignment;
mod foreground_crop;
mod oracles;
mod pictures;
mod same_bytes;

use std::sync::Arc;

use salt_data::{
    Augment, Batch, Blur, Clahe, Elastic, LoadedCase, LoaderConfig, Noise, TrainLoader, View,
};

/// Every setting alone and strong, then all of them together.
fn settings() -> Vec<(&'static str, Augment)> {
    let set = |name, change: fn(&mut Augment)| {
        let mut augment = Augment::none();
        change(&mut augment);
        (name, augment)
    };
    vec![
        set("hflip", |a| a.hflip = 0.7),
        set("vflip", |a| a.vflip = 0.7),
        set("rotate_deg", |a| a.rotate_deg = 180.0),
        set("scale", |a| a.scale = [0.5, 2.0]),
        set("translate", |a| a.translate = 0.3),
        set("elastic", |a| {
            a.elastic = Elastic {
                probability: 1.0,
                alpha_px: 12.0,
                step_px: 25,
            }
        }),
        set("foreground_crop", |a| a.foreground_crop = 1.0),
        set("brightness", |a| a.brightness = 0.4),
        set("contrast", |a| a.contrast = 0.4),
        set("gamma", |a| a.gamma = 0.5),
        set("clahe", |a| {
            a.clahe = Clahe {
                probability: 1.0,
                clip_limit: 3.0,
                tiles: 4,
            }
        }),
        set("blur", |a| {
            a.blur = Blur {
                probability: 1.0,
                sigma_px: 2.0,
            }
        }),
        set("noise", |a| {
            a.noise = Noise {
                probability: 1.0,
                sigma: 15.0,
            }
        }),
        ("all", all()),
    ]
}

fn all() -> Augment {
    Augment {
        hflip: 0.5,
        vflip: 0.5,
        rotate_deg: 90.0,
        scale: [0.7, 1.5],
        translate: 0.1,
        elastic: Elastic {
            probability: 0.9,
            alpha_px: 9.0,
            step_px: 20,
        },
        foreground_crop: 0.8,
        brightness: 0.2,
        contrast: 0.2,
        gamma: 0.2,
        clahe: Clahe {
            probability: 0.6,
            ..Clahe::default()
        },
        blur: Blur {
            probability: 0.8,
            sigma_px: 1.5,
        },
        noise: Noise {
            probability: 0.8,
            sigma: 10.0,
        },
    }
}

/// One epoch of `samples` inputs of one case.
fn inputs(case: LoadedCase, view: View, augment: Augment, seed: u64, samples: usize) -> Batch {
    epoch(vec![case], view, augment, seed, samples, 0).remove(0)
}

/// One epoch of all cases in batches of at most 64.
fn epoch(
    cases: Vec<LoadedCase>,
    view: View,
    augment: Augment,
    seed: u64,
    samples: usize,
    workers: usize,
) -> Vec<Batch> {
    let config = LoaderConfig {
        batch_size: samples.min(64),
        samples_per_epoch: samples,
        seed,
        workers,
        prefetch: 2,
        view,
        augment,
    };
    let loader = TrainLoader::new(Arc::new(cases), config).expect("valid settings");
    let batches: Result<Vec<_>, _> = loader.batches(0, 0).collect();
    batches.expect("cases in memory")
}

fn tiles(tile: usize) -> View {
    View::Tiles {
        tile,
        scale: 1.0,
        overlap: 0.5,
    }
}
