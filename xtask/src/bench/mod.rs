//! `cargo xtask bench`: methods x data sets x seeds, each cell a `salt train` in its own process.
//!
//! A cell that is finished is skipped, one that was stopped goes on, one that fails is shown and
//! does not keep the others from running. What is on disk is the only state: see [`work_left()`].

mod binary;
mod cell;
mod dataset;
mod launch;
pub(crate) mod machine;
pub(crate) mod method;
mod preset;
pub(crate) mod progress;
pub(crate) mod recipe;
mod shard;
pub(crate) mod work_left;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};

use crate::report::finished_cell::{self, CellState};
use crate::report::{self, About};
use crate::usage::UsageError;
use crate::workspace;
use binary::Backend;
pub(crate) use cell::CellId;
use dataset::Source;
use launch::Outcome;
use preset::{Preset, PresetName};
use recipe::{Override, Shared};
use shard::Shard;
use work_left::{CellFiles, WorkLeft, work_left};

/// Exit code of a process ended by Ctrl-C.
const INTERRUPTED: i32 = 130;

const EXAMPLES: &str = "\
Examples:
  cargo xtask bench
  cargo xtask bench --datasets ../shared/data/CHASE_DB1 --methods salt,lora,full --seeds 0,1,2
  cargo xtask bench --backend cuda --preset standard";

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
    /// Do part I of N of the matrix, for several machines on one folder
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
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

/// A cell with what it takes to run it.
#[derive(Debug)]
struct Planned {
    id: CellId,
    files: CellFiles,
    recipe: String,
    left: WorkLeft,
}

/// The cells of a benchmark and what they have in common.
#[derive(Debug)]
struct Plan {
    cells: Vec<Planned>,
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
    let cells = cells(args, preset, &sources)?;
    if args.dry_run {
        show(&plan(args, preset, &sources, &out, cells)?.cells, &out);
        return Ok(());
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
    let Plan {
        cells: planned,
        matrix,
        data,
    } = plan(args, preset, &sources, &out, cells)?;
    about(args, matrix, data).write(&out)?;
    let failed = run_cells(&salt, args.backend, &planned)?;
    report::run(&out)?;
    if !failed.is_empty() {
        bail!(
            "{} of {} cells failed: {}; run the command again to retry them, --fresh to start over",
            failed.len(),
            planned.len(),
            failed.join(", ")
        );
    }
    Ok(())
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

/// The combinations that this process is to run.
fn cells(args: &Args, preset: &Preset, sources: &[Source]) -> anyhow::Result<Vec<CellId>> {
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
    let cells = cell::matrix(&methods, &datasets, seeds);
    Ok(match args.shard {
        Some(shard) => shard.of(cells),
        None => cells,
    })
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
        let files = CellFiles::new(out, &id);
        let left = if args.fresh {
            WorkLeft::Everything
        } else {
            work_left(&id, &files, &recipe)
        };
        Ok(Planned {
            id,
            files,
            recipe,
            left,
        })
    });
    let cells = planned.collect::<anyhow::Result<_>>()?;
    Ok(Plan {
        cells,
        matrix: shared.matrix(),
        data,
    })
}

fn show(planned: &[Planned], out: &Path) {
    for Planned { id, left, .. } in planned {
        let what = match left {
            WorkLeft::Nothing => "finished",
            WorkLeft::TheRest => "goes on from its checkpoint",
            WorkLeft::Everything => "to be trained",
        };
        println!("{id}: {what}");
    }
    let left = planned
        .iter()
        .filter(|cell| cell.left != WorkLeft::Nothing)
        .count();
    println!(
        "{left} of {} cells to run in {}",
        planned.len(),
        out.display()
    );
}

/// The score of a cell whose process ended well; an error when it left no finished result.
fn score(id: &CellId, files: &CellFiles) -> anyhow::Result<String> {
    match finished_cell::read(id.clone(), &files.run)? {
        CellState::Finished(cell) => {
            let dice = finished_cell::mean(cell.cases.values().filter_map(|case| case.dice));
            Ok(dice.map_or_else(
                || "Dice undefined".to_owned(),
                |dice| format!("Dice {dice:.3}"),
            ))
        }
        CellState::Unfinished(_) => {
            let log = files.log.display();
            bail!("the process ended well and left no finished result; its log is {log}")
        }
    }
}

fn about(args: &Args, matrix: String, data: BTreeMap<String, String>) -> About {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    About {
        preset: args.preset.as_str().to_owned(),
        backend: args.backend.feature().to_owned(),
        command: format!("cargo xtask {}", typed.join(" ")),
        machine: machine::Machine::this(),
        matrix: Some(matrix),
        data,
    }
}

/// Run what is left; the names of the cells that failed.
fn run_cells(salt: &Path, backend: Backend, planned: &[Planned]) -> anyhow::Result<Vec<String>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        // The second time, at once: the cell's checkpoints are whole at any moment.
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
    })
    .context("cannot listen for Ctrl-C")?;

    let todo: Vec<_> = planned
        .iter()
        .filter(|cell| cell.left != WorkLeft::Nothing)
        .collect();
    let skipped = planned.len() - todo.len();
    if skipped > 0 {
        eprintln!("{skipped} of {} cells are finished already", planned.len());
    }
    let mut progress = progress::Progress::new(todo.len());
    let mut failed = Vec::new();
    for Planned {
        id,
        files,
        recipe,
        left,
    } in todo
    {
        let name = id.to_string();
        if *left == WorkLeft::Everything {
            work_left::clear(files, recipe)?;
        }
        progress.begin(
            &name,
            if *left == WorkLeft::TheRest {
                "goes on"
            } else {
                "starts"
            },
        );
        let mut command = launch::command(salt, files, *left, backend.device());
        match launch::run(&mut command, &files.log, &mut progress, &interrupted)? {
            Outcome::Finished => match score(id, files) {
                Ok(score) => progress.end(&format!("finished, {score}")),
                Err(error) => {
                    progress.end(&format!("FAILED: {error:#};"));
                    failed.push(name);
                }
            },
            Outcome::Failed(how) => {
                progress.end(&format!("FAILED: {how}\n   "));
                failed.push(name);
            }
            Outcome::Interrupted => {
                progress.close();
                eprintln!("Stopped in {name}. The same command goes on from here.");
                std::process::exit(INTERRUPTED);
            }
        }
    }
    progress.close();
    Ok(failed)
}
