//! Data folders whose images are DICOM files: as pydicom shows them, and no word of what else is in them.

use std::collections::BTreeMap;
use std::path::Path;

use salt_data::verify::{Check, Severity, verify};
use salt_data::{DataError, Dataset, DicomError, read_image};
use serde::Deserialize;

use crate::fixture::Folder;
use crate::formats::dicom::{SECRET, bytes, value_of};

#[derive(Deserialize)]
struct Expected {
    size: [u32; 2],
    shown: Vec<u8>,
    inverted: bool,
}

/// A folder with one case `a`: a DICOM image of 7 x 5 and a mask.
fn folder(image: &str, content: &[u8]) -> Folder {
    let folder = Folder::empty();
    let mask: Vec<u8> = (0..35).map(|i| if i % 7 < 3 { 255 } else { 0 }).collect();
    folder.grey("masks/a.png", 7, 5, &mask);
    put(&folder, &format!("images/{image}"), content);
    folder.text("data_split.csv", "imgs,split\na,train\n");
    folder
}

fn put(folder: &Folder, name: &str, content: &[u8]) {
    std::fs::write(folder.at(name), content).expect("written");
}

#[test]
fn images_are_those_of_pydicom() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom/expected.json");
    let text = std::fs::read_to_string(file).expect("readable");
    let all: BTreeMap<String, Expected> = serde_json::from_str(&text).expect("as generated");
    assert_eq!(all.len(), 11);
    let folder = Folder::empty();
    let mut table = "imgs,split\n".to_owned();
    for (k, (name, expected)) in all.iter().enumerate() {
        let stem = name.trim_end_matches(".dcm");
        // Of one split, since some show the same picture.
        table += &format!("{stem},train\n");
        // Extensions in any case, as cameras and servers write them.
        put(
            &folder,
            &format!("images/{stem}.{}", ["dcm", "DCM"][k % 2]),
            &bytes(name),
        );
        let [width, height] = expected.size;
        let mask: Vec<u8> = (0..width * height)
            .map(|i| if i % width < 2 + k as u32 / 6 { 255 } else { 0 })
            .collect();
        folder.grey(&format!("masks/{stem}.png"), width, height, &mask);
    }
    folder.text("data_split.csv", &table);
    let set = Dataset::open(folder.path()).expect("a data set");
    assert_eq!(set.cases.len(), 11);
    for case in &set.cases {
        let loaded = set.load(case).expect("loads");
        let name = format!("{}.dcm", case.id);
        let expected = &all[&name];
        // Decoders of JPEG may differ by one level (ISO 10918-2); all else is exact.
        let tolerance = u8::from(name == "jpeg.dcm");
        let shown = expected.shown.iter().map(|&grey| match expected.inverted {
            true => 255 - grey,
            false => grey,
        });
        assert_eq!(loaded.image.data.len(), 3 * expected.shown.len(), "{name}");
        for (pixel, grey) in loaded.image.data.chunks_exact(3).zip(shown) {
            assert!(
                pixel.iter().all(|&p| p.abs_diff(grey) <= tolerance),
                "{name}: {pixel:?} {grey}"
            );
        }
    }
    let report = verify(folder.path());
    assert_eq!(
        (report.cases, report.count(Severity::Error)),
        (11, 0),
        "{:?}",
        report.findings
    );
    let told = serde_json::to_string(&report).expect("serialises") + &format!("{set:?}");
    assert!(!told.contains(&SECRET[1..6]));
}

#[test]
fn the_size_is_found_behind_long_texts() {
    let mut long = bytes("u8_odd.dcm");
    let rows = value_of(&long, [0x28, 0x10]) - 8;
    // (0009,1001) of 100,000 bytes.
    let mut element = b"\x09\0\x01\x10OB\0\0".to_vec();
    element.extend(100_000_u32.to_le_bytes());
    element.resize(element.len() + 100_000, b'x');
    long.splice(rows..rows, element);
    let set = Dataset::open(folder("a.dcm", &long).path()).expect("a data set");
    assert_eq!(set.cases.len(), 1);
}

#[test]
fn a_mask_is_no_dicom_file() {
    let folder = folder("a.dcm", &bytes("u8_odd.dcm"));
    std::fs::remove_file(folder.at("masks/a.png")).expect("removed");
    put(&folder, "masks/a.dcm", &bytes("u8_odd.dcm"));
    let error = Dataset::open(folder.path()).expect_err("no mask");
    assert!(
        matches!(&error, DataError::Dicom(DicomError::Mask { .. })),
        "{error}"
    );
    assert_eq!(error.path(), Some(folder.at("masks/a.dcm").as_path()));
    let report = verify(folder.path());
    let finding = &report.findings[0];
    assert_eq!(
        (finding.severity, finding.check),
        (Severity::Error, Check::Readable)
    );
    assert!(finding.remedy.contains("PNG"), "{finding:?}");
}

#[test]
fn files_that_are_called_dicom_and_are_cut_or_something_else() {
    let sound = bytes("u8_odd.dcm");
    let cut = folder("a.dcm", &sound[..sound.len() - 9]);
    let report = verify(cut.path());
    assert_eq!(
        report.findings[0].check,
        Check::Truncated,
        "{:?}",
        report.findings
    );
    let other = folder("a.dcm", b"\0\x01");
    let error = Dataset::open(other.path()).expect_err("no DICOM");
    assert!(matches!(
        error,
        DataError::Dicom(DicomError::NotDicom { .. })
    ));
    // What the first bytes say counts more than the name.
    let named = folder("a.png", &sound);
    assert!(Dataset::open(named.path()).is_ok());
    let png = std::fs::read(named.at("masks/a.png")).expect("written");
    assert!(Dataset::open(folder("a.dcm", &png).path()).is_ok());
}

#[test]
fn a_window_of_the_file_that_is_none_is_not_told() {
    // A width of 101 is lost beside the centre; without a window, 4095 steps beside the intercept.
    for (name, tag, attribute) in [
        ("u8_inverted.dcm", [0x28, 0x1050], "WindowWidth"),
        ("undefined_lengths.dcm", [0x28, 0x1052], "RescaleSlope"),
    ] {
        let mut changed = bytes(name);
        let at = value_of(&changed, tag);
        changed[at..at + 5].copy_from_slice(b"1e300");
        let folder = folder("a.dcm", &changed);
        let error = read_image(&folder.at("images/a.dcm")).expect_err(name);
        let wrong = |error: &DataError| matches!(error, DataError::Dicom(DicomError::Attribute { attribute: a, .. }) if *a == attribute);
        assert!(wrong(&error), "{name}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("300"),
            "{name}: {error}"
        );
    }
}
