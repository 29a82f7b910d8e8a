//! Measures the training loader on a data set, or on generated vessels.
//!
//! `cargo run --release -p salt-data --example loader_speed -- [DIR] [TILE] [WORKERS]`

use std::sync::Arc;
use std::time::Instant;

use salt_data::synth::vessels;
use salt_data::{Augment, Dataset, LoaderConfig, Split, TrainLoader, View};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments.next();
    let tile: usize = arguments.next().map_or(Ok(128), |a| a.parse())?;
    let workers: usize = arguments.next().map_or(Ok(1), |a| a.parse())?;
    let start = Instant::now();
    let cases = match &dir {
        Some(dir) => Dataset::open(dir.as_ref())?.load_split(Split::Train)?,
        None => (0..20).map(|index| vessels::draw(256, 0, index)).collect(),
    };
    let read_s = start.elapsed().as_secs_f64();
    let cases = Arc::new(cases);
    let mut text = format!("{} cases read in {read_s:.2} s\n", cases.len());
    for scale in [1.0, 0.5] {
        for (name, augment) in [
            ("plain", Augment::none()),
            ("augmented", Augment::standard()),
        ] {
            let start = Instant::now();
            let config = LoaderConfig {
                batch_size: 8,
                samples_per_epoch: 800,
                workers,
                view: View::Tiles {
                    tile,
                    scale,
                    overlap: 0.5,
                },
                augment,
                ..LoaderConfig::default()
            };
            let loader = TrainLoader::new(Arc::clone(&cases), config)?;
            let prepare_s = start.elapsed().as_secs_f64();
            let start = Instant::now();
            let samples: usize = loader.batches(0, 0).map(|batch| batch.size).sum();
            let each = start.elapsed().as_secs_f64() * 1e3 / samples as f64;
            text += &format!(
                "tile {tile} scale {scale} {name}: {each:.3} ms a sample with {workers} workers, \
                 prepared in {prepare_s:.2} s\n"
            );
        }
    }
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}
