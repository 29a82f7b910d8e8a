//! Time and memory that loading a checkpoint takes, one process a file.
//!
//! ```text
//! cargo run --release -p salt-sam --example load_speed -- weights/sam_vit_h_4b8939.pth
//! ```
//!
//! Peak memory is what the system says of the whole process (`VmHWM`), the program itself included.

#![expect(clippy::print_stdout, reason = "a program that prints its result")]

use std::path::Path;
use std::time::Instant;

use burn::tensor::Device;
use salt_sam::SamConfig;
use salt_sam::weights::Checkpoint;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("give a checkpoint")?;
    let bytes = std::fs::metadata(&path)?.len();
    let device = Device::default();
    let started = Instant::now();
    let checkpoint = Checkpoint::read(Path::new(&path))?;
    let (name, config) = SamConfig::of_checkpoint(&checkpoint)?;
    let sam = checkpoint.into_sam(&config, None, &device)?;
    let seconds = started.elapsed().as_secs_f64();
    let name_of_file = Path::new(&path).file_name().unwrap_or_default();
    print!(
        "| {} | {name} at {} px | {:.0} | {seconds:.2} |",
        name_of_file.to_string_lossy(),
        sam.image_size(),
        bytes as f64 / 1e6
    );
    match peak_bytes() {
        Some(peak) => println!(" {:.0} | {:.2} |", peak / 1e6, peak / bytes as f64),
        None => println!(" unknown | |"),
    }
    Ok(())
}

/// Largest resident size so far, where the system tells.
fn peak_bytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}
