//! `salt adapter merge`: adapter and base into one checkpoint.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::Module as _;
use salt_sam::weights::{SaveOptions, save};

use super::{adapted_base, folder};
use crate::commands::naming::NamingName;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::output_file;
use crate::screen;

/// Options of `salt adapter merge`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt adapter merge --weights embedded --adapter runs/vessels/adapter --out merged.safetensors
  salt segment --weights merged.safetensors --image eye.png --point 120,80 --out mask.png")]
pub(crate) struct Args {
    /// The base weights the adapter was trained over, or `embedded`
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// Adapter folder or run directory
    #[arg(long, value_name = "DIR")]
    adapter: PathBuf,
    /// Checkpoint to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Names of the tensors: as in the original checkpoints, or as Hugging Face has them
    #[arg(long, value_enum, default_value = "original")]
    naming: NamingName,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    output_file::prepare(&args.out, Some("safetensors"), &[Path::new(&args.weights)])?;
    let adapter = folder(&args.adapter)?;
    let device = args.device.device.open()?;
    let base = adapted_base::load(&adapter, Some(&args.weights), &device)?;
    let (model, report) = salt_peft::load_adapter(base, &adapter)?;
    let (merged, rounding) = salt_peft::merge_with_report(model)?;
    let options = SaveOptions {
        naming: args.naming.of_checkpoint(),
        metadata: BTreeMap::from([("merged_adapter".to_owned(), report.method.to_string())]),
        ..SaveOptions::default()
    };
    save(&merged, &args.out, &options)?;
    screen::result(format_args!(
        "{} merged into {} parameters, rounding changed a weight by at most {:.1e}: {}",
        report.method,
        screen::count(merged.num_params() as u64),
        rounding.largest(),
        args.out.display()
    ))
}
