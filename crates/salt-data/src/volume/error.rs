//! Everything that can be wrong with a volume, and what to do.

use std::path::{Path, PathBuf};

/// Why a volume could not be read, cut into pictures or written.
///
/// Every message reads "expected ..., received ...; remedy".
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VolumeError {
    /// Reading or writing failed.
    #[error("expected to {action} {}, received: {source}; check the path, permissions and free space", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The first bytes are those of no file we know.
    #[error(
        "expected {} to be a NIfTI-1 file, received other content; \
         check that it is a .nii or .nii.gz file and was downloaded whole", path.display()
    )]
    NotNifti {
        /// The file.
        path: PathBuf,
    },
    /// A relative of NIfTI-1 that is not read.
    #[error(
        "expected {} to be a single NIfTI-1 file (.nii, .nii.gz), received {received}; \
         convert it, for example with nibabel: nibabel.save(nibabel.Nifti1Image.from_image(nibabel.load(...)), ...)",
        path.display()
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Which format it is.
        received: &'static str,
    },
    /// The gzip stream is damaged.
    #[error(
        "expected {} to be whole, received a damaged gzip stream: {problem}; download or copy it again",
        path.display()
    )]
    Gzip {
        /// The file.
        path: PathBuf,
        /// What the decoder said.
        problem: String,
    },
    /// The file ends before its last voxel.
    #[error(
        "expected {expected} bytes in {}, received {received}; download or copy it again", path.display()
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces.
        expected: u64,
        /// Bytes that are there, or that can be there at most in a gzip stream of this length.
        received: u64,
    },
    /// The file goes on after its last voxel, so its header does not describe it.
    #[error(
        "expected {} to end after the {expected} bytes that its header announces, received more; \
         correct dim in the header", path.display()
    )]
    Trailing {
        /// The file.
        path: PathBuf,
        /// Bytes that the header announces.
        expected: u64,
    },
    /// A number of dimensions that is no picture and no volume.
    #[error(
        "expected 2, 3 or 4 dimensions in {}, received dim {received:?}; \
         save the wanted part as a volume of three dimensions", path.display()
    )]
    Dimensions {
        /// The file.
        path: PathBuf,
        /// The header's field `dim`.
        received: [i16; 8],
    },
    /// More voxels than we are willing to hold.
    #[error(
        "expected at most {limit} voxels in {}, received dim {received:?}; cut the volume into parts",
        path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The header's field `dim`.
        received: [i16; 8],
        /// Largest allowed number of voxels.
        limit: u64,
    },
    /// Voxels of a type that is not read.
    #[error(
        "expected voxels of 8, 16 or 32-bit integers or 32 or 64-bit floats in {}, received {name} (datatype {code}); \
         convert the file to one of these", path.display()
    )]
    Datatype {
        /// The file.
        path: PathBuf,
        /// The header's field `datatype`.
        code: i16,
        /// Its name in the NIfTI standard.
        name: &'static str,
    },
    /// `bitpix` contradicts `datatype`.
    #[error(
        "expected bitpix {expected} for {name} voxels in {}, received {received}; correct the header",
        path.display()
    )]
    BitPix {
        /// The file.
        path: PathBuf,
        /// Name of the datatype.
        name: &'static str,
        /// Bits of that type.
        expected: i16,
        /// Bits in the header.
        received: i16,
    },
    /// Voxels that would start inside of the header, beyond any sense, or nowhere.
    #[error(
        "expected vox_offset between 352 and {limit} in {}, received {received}; correct the header",
        path.display()
    )]
    Offset {
        /// The file.
        path: PathBuf,
        /// The header's field `vox_offset`.
        received: f32,
        /// Largest allowed offset.
        limit: u64,
    },
    /// An intercept that is no number.
    #[error(
        "expected a finite scl_inter in {}, received {received}; correct the header", path.display()
    )]
    Scaling {
        /// The file.
        path: PathBuf,
        /// The header's field `scl_inter`.
        received: f32,
    },
    /// A unit that is no length.
    #[error(
        "expected lengths in m, mm or micrometres in {}, received xyzt_units {code}; correct the header",
        path.display()
    )]
    Units {
        /// The file.
        path: PathBuf,
        /// The header's field `xyzt_units`.
        code: u8,
    },
    /// A voxel without extent.
    #[error(
        "expected positive voxel sizes in {}, received pixdim {received:?}; correct the header", path.display()
    )]
    Spacing {
        /// The file.
        path: PathBuf,
        /// The header's `pixdim[1..=3]`.
        received: [f32; 3],
    },
    /// An orientation that maps the volume to a plane, a line or nowhere.
    #[error(
        "expected an invertible {form} in {}, received one that is not; \
         correct the header, or set its code to 0 if the orientation is unknown", path.display()
    )]
    Affine {
        /// The file.
        path: PathBuf,
        /// `qform` or `sform`.
        form: &'static str,
    },
    /// Several time points and no choice among them.
    #[error(
        "expected one volume in {}, received {frames} time points; name one of them (0 to {})",
        path.display(), frames - 1
    )]
    TimeSeries {
        /// The file.
        path: PathBuf,
        /// Number of time points.
        frames: usize,
    },
    /// A time point that does not exist.
    #[error(
        "expected a time point below {frames} for {}, received {received}; name an existing one",
        path.display()
    )]
    NoSuchTime {
        /// The file.
        path: PathBuf,
        /// Number of time points.
        frames: usize,
        /// The one asked for.
        received: usize,
    },
    /// Axis codes that name no orientation.
    #[error(
        "expected three axis codes, one of each pair R/L, A/P, S/I, received `{received}`; write for example RAS"
    )]
    AxisCodes {
        /// What came.
        received: String,
    },
    /// The orientation is asked for and the file does not tell it.
    #[error(
        "expected an orientation in {}, received qform_code and sform_code 0; \
         set one of them, or use the volume as it is stored", path.display()
    )]
    NoOrientation {
        /// The file.
        path: PathBuf,
    },
    /// A slice that does not exist.
    #[error(
        "expected an axis of 0 to 2 and a slice below {} along it for {}, received axis {axis}, slice {index}; \
         count from 0", size.get(*axis).unwrap_or(&0), path.display()
    )]
    NoSuchSlice {
        /// The file.
        path: PathBuf,
        /// Voxels along the three axes.
        size: [usize; 3],
        /// The axis asked for.
        axis: usize,
        /// The slice asked for.
        index: usize,
    },
    /// Grey levels from nothing.
    #[error(
        "expected a lower and a higher intensity for black and white, received {low} and {high}; \
         choose another window (a volume of one value has no percentiles apart)"
    )]
    IntensityRange {
        /// Intensity of black.
        low: f64,
        /// Intensity of white.
        high: f64,
    },
    /// Labels that are no numbers.
    #[error(
        "expected a class in every voxel of {}, received {count} that are not finite; correct the label file",
        path.display()
    )]
    NonFiniteLabel {
        /// The file.
        path: PathBuf,
        /// How many, in the slice asked for.
        count: usize,
    },
    /// Labels between two classes.
    #[error(
        "expected whole numbers in the labels {}, received {value}; \
         resample label files with nearest neighbour only", path.display()
    )]
    FractionalLabel {
        /// The file.
        path: PathBuf,
        /// The first such value.
        value: f32,
    },
    /// Labels that do not fit.
    #[error(
        "expected labels of 0 to 255 in {}, received {value}; map the classes to small numbers", path.display()
    )]
    LabelRange {
        /// The file.
        path: PathBuf,
        /// The first such value.
        value: f32,
    },
    /// Not one label per voxel.
    #[error(
        "expected {expected} labels for the volume {}, received {received}; give one per voxel", path.display()
    )]
    LabelCount {
        /// The volume's file.
        path: PathBuf,
        /// Voxels of the volume.
        expected: usize,
        /// Labels that came.
        received: usize,
    },
}

impl VolumeError {
    /// What the system said while a file was read or written.
    pub(crate) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl Fn(std::io::Error) -> Self + 'a {
        move |source| Self::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// The file the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::NotNifti { path }
            | Self::OtherFormat { path, .. }
            | Self::Gzip { path, .. }
            | Self::Truncated { path, .. }
            | Self::Trailing { path, .. }
            | Self::Dimensions { path, .. }
            | Self::TooLarge { path, .. }
            | Self::Datatype { path, .. }
            | Self::BitPix { path, .. }
            | Self::Offset { path, .. }
            | Self::Scaling { path, .. }
            | Self::Units { path, .. }
            | Self::Spacing { path, .. }
            | Self::Affine { path, .. }
            | Self::TimeSeries { path, .. }
            | Self::NoSuchTime { path, .. }
            | Self::NoOrientation { path }
            | Self::NoSuchSlice { path, .. }
            | Self::NonFiniteLabel { path, .. }
            | Self::FractionalLabel { path, .. }
            | Self::LabelRange { path, .. }
            | Self::LabelCount { path, .. } => Some(path),
            Self::AxisCodes { .. } | Self::IntensityRange { .. } => None,
        }
    }
}
