//! `salt pretrain` makes weights, `salt segment` uses them.

use std::path::Path;

use safetensors::SafeTensors;
use salt_sam::SamConfig;

use super::inputs::{device, json, succeed, weights};

/// A picture that is wider than high, with a bright square.
fn picture(path: &Path) {
    let picture = image::RgbImage::from_fn(90, 60, |x, y| {
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
    let values = view
        .data()
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b));
    (view.shape().to_vec(), values.collect())
}

#[test]
fn a_model_that_was_just_pretrained_segments() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name).display().to_string();
    let base = path("base/nano.safetensors");
    let words = [
        "pretrain",
        "--out",
        &base,
        "--steps",
        "1",
        "--batch-size",
        "1",
        "--device",
        &device(),
    ];
    let said = succeed(&words);
    assert!(
        said.contains("IoU from a box") && said.contains("1 steps, 1 images"),
        "{said}"
    );
    let card: serde_json::Value =
        serde_json::from_slice(&std::fs::read(tmp.path().join("base/nano.json")).unwrap()).unwrap();
    assert_eq!(
        (&card["recipe"]["steps"], &card["recipe"]["seed"]),
        (&1.into(), &0.into())
    );

    picture(Path::new(&path("eye.png")));
    let document = json(&[
        "segment",
        "--weights",
        &base,
        "--image",
        &path("eye.png"),
        "--point",
        "45,30",
        "--point",
        "5,5,0",
        "--box",
        "30,15,60,45",
        "--multimask",
        "--out",
        &path("masks/eye.png"),
        "--save-logits",
        &path("eye.safetensors"),
        "--json",
        "--device",
        &device(),
    ]);
    assert_eq!(
        (&document["model"], &document["width"], &document["height"]),
        (&"sam_nano".into(), &90.into(), &60.into())
    );
    let bytes = std::fs::read(path("eye.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    // sam_nano sees 128 pixels as 16 x 16 tokens; low-resolution masks have four times that.
    assert_eq!(floats(&file, "low_res_logits").0, [1, 3, 64, 64]);
    let (shape, logits) = floats(&file, "mask_logits");
    assert_eq!(shape, [1, 3, 60, 90]);
    let (shape, iou) = floats(&file, "iou_predictions");
    assert_eq!(shape, [1, 3]);

    // The mask is the chosen one's positive logits, and the chosen one is ranked first.
    let chosen = document["chosen"].as_u64().unwrap() as usize;
    assert!(iou.iter().all(|other| *other <= iou[chosen]), "{iou:?}");
    let mask = image::open(path("masks/eye.png")).unwrap().into_luma8();
    assert_eq!(mask.dimensions(), (90, 60));
    for (pixel, logit) in mask.as_raw().iter().zip(&logits[chosen * 5400..]) {
        assert_eq!(*pixel, if *logit > 0.0 { 255 } else { 0 });
    }
}

#[test]
fn without_multimask_there_is_one_mask_and_a_table() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name).display().to_string();
    weights(&SamConfig::nano(), 3, Path::new(&path("nano.safetensors")));
    picture(Path::new(&path("eye.png")));
    let said = succeed(&[
        "segment",
        "--weights",
        &path("nano.safetensors"),
        "--model",
        "sam_nano",
        "--image",
        &path("eye.png"),
        "--point",
        "45,30",
        "--out",
        &path("mask.png"),
        "--device",
        &device(),
    ]);
    assert_eq!(said.matches("written").count(), 1, "{said}");
    assert!(said.contains("sam_nano"), "{said}");
    assert_eq!(
        image::open(path("mask.png"))
            .unwrap()
            .into_luma8()
            .dimensions(),
        (90, 60)
    );
}
