//! `salt pretrain` makes weights, `salt segment` uses them.

use std::path::Path;

use safetensors::SafeTensors;
use salt_sam::SamConfig;

use super::inputs::{device, json, succeed, weights};

/// A picture with a bright square.
fn picture(path: &Path, width: u32, height: u32) {
    let picture = image::RgbImage::from_fn(width, height, |x, y| {
        let inside = (30..60).contains(&x) && (15..45).contains(&y);
        image::Rgb(if inside {
            [220, 200, 180]
        } else {
            [30, 40, (x % 50) as u8]
        })
    });
    picture.save(path).unwrap();
}

fn floats(file: &SafeTensors<'_>, name: &str) -> (Vec<usize>, Vec<f32>) {
    let view = file.tensor(name).unwrap();
    let values = view.data().as_chunks::<4>().0.iter();
    let values = values.map(|bytes| f32::from_le_bytes(*bytes));
    (view.shape().to_vec(), values.collect())
}

/// A folder with random weights of sam_nano and a picture.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(width: u32, height: u32) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        weights(
            &SamConfig::nano(),
            3,
            Path::new(&folder.path("nano.safetensors")),
        );
        picture(Path::new(&folder.path("eye.png")), width, height);
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (weights, image) = (self.path("nano.safetensors"), self.path("eye.png"));
        let (out, device) = (self.path("masks/eye.png"), device());
        let start = [
            "segment",
            "--weights",
            &weights,
            "--image",
            &image,
            "--out",
            &out,
            "--device",
            &device,
        ];
        [&start[..], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    }

    fn logits(&self) -> Vec<u8> {
        std::fs::read(self.path("logits.safetensors")).unwrap()
    }
}

#[test]
fn three_masks_are_ranked_and_the_first_is_written() {
    let folder = Folder::new(90, 60);
    let logits = folder.path("logits.safetensors");
    let overlay = folder.path("overlay.png");
    let document = json(&folder.arguments(&[
        "--overlay",
        &overlay,
        "--point",
        "45,30",
        "--point",
        "5,5,0",
        "--box",
        "30,15,60,45",
        "--multimask",
        "--save-logits",
        &logits,
        "--json",
    ]));
    assert_eq!(document["model"], "sam_nano");
    assert_eq!([&document["width"], &document["height"]], [90, 60]);
    let bytes = folder.logits();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // sam_nano sees 128 pixels as 16 x 16 tokens; low-resolution masks have four times that.
    assert_eq!(floats(&file, "low_res_logits").0, [1, 3, 64, 64]);
    let (shape, logits) = floats(&file, "mask_logits");
    assert_eq!(shape, [1, 3, 60, 90]);
    let (shape, iou) = floats(&file, "iou_predictions");
    assert_eq!(shape, [1, 3]);

    let chosen = document["chosen"].as_u64().unwrap() as usize;
    assert!(iou.iter().all(|other| *other <= iou[chosen]), "{iou:?}");
    let mask = image::open(folder.path("masks/eye.png"))
        .unwrap()
        .into_luma8();
    assert_eq!(mask.dimensions(), (90, 60));
    let positive = mask.as_raw().iter().filter(|value| **value == 255).count();
    assert_eq!(document["masks"][chosen]["area_px"], positive);
    for (pixel, logit) in mask.as_raw().iter().zip(&logits[chosen * 60 * 90..]) {
        assert_eq!(*pixel, if *logit > 0.0 { 255 } else { 0 });
    }
    let overlay = image::open(overlay).unwrap().into_rgb8();
    assert_eq!(overlay.dimensions(), (90, 60));
    // The point on the object, the one beside it, and a corner of the box.
    let [on, beside, corner] = [(45, 30), (5, 5), (30, 15)].map(|(x, y)| overlay.get_pixel(x, y).0);
    assert!(on[1] > 150 && on[0] < 50, "{on:?}");
    assert!(beside[0] > 150 && beside[1] < 50, "{beside:?}");
    assert!(
        corner[0] > 200 && corner[1] > 200 && corner[2] < 50,
        "{corner:?}"
    );
}

/// `align_corners = false`: `src = (dst + 0.5) / 2 - 0.5`, clamped at the border.
fn doubled(low: &[f32], side: usize, y: usize, x: usize) -> f32 {
    let place = |dst: usize| {
        let src = ((dst as f32 + 0.5) / 2.0 - 0.5).max(0.0);
        let first = src as usize;
        (first, (first + 1).min(side - 1), src - first as f32)
    };
    let ((y0, y1, v), (x0, x1, u)) = (place(y), place(x));
    let row = |y: usize| low[y * side + x0] * (1.0 - u) + low[y * side + x1] * u;
    row(y0) * (1.0 - v) + row(y1) * v
}

#[test]
fn logits_at_full_size_are_the_low_resolution_ones_enlarged_without_the_padding() {
    // As wide as the network's input, half as high: nothing is scaled, the lower half is padding.
    let folder = Folder::new(128, 64);
    let logits = folder.path("logits.safetensors");
    let said = succeed(&folder.arguments(&["--point", "45,30", "--save-logits", &logits]));
    assert_eq!(said.matches("written").count(), 1, "{said}");
    let bytes = folder.logits();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let (_, low) = floats(&file, "low_res_logits");
    let (shape, full) = floats(&file, "mask_logits");
    assert_eq!(shape, [1, 1, 64, 128]);
    for y in 0..64 {
        for x in 0..128 {
            let (ours, expected) = (full[y * 128 + x], doubled(&low, 64, y, x));
            // f32 sums in another order.
            assert!(
                (ours - expected).abs() < 1e-4 * (1.0 + expected.abs()),
                "{y} {x}"
            );
        }
    }
}

#[test]
fn a_model_that_was_just_pretrained_is_scored_and_segments() {
    if device() != "flex" {
        // Scoring takes minutes on a GPU made of software; stopping and going on is tested there.
        return;
    }
    let folder = Folder::new(90, 60);
    let base = folder.path("base/nano.safetensors");
    let said = succeed(&[
        "pretrain",
        "--out",
        &base,
        "--steps",
        "1",
        "--batch-size",
        "1",
    ]);
    for words in ["IoU from a box", "Dice of `thin`", "1 steps, 1 images"] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let card = std::fs::read(folder.path("base/nano.json")).unwrap();
    let card: serde_json::Value = serde_json::from_slice(&card).unwrap();
    assert_eq!([&card["recipe"]["steps"], &card["recipe"]["seed"]], [1, 0]);
    let said = succeed(&folder.arguments(&["--box", "30,15,60,45"]));
    assert!(said.contains("sam_nano"), "{said}");
    std::fs::rename(base, folder.path("nano.safetensors")).unwrap();
    let document = json(&folder.arguments(&["--box", "30,15,60,45", "--json"]));
    assert_eq!(document["masks"].as_array().unwrap().len(), 1);
}
