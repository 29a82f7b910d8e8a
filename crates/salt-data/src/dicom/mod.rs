//! Single-frame grey DICOM files, as X-ray angiography, CT and MR have them.
//!
//! Compiled in with the feature `dicom`. The reader is our own. Of the crates `dicom-object` and
//! `dicom-pixeldata` (0.10), the parser fills memory for the length that an element announces (up to
//! 4 GiB) before it has seen a byte of it, the RLE and JPEG adapters index and unwrap what a file
//! may get wrong, and errors and log lines carry values of attributes. Here, every element is a part
//! of the file that is really there, and only the dozen attributes that describe the pixels are
//! looked at: names, dates and numbers of patients are passed over as bytes.

#[cfg(not(feature = "dicom"))]
mod absent;
#[cfg(feature = "dicom")]
mod elements;
mod error;
#[cfg(feature = "dicom")]
mod pixels;
#[cfg(feature = "dicom")]
mod read;

#[cfg(not(feature = "dicom"))]
pub use absent::{decode_dicom, read_dicom};
pub use error::DicomError;
#[cfg(feature = "dicom")]
pub use read::{decode_dicom, read_dicom};

use crate::pixels::ImageRgb;
use crate::volume::Plane;

/// A frame in the unit of its modality: after `RescaleSlope` and `RescaleIntercept`, before any
/// window; Hounsfield units for CT.
#[derive(Clone)]
pub struct DicomFrame {
    plane: Plane,
    window: Option<[f64; 2]>,
    inverted: bool,
}

impl std::fmt::Debug for DicomFrame {
    /// Nothing that the file says but the frame's size.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DicomFrame")
            .field("width", &self.plane.width)
            .field("height", &self.plane.height)
            .finish_non_exhaustive()
    }
}

impl DicomFrame {
    /// Values and spacing. The spacing is `PixelSpacing`, in the patient; `ImagerPixelSpacing`,
    /// which is measured at the detector of a projection, is not taken for it.
    pub fn plane(&self) -> &Plane {
        &self.plane
    }

    /// Intensities of black and white of the file's first linear window (DICOM PS3.3, C.11.2.1.2),
    /// before an inversion.
    pub fn window(&self) -> Option<[f64; 2]> {
        self.window
    }

    /// Whether low values are bright (`MONOCHROME1`).
    pub fn inverted(&self) -> bool {
        self.inverted
    }

    /// A grey picture in the given window `[low, high]` or else the file's own.
    ///
    /// A `MONOCHROME1` frame is inverted, so that bone is bright as in all others.
    ///
    /// # Errors
    /// [`DicomError::NoWindow`] if neither is there, [`DicomError::IntensityRange`].
    pub fn picture(&self, window: Option<[f64; 2]>) -> Result<ImageRgb, DicomError> {
        let path = || self.plane.path.clone();
        let Some([low, high]) = window.or(self.window) else {
            return Err(DicomError::NoWindow { path: path() });
        };
        let picture = self.plane.window(low, high);
        let mut picture = picture.map_err(|_| DicomError::IntensityRange {
            path: path(),
            low,
            high,
        })?;
        if self.inverted {
            picture.data.iter_mut().for_each(|grey| *grey = 255 - *grey);
        }
        Ok(picture)
    }
}
