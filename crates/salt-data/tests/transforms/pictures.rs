//! docs/TRANSFORMS.md shows every setting there is, and no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use salt_data::{Augment, Normalise};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// The fields of `Augment` as a recipe spells them, then the kinds of `Normalise` that do something.
fn settings() -> BTreeSet<String> {
    let augment = serde_json::to_value(Augment::none()).expect("plain values");
    let fields = augment.as_object().expect("a struct").keys().cloned();
    // The list of kinds is in the message that refuses an unknown one.
    let refused = serde_json::from_str::<Normalise>(r#"{"kind": "?"}"#).expect_err("no such kind");
    let kinds: Vec<String> = refused
        .to_string()
        .split('`')
        .skip(3)
        .step_by(2)
        .map(|kind| format!("normalise-{kind}"))
        .collect();
    assert!(kinds.len() > 3, "{refused}");
    fields
        .chain(kinds)
        .filter(|name| name != "normalise-none")
        .collect()
}

#[test]
fn every_setting_has_a_section_with_its_picture() {
    let text = std::fs::read_to_string(docs().join("TRANSFORMS.md")).expect("the document");
    let mut described = BTreeSet::new();
    for section in text.split("\n### ").skip(1) {
        let name = section.split('`').nth(1).expect("a heading with a name");
        let picture = name.replace(" = ", "-");
        assert!(
            section.contains(&format!("](transforms/{picture}.png)")),
            "no picture in the section of {name}"
        );
        described.insert(picture);
    }
    assert_eq!(described, settings());
}

#[test]
fn every_setting_has_a_picture_and_all_are_small() {
    let mut names = BTreeSet::new();
    let mut bytes = 0;
    for entry in std::fs::read_dir(docs().join("transforms")).expect("the folder") {
        let entry = entry.expect("readable");
        let name = entry.file_name().to_string_lossy().into_owned();
        names.insert(name.strip_suffix(".png").expect("a PNG").to_owned());
        bytes += entry.metadata().expect("readable").len();
    }
    assert_eq!(names, settings());
    assert!(bytes < 600_000, "{bytes} bytes of pictures");
}
