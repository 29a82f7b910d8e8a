//! `salt data list` and `salt data fetch`: from what a user brings to a run.

use std::path::Path;

use super::inputs::{Inputs, json, salt, succeed};

/// Both eyes of some children, named as CHASE_DB1 names them: a bright band on noise, and its mask.
fn unpacked(dir: &Path, children: std::ops::RangeInclusive<u32>) {
    std::fs::create_dir_all(dir).unwrap();
    for child in children {
        for (eye, row) in [("L", 12), ("R", 30)] {
            let mut state = 2_654_435_761_u32.wrapping_mul(2 * child + row) | 1;
            let band = |y: u32| (row..row + 6).contains(&y);
            let picture = image::RgbImage::from_fn(48, 48, |_, y| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 26) as u8;
                image::Rgb([noise + if band(y) { 180 } else { 40 }; 3])
            });
            let mask = image::GrayImage::from_fn(48, 48, |_, y| {
                image::Luma([if band(y) { 255 } else { 0 }])
            });
            let name = format!("Image_{child:02}{eye}");
            picture.save(dir.join(format!("{name}.jpg"))).unwrap();
            mask.save(dir.join(format!("{name}_1stHO.png"))).unwrap();
        }
    }
}

#[test]
fn every_published_set_is_listed_with_its_terms() {
    let text = succeed(&["data", "list"]);
    let document = json(&["data", "list", "--json"]);
    let sets = document["datasets"].as_array().unwrap();
    assert!(sets.len() >= 14, "{}", sets.len());
    for set in sets {
        for key in [
            "name", "title", "modality", "licence", "terms", "citation", "home", "access", "layout",
        ] {
            assert!(
                set[key].as_str().is_some_and(|text| !text.is_empty()),
                "{key}: {set}"
            );
        }
        let name = set["name"].as_str().unwrap();
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn what_is_brought_is_prepared_verified_split_and_trained_on() {
    let inputs = Inputs::new();
    unpacked(&inputs.file("unpacked"), 8..=13);
    let (from, out) = (inputs.path("unpacked"), inputs.path("chase"));
    let words = [
        "data",
        "fetch",
        "chase_db1",
        "--archive",
        &from,
        "--partial",
        "--out",
        &out,
    ];
    let said = succeed(&words);
    assert!(said.contains("train 6, val 0, test 6"), "{said}");
    // Again: it is there.
    assert_eq!(succeed(&words), said);
    let report = json(&["data", "verify", &out, "--json"]);
    assert_eq!(report["cases"], 12);
    let errors = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["severity"] == "error");
    assert_eq!(errors.count(), 0, "{report}");

    let path = format!("data.path='{out}'");
    succeed(&inputs.train("run", &[&path, "data.split='fold:0/3'"]));
    let result: serde_json::Value =
        serde_json::from_slice(&inputs.read("run", "result.json")).unwrap();
    assert_eq!(result["status"], "finished", "{result}");
    assert_eq!(result["test"]["n"], 4);
    // The eyes of a child are in one split.
    let cases = String::from_utf8(inputs.read("run", "cases.csv")).unwrap();
    for child in 8..=13 {
        let name = format!("Image_{child:02}");
        let tested = cases
            .lines()
            .filter(|line| line.contains("test") && line.contains(&name))
            .count();
        assert!(tested == 0 || tested == 2, "{name}: {cases}");
    }
}

#[test]
fn a_set_that_cannot_be_made_is_told_with_what_to_do() {
    let inputs = Inputs::new();
    unpacked(&inputs.file("unpacked"), 1..=2);
    let (from, out, raw) = (
        inputs.path("unpacked"),
        inputs.path("made"),
        inputs.path("raw"),
    );
    let check = |words: &[&str], code: i32, expected: &[&str]| {
        let mut all = vec!["data", "fetch"];
        all.extend(words);
        all.extend(["--out", &out, "--raw", &raw, "--offline"]);
        let output = salt(&all);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {stderr}");
        for word in expected.iter().chain(&["hint: "]) {
            assert!(
                stderr.contains(word),
                "{words:?}: {stderr:?} lacks {word:?}"
            );
        }
        assert!(!inputs.file("made").exists(), "{words:?}");
    };
    check(&["chase"], 2, &["chase_db1"]);
    check(&["chase_db1"], 2, &["CHASEDB1.zip", "--archive"]);
    check(
        &["chase_db1", "--archive", "nowhere.zip"],
        2,
        &["nowhere.zip"],
    );
    check(&["chase_db1", "--archive", &from], 2, &["28", "--partial"]);
    check(
        &[
            "chase_db1",
            "--archive",
            &from,
            "--partial",
            "--split",
            "official",
        ],
        2,
        &["official", "seed:0"],
    );
    check(
        &[
            "chase_db1",
            "--archive",
            &from,
            "--partial",
            "--split",
            "half",
        ],
        2,
        &["--split", "fold:K/N"],
    );
    check(
        &["drive", "--archive", &from],
        2,
        &["training/images", "Image_01L"],
    );
    check(&["stare"], 2, &["--accept-terms"]);
    check(
        &["stare", "--accept-terms"],
        1,
        &["stare-images.tar", "5f7b509b"],
    );
}
