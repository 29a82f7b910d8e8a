//! `salt adapter export`: an adapter in a format that other programs read.

use std::path::PathBuf;

use clap::ValueEnum;
use salt_peft::adapter_file::export::EXTRA_FILE;
use salt_peft::{BasePrecision, ExportOptions, export_hf_lora, read_header};

use super::{adapted_base, folder, new_folder};
use crate::commands::naming::NamingName;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt adapter export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "A SALT adapter is a LoRA of rank head + tail, exactly. An update of full rank (S-SAM, SVFT,
relu = \"full\") has none: --rank writes its best approximation and reports the error.

Example:
  salt adapter export --adapter runs/vessels --format hf-lora --naming hf --out vessels-lora"
)]
pub(crate) struct Args {
    /// Adapter folder or run directory
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Format to write
    #[arg(long, value_enum)]
    format: Format,
    /// Folder to write, which must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The base weights the adapter was trained over, or `embedded`; by default those of the run's recipe
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Names of the modules: as in the original checkpoints, or as transformers' SamModel has them
    #[arg(long, value_enum, default_value = "original")]
    naming: NamingName,
    /// Approximate updates of a larger rank than this
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..))]
    rank: Option<u32>,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Hugging Face peft: LoRA, or DoRA for a DoRA adapter
    HfLora,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Format::HfLora = args.format;
    new_folder(&args.out)?;
    let adapter = folder(&args.adapter)?;
    let device = args.device.device.open()?;
    let config = read_header(&adapter)?.config;
    let base = adapted_base::load(&adapter, args.weights.as_deref(), &device)?;
    let (model, _) = salt_peft::load_adapter(base, &adapter)?;
    let options = ExportOptions {
        names: args.naming.of_adapter(),
        rank: args.rank.map(|rank| rank as usize),
    };
    if config.base_precision != BasePrecision::F32 {
        screen::note(format_args!(
            "the factors are those over weights rounded to {}, which Hugging Face peft does not do: scores may differ \
             in the last digits. `salt adapter merge` writes the rounded weights",
            config.base_precision
        ));
    }
    let report = export_hf_lora(&model, &config, &args.out, &options)?;
    for (path, rank, error) in report.layers.iter().filter(|layer| layer.2 > 0.0) {
        screen::note(format_args!(
            "{path}: approximated with rank {rank}, relative error {error:.3e}"
        ));
    }
    if !report.beside.is_empty() {
        screen::note(format_args!(
            "{} parameters that are no modules are in {EXTRA_FILE}; load them with \
             model.load_state_dict(safetensors.torch.load_file(...), strict=False)",
            report.beside.len()
        ));
    }
    let ranks = report.layers.iter().map(|layer| layer.1);
    screen::result(format_args!(
        "{} written as LoRA of rank up to {} over {} modules: {}",
        config.method,
        ranks.max().unwrap_or(0),
        report.layers.len(),
        args.out.display()
    ))
}
