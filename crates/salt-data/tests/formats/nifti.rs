//! Volumes against nibabel.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_data::{
    GreyWindow, Orientation, Volume, decode_nifti, read_nifti, read_nifti_time, write_nifti_labels,
};
use serde::Deserialize;

/// What nibabel reads; tests/fixtures/nifti/generate.py says how.
#[derive(Deserialize)]
struct Expected {
    time: Option<usize>,
    size: [usize; 3],
    spacing_mm: [f64; 3],
    codes: Option<String>,
    values: Vec<f32>,
    canonical_size: [usize; 3],
    canonical: Vec<f32>,
    percentiles: [f64; 2],
    grey: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nifti")
}

fn expected() -> BTreeMap<String, Expected> {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("readable");
    let all: BTreeMap<String, Expected> = serde_json::from_str(&text).expect("as generated");
    assert_eq!(all.len(), 29);
    all
}

fn read(name: &str, expected: &Expected) -> Volume {
    let path = folder().join(name);
    match expected.time {
        Some(time) => read_nifti_time(&path, time),
        None => read_nifti(&path),
    }
    .expect(name)
}

#[test]
fn values_spacing_and_orientation_are_those_of_nibabel() {
    for (name, expected) in expected() {
        let volume = read(&name, &expected);
        assert_eq!(volume.size(), expected.size, "{name}");
        assert_eq!(volume.voxels(), expected.values, "{name}");
        let codes = volume.orientation().map(|o| o.to_string());
        assert_eq!(codes, expected.codes, "{name}");
        for (received, expected) in volume.spacing_mm().iter().zip(expected.spacing_mm) {
            assert!(
                (received / expected - 1.0).abs() < 1e-6,
                "{name}: {received}"
            );
        }
        assert_eq!(volume.non_finite(), 0, "{name}");
        if volume.orientation().is_some() {
            let canonical = volume.reoriented(Orientation::RAS).expect("oriented");
            assert_eq!(canonical.size(), expected.canonical_size, "{name}");
            assert_eq!(canonical.voxels(), expected.canonical, "{name}");
        }
    }
}

#[test]
fn percentiles_and_grey_levels_are_those_of_numpy() {
    for (name, expected) in expected() {
        let volume = read(&name, &expected);
        let [low, high] = volume.grey_range(GreyWindow::MR).expect("a range");
        for (received, expected) in [low, high].into_iter().zip(expected.percentiles) {
            assert!(
                (received - expected).abs() <= 1e-9 * expected.abs().max(1.0),
                "{name}"
            );
        }
        let middle = volume.slice(2, expected.size[2] / 2).expect("inside");
        let picture = middle.window(low, high).expect("a range");
        let grey: Vec<u8> = picture.data.chunks_exact(3).map(|p| p[0]).collect();
        assert_eq!(grey, expected.grey, "{name}");
    }
}

#[test]
fn slices_keep_their_place_and_their_spacing() {
    let volume = read_nifti(&folder().join("u1_little.nii")).expect("readable");
    let [nx, ny, _] = volume.size();
    for (axis, [x, y]) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        for index in 0..volume.size()[axis] {
            let plane = volume.slice(axis, index).expect("inside");
            let spacing = volume.spacing_mm();
            assert_eq!(plane.spacing_mm, Some([spacing[x], spacing[y]]));
            assert_eq!(
                [plane.width, plane.height],
                [volume.size()[x], volume.size()[y]]
            );
            for row in 0..plane.height {
                for column in 0..plane.width {
                    let mut at = [index; 3];
                    (at[x], at[y]) = (column, row);
                    let expected = volume.voxels()[at[0] + nx * (at[1] + ny * at[2])];
                    assert_eq!(plane.values[row * plane.width + column], expected);
                }
            }
        }
    }
}

#[test]
fn written_labels_overlay_their_volume() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for (name, expected) in expected() {
        let source = read(&name, &expected);
        let turned = source.reoriented(Orientation::RAS);
        let labels: Vec<u8> = (0..source.voxels().len()).map(|i| (i % 5) as u8).collect();
        for (extension, gzip) in [("nii", false), ("nii.gz", true)] {
            let path = dir.path().join(format!("labels.{extension}"));
            write_nifti_labels(&path, &source, &labels).expect("written");
            let bytes = std::fs::read(&path).expect("readable");
            assert_eq!(bytes.starts_with(&[0x1f, 0x8b]), gzip);
            assert!(!bytes.windows(6).any(|text| text == b"a text"), "{name}");
            let back = decode_nifti(&bytes, &path).expect("readable");
            assert_eq!(back.size(), source.size(), "{name}");
            assert_eq!(back.spacing_mm(), source.spacing_mm(), "{name}");
            assert_eq!(back.orientation(), source.orientation(), "{name}");
            let stored: Vec<f32> = labels.iter().map(|&v| f32::from(v)).collect();
            assert_eq!(back.voxels(), stored, "{name}");
            // Labels of the turned volume come to lie over the volume as it is stored.
            let Ok(turned) = &turned else { continue };
            let turned_labels = back.reoriented(Orientation::RAS).expect("oriented");
            let bytes: Vec<u8> = turned_labels.voxels().iter().map(|&v| v as u8).collect();
            write_nifti_labels(&path, turned, &bytes).expect("written");
            let again = read_nifti(&path).expect("readable");
            assert_eq!(again.voxels(), stored, "{name}");
            assert_eq!(again.orientation(), source.orientation(), "{name}");
        }
    }
}

#[test]
fn label_slices_keep_their_ids() {
    let path = folder().join("u1_little.nii");
    let volume = read_nifti(&path).expect("readable");
    let plane = volume.slice(2, 1).expect("inside");
    let labels = plane.labels().expect("whole numbers");
    let ids: Vec<f32> = labels.classes.iter().map(|&id| f32::from(id)).collect();
    assert_eq!(ids, plane.values);
    let fractions = read_nifti(&folder().join("f4_little.nii")).expect("readable");
    assert!(fractions.slice(2, 1).expect("inside").labels().is_err());
}
