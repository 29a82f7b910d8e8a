//! One measurement of the model, as one line of JSON: what `cargo xtask speed` runs in turn with
//! the same work in another program.
//!
//! ```text
//! BURN_DEVICE=flex cargo run --release -p salt-cli --example model_speed -- \
//!     --work step --method salt --size 512
//! ```
//!
//! | file | concept |
//! |---|---|
//! | `setup` | the model with random weights, and what is adapted in it |
//! | `step` | one training step: forward, backward, optimiser |
//! | `forward` | encode, decode, predict |
//! | `spectral` | decompositions, computed and read |
//! | `operations` | the operations of a block, each on its own |
//! | `timing` | repeats, medians, waiting for the device |
#![expect(clippy::print_stdout, reason = "an example reports on stdout")]

mod forward;
mod operations;
mod setup;
mod spectral;
mod step;
mod timing;

use burn::tensor::{Device, FloatDType};
use clap::{Parser, ValueEnum};
use salt_peft::BasePrecision;
use serde::Serialize;

use self::timing::Timing;

/// What goes wrong is shown and ends the program.
type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Parser)]
struct Args {
    #[arg(long, value_enum)]
    work: Work,
    /// A model of `salt_sam::MODELS`
    #[arg(long, default_value = "sam_vit_b")]
    model: String,
    /// Side of the square input, in pixels
    #[arg(long, default_value_t = 512)]
    size: usize,
    /// Images at once
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// A method, or `paper-...` for one of the paper's settings
    #[arg(long, default_value = "paper-salt-256")]
    method: String,
    /// Rank of low-rank methods, of SALT that of its tail
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// Classes, each with a learned prompt token
    #[arg(long, default_value_t = 1)]
    classes: usize,
    /// Repeats before the first that counts
    #[arg(long, default_value_t = 1)]
    warmup: usize,
    /// Repeats that count
    #[arg(long, default_value_t = 3)]
    repeats: usize,
    /// Format that frozen weights are kept in: f32, f16 or bf16
    #[arg(long, default_value_t)]
    base_precision: BasePrecision,
    /// Type of weights and activations
    #[arg(long, value_enum, default_value_t = Precision::F32)]
    precision: Precision,
    /// Burn's own operations instead of those of salt-kernels
    #[arg(long)]
    plain: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Work {
    /// A training step
    Step,
    /// Image to embedding
    Encode,
    /// Embedding and a box to masks
    Decode,
    /// Bytes of an image and a box to masks at its size
    Predict,
    /// Attaching the adapter, nothing cached
    Attach,
    /// Attaching the adapter with its decompositions on disk
    AttachCached,
    /// Every operation of a training step on its own
    Operations,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Precision {
    F32,
    Bf16,
}

/// The line that is printed.
#[derive(Debug, Serialize)]
struct Report {
    /// Of all repeats that count, were each as long as their median.
    seconds: f64,
    /// Repeats that count.
    samples: usize,
    rss_mb: Option<f64>,
    program: String,
    /// Medians in seconds, by name, in the order of the work.
    parts: Vec<(String, f64)>,
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let mut device = Device::default();
    if matches!(args.precision, Precision::Bf16) {
        device.configure(FloatDType::BF16)?;
    }
    salt_kernels::set_enabled(!args.plain);
    device.seed(0);
    let timing = Timing {
        warmup: args.warmup,
        repeats: args.repeats,
        device: device.clone(),
    };
    let (median, parts) = match args.work {
        Work::Step => step::measure(&args, &timing)?,
        Work::Encode => forward::encode(&args, &timing)?,
        Work::Decode => forward::decode(&args, &timing)?,
        Work::Predict => forward::predict(&args, &timing)?,
        Work::Attach => spectral::attach(&args, &timing)?,
        Work::AttachCached => spectral::cached(&args, &timing)?,
        Work::Operations => operations::measure(&args, &timing)?,
    };
    let report = Report {
        seconds: median * args.repeats as f64,
        samples: args.repeats,
        rss_mb: salt_train::memory::peak_rss_mb(),
        program: format!("salt {} on {device:?}", env!("CARGO_PKG_VERSION")),
        parts,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}
