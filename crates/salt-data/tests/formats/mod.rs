//! Formats of other communities, against the programs that define them, and their damaged files.

mod changed_bytes;
mod coco;
#[cfg(feature = "dicom")]
mod dicom;
#[cfg(not(feature = "dicom"))]
mod dicom_absent;
#[cfg(feature = "dicom")]
mod dicom_folder;
mod nifti;
mod nifti_refused;
mod npz;
