//! The fuzz target `nifti`: any bytes as a NIfTI volume.

use std::path::Path;

use salt_data::decode_nifti;

/// Decodes `data`; returns whether it is a volume. Panics when sizes do not agree, or a slice is not to be had.
pub(crate) fn run(data: &[u8]) -> bool {
    match decode_nifti(data, Path::new("volume.nii.gz")) {
        Ok(volume) => {
            let size = volume.size();
            assert_eq!(volume.voxels().len(), size.iter().product::<usize>());
            assert!(
                volume
                    .spacing_mm()
                    .iter()
                    .all(|side| side.is_finite() && *side > 0.0)
            );
            for (axis, length) in size.into_iter().enumerate() {
                assert!(volume.slice(axis, length - 1).is_ok());
                assert!(volume.slice(axis, length).is_err());
            }
            true
        }
        Err(error) => {
            let message = error.to_string();
            assert!(
                message.starts_with("expected ") && message.contains("; "),
                "{message}"
            );
            false
        }
    }
}
