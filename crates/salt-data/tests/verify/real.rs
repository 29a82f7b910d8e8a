//! The shared real data sets: no error, and no warning that is not true.

use salt_data::verify::{Check, Severity, verify};
use salt_data::{Dataset, Split};

use crate::fixture::{Folder, shared};

/// All findings about a set as `severity check`.
fn findings(path: &std::path::Path) -> Vec<(Severity, Check)> {
    let report = verify(path);
    let kinds = report.findings.iter().map(|f| (f.severity, f.check));
    kinds.collect()
}

#[test]
fn chase_db1_is_sound_and_lacks_only_what_it_lacks() {
    let Some(path) = shared("CHASE_DB1") else {
        return;
    };
    let expected = [
        (Severity::Info, Check::Leakage),
        (Severity::Info, Check::Splits),
    ];
    assert_eq!(findings(&path), expected);
    let report = verify(&path);
    // Left and right eye of a child are in one split, but nobody said that they belong together.
    assert!(report.findings[0].problem.contains("Image_01L, Image_01R"));
    assert!(report.findings[1].problem.contains("split val"));
    let fingerprint = report.fingerprint.expect("cases were read");
    let widths = fingerprint.structure_width.expect("vessels");
    // Along a skeleton by Zhang and Suen's thinning: 1 px and 5 px.
    assert_eq!(widths.p10_px, 1.0);
    assert!((3.5..6.0).contains(&widths.median_px), "{widths:?}");
    let advice = fingerprint.advice.expect("widths are known");
    assert_eq!(
        (advice.image_size, advice.tiles),
        (1024, false),
        "{advice:?}"
    );
}

#[test]
fn rossa_is_sound_and_lacks_only_what_it_lacks() {
    let Some(path) = shared("ROSSA") else { return };
    let expected = [
        (Severity::Warning, Check::Splits),
        (Severity::Info, Check::Leakage),
        (Severity::Info, Check::Splits),
    ];
    assert_eq!(findings(&path), expected);
}

/// A real set in other splits, so that every pair of images that are not of one group is compared.
fn regrouped(name: &str, split: impl Fn(usize) -> &'static str) -> Option<Vec<(Severity, Check)>> {
    let path = shared(name)?;
    let folder = Folder::empty();
    let mut table = "image,mask,split\n".to_owned();
    let text = std::fs::read_to_string(path.join("pairs.csv")).expect("there");
    for (k, line) in text.lines().skip(1).enumerate() {
        let fields: Vec<&str> = line.split(',').collect();
        for file in &fields[..2] {
            std::fs::copy(path.join(file), folder.at(file)).expect("copied");
        }
        table += &format!("{},{},{}\n", fields[0], fields[1], split(k));
    }
    folder.text("pairs.csv", &table);
    Some(findings(folder.path()))
}

#[test]
fn real_images_are_not_taken_for_copies_of_each_other() {
    let thirds = |k| ["train", "val", "test"][k % 3];
    let halves = |k| ["train", "val", "test"][k / 2 % 3];
    let others = [(Severity::Info, Check::Leakage)];
    // Two images of a child are in one third: left and right eye in different ones is leakage.
    if let Some(found) = regrouped("CHASE_DB1", halves) {
        assert_eq!(found, others);
    }
    if let Some(found) = regrouped("CHASE_DB1", thirds) {
        assert_eq!(found, [(Severity::Warning, Check::Leakage), others[0]]);
    }
    for set in ["ROSSA", "ARCADE_sample"] {
        if let Some(found) = regrouped(set, thirds) {
            assert_eq!(found, others, "{set}");
        }
    }
}

#[test]
fn arcade_opens_once_its_split_is_one() {
    let Some(path) = shared("ARCADE_sample") else {
        return;
    };
    // As it is, `sample` is no split: that is the one error of each line, and no file is an orphan.
    let report = verify(&path);
    assert_eq!(report.count(Severity::Error), report.findings.len());
    assert!(report.findings.iter().all(|f| f.check == Check::Table));
    assert!(Dataset::open(&path).is_err());
    assert_eq!(Split::from_name("sample"), None);
}
