//! `cargo xtask bench`: methods x data sets x seeds, each cell a `salt train` in its own process.
//!
//! A cell that is finished is skipped, one that was stopped goes on, one that fails is shown and
//! does not keep the others from running. What is on disk is the only state: see [`mod@work_left`].

mod binary;
mod cell;
mod cell_lock;
mod dataset;
mod launch;
pub(crate) mod machine;
pub(crate) mod method;
mod preset;
pub(crate) mod progress;
pub(crate) mod recipe;
mod run_cells;
mod shard;
pub(crate) mod slurm;
mod stop;
pub(crate) mod work_left;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::report::{self, About};
use crate::usage::UsageError;
use crate::workspace;
use binary::Backend;
pub(crate) use cell::CellId;
use dataset::Source;
use preset::{Preset, PresetName};
use recipe::{Override, Shared};
use run_cells::{Ending, Work, run_cells};
use shard::Shard;
use stop::Stop;
use work_left::{CellFiles, WorkLeft};

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench
  cargo xtask bench --datasets ../shared/data/CHASE_DB1 --methods salt,lora,full --seeds 0,1,2
  cargo xtask bench --backend cuda --preset standard
  cargo xtask bench --shard 2/3
  cargo xtask bench --backend cuda --slurm --slurm-arg=--gres=gpu:1 --slurm-arg=--time=4:00:00

docs/CLUSTER.md tells how a benchmark is spread over machines.";

/// Compare the methods: train every combination and print the table
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// How much: quick takes minutes on two cores
    #[arg(long, value_enum, default_value = "quick")]
    preset: PresetName,
    /// What to run on; salt is built with the feature of that name
    #[arg(long, value_enum, default_value = "flex")]
    backend: Backend,
    /// Methods, separated by commas (the preset's when left out)
    #[arg(long, value_delimiter = ',')]
    methods: Vec<String>,
    /// `vessels` (generated) or folders with images/, masks/ and a split file, separated by commas
    #[arg(long, value_delimiter = ',')]
    datasets: Vec<String>,
    /// Seeds, separated by commas (the preset's when left out)
    #[arg(long, value_delimiter = ',')]
    seeds: Vec<u64>,
    /// Base weights to start from instead of the ones in the program
    #[arg(long, value_name = "FILE")]
    base: Option<PathBuf>,
    /// Where results go [default: runs/bench/PRESET in the repository]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Do part I of N of the matrix (the first is 1/N), for several machines on one folder
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    #[command(flatten)]
    slurm: slurm::Options,
    /// Change a key of every recipe, like `salt train --set`
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<Override>,
    /// A `salt` that is built already, instead of building one
    #[arg(long, value_name = "PROGRAM")]
    salt: Option<PathBuf>,
    /// Start every cell over, finished or not
    #[arg(long)]
    fresh: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// The cells of a benchmark and what they have in common.
#[derive(Debug)]
struct Plan {
    cells: Vec<Work>,
    /// [`Shared::matrix`].
    matrix: String,
    /// SHA-256 of each data set that is there, by name.
    data: BTreeMap<String, String>,
}

/// Run the command.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let preset = args.preset.get();
    let out = args.out.clone().unwrap_or_else(|| default_out(args.preset));
    let names = if args.datasets.is_empty() && preset.vessels.is_some() {
        vec![dataset::VESSELS.to_owned()]
    } else {
        args.datasets.clone()
    };
    let sources = dataset::resolve(&names, preset, &out)?;
    if args.base.is_none() && !preset.has_embedded_base {
        let message = format!(
            "no base for {} comes with the program: name one with --base FILE \
             (the official .pth or .safetensors)",
            preset.model
        );
        return Err(UsageError(message).into());
    }
    let matrix = matrix(args, preset, &sources)?;
    let mine = match args.shard {
        Some(shard) => shard.of(matrix.clone()),
        None => matrix.clone(),
    };
    if mine.is_empty() {
        let all = matrix.len();
        eprintln!("This part of the matrix is empty: there are {all} cells in all");
        return Ok(());
    }
    if args.dry_run {
        let cells = plan(args, preset, &sources, &out, mine)?.cells;
        show(&cells, &out);
        if args.slurm.is_asked() {
            slurm::show(&args.slurm, &out, &cells)?;
        }
        return Ok(());
    }

    if args.slurm.is_asked() {
        slurm::check(&out)?;
    }
    let salt = match &args.salt {
        Some(program) => std::path::absolute(program).context("--salt names no file")?,
        None => binary::build(args.backend)?,
    };
    for source in &sources {
        if let (dataset::VESSELS, Some(vessels)) = (source.name.as_str(), preset.vessels) {
            dataset::generate(&salt, source, vessels)?;
        }
    }
    let plan = plan(args, preset, &sources, &out, mine)?;
    about(args, &plan, &matrix).write(&out)?;
    let device = args.backend.device();
    if args.slurm.is_asked() {
        return slurm::submit(&args.slurm, &out, &salt, device, &plan.cells);
    }
    let stop = Stop::listen()?;
    match run_cells(&salt, device, &plan.cells, &stop)? {
        Ending::Stopped { cell, .. } => {
            eprintln!("Stopped in {cell}. The same command goes on from here.");
            std::process::exit(stop.exit_code());
        }
        Ending::Done { failed } => {
            let reported = report::run(&out, &[]);
            all_well(&failed, plan.cells.len())?;
            reported
        }
    }
}

