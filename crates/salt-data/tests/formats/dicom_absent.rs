//! A build without DICOM names the feature.

use std::path::Path;

use salt_data::{DicomError, read_dicom};

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
