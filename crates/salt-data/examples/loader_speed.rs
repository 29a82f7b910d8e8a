//! Measures the training loader, for `cargo xtask speed --work loader_512`.
//!
//! `loader_speed write DIR COUNT SIDE` draws vessels of `SIDE` pixels and writes them twice: as PNG into `DIR/png`
//! and as JPEG (masks PNG) into `DIR/jpeg`.
//!
//! `loader_speed measure DIR WORKERS SAMPLES files|disk|memory [CACHE]` loads batches of 4 at 512 pixels, flipped,
//! rotated, scaled, brightness and contrast changed, and prints one line of JSON. `files` decodes a case for
//! every sample; `disk` reads the decoded ones from the folder `CACHE`, which a first epoch fills; `memory` holds
//! them. The clock starts when the first batch is there; tests/loader_speed/pytorch.py does the same.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use salt_data::synth::vessels;
use salt_data::{
    Augment, CacheOptions, Dataset, DiskCache, LoadedCase, LoaderConfig, Split, TrainLoader, View,
    write_image, write_mask,
};

type Done = Result<(), Box<dyn std::error::Error>>;

fn main() -> Done {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["write", dir, count, side] => write(Path::new(dir), count.parse()?, side.parse()?),
        ["measure", dir, workers, samples, "disk", cache] => {
            let disk = DiskCache {
                dir: cache.into(),
                max_bytes: u64::MAX,
            };
            let cache = CacheOptions {
                memory_bytes: 0,
                disk: Some(disk),
            };
            measure(dir, workers.parse()?, samples.parse()?, &cache)
        }
        ["measure", dir, workers, samples, "files"] => measure(
            dir,
            workers.parse()?,
            samples.parse()?,
            &CacheOptions::none(),
        ),
        ["measure", dir, workers, samples, "memory"] => {
            let all = CacheOptions {
                memory_bytes: u64::MAX,
                disk: None,
            };
            measure(dir, workers.parse()?, samples.parse()?, &all)
        }
        _ => Err(
            "usage: write DIR COUNT SIDE | measure DIR WORKERS SAMPLES files|memory|disk [CACHE]"
                .into(),
        ),
    }
}

fn write(dir: &Path, count: u64, side: usize) -> Done {
    let mut table = String::from("imgs,split\n");
    for index in 0..count {
        let case = vessels::draw(side, 0, index);
        for kind in ["png", "jpeg"] {
            write_case(&dir.join(kind), kind, &case)?;
        }
        table += &format!("{}.png,train\n", case.id);
    }
    for kind in ["png", "jpeg"] {
        std::fs::write(dir.join(kind).join("data_split.csv"), &table)?;
    }
    Ok(())
}

fn write_case(dir: &Path, kind: &str, case: &LoadedCase) -> Done {
    let [images, masks] = ["images", "masks"].map(|part| dir.join(part));
    std::fs::create_dir_all(&images)?;
    std::fs::create_dir_all(&masks)?;
    write_mask(
        &masks.join(format!("{}_mask.png", case.id)),
        &case.labels,
        1,
    )?;
    let image = images.join(&case.id).with_extension(kind);
    if kind == "png" {
        return Ok(write_image(&image, &case.image)?);
    }
    let mut file = BufWriter::new(File::create(image)?);
    let (width, height) = (case.image.width as u32, case.image.height as u32);
    let encoder = JpegEncoder::new_with_quality(&mut file, 90);
    encoder.write_image(&case.image.data, width, height, ExtendedColorType::Rgb8)?;
    Ok(file.flush()?)
}

fn measure(dir: &str, workers: usize, samples: usize, cache: &CacheOptions) -> Done {
    let dataset = Dataset::open(Path::new(dir))?;
    let config = LoaderConfig {
        batch_size: 4,
        samples_per_epoch: samples,
        workers,
        // Two batches a worker, as PyTorch's loader.
        prefetch: 2 * workers,
        view: View::Resize { image_size: 512 },
        augment: Augment {
            gamma: 0.0,
            ..Augment::standard()
        },
        ..LoaderConfig::default()
    };
    if *cache != CacheOptions::none() {
        // Once through all cases, in a loader of its own for the disk: another process's cache is warm.
        let first = LoaderConfig {
            samples_per_epoch: dataset.cases.len(),
            ..config.clone()
        };
        if cache.disk.is_some() {
            run(&dataset, first, cache)?;
        }
    }
    let loaded = run(&dataset, config, cache)?;
    let line = serde_json::json!({
        "seconds": loaded.seconds,
        "samples": loaded.samples,
        "rss_mb": peak_mb(),
        "program": "salt-data",
    });
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

struct Loaded {
    seconds: f64,
    samples: usize,
}

fn run(
    dataset: &Dataset,
    config: LoaderConfig,
    cache: &CacheOptions,
) -> Result<Loaded, Box<dyn std::error::Error>> {
    let loader = TrainLoader::open(dataset, Split::Train, config, cache)?;
    if cache.memory_bytes > 0 {
        // What a case takes to be decoded the first time is not what is measured.
        loader.batches(1, 0).try_for_each(|batch| batch.map(drop))?;
    }
    let mut batches = loader.batches(0, 0);
    batches.next().transpose()?;
    let (start, mut samples) = (Instant::now(), 0);
    for batch in batches {
        samples += batch?.size;
    }
    let seconds = start.elapsed().as_secs_f64();
    let report = loader.cache_report();
    if let Some(warning) = report.warnings.first() {
        return Err(warning.to_string().into());
    }
    Ok(Loaded { seconds, samples })
}

/// Largest resident memory so far, MiB, where the system tells.
fn peak_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}
