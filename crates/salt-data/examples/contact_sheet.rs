//! Draws scenes beside their masks into one PNG, to be looked at.
//!
//! `cargo run --release -p salt-data --example contact_sheet -- OUT.png [FIRST_INDEX] [SEED]`

use std::path::PathBuf;
use std::time::Instant;

use salt_data::synth::scenes;

const SIDE: usize = 128;
const COLUMNS: usize = 6;
const ROWS: usize = 6;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = PathBuf::from(arguments.next().unwrap_or_else(|| "scenes.png".into()));
    let first: u64 = arguments.next().map_or(Ok(0), |a| a.parse())?;
    let seed: u64 = arguments.next().map_or(Ok(0), |a| a.parse())?;
    let (width, height) = (COLUMNS * 2 * (SIDE + 2), ROWS * (SIDE + 2));
    let mut sheet = image::RgbImage::new(width as u32, height as u32);
    for cell in 0..COLUMNS * ROWS {
        let scene = scenes::draw(SIDE, seed, first + cell as u64);
        let (left, top) = (cell % COLUMNS * 2 * (SIDE + 2), cell / COLUMNS * (SIDE + 2));
        for i in 0..SIDE * SIDE {
            let (x, y) = ((left + i % SIDE) as u32, (top + i / SIDE) as u32);
            let pixel: [u8; 3] = std::array::from_fn(|c| scene.image.data[3 * i + c]);
            sheet.put_pixel(x, y, image::Rgb(pixel));
            let [object, thin, boundary, fine, dark] =
                std::array::from_fn(|class| scene.dense[class][i]);
            let masks = image::Rgb(match (thin, fine, dark) {
                (true, true, true) => [0, 255, 255],
                (true, true, false) => [255, 255, 0],
                (true, false, true) => [0, 110, 255],
                (true, false, false) => [255, 140, 0],
                _ if boundary => [255, 255, 255],
                _ if object => [120, 60, 120],
                _ => [0, 0, 0],
            });
            sheet.put_pixel(x + SIDE as u32, y, masks);
        }
    }
    sheet.save(&out)?;
    let start = Instant::now();
    let count = 1000;
    let mut instances = 0;
    for index in 0..count {
        instances += scenes::draw(SIDE, seed ^ 1, index).instances.len();
    }
    let each = start.elapsed().as_secs_f64() * 1e3 / count as f64;
    let per_scene = instances as f64 / count as f64;
    let text = format!(
        "{}: {each:.2} ms per scene, {per_scene:.1} instances\n",
        out.display()
    );
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}
