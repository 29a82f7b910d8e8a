//! A build without DICOM names the feature.

use std::path::Path;

use salt_data::verify::{Severity, verify};
use salt_data::{DataError, Dataset, DicomError, read_dicom};

use crate::fixture::Folder;

#[test]
fn the_feature_is_named() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom");
    let error = read_dicom(&folder.join("u8_odd.dcm")).expect_err("no reader");
    assert!(matches!(error, DicomError::FeatureAbsent { .. }));
    assert!(error.to_string().contains("`--features dicom`"));
    let error = read_dicom(&folder.join("expected.json")).expect_err("another file");
    assert!(matches!(error, DicomError::NotDicom { .. }));
    let error = read_dicom(&folder.join("none.dcm")).expect_err("no file");
    assert!(matches!(error, DicomError::Io { .. }));
}

#[test]
fn a_folder_with_dicom_images_names_the_feature() {
    let dicom = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom/u8_odd.dcm");
    let dicom = std::fs::read(dicom).expect("committed");
    // By its content under any name, and by its name where the content says nothing.
    for (name, bytes) in [
        ("a.dcm", &dicom[..]),
        ("a.png", &dicom),
        ("a.DCM", b"\0\x01"),
    ] {
        let folder = Folder::empty();
        folder.grey("masks/a.png", 7, 5, &[255; 35]);
        folder.text("data_split.csv", "imgs,split\na,train\n");
        std::fs::write(folder.at(&format!("images/{name}")), bytes).expect("written");
        let error = Dataset::open(folder.path()).expect_err("no reader");
        let absent = matches!(&error, DataError::Dicom(DicomError::FeatureAbsent { .. }));
        assert!(absent, "{name}: {error}");
        assert!(
            error.remedy().contains("`--features dicom`"),
            "{name}: {error}"
        );
        let report = verify(folder.path());
        let named = report.findings.iter().any(|finding| {
            finding.severity == Severity::Error && finding.remedy.contains("`--features dicom`")
        });
        assert!(named, "{name}: {:?}", report.findings);
    }
}
