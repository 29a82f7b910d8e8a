//! `salt automask`: every object of one image, without a prompt.
//!
//! The work is salt-sam's generator; here are its settings as options, words and files.

mod folder;
mod settings;

use std::path::PathBuf;

use salt_data::{ImageRgb, read_image};
use salt_sam::{AutomaticMask, AutomaticMaskGenerator, Sam, SamError};
use salt_train::{Event, Interrupt, Observer as _};
use serde::Serialize;

use self::folder::Facts;
use self::settings::{Settings, refusal};
use crate::checkpoint_model::{self, rgb};
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::interrupt;
use crate::output_file::OutputFolder;
use crate::progress::Progress;
use crate::screen;

/// Rows of the table; all of them are in the file.
const SHOWN: usize = 10;

/// Options of `salt automask`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt automask --weights weights/sam_vit_b_01ec64.pth --image cells.png --out cells --overlay
  salt automask --weights embedded --image cells.png --out cells --pred-iou-thresh 0.5

A grid of points is asked. Masks that the model trusts and that do not depend on the threshold stay,
and of masks with nearly the same box the best one. They are written as DIR/000.png, DIR/001.png, ...
(0 and 255, the image's size, best first), and DIR/masks.json says of each file area, box, predicted
IoU, point, stability and the mask itself as an uncompressed RLE of the COCO tools. Coordinates are
pixels of the image as it is stored: the rotation that a camera notes (EXIF) is not applied. The
defaults are those of the original, chosen for ViT-H: smaller models want lower thresholds.")]
pub(crate) struct Args {
    /// Checkpoint (.pth or .safetensors), or `embedded` for the small base in this program
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// Image (png, jpg)
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Folder for the masks, new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Model of the checkpoint: sam_nano, sam_vit_b, ... [default: the nearest in size]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Also draw all masks over the image, as DIR/overlay.png
    #[arg(long)]
    overlay: bool,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    settings: Settings,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    model: String,
    image: String,
    width: usize,
    height: usize,
    out: String,
    /// `None` where nothing was found, and so nothing written.
    records: Option<String>,
    overlay: Option<String>,
    masks: Vec<Facts>,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let generator = args.settings.generator();
    generator.check().map_err(refusal)?;
    let out = OutputFolder::prepare(&args.out)?;
    let image = read_image(&args.image)?;
    let device = args.device.device.open()?;
    let checkpoint = checkpoint_model::read(&args.weights)?;
    let (model, sam) = checkpoint_model::sam(checkpoint, args.model.as_deref(), &device)?;
    let interrupt = interrupt::listen()?;

    let masks = find(&generator, &sam, &image, &interrupt)?;
    let masks_facts = folder::facts(&masks);
    let written = |name: &str| args.out.join(name).display().to_string();
    let document = Document {
        model,
        image: args.image.display().to_string(),
        width: image.width,
        height: image.height,
        out: args.out.display().to_string(),
        records: (!masks.is_empty()).then(|| written(folder::RECORDS)),
        overlay: (!masks.is_empty() && args.overlay).then(|| written(folder::OVERLAY)),
        masks: masks_facts,
    };
    if masks.is_empty() {
        // No folder, so that the same command with other thresholds finds its place free.
        let advice = args.settings.looser();
        screen::note(format_args!(
            "no mask passed, nothing was written; {advice}"
        ));
    } else {
        let picture = args.overlay.then_some(image);
        folder::write(&args.out, &masks, &document.masks, picture, &interrupt)?;
        out.keep();
    }
    if args.json {
        return screen::json(&document);
    }
    show(&document)
}

/// Asks all points; best first, also where several crops were looked at.
fn find(
    generator: &AutomaticMaskGenerator,
    sam: &Sam,
    image: &ImageRgb,
    interrupt: &Interrupt,
) -> Result<Vec<AutomaticMask>, Failure> {
    let mut progress = Progress::new();
    progress.event(Event::Stage("looking at the image"));
    let (mut asked, mut total) = (0, 0);
    let found = generator.generate(sam, rgb(image), |done, of| {
        (asked, total) = (done, of);
        progress.advance(done as u64, of as u64, "points", None);
        interrupt::go_on(interrupt)
    });
    drop(progress);
    let mut masks = found.map_err(|error| match error {
        SamError::Stopped => Failure::Interrupted(Some(format!(
            "stopped after {asked} of {total} points; nothing was written"
        ))),
        other => refusal(other),
    })?;
    masks.sort_by(|a, b| b.predicted_iou.total_cmp(&a.predicted_iou));
    Ok(masks)
}

fn show(document: &Document) -> Result<(), Failure> {
    let n = document.masks.len();
    let (model, out) = (&document.model, &document.out);
    if n == 0 {
        return screen::result(format_args!("{model}: 0 masks"));
    }
    let area = (document.width * document.height) as f64;
    let rows = document.masks.iter().take(SHOWN).enumerate();
    let rows = rows.map(|(i, mask)| {
        let [x, y, width, height] = mask.bbox;
        [
            i.to_string(),
            format!("{:.4}", mask.predicted_iou),
            format!("{:.4}", mask.stability_score),
            format!("{:.2} %", 100.0 * mask.area as f64 / area),
            format!("{x},{y},{},{}", x + width, y + height),
        ]
    });
    let titles = ["#mask", "#predicted IoU", "#stability", "#area", "box"];
    screen::result(screen::table(titles, rows.collect()))?;
    if n > SHOWN {
        screen::result(format_args!("... and {} more", n - SHOWN))?;
    }
    screen::result(format_args!("{model}: {n} masks in {out}"))
}
