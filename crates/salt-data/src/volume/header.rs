//! The 348 bytes at the start of a NIfTI-1 file (nifti1.h of the NIfTI-1.1 standard).

use std::path::Path;

use crate::decode_image::MAX_PIXELS;
use crate::volume::error::VolumeError;
use crate::volume::orientation::Orientation;

/// Bytes of the header.
pub(crate) const HEADER_BYTES: usize = 348;
/// Most bytes of extensions between header and voxels.
pub(crate) const MAX_OFFSET: u64 = 1 << 24;
/// Most voxels of one time point: as many as a picture may have pixels, 1 GiB as f32.
pub(crate) const MAX_VOXELS: u64 = MAX_PIXELS;

/// How a voxel is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Datatype {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
}

impl Datatype {
    /// The type of a code, or the name of one that is not read.
    fn of(code: i16) -> Result<Self, &'static str> {
        Ok(match code {
            2 => Self::U8,
            4 => Self::I16,
            8 => Self::I32,
            16 => Self::F32,
            64 => Self::F64,
            256 => Self::I8,
            512 => Self::U16,
            768 => Self::U32,
            1 => return Err("binary"),
            32 => return Err("complex64"),
            128 => return Err("rgb24"),
            1024 => return Err("int64"),
            1280 => return Err("uint64"),
            1536 => return Err("float128"),
            1792 => return Err("complex128"),
            2048 => return Err("complex256"),
            2304 => return Err("rgba32"),
            _ => return Err("an unknown type"),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// Bytes of a voxel.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

/// What a header says, after every number in it has been checked.
#[derive(Debug, Clone)]
pub(crate) struct Header {
    pub(crate) bytes: [u8; HEADER_BYTES],
    pub(crate) big_endian: bool,
    pub(crate) size: [usize; 3],
    pub(crate) frames: usize,
    pub(crate) datatype: Datatype,
    /// Where the voxels start.
    pub(crate) offset: u64,
    /// `(slope, intercept)`; `None` where the stored values are the values.
    pub(crate) scaling: Option<(f64, f64)>,
    pub(crate) spacing_mm: [f64; 3],
    pub(crate) orientation: Option<Orientation>,
}

/// The header's numbers at their offsets, in the file's byte order.
struct Fields<'a> {
    bytes: &'a [u8; HEADER_BYTES],
    big_endian: bool,
}

impl Fields<'_> {
    fn array<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut value = [0; N];
        value.copy_from_slice(&self.bytes[offset..offset + N]);
        if self.big_endian {
            value.reverse();
        }
        value
    }

    fn i16(&self, offset: usize) -> i16 {
        i16::from_le_bytes(self.array(offset))
    }

    fn f32(&self, offset: usize) -> f32 {
        f32::from_le_bytes(self.array(offset))
    }

    fn f32s<const N: usize>(&self, offset: usize) -> [f64; N] {
        std::array::from_fn(|i| f64::from(self.f32(offset + 4 * i)))
    }
}

impl Header {
    /// Reads and checks a header.
    pub(crate) fn parse(bytes: &[u8; HEADER_BYTES], path: &Path) -> Result<Self, VolumeError> {
        let big_endian = byte_order(bytes, path)?;
        let fields = Fields { bytes, big_endian };
        let dim: [i16; 8] = std::array::from_fn(|i| fields.i16(40 + 2 * i));
        let (rank, size, frames) = extents(dim, path)?;
        let datatype = datatype(&fields, path)?;
        let offset = fields.f32(108);
        if !(352.0..=MAX_OFFSET as f32).contains(&offset) || offset.fract() != 0.0 {
            return Err(VolumeError::Offset {
                path: path.to_owned(),
                received: offset,
                limit: MAX_OFFSET,
            });
        }
        Ok(Self {
            bytes: *bytes,
            big_endian,
            size,
            frames,
            datatype,
            offset: offset as u64,
            scaling: scaling(&fields, path)?,
            spacing_mm: spacing_mm(&fields, rank, path)?,
            orientation: orientation(&fields, path)?,
        })
    }

    /// Bytes of one time point.
    pub(crate) fn frame_bytes(&self) -> u64 {
        self.size.iter().product::<usize>() as u64 * self.datatype.bytes() as u64
    }

    /// Bytes of the whole file.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.offset + self.frame_bytes() * self.frames as u64
    }
}

/// Whether the file is big-endian; other formats are refused by name.
fn byte_order(bytes: &[u8; HEADER_BYTES], path: &Path) -> Result<bool, VolumeError> {
    let other = |received| VolumeError::OtherFormat {
        path: path.to_owned(),
        received,
    };
    let size = [bytes[0], bytes[1], bytes[2], bytes[3]];
    let big_endian = match (i32::from_le_bytes(size), i32::from_be_bytes(size)) {
        (348, _) => false,
        (_, 348) => true,
        (540, _) | (_, 540) => return Err(other("a NIfTI-2 file")),
        _ => {
            return Err(VolumeError::NotNifti {
                path: path.to_owned(),
            });
        }
    };
    match &bytes[344..348] {
        b"n+1\0" => Ok(big_endian),
        b"ni1\0" => Err(other("the header of a NIfTI pair (.hdr with .img)")),
        [0, 0, 0, 0] => Err(other("an Analyze 7.5 header (.hdr with .img)")),
        _ => Err(VolumeError::NotNifti {
            path: path.to_owned(),
        }),
    }
}

