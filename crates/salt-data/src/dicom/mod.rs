//! Single-frame grey DICOM files, as X-ray angiography, CT and MR have them.
//!
//! Compiled in with the feature `dicom`. The reader is our own. Of the crates `dicom-object` and
//! `dicom-pixeldata` (0.10), the parser fills memory for the length that an element announces (up to
//! 4 GiB) before it has seen a byte of it, the RLE and JPEG adapters index and unwrap what a file
//! may get wrong, and errors and log lines carry values of attributes. Here, every element is a part
//! of the file that is really there, and only the dozen attributes that describe the pixels are
//! looked at: names, dates and numbers of patients are passed over as bytes.
//!
//! Images of a data folder may be DICOM files ([`DicomFrame::display`]); masks may not. Of what a file says, only its
//! width and height ever show in a message, where they are not those of its mask or are too large.

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
pub(crate) use absent::dicom_size;
#[cfg(not(feature = "dicom"))]
pub use absent::{decode_dicom, read_dicom};
pub use error::DicomError;
#[cfg(feature = "dicom")]
pub(crate) use read::dicom_size;
#[cfg(feature = "dicom")]
pub use read::{decode_dicom, read_dicom};

use std::path::Path;

use crate::pixels::ImageRgb;
use crate::volume::Plane;

/// Whether a file is called as DICOM files are: `.dcm` or `.dicom`, in any case.
pub(crate) fn is_dicom_name(path: &Path) -> bool {
    let end = path.extension();
    end.is_some_and(|end| end.eq_ignore_ascii_case("dcm") || end.eq_ignore_ascii_case("dicom"))
}

/// A frame in the unit of its modality: after `RescaleSlope` and `RescaleIntercept`, before any
/// window; Hounsfield units for CT.
#[derive(Clone)]
pub struct DicomFrame {
    plane: Plane,
    window: Option<[f64; 2]>,
    full_range: [f64; 2],
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

    /// The least and the largest value that the file's bits can hold, rescaled.
    pub fn full_range(&self) -> [f64; 2] {
        self.full_range
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
    /// [`DicomError::NoWindow`] if neither is there, [`DicomError::IntensityRange`] for a window that is given,
    /// [`DicomError::Attribute`] for the file's own.
    pub fn picture(&self, window: Option<[f64; 2]>) -> Result<ImageRgb, DicomError> {
        let path = || self.plane.path.clone();
        let Some([low, high]) = window else {
            let own = self.window;
            return self.in_own(own.ok_or_else(|| DicomError::NoWindow { path: path() })?);
        };
        let picture = self.plane.window(low, high);
        let picture = picture.map_err(|_| DicomError::IntensityRange {
            path: path(),
            low,
            high,
        })?;
        Ok(self.bright(picture))
    }

    /// The picture that this file is in a data folder: in its own window, or, where it has none, in its
    /// [full range](Self::full_range), which is what no window means (PS3.3, C.11.2; for 8 bits without rescaling:
    /// the values as they are). Never in a range of its values, which would be another for each file.
    ///
    /// # Errors
    /// [`DicomError::Attribute`] for a window or a rescaling whose ends numbers cannot tell apart.
    pub fn display(&self) -> Result<ImageRgb, DicomError> {
        self.in_own(self.window.unwrap_or(self.full_range))
    }

    /// In a range that the file gives, which no message may tell.
    fn in_own(&self, [low, high]: [f64; 2]) -> Result<ImageRgb, DicomError> {
        let picture = self.plane.window(low, high);
        let picture = picture.map_err(|_| DicomError::Attribute {
            path: self.plane.path.clone(),
            attribute: match self.window {
                Some(_) => "WindowWidth",
                None => "RescaleSlope",
            },
            expected: "a number that keeps black and white apart",
            remedy: "export the file again, or as PNG",
        })?;
        Ok(self.bright(picture))
    }

    fn bright(&self, mut picture: ImageRgb) -> ImageRgb {
        if self.inverted {
            picture.data.iter_mut().for_each(|grey| *grey = 255 - *grey);
        }
        picture
    }
}
