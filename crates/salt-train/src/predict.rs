//! Masks as files: 0/255 for one class, class ids for several, at the image's own size.

use std::path::{Path, PathBuf};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use salt_data::{ImageRgb, LabelMap, Normalise, is_picture_name, read_image};

use crate::error::TrainError;
use crate::observer::{Event, Session};
use crate::overlay;
use crate::run_dir::write_atomic;
use crate::segment::Segmenter;

/// What [`crate::predict_run`] writes beside the masks, and over what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PredictOptions {
    /// Also draw each mask over its image, into `overlays/`.
    pub overlays: bool,
    /// Replace masks that are there; otherwise they are an error, because they may be somebody's work.
    pub overwrite: bool,
}

/// Segment every image of `images` into `out/<stem>.png`; overlays go to `out/overlays/`.
/// Stops early when the session is interrupted.
///
/// # Errors
/// No image, images that cannot be read, two images of one stem, masks that are there already, a folder that
/// cannot be written.
pub fn folder(
    segmenter: &Segmenter,
    normalise: Normalise,
    n_classes: usize,
    images: &Path,
    out: &Path,
    options: PredictOptions,
    session: &mut Session<'_>,
) -> Result<Vec<PathBuf>, TrainError> {
    let inputs = list(images)?;
    let overlay_dir = out.join("overlays");
    let masks: Vec<(String, PathBuf)> = inputs
        .iter()
        .map(|image| {
            let name = mask_name(image);
            let mask = out.join(&name);
            (name, mask)
        })
        .collect();
    if !options.overwrite
        && let Some((_, mask)) = masks.iter().find(|(_, mask)| mask.exists())
    {
        return Err(TrainError::MaskExists { path: mask.clone() });
    }
    let wanted = if options.overlays { &overlay_dir } else { out };
    std::fs::create_dir_all(wanted).map_err(|e| TrainError::io(wanted, e))?;
    let mut written = Vec::new();
    for (i, (path, (name, mask))) in inputs.iter().zip(masks).enumerate() {
        if session.interrupt.is_set() {
            break;
        }
        let image = read_image(path)?;
        let labels = segmenter.labels(normalise.apply(&image)?.as_ref())?;
        write_mask(&mask, &labels, n_classes)?;
        if options.overlays {
            write_rgb(
                &overlay_dir.join(&name),
                &overlay::draw(&image, &labels, None),
            )?;
        }
        session.event(Event::Predicted {
            index: i + 1,
            of: inputs.len(),
            mask: &mask,
        });
        written.push(mask);
    }
    Ok(written)
}

/// `<stem>.png`; a stem may have dots of its own.
fn mask_name(image: &Path) -> String {
    let stem = image.file_stem().unwrap_or_default();
    format!("{}.png", stem.to_string_lossy())
}

/// Images of a folder by name.
fn list(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| TrainError::io(folder, e))? {
        let path = entry.map_err(|e| TrainError::io(folder, e))?.path();
        if path.is_file() && is_picture_name(&path) {
            found.push(path);
        }
    }
    found.sort();
    if let Some(pair) = found
        .windows(2)
        .find(|pair| mask_name(&pair[0]) == mask_name(&pair[1]))
    {
        return Err(TrainError::SameStem {
            first: pair[0].clone(),
            second: pair[1].clone(),
        });
    }
    if found.is_empty() {
        return Err(TrainError::NoImages {
            path: folder.to_owned(),
        });
    }
    Ok(found)
}

/// Write a label map: 0/255 for one class, class ids for several.
///
/// # Errors
/// The file cannot be written.
pub fn write_mask(path: &Path, labels: &LabelMap, n_classes: usize) -> Result<(), TrainError> {
    let scale = if n_classes == 1 { 255 } else { 1 };
    let pixels: Vec<u8> = labels.classes.iter().map(|class| class * scale).collect();
    write_png(
        path,
        &pixels,
        [labels.width, labels.height],
        ExtendedColorType::L8,
    )
}

/// Write an RGB picture.
///
/// # Errors
/// The file cannot be written.
pub fn write_rgb(path: &Path, picture: &ImageRgb) -> Result<(), TrainError> {
    write_png(
        path,
        &picture.data,
        [picture.width, picture.height],
        ExtendedColorType::Rgb8,
    )
}

/// A case name as a file name: what could lead out of the folder becomes `_`.
pub(crate) fn file_stem(id: &str) -> String {
    id.chars()
        .map(|c| {
            if c.is_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn write_png(
    path: &Path,
    pixels: &[u8],
    size: [usize; 2],
    colour: ExtendedColorType,
) -> Result<(), TrainError> {
    write_atomic(path, &png(path, pixels, size, colour)?)
}

/// The bytes of a PNG that is to be written to `path`.
pub(crate) fn png(
    path: &Path,
    pixels: &[u8],
    size: [usize; 2],
    colour: ExtendedColorType,
) -> Result<Vec<u8>, TrainError> {
    let mut bytes = Vec::new();
    let [width, height] = size.map(|n| u32::try_from(n).unwrap_or(u32::MAX));
    PngEncoder::new(&mut bytes)
        .write_image(pixels, width, height, colour)
        .map_err(|source| TrainError::Encode {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_0_and_255_for_one_class_and_ids_for_several() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("m.png");
        let labels = LabelMap {
            width: 3,
            height: 1,
            classes: vec![0, 1, 2],
        };
        let read = || image::open(&path).unwrap().into_luma8().into_raw();
        write_mask(&path, &labels, 2).unwrap();
        assert_eq!(read(), [0, 1, 2]);
        let labels = LabelMap {
            width: 3,
            height: 1,
            classes: vec![0, 1, 0],
        };
        write_mask(&path, &labels, 1).unwrap();
        assert_eq!(read(), [0, 255, 0]);
    }

    #[test]
    fn a_folder_is_listed_by_name_and_ambiguous_stems_are_refused() {
        let tmp = tempfile::tempdir().unwrap();
        assert!(matches!(list(tmp.path()), Err(TrainError::NoImages { .. })));
        for name in ["b.PNG", "a.jpg", "notes.txt"] {
            std::fs::write(tmp.path().join(name), b"").unwrap();
        }
        let names: Vec<_> = list(tmp.path())
            .unwrap()
            .iter()
            .map(|p| p.file_name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a.jpg", "b.PNG"]);
        std::fs::write(tmp.path().join("a.png"), b"").unwrap();
        assert!(matches!(list(tmp.path()), Err(TrainError::SameStem { .. })));
        assert!(matches!(
            list(&tmp.path().join("none")),
            Err(TrainError::Io { .. })
        ));
    }

    #[test]
    fn case_names_cannot_leave_the_folder() {
        assert_eq!(file_stem("../a b/c"), ".._a_b_c");
    }
}
