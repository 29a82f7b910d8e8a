//! `salt weights convert`: a checkpoint in another format.

use std::path::PathBuf;

use burn::module::Module as _;
use salt_sam::weights::{Precision, SaveOptions, save};

use crate::checkpoint_model;
use crate::commands::naming::NamingName;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::output_file;
use crate::screen;

/// Options of `salt weights convert`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt weights convert --from weights/sam_vit_b_01ec64.pth --out weights/sam_vit_b.safetensors
  salt weights convert --from sam.pth --out model.safetensors --naming hf --half

Every tensor must belong to the model and every part of the model must be there; positions keep the
checkpoint's own size. What training scripts wrap weights in is taken off: `module.` before every
key, and a nest under model, state_dict or model_state_dict with an optimizer beside it.")]
pub(crate) struct Args {
    /// Checkpoint to read (.pth or .safetensors, original or Hugging Face names), or `embedded`
    #[arg(long, value_name = "FILE")]
    from: String,
    /// Checkpoint to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
    /// Model of the checkpoint: sam_nano, sam_vit_b, ... [default: the nearest in size]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Names of the tensors: as in the original checkpoints, or as Hugging Face has them
    #[arg(long, value_enum, default_value = "original")]
    naming: NamingName,
    /// Write 16-bit floats: half the size, three significant digits
    #[arg(long)]
    half: bool,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    output_file::prepare(
        &args.out,
        Some("safetensors"),
        &[std::path::Path::new(&args.from)],
    )?;
    let checkpoint = checkpoint_model::read(&args.from)?;
    let metadata = checkpoint.metadata.clone();
    let device = args.device.device.open()?;
    let (name, model) = checkpoint_model::sam(checkpoint, args.model.as_deref(), &device)?;
    let options = SaveOptions {
        precision: match args.half {
            true => Precision::Half,
            false => Precision::Full,
        },
        naming: args.naming.of_checkpoint(),
        metadata,
    };
    save(&model, &args.out, &options)?;
    screen::result(format_args!(
        "{name}, {} parameters: {}",
        screen::count(model.num_params() as u64),
        args.out.display()
    ))
}
