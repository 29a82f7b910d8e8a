//! `salt segment`: plain promptable SAM on one image.
//!
//! The work is salt-sam's predictor; here are words, files and numbers.

mod logits_file;
mod prompt;

use std::path::{Path, PathBuf};

use clap::ArgGroup;
use salt_data::{ImageRgb, LabelMap, read_image};
use salt_sam::{MaskPrediction, Prompts, Sam};
use salt_train::overlay::shapes;
use salt_train::predict::{write_mask, write_rgb};
use serde::Serialize;

use self::logits_file::Logits;
use self::prompt::{BoxPrompt, PointPrompt, prompts};
use crate::checkpoint_model::{self, rgb};
use crate::device::DeviceOption;
use crate::failure::Failure;
use crate::output_file;
use crate::screen;

/// Of the mask in the overlay: neither tissue nor one of the prompts' colours.
const MASK_COLOUR: [u8; 3] = [30, 144, 255];

/// Options of `salt segment`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  salt segment --weights embedded --image eye.png --point 120,80 --point 10,10,0 --out mask.png
  salt segment --weights sam_vit_b_01ec64.pth --image eye.png --box 40,30,200,180 --out mask.png
  salt segment --weights embedded --image eye.png --point 120,80 --out mask.png --overlay look.png

Coordinates are pixels of the image as it is stored, x to the right and y down: the rotation that a
camera notes (EXIF) is not applied, neither to the image nor to the mask. All points and the box ask
for one object together. The mask is 0 and 255 at the image's own size; with --multimask it is the
one of the three that the model itself ranks first. The overlay shows the image with the mask tinted
and outlined, points on the object in green and beside it in red, and the box.")]
#[command(group = ArgGroup::new("prompt").args(["points", "bounds"]).required(true).multiple(true))]
pub(crate) struct Args {
    /// Checkpoint (.pth or .safetensors), or `embedded` for the small base in this program
    #[arg(long, value_name = "FILE")]
    weights: String,
    /// Image (png, jpg)
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// Model of the checkpoint: sam_nano, sam_vit_b, ... [default: the nearest in size]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A point on the object, or with label 0 beside it; may be given several times
    #[arg(long = "point", value_name = "X,Y[,LABEL]", allow_hyphen_values = true)]
    points: Vec<PointPrompt>,
    /// A box around the object
    #[arg(long = "box", value_name = "X0,Y0,X1,Y1", allow_hyphen_values = true)]
    bounds: Option<BoxPrompt>,
    /// Ask for three masks (whole, part, subpart) instead of one
    #[arg(long)]
    multimask: bool,
    /// Mask file to write
    #[arg(long, value_name = "MASK.png")]
    out: PathBuf,
    /// Also draw mask and prompts over the image
    #[arg(long, value_name = "FILE.png")]
    overlay: Option<PathBuf>,
    /// Also write the logits of every mask
    #[arg(long, value_name = "FILE.safetensors")]
    save_logits: Option<PathBuf>,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceOption,
}

/// The JSON document.
#[derive(Serialize)]
struct Document {
    model: String,
    image: String,
    width: usize,
    height: usize,
    /// Which of the masks was written.
    chosen: usize,
    masks: Vec<MaskFacts>,
    out: String,
    overlay: Option<String>,
    logits: Option<String>,
}

#[derive(Serialize)]
struct MaskFacts {
    iou_prediction: f32,
    area_px: usize,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let inputs = [args.image.as_path(), Path::new(&args.weights)];
    let outputs = outputs(args);
    for (_, path, extension) in &outputs {
        output_file::prepare(path, Some(extension), &inputs)?;
    }
    let names: Vec<_> = outputs
        .iter()
        .map(|(option, path, _)| (*option, *path))
        .collect();
    output_file::check_apart(&names)?;
    let image = read_image(&args.image)?;
    let device = args.device.device.open()?;
    let prompts = prompts(&args.points, args.bounds, &device);
    // Before seconds are spent on weights.
    prompts.check_inside([image.width, image.height])?;
    let checkpoint = checkpoint_model::read(&args.weights)?;
    let (model, sam) = checkpoint_model::sam(checkpoint, args.model.as_deref(), &device)?;

