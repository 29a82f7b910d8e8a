//! Volumes: NIfTI files to slices, with their spacing and orientation.

mod error;
mod header;
mod nifti;
mod orientation;
mod plane;
mod write;

use std::path::{Path, PathBuf};

pub use error::VolumeError;
pub use nifti::{decode_nifti, read_nifti, read_nifti_time};
pub use orientation::Orientation;
pub use plane::{GreyWindow, Plane};
pub use write::write_nifti_labels;

pub(crate) use header::HEADER_BYTES;
use header::Header;
use orientation::AxisMap;

/// Whether a file is called as NIfTI files are: `.nii` or `.nii.gz`, in any case.
pub(crate) fn is_nifti_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_ascii_lowercase();
    name.ends_with(".nii") || name.ends_with(".nii.gz")
}

/// A grid of intensities or labels in space.
#[derive(Clone)]
pub struct Volume {
    path: PathBuf,
    size: [usize; 3],
    spacing_mm: [f64; 3],
    orientation: Option<Orientation>,
    non_finite: usize,
    voxels: Vec<f32>,
    header: Header,
    /// How the file's voxels became these.
    from_file: AxisMap,
}

impl std::fmt::Debug for Volume {
    /// Neither voxels nor the header's texts.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Volume")
            .field("path", &self.path)
            .field("size", &self.size)
            .field("spacing_mm", &self.spacing_mm)
            .field("orientation", &self.orientation)
            .finish_non_exhaustive()
    }
}

impl Volume {
    /// Voxels along the three axes.
    pub fn size(&self) -> [usize; 3] {
        self.size
    }

    /// Size of a voxel along the three axes, in mm.
    pub fn spacing_mm(&self) -> [f64; 3] {
        self.spacing_mm
    }

    /// Where the axes run to; `None` if the file does not say.
    pub fn orientation(&self) -> Option<Orientation> {
        self.orientation
    }

    /// The values; the first axis runs fastest.
    pub fn voxels(&self) -> &[f32] {
        &self.voxels
    }

    /// How many voxels are NaN or infinite.
    pub fn non_finite(&self) -> usize {
        self.non_finite
    }

    /// The same volume with its axes permuted and reversed so that they run as in `target`.
    ///
    /// # Errors
    /// [`VolumeError::NoOrientation`] if the file does not say how they run now.
    pub fn reoriented(&self, target: Orientation) -> Result<Self, VolumeError> {
        let current = self.orientation.ok_or_else(|| VolumeError::NoOrientation {
            path: self.path.clone(),
        })?;
        let map = current.towards(target);
        Ok(Self {
            path: self.path.clone(),
            size: map.permuted(self.size),
            spacing_mm: map.permuted(self.spacing_mm),
            orientation: Some(target),
            non_finite: self.non_finite,
            voxels: map.apply(&self.voxels, self.size),
            header: self.header.clone(),
            from_file: self.from_file.then(&map),
        })
    }

    /// The plane across `axis` (0 to 2) at `index`.
    ///
    /// Of the two other axes, the lower one runs along the rows (x) and the higher one down the
    /// columns (y), both in the direction of growing indices.
    ///
    /// # Errors
    /// [`VolumeError::NoSuchSlice`].
    pub fn slice(&self, axis: usize, index: usize) -> Result<Plane, VolumeError> {
        let [x, y] = match axis {
            0 => [1, 2],
            1 => [0, 2],
            _ => [0, 1],
        };
        if axis > 2 || index >= self.size[axis] {
            return Err(VolumeError::NoSuchSlice {
                path: self.path.clone(),
                size: self.size,
                axis,
                index,
            });
        }
        let stride = [1, self.size[0], self.size[0] * self.size[1]];
        let (width, height) = (self.size[x], self.size[y]);
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            let start = index * stride[axis] + row * stride[y];
            values.extend((0..width).map(|column| self.voxels[start + column * stride[x]]));
        }
        Ok(Plane {
            path: self.path.clone(),
            width,
            height,
            spacing_mm: Some([self.spacing_mm[x], self.spacing_mm[y]]),
            values,
        })
    }

    /// Intensities of black and white for [`Plane::window`].
    ///
    /// # Errors
    /// [`VolumeError::IntensityRange`] if they are not apart.
    pub fn grey_range(&self, window: GreyWindow) -> Result<[f64; 2], VolumeError> {
        plane::grey_range(&self.voxels, window)
    }
}
