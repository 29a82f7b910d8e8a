//! `salt adapter import`: an adapter of another program as one of ours.
//!
//! Two kinds are read: directories of HF peft (LoRA, rsLoRA, DoRA, PiSSA, OLoRA), and the files of SAMed
//! (arXiv 2304.13785): `w_a_000`, `w_b_000` and so on, two pairs a block, for the queries and the values of
//! its fused projection, beside the prompt encoder and mask decoder it has trained.

use std::path::{Path, PathBuf};

use salt_peft::adapter_file::{
    CONFIG_FILE, LooseFactor, LooseFactors, TENSOR_FILE, import_adapter, import_loose,
};
use salt_peft::{AdapterHeader, Names, load_adapter, load_renamed, save_adapter};
use salt_sam::weights::Checkpoint;

use super::{adapted_base, new_folder};
use crate::commands::naming::NamingName;
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::screen;

/// Options of `salt adapter import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt adapter import --from vessels-lora --weights sam_vit_b.pth --out adapters/vessels
  salt adapter import --from samed_epoch_159.pth --out adapters/samed")]
pub(crate) struct Args {
    /// Directory of HF peft, or a file of SAMed (.pth, .safetensors)
    #[arg(long, value_name = "DIR|FILE")]
    from: PathBuf,
    /// Adapter folder to write, which must not exist or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The base weights it was trained over, or `embedded`: the adapter is checked against them and remembers
    /// them. Without it, nothing is known of its base
    #[arg(long, value_name = "FILE")]
    weights: Option<String>,
    /// Names of the modules in the directory; by default told by the names themselves
    #[arg(long, value_enum)]
    naming: Option<NamingName>,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    new_folder(&args.out)?;
    let names = match (args.from.is_file(), args.naming) {
        (true, _) => None,
        (false, Some(naming)) => Some(naming.of_adapter()),
        (false, None) => Some(naming(&args.from)?.of_adapter()),
    };
    let header = match names {
        Some(names) => import_adapter(&args.from, &args.out, names)?,
        None => import_loose(samed(&args.from)?, &args.out)?,
    };
    if let Some(weights) = &args.weights {
        // Over the base, and written again with its fingerprint; what does not fit leaves nothing behind.
        if let Err(failure) = settle(args, weights, &header, names) {
            for file in [CONFIG_FILE, TENSOR_FILE] {
                let _ = std::fs::remove_file(args.out.join(file));
            }
            return Err(failure);
        }
    } else {
        screen::note("the base is not known: give --weights to check the adapter against it");
    }
    screen::result(format_args!(
        "{} over {} modules: {}",
        header.config.method,
        header.target_modules.len(),
        args.out.display()
    ))
}

fn settle(
    args: &Args,
    weights: &str,
    header: &AdapterHeader,
    names: Option<Names>,
) -> Result<(), Failure> {
    let device = args.device.device.open()?;
    let base = adapted_base::load(&args.out, Some(weights), &device)?;
    let (model, _) = match names {
        // The directory itself says more than what was made of it: which modules it means.
        Some(names) => load_renamed(base, &args.from, names)?,
        None => load_adapter(base, &args.out)?,
    };
    Ok(save_adapter(&model, &header.config, &args.out)?)
}

/// Whose names a directory has: transformers calls the encoder otherwise.
fn naming(from: &Path) -> Result<NamingName, Failure> {
    let path = from.join(CONFIG_FILE);
    if !path.is_file() {
        return Err(Failure::usage(
            format!("`{}` holds no {CONFIG_FILE}", from.display()),
            "give a directory that HF peft wrote, or a file of SAMed",
        ));
    }
    let header = salt_peft::read_header(from)?;
    let mut paths = header
        .target_modules
        .iter()
        .chain(&header.trained_parameters);
    Ok(match paths.any(|path| path.contains("vision_encoder.")) {
        true => NamingName::Hf,
        false => NamingName::Original,
    })
}

/// The factors of a SAMed file. SAMed multiplies B A by nothing.
fn samed(path: &Path) -> Result<LooseFactors, Failure> {
    let mut tensors = Checkpoint::read(path)?.tensors;
    let refuse = |what: String| {
        Failure::usage(
            format!("`{}` is no file of SAMed: {what}", path.display()),
            "expected w_a_000, w_b_000 ... as SAMed's save_lora_parameters writes them",
        )
    };
    let mut loose = LooseFactors::default();
    for index in 0.. {
        let [a, b] = ["a", "b"].map(|side| tensors.remove(&format!("w_{side}_{index:03}")));
        let (a, b) = match (a, b) {
            (Some(a), Some(b)) => (a, b),
            (None, None) => break,
            _ => {
                return Err(refuse(format!(
                    "of the pair {index:03} one half is missing"
                )));
            }
        };
        let rank = match (a.shape.as_slice(), b.shape.as_slice()) {
            ([rank, _], [_, same]) if rank == same && *rank > 0 => *rank,
            _ => {
                return Err(refuse(format!(
                    "the shapes {:?} and {:?} of pair {index:03} are no factors",
                    a.shape, b.shape
                )));
            }
        };
        let (block, rows) = (index / 2, ["q", "v"][index % 2]);
        let path = format!("image_encoder.blocks.{block}.attn.qkv[{rows}]");
        let (a, b) = (a.read(&path)?, b.read(&path)?);
        loose.factors.insert(path, LooseFactor { rank, a, b });
    }
    if loose.factors.is_empty() || loose.factors.len() % 2 != 0 {
        let n = loose.factors.len();
        return Err(refuse(format!(
            "it holds {n} pairs of factors, expected two a block"
        )));
    }
    for (key, tensor) in tensors {
        if !key.starts_with("prompt_encoder.") && !key.starts_with("mask_decoder.") {
            return Err(refuse(format!(
                "`{key}` belongs to no part that SAMed trains"
            )));
        }
        let values = tensor.read(&key)?;
        loose.whole.insert(key, (tensor.shape, values));
    }
    Ok(loose)
}