/// Number of dimensions, voxels along the axes, time points.
fn extents(dim: [i16; 8], path: &Path) -> Result<(usize, [usize; 3], usize), VolumeError> {
    let refused = || VolumeError::Dimensions {
        path: path.to_owned(),
        received: dim,
    };
    let rank = usize::try_from(dim[0])
        .ok()
        .filter(|rank| (2..=7).contains(rank))
        .ok_or_else(refused)?;
    let mut extent = [1_usize; 7];
    for axis in 0..rank {
        extent[axis] = usize::try_from(dim[axis + 1])
            .ok()
            .filter(|&n| n > 0)
            .ok_or_else(refused)?;
    }
    // Some writers give a rank of 5 to a plain volume.
    if extent[4..].iter().any(|&n| n > 1) {
        return Err(refused());
    }
    let voxels: u64 = extent[..3].iter().map(|&n| n as u64).product();
    if voxels > MAX_VOXELS {
        return Err(VolumeError::TooLarge {
            path: path.to_owned(),
            received: dim,
            limit: MAX_VOXELS,
        });
    }
    Ok((rank, [extent[0], extent[1], extent[2]], extent[3]))
}

fn datatype(fields: &Fields<'_>, path: &Path) -> Result<Datatype, VolumeError> {
    let code = fields.i16(70);
    let datatype = Datatype::of(code).map_err(|name| VolumeError::Datatype {
        path: path.to_owned(),
        code,
        name,
    })?;
    let (expected, received) = (8 * datatype.bytes() as i16, fields.i16(72));
    if expected == received {
        return Ok(datatype);
    }
    Err(VolumeError::BitPix {
        path: path.to_owned(),
        name: datatype.name(),
        expected,
        received,
    })
}

/// A slope of 0 means that there is none (nifti1.h); one that is not finite is taken so too, as
/// nibabel does, which writes NaN for "none".
fn scaling(fields: &Fields<'_>, path: &Path) -> Result<Option<(f64, f64)>, VolumeError> {
    let (slope, inter) = (fields.f32(112), fields.f32(116));
    if slope == 0.0 || !slope.is_finite() {
        return Ok(None);
    }
    if !inter.is_finite() {
        return Err(VolumeError::Scaling {
            path: path.to_owned(),
            received: inter,
        });
    }
    let scaling = (f64::from(slope), f64::from(inter));
    Ok((scaling != (1.0, 0.0)).then_some(scaling))
}

/// Voxel sizes: `pixdim[1..=3]` in the unit of `xyzt_units`, where "unknown" is read as mm as
/// everybody does. An axis that the file does not have counts as 1 mm.
fn spacing_mm(fields: &Fields<'_>, rank: usize, path: &Path) -> Result<[f64; 3], VolumeError> {
    let code = fields.bytes[123];
    let unit_mm = match code & 7 {
        0 | 2 => 1.0,
        1 => 1e3,
        3 => 1e-3,
        _ => {
            return Err(VolumeError::Units {
                path: path.to_owned(),
                code,
            });
        }
    };
    let received = [1, 2, 3].map(|axis| fields.f32(76 + 4 * axis));
    let mut spacing = [1.0; 3];
    for axis in 0..rank.min(3) {
        spacing[axis] = f64::from(received[axis]) * unit_mm;
        if !(received[axis] > 0.0 && received[axis].is_finite()) {
            return Err(VolumeError::Spacing {
                path: path.to_owned(),
                received,
            });
        }
    }
    Ok(spacing)
}

/// Directions of the sform if it has a code, else of the qform, else none.
fn orientation(fields: &Fields<'_>, path: &Path) -> Result<Option<Orientation>, VolumeError> {
    let (form, directions) = if fields.i16(254) > 0 {
        let row = |offset| {
            let [x, y, z, _shift] = fields.f32s(offset);
            [x, y, z]
        };
        ("sform", [row(280), row(296), row(312)])
    } else if fields.i16(252) > 0 {
        ("qform", quaternion_directions(fields))
    } else {
        return Ok(None);
    };
    let nearest = Orientation::nearest(&directions);
    nearest.map(Some).ok_or_else(|| VolumeError::Affine {
        path: path.to_owned(),
        form,
    })
}

/// The rotation of the unit quaternion `(a, b, c, d)`, with `a = sqrt(1 - b^2 - c^2 - d^2)`, and
/// the third axis reversed where `pixdim[0]` is -1 (nifti1.h, "method 2").
fn quaternion_directions(fields: &Fields<'_>) -> [[f64; 3]; 3] {
    let [b, c, d] = fields.f32s(256);
    let squared = 1.0 - (b * b + c * c + d * d);
    // A rotation by half a turn has a = 0 and, in f32, often a little less.
    let a = if squared > -1e-5 {
        squared.max(0.0).sqrt()
    } else {
        f64::NAN
    };
    let q = if fields.f32(76) < 0.0 { -1.0 } else { 1.0 };
    [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            q * 2.0 * (b * d + a * c),
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            q * 2.0 * (c * d - a * b),
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            q * (a * a + d * d - c * c - b * b),
        ],
    ]
}
