//! How long the decompositions of a ViT-B image encoder take: first, from the cache, and truncated.
//!
//! ```text
//! cargo run --release -p salt-peft --example svd_speed [REPEATS]
//! ```
//!
//! The weights of all 12 blocks of SAM ViT-B and of its neck are drawn at random with a decaying
//! spectrum (entry (i, j) is uniform, times `1 / (1 + j / 100)`), stored as Burn stores them, and
//! decomposed on rayon's threads (`RAYON_NUM_THREADS`). Prints a Markdown table with medians.
//! `svd_speed.py` beside this file does the same with NumPy or PyTorch.
#![expect(clippy::print_stdout, reason = "a program that prints a table")]

use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

use salt_peft::svd::{Need, SvdCache, ThinSvd, WeightMatrix, decompose_all};
use salt_peft::weight::WeightShape;

type Failure = Box<dyn Error + Send + Sync>;

const BLOCKS: usize = 12;
/// Name, output and input features, of the matrices of one block.
const BLOCK: [(&str, usize, usize); 4] = [
    ("attn.qkv", 2304, 768),
    ("attn.proj", 768, 768),
    ("mlp.lin1", 3072, 768),
    ("mlp.lin2", 768, 3072),
];
const RANKS: [usize; 3] = [8, 32, 77];
const REPEATS: usize = 3;

struct Weight {
    shape: WeightShape,
    values: Vec<f32>,
}

fn main() -> Result<(), Failure> {
    let repeats = match std::env::args().nth(1) {
        Some(text) => text.parse::<usize>()?.max(1),
        None => REPEATS,
    };
    let weights = vit_b();
    let parameters: usize = weights.iter().map(|weight| weight.values.len()).sum();
    println!(
        "{} matrices, {:.1} M weights; {} threads, {}; median of {repeats} (least to most), seconds\n",
        weights.len(),
        parameters as f64 / 1e6,
        rayon::current_num_threads(),
        machine(),
    );
    println!("| what | seconds |\n|---|---:|");

    let (full, seconds) = timed(repeats, || decompose(&weights, Need::Full, None))?;
    println!("| all triplets, no cache | {seconds} |");
    let dir = std::env::temp_dir().join(format!("svd_speed-{}", std::process::id()));
    let cache = SvdCache::open(&dir)?;
    let (filled, seconds) = timed(repeats, || {
        cache.shrink_to(0)?;
        decompose(&weights, Need::Full, Some(&cache))
    })?;
    println!("| all triplets, computed and cached | {seconds} |");
    let usage = cache.usage()?;
    let (read, seconds) = timed(repeats, || decompose(&weights, Need::Full, Some(&cache)))?;
    let megabytes = usage.bytes / 1_000_000;
    println!("| all triplets, read from the cache ({megabytes} MB) | {seconds} |");
    for other in [&filled, &read] {
        assert!(*other == full, "the cache changes the result");
    }
    drop((filled, read));
    let mut worst = 0.0_f64;
    for rank in RANKS {
        let need = Need::Leading(rank);
        let (leading, seconds) = timed(repeats, || decompose(&weights, need, None))?;
        worst = worst.max(deviation(&leading, &full));
        println!("| {rank} leading triplets, no cache | {seconds} |");
    }
    println!(
        "\nLeading singular values, in f32, are within {worst:.0e} s_1 of those of the full decomposition."
    );
    println!("Cache: {}. One matrix on one thread:\n", cache.report());
    cache.shrink_to(0)?;
    std::fs::remove_dir(&dir)?;
    one_by_one(&weights, repeats)
}

/// Shapes of one block and of the neck, each alone.
fn one_by_one(weights: &[Weight], repeats: usize) -> Result<(), Failure> {
    let mut head = "| matrix | all |".to_string();
    let mut line = "|---|---:|".to_string();
    for rank in RANKS {
        write!(head, " r = {rank} |")?;
        line += "---:|";
    }
    println!("{head}\n{line}");
    let neck = weights.len() - 2;
    let shown = weights[..BLOCK.len()].iter().chain(&weights[neck..]);
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for weight in shown {
        let one = std::slice::from_ref(weight);
        let mut row = format!(
            "| {} {} x {} |",
            weight.shape.path,
            weight.shape.out(),
            weight.shape.fan_in()
        );
        for need in [Need::Full].into_iter().chain(RANKS.map(Need::Leading)) {
            let (_, seconds) = timed(repeats, || alone.install(|| decompose(one, need, None)))?;
            write!(row, " {seconds} |")?;
        }
        println!("{row}");
    }
    Ok(())
}

fn decompose(
    weights: &[Weight],
    need: Need,
    cache: Option<&SvdCache>,
) -> Result<Vec<ThinSvd>, Failure> {
    let jobs: Vec<_> = weights
        .iter()
        .map(|weight| (WeightMatrix::of_weight(&weight.shape, &weight.values), need))
        .collect();
    let svds = decompose_all(&jobs, cache).into_iter();
    svds.collect::<Option<_>>()
        .ok_or_else(|| "a decomposition did not converge".into())
}

/// The last result and the median, least and greatest time.
fn timed<T>(
    repeats: usize,
    mut run: impl FnMut() -> Result<T, Failure>,
) -> Result<(T, String), Failure> {
    let mut times = Vec::with_capacity(repeats);
    loop {
        let start = Instant::now();
        let result = run()?;
        times.push(start.elapsed().as_secs_f64());
        if times.len() == repeats {
            times.sort_by(f64::total_cmp);
            let (least, median, most) = (times[0], times[repeats / 2], times[repeats - 1]);
            return Ok((result, format!("{median:.2} ({least:.2} to {most:.2})")));
        }
    }
}

/// The largest difference of singular values, relative to the first.
fn deviation(leading: &[ThinSvd], full: &[ThinSvd]) -> f64 {
    let pairs = leading.iter().zip(full).flat_map(|(a, b)| {
        let (a, b) = (a.values(), b.values());
        let first = f64::from(b[0]);
        let differences = a.into_iter().zip(b);
        differences.map(move |(x, y)| (f64::from(x) - f64::from(y)).abs() / first)
    });
    pairs.fold(0.0, f64::max)
}

fn vit_b() -> Vec<Weight> {
    let mut weights = Vec::new();
    for block in 0..BLOCKS {
        for (name, rows, cols) in BLOCK {
            let shape = WeightShape::new(format!("blocks.{block}.{name}"), [rows, cols]);
            weights.push(weight(shape, weights.len()));
        }
    }
    for (name, dims) in [("neck.0", [256, 768, 1, 1]), ("neck.2", [256, 256, 3, 3])] {
        weights.push(weight(WeightShape::new(name, dims), weights.len()));
    }
    weights
}

fn weight(shape: WeightShape, stream: usize) -> Weight {
    let (rows, cols) = (shape.out(), shape.fan_in());
    let mut values = vec![0.0; rows * cols];
    for i in 0..rows {
        for j in 0..cols {
            let decay = 1.0 / (1.0 + j as f64 / 100.0);
            let entry = (uniform(stream, i * cols + j) - 0.5) * decay;
            values[shape.stored_index(i, j)] = entry as f32;
        }
    }
    Weight { shape, values }
}

/// In [0, 1): the splitmix64 finaliser of (stream, index).
fn uniform(stream: usize, index: usize) -> f64 {
    let mut z = (stream as u64) << 32 | index as u64;
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Operating system, processor and core count, as far as they can be read.
fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "{os} {arch}, {}, {cores} cores",
        name.unwrap_or("processor unknown")
    )
}
