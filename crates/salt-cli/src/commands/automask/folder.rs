//! The folder of masks: all of it is written, or nothing.

use std::path::{Path, PathBuf};

use salt_data::{ImageRgb, LabelMap};
use salt_sam::AutomaticMask;
use salt_sam::automatic::Rle;
use salt_train::Interrupt;
use salt_train::overlay::shapes;
use salt_train::predict::{write_mask, write_rgb};
use salt_train::run_dir::write_atomic;
use serde::Serialize;

use crate::failure::Failure;

/// Name of the table of masks.
pub(super) const RECORDS: &str = "masks.json";
/// Name of the picture with all masks.
pub(super) const OVERLAY: &str = "overlay.png";

/// What the original tells about a mask, and the name of its file. Boxes are `[x, y, width, height]`.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Facts {
    file: String,
    pub(super) area: usize,
    pub(super) bbox: [usize; 4],
    pub(super) predicted_iou: f32,
    /// A list of points as in the original; one was asked.
    point_coords: [[f64; 2]; 1],
    pub(super) stability_score: f32,
    crop_box: [usize; 4],
}

/// A row of `masks.json`.
#[derive(Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    facts: &'a Facts,
    segmentation: &'a Rle,
}

/// The facts of masks in their order.
pub(super) fn facts(masks: &[AutomaticMask]) -> Vec<Facts> {
    // 1000.png would stand before 101.png in a listing.
    let digits = masks.len().saturating_sub(1).to_string().len().max(3);
    let facts = masks.iter().enumerate().map(|(index, mask)| Facts {
        file: format!("{index:0digits$}.png"),
        area: mask.area,
        bbox: mask.bbox,
        predicted_iou: mask.predicted_iou,
        point_coords: [mask.point_coords],
        stability_score: mask.stability_score,
        crop_box: mask.crop_box,
    });
    facts.collect()
}

/// Writes masks, their table and, over `image`, the overlay into a folder that is there. What was written goes again
/// when the work is stopped or fails.
pub(super) fn write(
    out: &Path,
    masks: &[AutomaticMask],
    facts: &[Facts],
    image: Option<ImageRgb>,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut written = Vec::new();
    let outcome = write_files(out, masks, facts, image, interrupt, &mut written);
    if outcome.is_err() {
        // The failure is what is told; a file that cannot be removed is the smaller trouble.
        for file in &written {
            let _ = std::fs::remove_file(file);
        }
    }
    outcome
}

fn write_files(
    out: &Path,
    masks: &[AutomaticMask],
    facts: &[Facts],
    image: Option<ImageRgb>,
    interrupt: &Interrupt,
    written: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    for (mask, facts) in masks.iter().zip(facts) {
        if interrupt.is_set() {
            let text = "stopped while writing; nothing is left of it";
            return Err(Failure::Interrupted(Some(text.to_owned())));
        }
        let path = out.join(&facts.file);
        write_mask(&path, &labels(&mask.segmentation), 1)?;
        written.push(path);
    }
    if let Some(image) = image {
        let path = out.join(OVERLAY);
        write_rgb(&path, &overlay(image, masks))?;
        written.push(path);
    }
    // Last: where it is, everything else is too.
    let records: Vec<Record<'_>> = facts
        .iter()
        .zip(masks)
        .map(|(facts, mask)| Record {
            facts,
            segmentation: &mask.segmentation,
        })
        .collect();
    let path = out.join(RECORDS);
    let bytes = serde_json::to_vec(&records).map_err(|error| {
        Failure::job(format!("cannot write `{}`: {error}", path.display()), None)
    })?;
    Ok(write_atomic(&path, &bytes)?)
}

fn labels(rle: &Rle) -> LabelMap {
    let [height, width] = rle.size;
    LabelMap {
        width,
        height,
        classes: rle.decode().into_iter().map(u8::from).collect(),
    }
}

/// Every object in a colour of its own, small ones over large ones, and the outlines over all.
fn overlay(mut picture: ImageRgb, masks: &[AutomaticMask]) -> ImageRgb {
    let mut order: Vec<usize> = (0..masks.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(masks[*index].area));
    for draw in [shapes::tint, shapes::outline] {
        for index in &order {
            let mask = masks[*index].segmentation.decode();
            draw(&mut picture, &mask, shapes::object_colour(*index));
        }
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(counts: &[usize]) -> AutomaticMask {
        let rle = Rle {
            size: [2, 3],
            counts: counts.to_vec(),
        };
        AutomaticMask {
            area: rle.area(),
            segmentation: rle,
            bbox: [0; 4],
            predicted_iou: 0.5,
            point_coords: [0.5, 1.5],
            stability_score: 0.5,
            crop_box: [0, 0, 3, 2],
        }
    }

    #[test]
    fn names_sort_like_masks() {
        let names = |n: usize| -> Vec<String> {
            let facts = facts(&vec![mask(&[6]); n]);
            facts.into_iter().map(|facts| facts.file).collect()
        };
        assert_eq!(names(2), ["000.png", "001.png"]);
        let many = names(1001);
        assert!(many.is_sorted() && many[1000] == "1000.png", "{many:?}");
    }

    #[test]
    fn a_small_object_is_drawn_over_a_large_one() {
        let image = ImageRgb {
            width: 3,
            height: 2,
            data: vec![0; 18],
        };
        // The second is the first column of the first.
        let picture = overlay(image, &[mask(&[0, 2, 4]), mask(&[0, 6])]);
        assert_eq!(picture.data[..3], shapes::object_colour(0));
        assert_eq!(picture.data[3..6], shapes::object_colour(1));
    }

    #[test]
    fn a_stop_while_writing_leaves_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let out = tmp.path();
        let interrupt = Interrupt::new();
        let masks = [mask(&[0, 2, 4])];
        write(out, &masks, &facts(&masks), None, &interrupt).unwrap();
        assert_eq!(std::fs::read_dir(out).unwrap().count(), 2);
        for name in ["000.png", RECORDS] {
            std::fs::remove_file(out.join(name)).unwrap();
        }
        interrupt.stop();
        let stopped = write(out, &masks, &facts(&masks), None, &interrupt);
        assert!(matches!(stopped, Err(Failure::Interrupted(Some(_)))));
        assert_eq!(std::fs::read_dir(out).unwrap().count(), 0);
    }
}
