//! `salt predict`: masks for a folder of images.

use std::path::PathBuf;

use salt_train::{PredictOptions, Session, predict_run};

use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::interrupt;
use crate::progress::Progress;
use crate::screen;

/// Options of `salt predict`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt predict runs/vessels --images data/vessels/images --out masks --overlay

Masks are PNG files of the image's size and stem: 0 and 255 for one class, class ids for several.")]
pub(crate) struct Args {
    /// Run directory of a finished salt train
    run: PathBuf,
    /// Folder of images (PNG, JPEG, TIFF, GIF, BMP, PNM; DICOM in a build with the feature `dicom`)
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Folder for the masks
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Also draw each mask over its image, into OUT/overlays
    #[arg(long)]
    overlay: bool,
    /// Replace masks that are there already
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    device: DeviceOption,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let machine = args.device.device.machine()?;
    let interrupt = interrupt::listen()?;
    let mut progress = Progress::new();
    let mut session = Session::new(&mut progress, interrupt.clone());
    let masks = predict_run(
        &args.run,
        &args.images,
        &args.out,
        PredictOptions {
            overlays: args.overlay,
            overwrite: args.overwrite,
        },
        &machine,
        &mut session,
    )?;
    drop(progress);
    let (count, out) = (masks.len(), args.out.display());
    if interrupt.is_set() {
        let text = format!("stopped after {count} masks in {out}");
        return Err(Failure::Interrupted(Some(text)));
    }
    screen::result(format_args!("{count} masks in {out}"))
}
