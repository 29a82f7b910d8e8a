//! One measurement of Segment Anything in candle, as one line of JSON: the peer of salt-cli's example
//! `model_speed` for encoding an image.
//!
//! ```text
//! cargo run --release -- --work encode --size 1024
//! ```
//!
//! candle-transformers' image encoder with random weights, ViT-B. Its `Sam` fills every image up to 1024 pixels; the
//! encoder itself is made for any size.

use std::time::Instant;

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, Module, VarBuilder};
use candle_transformers::models::segment_anything::image_encoder::ImageEncoderViT;
use clap::{Parser, ValueEnum};
use serde::Serialize;

/// What goes wrong is shown and ends the program.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long, value_enum)]
    work: Work,
    /// Side of the square input, in pixels
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Images at once
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Repeats before the first that counts
    #[arg(long, default_value_t = 1)]
    warmup: usize,
    /// Repeats that count
    #[arg(long, default_value_t = 3)]
    repeats: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Work {
    /// Image to embedding
    Encode,
}

/// The line that is printed, as that of `model_speed`.
#[derive(Debug, Serialize)]
struct Report {
    /// Of all repeats that count, were each as long as their median.
    seconds: f64,
    /// Repeats that count.
    samples: usize,
    rss_mb: Option<f64>,
    program: String,
    /// Medians in seconds, by name.
    parts: Vec<(&'static str, f64)>,
}

/// Normal weights of any name and shape. Not variables, which would keep every activation for a backward pass.
struct Random;

impl SimpleBackend for Random {
    fn get(
        &self,
        shape: Shape,
        _name: &str,
        _init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        Tensor::randn(0f32, 0.02, shape, device)?.to_dtype(dtype)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("expected a shape for {name}, received none")
    }

    fn contains_tensor(&self, _name: &str) -> bool {
        true
    }
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let (part, median) = match args.work {
        Work::Encode => ("encode", encode(&args)?),
    };
    let report = Report {
        seconds: median * args.repeats as f64,
        samples: args.repeats,
        rss_mb: peak_rss_mb(),
        program: program(),
        parts: vec![(part, median)],
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// ViT-B as `Sam::new` builds it, for images of another size.
fn encoder(size: usize, weights: VarBuilder<'_>) -> candle_core::Result<ImageEncoderViT> {
    const GLOBAL: [usize; 4] = [2, 5, 8, 11];
    let (patch, colours, width, depth, heads, channels, window) = (16, 3, 768, 12, 12, 256, 14);
    ImageEncoderViT::new(
        size, patch, colours, width, depth, heads, channels, true, true, true, window, &GLOBAL,
        weights,
    )
}

/// The median of the seconds from pixels to an embedding.
fn encode(args: &Args) -> Outcome<f64> {
    let device = Device::Cpu;
    let weights = VarBuilder::from_backend(Box::new(Random), DType::F32, device.clone());
    let encoder = encoder(args.size, weights)?;
    let pixels = Tensor::randn(0f32, 1f32, (args.batch, 3, args.size, args.size), &device)?;
    let mut seconds = Vec::new();
    for repeat in 0..args.warmup + args.repeats {
        let since = Instant::now();
        let embedding = encoder.forward(&pixels)?;
        let elapsed = since.elapsed().as_secs_f64();
        let dims = embedding.dims4()?;
        if dims != (args.batch, 256, args.size / 16, args.size / 16) {
            return Err(
                format!("expected an embedding of a 16th of the side, received {dims:?}").into(),
            );
        }
        if repeat >= args.warmup {
            seconds.push(elapsed);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let middle = seconds.get(seconds.len() / 2);
    Ok(*middle.ok_or("expected at least one repeat")?)
}

/// Highest resident set so far in MiB, where the system tells.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024.0)
}

/// Name and version, which only the lock file knows.
fn program() -> String {
    let lock = include_str!("../Cargo.lock");
    let mut after = lock
        .lines()
        .skip_while(|line| *line != r#"name = "candle-transformers""#);
    let version = after.nth(1).and_then(|line| line.split('"').nth(1));
    format!("candle {}", version.unwrap_or("of unknown version"))
}
