//! Bytes of a small file, changed: an error or a whole result, never a panic.

use std::path::Path;

use salt_data::{CocoFile, NpzFile, decode_nifti};

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name);
    std::fs::read(path).expect("readable")
}

/// Calls `read` with every `step`-th byte of the file changed in four ways, and with the file cut
/// there; it says whether the file was read. Some must be and some not, or the test looks at nothing.
fn check(name: &str, bytes: &[u8], step: usize, mut read: impl FnMut(&[u8]) -> bool) {
    let mut counts = [0_usize; 2];
    let mut count = |sound: bool| counts[usize::from(sound)] += 1;
    for at in (0..bytes.len()).step_by(step) {
        count(read(&bytes[..at]));
        for value in [0, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
            let mut changed = bytes.to_vec();
            changed[at] = value;
            count(read(&changed));
        }
    }
    assert!(counts[0] > 20 && counts[1] > 20, "{name}: {counts:?}");
}

#[test]
fn nifti() {
    for name in [
        "oblique.nii",
        "qform.nii",
        "ct_scaled.nii.gz",
        "f8_big.nii.gz",
        "two.nii",
    ] {
        check(name, &fixture(&format!("nifti/{name}")), 1, |bytes| {
            let Ok(volume) = decode_nifti(bytes, Path::new(name)) else {
                return false;
            };
            let [x, y, z] = volume.size();
            assert_eq!(volume.voxels().len(), x * y * z, "{name}");
            for axis in 0..3 {
                let plane = volume.slice(axis, volume.size()[axis] - 1).expect("inside");
                assert_eq!(plane.values.len(), plane.width * plane.height, "{name}");
            }
            true
        });
    }
}

#[test]
fn coco() {
    let text = br#"{"images": [{"id": 1, "file_name": "a.png", "width": 9, "height": 7}],
        "annotations": [
        {"id": 1, "image_id": 1, "category_id": 2, "segmentation": [[0.5, 1, 8, 1, 4.25, 6]]},
        {"id": 2, "image_id": 1, "category_id": 2, "segmentation": {"size": [7, 9], "counts": [3, 5, 55]}},
        {"id": 3, "image_id": 1, "category_id": 2, "iscrowd": 1,
         "segmentation": {"size": [7, 9], "counts": "35g1"}}],
        "categories": [{"id": 2, "name": "vessel"}]}"#;
    check("coco", text, 1, |bytes| {
        let Ok(file) = CocoFile::parse(bytes, Path::new("case.json")) else {
            return false;
        };
        for image in file.images() {
            if let Ok(labels) = file.rasterise(image.id, |_| Some(1)) {
                assert_eq!(labels.classes.len(), image.width * image.height);
            }
        }
        true
    });
}

#[test]
fn npz() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("case.npz");
    // Every case is a file to be written, so fewer of them.
    check("npz", &fixture("npz/one_pair.npz"), 3, |bytes| {
        std::fs::write(&path, bytes).expect("written");
        let Ok(pairs) = NpzFile::open(&path).and_then(|file| file.pairs("val")) else {
            return false;
        };
        let pairs: Result<Vec<_>, _> = pairs.collect();
        for (image, labels) in pairs.iter().flatten() {
            assert_eq!(image.data.len(), 3 * image.width * image.height);
            assert_eq!(labels.classes.len(), labels.width * labels.height);
        }
        pairs.is_ok()
    });
}
