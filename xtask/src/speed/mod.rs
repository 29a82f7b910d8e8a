//! `cargo xtask speed`: speed and memory beside other programs, in the same run on the same machine.
//!
//! | file | work |
//! |---|---|
//! | `loader` | the training loader against a PyTorch `DataLoader` with PIL |
//! | `model` | training steps, encoding, decoding, decompositions against transformers' `SamModel` or candle |
//! | `growth` | a step against tokens, rank, batch and classes, without a peer |
//!
//! | file | concept |
//! |---|---|
//! | `peer` | what is compared with, and what it can do |
//! | `programs` | the programs that measure the model, built once |
//! | `row` | one comparison: medians, ratios |
//! | `series` | one thing that grows, and the exponent of the cost |
//! | `report` | speed.json and speed.md |

mod growth;
mod loader;
mod model;
mod peer;
mod programs;
mod report;
mod row;
mod series;

use std::path::PathBuf;

use anyhow::Context as _;

use self::peer::Peer;
use self::programs::Programs;
use self::report::Speed;
use self::row::Row;
use self::series::Series;
use crate::bench::machine::Machine;
use crate::workspace::root;

/// Everything that can be measured; a new work is a file and a line here.
const WORKS: [Work; 8] = [
    Work::new("loader_512", loader::rows),
    Work::new("step", model::steps),
    Work::new("encode", model::encode),
    Work::new("decode", model::decode),
    Work::new("predict", model::predict),
    Work::new("attach", model::attach),
    Work::new("operations", model::operations),
    Work::new("growth", growth::series),
];

/// A group of rows that are measured together.
struct Work {
    name: &'static str,
    rows: fn(&Bench) -> anyhow::Result<Compared>,
}

impl Work {
    const fn new(name: &'static str, rows: fn(&Bench) -> anyhow::Result<Compared>) -> Self {
        Self { name, rows }
    }
}

/// The rows of a work, and the program it was compared with.
#[derive(Default)]
struct Compared {
    rows: Vec<Row>,
    /// With versions; nothing where no row has a peer.
    peer: Option<String>,
    /// Of a work that is measured at several sizes of something.
    series: Vec<Series>,
}

impl Compared {
    fn add(&mut self, (row, peer): (Row, Option<String>)) {
        self.rows.push(row);
        self.peer = peer.or_else(|| self.peer.take());
    }
}

/// Measure speed and memory, and the ratio to other programs that do the same work in the same run
#[derive(Debug, clap::Args)]
#[command(
    after_help = "PyTorch needs Python 3.10 or newer. What is missing in it is installed from PyPI into \
                  target/speed. candle is built with cargo from its own lock file, and from its default \
                  features: no MKL.\n\nExamples:\n  cargo xtask speed --work loader_512 --repeats 5\n  \
                  cargo xtask speed --work step,encode --size 512,1024 --methods paper-salt-256,lora\n  \
                  cargo xtask speed --against candle --repeats 3\n  \
                  cargo xtask speed --work growth --repeats 3"
)]
pub(crate) struct Args {
    /// What to measure; by default everything, against candle encode. `growth` has methods, sizes and batches
    /// of its own, one process for each point, and takes about ten minutes on two cores
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names())]
    work: Vec<String>,
    /// What to compare with
    #[arg(long, value_enum, default_value_t = Peer::Pytorch)]
    against: Peer,
    /// What the model computes on
    #[arg(long, value_enum, default_value_t = SpeedDevice::Flex)]
    backend: SpeedDevice,
    /// Sides of the model's input, in pixels; by default 512
    #[arg(long, value_name = "PIXELS", value_delimiter = ',')]
    size: Vec<usize>,
    /// Images at once
    #[arg(
        long,
        value_name = "IMAGES",
        value_delimiter = ',',
        default_value = "1"
    )]
    batch: Vec<usize>,
    /// Methods of the training steps: those of `salt adapter methods` on qkv and proj with rank 16, or a
    /// setting of the paper
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "paper-salt-256,lora,full"
    )]
    methods: Vec<String>,
    /// How often each side is measured, in turn; in `growth`, how many runs of a process count
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    repeats: u16,
    /// Data set for the loader, instead of generated pictures (images/, masks/STEM_mask.png, data_split.csv)
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Python to use
    #[arg(long, value_name = "PROGRAM", default_value = "python3")]
    python: PathBuf,
    /// Folder for speed.json and speed.md
    #[arg(long, value_name = "DIR", default_value = "runs/speed")]
    out: PathBuf,
}

/// Backends that the model is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SpeedDevice {
    /// CPU.
    Flex,
    /// An NVIDIA GPU.
    Cuda,
}

impl SpeedDevice {
    /// As the cargo feature and `BURN_DEVICE` call it.
    fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Cuda => "cuda",
        }
    }
}