fn all_well(failed: &[String], all: usize) -> anyhow::Result<()> {
    if failed.is_empty() {
        return Ok(());
    }
    bail!(
        "{} of {all} cells failed: {}; run the command again to retry them, --fresh to start over",
        failed.len(),
        failed.join(", ")
    )
}

fn default_out(preset: PresetName) -> PathBuf {
    let out = workspace::root()
        .join("runs")
        .join("bench")
        .join(preset.as_str());
    // Shorter to read, and the same folder.
    let here = std::env::current_dir().ok();
    here.and_then(|here| Some(out.strip_prefix(here).ok()?.to_owned()))
        .unwrap_or(out)
}

/// All combinations, those of other shards too.
fn matrix(args: &Args, preset: &Preset, sources: &[Source]) -> anyhow::Result<Vec<CellId>> {
    let methods: Vec<&str> = if args.methods.is_empty() {
        preset.methods.to_vec()
    } else {
        args.methods.iter().map(String::as_str).collect()
    };
    for name in &methods {
        if method::by_name(name).is_none() {
            let known: Vec<_> = method::METHODS.iter().map(|method| method.name).collect();
            let message = format!("unknown method `{name}`; known: {}", known.join(", "));
            return Err(UsageError(message).into());
        }
    }
    let datasets: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    let seeds = if args.seeds.is_empty() {
        preset.seeds
    } else {
        &args.seeds
    };
    Ok(cell::matrix(&methods, &datasets, seeds))
}

/// Write every cell's document and see what is left of it.
fn plan(
    args: &Args,
    preset: &Preset,
    sources: &[Source],
    out: &Path,
    cells: Vec<CellId>,
) -> anyhow::Result<Plan> {
    let base_sha256 = binary::base_sha256(args.base.as_deref())?;
    let program_sha256 = binary::program_sha256(args.salt.as_deref())?;
    let shared = Shared {
        preset,
        backend: args.backend.feature(),
        base: args.base.as_deref(),
        base_sha256: &base_sha256,
        program_sha256: &program_sha256,
        overrides: &args.overrides,
    };
    let mut data = BTreeMap::new();
    for source in sources {
        if let Some(hash) = dataset::sha256(source)? {
            data.insert(source.name.clone(), hash);
        }
    }
    let planned = cells.into_iter().map(|id| {
        let method = method::by_name(&id.method).context("the method was looked up before")?;
        let source = sources
            .iter()
            .find(|source| source.name == id.dataset)
            .context("the data set was resolved before")?;
        let hash = data
            .get(&id.dataset)
            .map_or("not generated yet", String::as_str);
        let recipe = recipe::write(&id, method, source, hash, &shared)?;
        Ok(Work {
            files: CellFiles::new(out, &id),
            id,
            recipe,
            fresh: args.fresh,
        })
    });
    let cells = planned.collect::<anyhow::Result<_>>()?;
    Ok(Plan {
        cells,
        matrix: shared.matrix(),
        data,
    })
}

fn show(cells: &[Work], out: &Path) {
    let mut to_run = 0;
    for cell in cells {
        let left = cell.left();
        let what = match left {
            WorkLeft::Nothing => "finished",
            WorkLeft::TheRest => "goes on from its checkpoint",
            WorkLeft::Everything => "to be trained",
        };
        to_run += usize::from(left != WorkLeft::Nothing);
        println!("{}: {what}", cell.id);
    }
    let (all, out) = (cells.len(), out.display());
    println!("{to_run} of {all} cells to run in {out}");
}

fn about(args: &Args, plan: &Plan, matrix: &[CellId]) -> About {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    About {
        preset: args.preset.as_str().to_owned(),
        backend: args.backend.feature().to_owned(),
        command: format!("cargo xtask {}", typed.join(" ")),
        machine: machine::Machine::this(),
        matrix: Some(plan.matrix.clone()),
        data: plan.data.clone(),
        cells: matrix.iter().map(ToString::to_string).collect(),
    }
}