    let logits = segment(&sam, &image, &prompts, args.multimask)?;
    let document = Document {
        model,
        image: args.image.display().to_string(),
        width: image.width,
        height: image.height,
        chosen: logits.best(),
        masks: facts(&logits),
        out: args.out.display().to_string(),
        overlay: args.overlay.as_deref().map(in_words),
        logits: args.save_logits.as_deref().map(in_words),
    };
    let mask = mask(&logits, document.chosen, &image);
    write_mask(&args.out, &mask, 1)?;
    if let Some(path) = &args.overlay {
        write_rgb(path, &overlay(image, &mask, args))?;
    }
    if let Some(path) = &args.save_logits {
        logits.save(path)?;
    }
    if args.json {
        return screen::json(&document);
    }
    show(&document)
}

/// Every file to write: its option, its name and its ending.
fn outputs(args: &Args) -> Vec<(&'static str, &Path, &'static str)> {
    let mut outputs = vec![("--out", args.out.as_path(), "png")];
    outputs.extend(
        args.overlay
            .as_deref()
            .map(|path| ("--overlay", path, "png")),
    );
    let logits = args.save_logits.as_deref();
    outputs.extend(logits.map(|path| ("--save-logits", path, "safetensors")));
    outputs
}

fn in_words(path: &Path) -> String {
    path.display().to_string()
}

/// Ask the model once.
fn segment(
    sam: &Sam,
    image: &ImageRgb,
    prompts: &Prompts,
    multimask: bool,
) -> Result<Logits, Failure> {
    let encoded = sam.set_image(rgb(image))?;
    let MaskPrediction {
        low_res_masks,
        iou_predictions,
    } = sam.decode_image(&encoded, prompts, multimask)?;
    let full = encoded.upscale(low_res_masks.clone());
    Ok(Logits::read(low_res_masks, full, iou_predictions))
}

fn facts(logits: &Logits) -> Vec<MaskFacts> {
    let positive = |mask: &[f32]| mask.iter().filter(|logit| **logit > 0.0).count();
    let masks = logits.masks().zip(&logits.iou_predictions.values);
    masks
        .map(|(mask, iou)| MaskFacts {
            iou_prediction: *iou,
            area_px: positive(mask),
        })
        .collect()
}

fn mask(logits: &Logits, index: usize, image: &ImageRgb) -> LabelMap {
    let logits = logits.masks().nth(index).unwrap_or_default();
    LabelMap {
        width: image.width,
        height: image.height,
        classes: logits.iter().map(|logit| u8::from(*logit > 0.0)).collect(),
    }
}

/// The image with the mask and what was asked drawn over it.
fn overlay(mut picture: ImageRgb, mask: &LabelMap, args: &Args) -> ImageRgb {
    let mask: Vec<bool> = mask.classes.iter().map(|class| *class > 0).collect();
    shapes::tint(&mut picture, &mask, MASK_COLOUR);
    shapes::outline(&mut picture, &mask, MASK_COLOUR);
    prompt::draw(&mut picture, &args.points, args.bounds);
    picture
}

fn show(document: &Document) -> Result<(), Failure> {
    let area = (document.width * document.height) as f64;
    let rows = document.masks.iter().enumerate().map(|(i, mask)| {
        let written = if i == document.chosen { "written" } else { "" };
        [
            (i + 1).to_string(),
            format!("{:.4}", mask.iou_prediction),
            format!("{:.2} %", 100.0 * mask.area_px as f64 / area),
            written.to_owned(),
        ]
    });
    let titles = ["#mask", "#predicted IoU", "#area", ""];
    screen::result(screen::table(titles, rows.collect()))?;
    screen::result(format_args!("{}: {}", document.model, document.out))
}
