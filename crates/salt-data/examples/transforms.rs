//! Draws the pictures of docs/TRANSFORMS.md from generated vessels, one for each setting.
//!
//! `cargo run --release -p salt-data --example transforms -- docs/transforms [SEED]`
//!
//! A training setting: the case, then three draws; the outline of the mask goes through the same
//! transform. A normalisation: two cases, each before and after.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use color_quant::NeuQuant;
use salt_data::synth::vessels;
use salt_data::{
    Augment, Blur, Clahe, Elastic, ImageRgb, LabelMap, LoadedCase, LoaderConfig, Noise, Normalise,
    TrainLoader, View, resize_image, resize_labels,
};

/// Side of one picture on a sheet.
const SIDE: usize = 136;
/// White pixels between the pictures.
const GAP: usize = 4;
/// Colours of a sheet: noise in many colours does not compress.
const COLOURS: usize = 64;
/// Seed of the draws that are shown unless another is asked for.
const SEED: u64 = 8;
const OUTLINE: [u8; 3] = [0, 255, 230];

fn augments() -> Vec<(&'static str, Augment)> {
    let set = |name, change: fn(&mut Augment)| {
        let mut augment = Augment::none();
        change(&mut augment);
        (name, augment)
    };
    vec![
        set("hflip", |a| a.hflip = 0.5),
        set("vflip", |a| a.vflip = 0.5),
        set("rotate_deg", |a| a.rotate_deg = 45.0),
        set("scale", |a| a.scale = [0.6, 1.8]),
        set("translate", |a| a.translate = 0.25),
        set("elastic", |a| {
            a.elastic = Elastic {
                probability: 1.0,
                alpha_px: 18.0,
                step_px: 38,
            }
        }),
        set("foreground_crop", |a| a.foreground_crop = 1.0),
        set("brightness", |a| a.brightness = 0.5),
        set("contrast", |a| a.contrast = 0.7),
        set("gamma", |a| a.gamma = 1.0),
        set("clahe", |a| {
            a.clahe = Clahe {
                probability: 0.7,
                ..Clahe::default()
            }
        }),
        set("blur", |a| {
            a.blur = Blur {
                probability: 1.0,
                sigma_px: 2.5,
            }
        }),
        set("noise", |a| {
            a.noise = Noise {
                probability: 1.0,
                sigma: 25.0,
            }
        }),
    ]
}

fn normalisations() -> [(&'static str, Normalise); 5] {
    let (low, high) = (1.0, 99.0);
    let (mean, deviation) = (128.0, 50.0);
    let (clip_limit, tiles) = (2.0, 8);
    [
        ("min_max", Normalise::MinMax),
        ("percentile", Normalise::Percentile { low, high }),
        ("z_score", Normalise::ZScore { mean, deviation }),
        ("clahe", Normalise::Clahe { clip_limit, tiles }),
        ("green_channel", Normalise::GreenChannel),
    ]
}

type Panel = (ImageRgb, LabelMap);

/// The first inputs that a loader makes of one case.
fn draws(
    case: &LoadedCase,
    augment: Augment,
    view: View,
    seed: u64,
) -> Result<Vec<Panel>, salt_data::DataError> {
    let config = LoaderConfig {
        batch_size: 3,
        samples_per_epoch: 3,
        seed,
        workers: 0,
        view,
        augment,
        ..LoaderConfig::default()
    };
    let loader = TrainLoader::new(Arc::new(vec![case.clone()]), config)?;
    let pixels = SIDE * SIDE;
    let mut panels = Vec::new();
    for batch in loader.batches(0, 0) {
        let batch = batch?;
        for (chw, classes) in batch
            .pixels_bchw
            .chunks(3 * pixels)
            .zip(batch.labels_bhw.chunks(pixels))
        {
            let data = (0..3 * pixels).map(|i| (chw[i % 3 * pixels + i / 3] + 0.5) as u8);
            panels.push((
                ImageRgb::new(SIDE, SIDE, data.collect())?,
                LabelMap::new(SIDE, SIDE, classes.to_vec())?,
            ));
        }
    }
    Ok(panels)
}

/// Colours the pixels around the foreground.
fn outlined((mut image, labels): Panel) -> ImageRgb {
    let is_vessel = |x: usize, y: usize| x < SIDE && y < SIDE && labels.classes[y * SIDE + x] == 1;
    for y in 0..SIDE {
        for x in 0..SIDE {
            let beside = is_vessel(x + 1, y)
                || is_vessel(x, y + 1)
                || is_vessel(x.wrapping_sub(1), y)
                || is_vessel(x, y.wrapping_sub(1));
            if beside && !is_vessel(x, y) {
                image.data[3 * (y * SIDE + x)..][..3].copy_from_slice(&OUTLINE);
            }
        }
    }
    image
}

/// Writes pictures side by side as a PNG with a palette.
fn write_sheet(path: &Path, panels: &[ImageRgb]) -> Result<(), Box<dyn std::error::Error>> {
    let width = panels.len() * (SIDE + GAP) - GAP;
    let mut rgba = vec![255; 4 * width * SIDE];
    for (k, panel) in panels.iter().enumerate() {
        for (i, colour) in panel.data.chunks(3).enumerate() {
            let at = i / SIDE * width + k * (SIDE + GAP) + i % SIDE;
            rgba[4 * at..][..3].copy_from_slice(colour);
        }
    }
    let palette = NeuQuant::new(1, COLOURS, &rgba);
    let indices: Vec<u8> = rgba
        .chunks(4)
        .map(|pixel| palette.index_of(pixel) as u8)
        .collect();
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, width as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.set_palette(palette.color_map_rgb());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&indices)?;
    writer.finish()?;
    Ok(())
}

/// Vessels drawn large and reduced, which takes the noise out.
fn case(index: u64) -> Result<LoadedCase, salt_data::DataError> {
    let drawn = vessels::draw(3 * SIDE, 1, index);
    Ok(LoadedCase {
        image: resize_image(&drawn.image, SIDE, SIDE)?,
        labels: resize_labels(&drawn.labels, SIDE, SIDE),
        ..drawn
    })
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args()
        .nth(1)
        .ok_or("expected a folder to write into")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let seed = std::env::args().nth(2);
    let seed = seed.map_or(Ok(SEED), |text| text.parse())?;
    let cases = [case(0)?, case(1)?];
    let whole = View::Resize { image_size: SIDE };
    for (name, augment) in augments() {
        // Crops need a picture larger than they are.
        let (source, view) = if name == "foreground_crop" {
            let tiles = View::Tiles {
                tile: SIDE,
                scale: 1.0,
                overlap: 0.5,
            };
            (vessels::draw(3 * SIDE, 1, 2), tiles)
        } else {
            (cases[0].clone(), whole)
        };
        let mut panels = draws(&source, Augment::none(), whole, seed)?;
        panels.truncate(1);
        panels.extend(draws(&source, augment, view, seed)?);
        let panels: Vec<ImageRgb> = panels.into_iter().map(outlined).collect();
        write_sheet(&folder.join(format!("{name}.png")), &panels)?;
    }
    for (name, normalise) in normalisations() {
        let mut panels = Vec::new();
        for case in &cases {
            panels.push(case.image.clone());
            panels.push(normalise.apply(&case.image)?.into_owned());
        }
        write_sheet(&folder.join(format!("normalise-{name}.png")), &panels)?;
    }
    Ok(())
}
