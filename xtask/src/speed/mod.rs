//! `cargo xtask speed`: speed and memory beside other programs, in the same run on the same machine.
//!
//! | file | work |
//! |---|---|
//! | `loader` | the training loader against a PyTorch `DataLoader` with PIL |
//! | `model` | training steps, encoding, decoding, decompositions against transformers' `SamModel` |

mod loader;
mod model;
mod row;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;

use self::row::Row;
use crate::bench::machine::Machine;
use crate::workspace::root;

/// Everything that can be measured; a new work is a file and a line here.
const WORKS: [Work; 7] = [
    Work::new("loader_512", loader::rows),
    Work::new("step", model::steps),
    Work::new("encode", model::encode),
    Work::new("decode", model::decode),
    Work::new("predict", model::predict),
    Work::new("attach", model::attach),
    Work::new("operations", model::operations),
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
    after_help = "Needs Python 3.10 or newer. What is missing in it is installed from PyPI into \
                  target/speed/venv.\n\nExample:\n  cargo xtask speed --work loader_512 --repeats 5\n  \
                  cargo xtask speed --work step,encode --size 512,1024 --methods paper-salt-256,lora"
)]
pub(crate) struct Args {
    /// What to measure; everything by default
    #[arg(long, value_name = "NAMES", value_delimiter = ',', value_parser = names())]
    work: Vec<String>,
    /// What to compare with
    #[arg(long, value_enum, default_value_t = Peer::Pytorch)]
    against: Peer,
    /// What the model computes on
    #[arg(long, value_enum, default_value_t = SpeedDevice::Flex)]
    backend: SpeedDevice,
    /// Sides of the model's input, in pixels
    #[arg(
        long,
        value_name = "PIXELS",
        value_delimiter = ',',
        default_value = "512"
    )]
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
    /// How often each side is measured, in turn
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Peer {
    Pytorch,
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
    device: SpeedDevice,
    sizes: Vec<usize>,
    batches: Vec<usize>,
    methods: Vec<String>,
}

impl Bench {
    /// Every side with every batch.
    fn shapes(&self) -> impl Iterator<Item = (usize, usize)> {
        let of = |&size| self.batches.iter().map(move |&batch| (size, batch));
        self.sizes.iter().flat_map(of)
    }
}

/// speed.json.
#[derive(Debug, Serialize)]
struct Speed {
    machine: Machine,
    commit: Option<String>,
    command: String,
    peers: Vec<String>,
    /// Processes that wanted a core when it began, the mean of a minute; where the system tells.
    load_at_start: Option<f64>,
    rows: Vec<Row>,
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let Peer::Pytorch = args.against;
    let folder = root().join("target/speed");
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {folder:?}"))?;
    let bench = Bench {
        folder,
        python: args.python.clone(),
        repeats: args.repeats.into(),
        images: args.images.clone(),
        device: args.backend,
        sizes: args.size.clone(),
        batches: args.batch.clone(),
        methods: args.methods.clone(),
    };
    let machine = Machine::this();
    let mut speed = Speed {
        commit: machine.commit.clone(),
        machine,
        command: command(std::env::args().skip(1)),
        peers: Vec::new(),
        load_at_start: load(),
        rows: Vec::new(),
    };
    let wanted = |work: &&Work| args.work.is_empty() || args.work.iter().any(|n| n == work.name);
    for work in WORKS.iter().filter(wanted) {
        let Compared { rows, peer } = (work.rows)(&bench)?;
        speed.rows.extend(rows);
        speed.peers.extend(peer);
    }
    speed.peers.dedup();
    publish(&root().join(&args.out), &speed)
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

fn publish(out: &Path, speed: &Speed) -> anyhow::Result<()> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot create {out:?}"))?;
    let write = |name: &str, text: &str| {
        let path = out.join(name);
        std::fs::write(&path, text).with_context(|| format!("cannot write {path:?}"))
    };
    write("speed.json", &(serde_json::to_string_pretty(speed)? + "\n"))?;
    let report = markdown(speed);
    write("speed.md", &report)?;
    println!("{report}\nwritten to {}", out.display());
    Ok(())
}

fn markdown(speed: &Speed) -> String {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".into());
    let load = speed.load_at_start;
    let load = load.map_or_else(|| "unknown".into(), |load| format!("{load:.1}"));
    let mut text = format!(
        "# Speed beside other programs\n\n- Command: `{}`\n- Machine: {}\n- Commit: {}\n- Peers: {}\n- Load at \
         the start: {load}\n\nMedians; ours and the peer are measured in turn. The ratio says how many times \
         faster ours is.\n\n\
         | work | peer | ours ms | peer ms | ours per s | peer per s | ratio | ours MiB | peer MiB | repeats |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        speed.command,
        speed.machine.in_words(),
        known(&speed.commit),
        speed.peers.join("; "),
    );
    let shown = |value: Option<f64>, digits: usize| {
        value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
    };
    for row in &speed.rows {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.2} | {} | {:.1} | {} | {} | {} | {} | {} |",
            row.work,
            row.peer.as_deref().unwrap_or("-"),
            1e3 * row.ours_s,
            shown(row.peer_s.map(|s| 1e3 * s), 2),
            1.0 / row.ours_s,
            shown(row.peer_s.map(|s| 1.0 / s), 1),
            shown(row.ratio, 2),
            shown(row.ours_rss_mb, 0),
            shown(row.peer_rss_mb, 0),
            row.repeats,
        );
    }
    for row in speed.rows.iter().filter(|row| row.parts.len() > 1) {
        let _ = write!(
            text,
            "\n{}:\n\n| part | ours ms | share | peer ms |\n|---|---:|---:|---:|\n",
            row.work
        );
        for part in &row.parts {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.0} % | {} |",
                part.name,
                1e3 * part.ours_s,
                100.0 * part.ours_s / row.ours_s,
                shown(part.peer_s.map(|s| 1e3 * s), 2),
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::row::Part;
    use super::*;

    #[test]
    fn the_command_is_kept_without_places_of_this_machine() {
        let words = "speed --python bin/python --work loader_512 --out=here";
        let kept = command(words.split(' ').map(str::to_owned));
        assert_eq!(kept, "cargo xtask speed --work loader_512");
        let kept = command(["speed", "--python=x"].map(str::to_owned).into_iter());
        assert_eq!(kept, "cargo xtask speed");
    }

    #[test]
    fn a_report_names_machine_command_and_rows() {
        let speed = Speed {
            machine: Machine::default(),
            commit: Some("abc".into()),
            command: "cargo xtask speed".into(),
            peers: vec!["torch 2".into()],
            load_at_start: None,
            rows: vec![Row {
                work: "loader_512_png_files_w1".into(),
                backend: "cpu".into(),
                peer: Some("pytorch-pil".into()),
                ours_s: 0.01,
                peer_s: Some(0.04),
                ratio: Some(4.0),
                ours_rss_mb: Some(50.4),
                peer_rss_mb: None,
                rss_ratio: None,
                repeats: 5,
                parts: [("read", 0.004), ("resize", 0.006)]
                    .map(|(name, ours_s)| Part {
                        name: name.into(),
                        ours_s,
                        peer_s: None,
                    })
                    .into(),
            }],
        };
        let text = markdown(&speed);
        let line = "| loader_512_png_files_w1 | pytorch-pil | 10.00 | 40.00 | 100.0 | 25.0 | 4.00 | 50 | - | 5 |";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("| resize | 6.00 | 60 % | - |"), "{text}");
        assert!(text.contains("abc") && text.contains("torch 2"), "{text}");
    }
}
