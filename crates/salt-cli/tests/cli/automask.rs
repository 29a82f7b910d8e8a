//! `salt automask` finds objects without a prompt and writes them, or says why it did not.

use std::path::Path;

use salt_sam::automatic::Rle;
use serde_json::Value;

use super::inputs::{device, json, salt, succeed};

/// A folder with a picture: a bright square and a bright disc.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let picture = image::RgbImage::from_fn(96, 64, |x, y| {
            let square = (10..40).contains(&x) && (12..42).contains(&y);
            let disc = (f64::from(x) - 70.0).hypot(f64::from(y) - 32.0) < 15.0;
            image::Rgb(if square || disc {
                [220, 200, 180]
            } else {
                [40, 40, 50]
            })
        });
        picture.save(folder.path("cells.png")).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let (image, out, device) = (self.path("cells.png"), self.path("masks"), device());
        let start = [
            "automask",
            "--weights",
            "embedded",
            "--image",
            &image,
            "--out",
            &out,
            "--device",
            &device,
            "--points-per-side",
            "2",
        ];
        let words = start.iter().chain(more);
        words.map(|word| (*word).to_owned()).collect()
    }
}

/// Lets everything through that is a mask at all.
const LOOSE: [&str; 4] = [
    "--pred-iou-thresh",
    "0.1",
    "--stability-score-thresh",
    "0.1",
];

fn names(folder: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn masks_their_table_and_the_overlay_agree() {
    let folder = Folder::new();
    let document = json(&folder.arguments(&[&LOOSE[..], &["--overlay", "--json"]].concat()));
    assert_eq!(document["model"], "sam_nano");
    assert_eq!([&document["width"], &document["height"]], [96, 64]);

    let out = folder.path("masks");
    let records = std::fs::read(Path::new(&out).join("masks.json")).unwrap();
    let records: Vec<Value> = serde_json::from_slice(&records).unwrap();
    let shown = document["masks"].as_array().unwrap();
    assert!(!records.is_empty());
    assert_eq!(records.len(), shown.len());
    let mut expected: Vec<String> = (0..records.len()).map(|i| format!("{i:03}.png")).collect();
    expected.extend(["masks.json", "overlay.png"].map(str::to_owned));
    assert_eq!(names(&out), expected);

    let mut last = f64::INFINITY;
    for (record, shown) in records.iter().zip(shown) {
        for key in ["file", "area", "bbox", "predicted_iou", "point_coords"] {
            assert_eq!(record[key], shown[key]);
        }
        let numbers = |key: &str| -> Vec<usize> {
            serde_json::from_value(record["segmentation"][key].clone()).unwrap()
        };
        let rle = Rle {
            size: numbers("size").try_into().unwrap(),
            counts: numbers("counts"),
        };
        assert_eq!(rle.size, [64, 96]);
        assert_eq!(record["area"], rle.area());
        assert_eq!(record["crop_box"], serde_json::json!([0, 0, 96, 64]));
        assert_eq!(record["point_coords"][0].as_array().unwrap().len(), 2);
        let file = Path::new(&out).join(record["file"].as_str().unwrap());
        let mask = image::open(file).unwrap().into_luma8();
        assert_eq!(mask.dimensions(), (96, 64));
        let pixels: Vec<u8> = rle
            .decode()
            .iter()
            .map(|bit| u8::from(*bit) * 255)
            .collect();
        assert!(*mask.as_raw() == pixels, "{}", record["file"]);
        let score = record["predicted_iou"].as_f64().unwrap();
        assert!(score <= last, "best first");
        last = score;
    }
    let overlay = image::open(Path::new(&out).join("overlay.png")).unwrap();
    let picture = image::open(folder.path("cells.png")).unwrap();
    assert_eq!((overlay.width(), overlay.height()), (96, 64));
    assert_ne!(overlay.into_rgb8(), picture.into_rgb8());

    // What is there already is somebody's work.
    let output = salt(&folder.arguments(&LOOSE));
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no empty folder"), "{said}");
}

#[test]
fn where_nothing_is_found_the_folder_stays_free_for_another_try() {
    if device() != "flex" {
        return;
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.path("masks")).unwrap();
    let output = salt(&folder.arguments(&["--pred-iou-thresh", "1"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("lower --pred-iou-thresh (now 1)"), "{said}");
    assert!(names(&folder.path("masks")).is_empty());
    let document = json(&folder.arguments(&["--pred-iou-thresh", "1", "--json"]));
    assert_eq!(document["masks"], serde_json::json!([]));
    assert_eq!(document["records"], Value::Null);
    // An empty folder is taken; every point is accounted for in the plain table.
    let said = succeed(&folder.arguments(&LOOSE));
    assert!(said.contains("masks in"), "{said}");
}

#[test]
fn a_place_that_cannot_be_made_is_told_before_the_work() {
    let folder = Folder::new();
    let mut words = folder.arguments(&[]);
    let out = words.iter().position(|word| word == "--out").unwrap() + 1;
    words[out] = folder.path("cells.png/masks");
    // Were they read first, they would be what is told.
    let weights = words.iter().position(|word| word == "embedded").unwrap();
    words[weights] = "none.pth".to_owned();
    let output = salt(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cells.png/masks"), "{said}");

    // Of a folder that was made for nothing, nothing stays.
    words[out] = folder.path("a/b/masks");
    let output = salt(&words);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("none.pth"), "{said}");
    assert!(!Path::new(&folder.path("a")).exists());
}

#[test]
fn settings_out_of_range_are_named_as_they_are_typed() {
    if device() != "flex" {
        return;
    }
    let folder = Folder::new();
    let check = |words: &[&str], expected: &str| {
        let output = salt(&folder.arguments(words));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
        assert!(!Path::new(&folder.path("masks")).exists());
    };
    check(
        &["--stability-score-thresh", "-0.5"],
        "--stability-score-thresh must be from 0 to 1, received -0.5",
    );
    check(
        &["--crop-n-layers", "9"],
        "--crop-n-layers must be at most 5",
    );
    check(&["--box-nms-thresh", "much"], "--box-nms-thresh");
}

#[cfg(unix)]
#[test]
fn a_stop_between_points_leaves_nothing() {
    if device() != "flex" {
        return;
    }
    let folder = Folder::new();
    let mut words = folder.arguments(&["--points-per-batch", "1"]);
    let side = words.iter().position(|word| word == "2").unwrap();
    words[side] = "100".to_owned();
    let (code, said) = super::interrupt::stop(&words, "-INT");
    assert_eq!(code, Some(130), "{said}");
    assert!(said.contains("of 10000 points"), "{said}");
    assert!(!Path::new(&folder.path("masks")).exists());
}