fn names() -> clap::builder::PossibleValuesParser {
    WORKS
        .iter()
        .map(|work| work.name)
        .collect::<Vec<_>>()
        .into()
}

/// What works are measured with.
struct Bench {
    /// For whatever is made on the way.
    folder: PathBuf,
    python: PathBuf,
    repeats: usize,
    images: Option<PathBuf>,
    peer: Peer,
    programs: Programs,
    device: SpeedDevice,
    sizes: Vec<usize>,
    batches: Vec<usize>,
    methods: Vec<String>,
}

impl Bench {
    fn new(args: &Args) -> Self {
        let sizes = match &args.size[..] {
            [] => vec![512],
            asked => asked.to_vec(),
        };
        Self {
            folder: root().join("target/speed"),
            python: args.python.clone(),
            repeats: args.repeats.into(),
            images: args.images.clone(),
            peer: args.against,
            programs: Programs::default(),
            device: args.backend,
            sizes,
            batches: args.batch.clone(),
            methods: args.methods.clone(),
        }
    }

    /// Every side with every batch.
    fn shapes(&self) -> impl Iterator<Item = (usize, usize)> {
        let of = |&size| self.batches.iter().map(move |&batch| (size, batch));
        self.sizes.iter().flat_map(of)
    }
}

/// The works that were asked for, in the order of [`WORKS`].
fn wanted(args: &Args) -> Vec<&'static Work> {
    let asked = |work: &Work| args.work.iter().any(|name| name == work.name);
    let by_default = |work: &Work| args.work.is_empty() && args.against.offers(work.name);
    WORKS
        .iter()
        .filter(|work| asked(work) || by_default(work))
        .collect()
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let works = wanted(args);
    let bench = Bench::new(args);
    for work in &works {
        bench.peer.check(work.name, &bench)?;
    }
    let folder = &bench.folder;
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {folder:?}"))?;
    let machine = Machine::this();
    let mut speed = Speed {
        commit: machine.commit.clone(),
        machine,
        command: command(std::env::args().skip(1)),
        peers: Vec::new(),
        load_at_start: load(),
        rows: Vec::new(),
        growth: Vec::new(),
    };
    for work in works {
        let Compared { rows, peer, series } = (work.rows)(&bench)?;
        speed.rows.extend(rows);
        speed.peers.extend(peer);
        speed.growth.extend(series);
    }
    speed.peers.dedup();
    report::publish(&root().join(&args.out), &speed)
}

/// As typed, without what only this machine has: where its Python is and where the figures went.
fn command(arguments: impl Iterator<Item = String>) -> String {
    const OWN: [&str; 2] = ["--python", "--out"];
    let mut words = vec!["cargo xtask".to_owned()];
    let mut skip = false;
    for word in arguments {
        let (name, value) = word.split_once('=').unzip();
        if skip {
            skip = false;
        } else if OWN.contains(&name.unwrap_or(&word)) {
            skip = value.is_none();
        } else {
            words.push(word);
        }
    }
    words.join(" ")
}

fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Args {
        let words = std::iter::once("speed").chain(line.split_whitespace());
        <Line as clap::Parser>::parse_from(words).args
    }

    fn check_wanted(line: &str, expected: &[&str]) {
        let names: Vec<_> = wanted(&args(line)).iter().map(|work| work.name).collect();
        assert_eq!(names, expected, "{line}");
    }

    #[test]
    fn everything_that_the_peer_offers_is_measured_by_default() {
        check_wanted("", &WORKS.map(|work| work.name));
        check_wanted("--against candle", &["encode"]);
        check_wanted("--work decode,step", &["step", "decode"]);
        check_wanted("--against candle --work step", &["step"]);
    }

    fn check_refused(line: &str, received: &str) {
        let error = run(&args(line)).unwrap_err();
        assert!(error.is::<crate::usage::UsageError>(), "{line}: {error}");
        let text = error.to_string();
        assert!(
            text.contains("--work encode --backend flex"),
            "{line}: {text}"
        );
        assert!(
            text.contains(&format!("received {received};")),
            "{line}: {text}"
        );
    }

    #[test]
    fn what_candle_does_not_offer_is_refused_before_anything_is_built() {
        check_refused("--against candle --work step", "--work step");
        check_refused("--against candle --work encode,growth", "--work growth");
        check_refused("--against candle --backend cuda", "--backend cuda");
    }

    #[test]
    fn the_command_is_kept_without_places_of_this_machine() {
        let words = "speed --python bin/python --work loader_512 --out=here";
        let kept = command(words.split(' ').map(str::to_owned));
        assert_eq!(kept, "cargo xtask speed --work loader_512");
        let kept = command(["speed", "--python=x"].map(str::to_owned).into_iter());
        assert_eq!(kept, "cargo xtask speed");
    }
}
