//! Draws generated pictures beside their masks into one PNG, to be looked at.
//!
//! `cargo run --release -p salt-data --example contact_sheet -- scenes|vessels OUT.png [FIRST] [SEED]`
//!
//! Scenes: cyan fine dark, yellow fine bright, blue dark, orange bright thin structures; violet
//! objects, white boundaries. Vessels: white.

use std::path::PathBuf;
use std::time::Instant;

use salt_data::synth::{scenes, vessels};
use salt_data::{ImageRgb, write_image};

type Rgb = [u8; 3];

fn scene(index: u64, seed: u64) -> (ImageRgb, Vec<Rgb>) {
    let scene = scenes::draw(128, seed, index);
    let colour = |i: usize| {
        let [object, thin, boundary, fine, dark] =
            std::array::from_fn(|class| scene.dense[class][i]);
        match (thin, fine, dark) {
            (true, true, true) => [0, 255, 255],
            (true, true, false) => [255, 255, 0],
            (true, false, true) => [0, 110, 255],
            (true, false, false) => [255, 140, 0],
            _ if boundary => [255, 255, 255],
            _ if object => [120, 60, 120],
            _ => [0, 0, 0],
        }
    };
    let masks = (0..128 * 128).map(colour).collect();
    (scene.image, masks)
}

fn vessel(index: u64, seed: u64) -> (ImageRgb, Vec<Rgb>) {
    let case = vessels::draw(vessels::DEFAULT_SIZE, seed, index);
    let masks = case.labels.classes.iter().map(|&c| [c * 255; 3]).collect();
    (case.image, masks)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "scenes".into());
    let out = PathBuf::from(arguments.next().unwrap_or_else(|| format!("{what}.png")));
    let first: u64 = arguments.next().map_or(Ok(0), |a| a.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(0), |a| a.parse())?;
    let (draw, side, columns, rows): (fn(u64, u64) -> _, _, _, _) = match what.as_str() {
        "scenes" => (scene, 128, 6, 6),
        "vessels" => (vessel, vessels::DEFAULT_SIZE, 3, 3),
        other => return Err(format!("expected scenes or vessels, received {other}").into()),
    };
    let width = columns * 2 * (side + 2);
    let height = rows * (side + 2);
    let mut sheet = ImageRgb::new(width, height, vec![0; 3 * width * height])?;
    for cell in 0..columns * rows {
        let (image, masks): (ImageRgb, Vec<Rgb>) = draw(first + cell as u64, seed);
        let (left, top) = (cell % columns * 2 * (side + 2), cell / columns * (side + 2));
        for (i, mask) in masks.iter().enumerate() {
            let at = (top + i / side) * width + left + i % side;
            sheet.data[3 * at..][..3].copy_from_slice(&image.data[3 * i..][..3]);
            sheet.data[3 * (at + side)..][..3].copy_from_slice(mask);
        }
    }
    write_image(&out, &sheet)?;
    let (start, count) = (Instant::now(), 200);
    for index in 0..count {
        std::hint::black_box(draw(index, seed ^ 1));
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / count as f64;
    let text = format!("{}: {each:.2} ms per picture\n", out.display());
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}
