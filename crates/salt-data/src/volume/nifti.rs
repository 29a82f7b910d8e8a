//! NIfTI-1 files, plain and gzipped, to volumes.
//!
//! The reader is our own. The crate `nifti` (0.18) reserves as many bytes as the header announces
//! before it has seen one of them, takes the voxel size from `bitpix` even where `datatype`
//! contradicts it, reads `dim` as unsigned (so that -1 becomes 65535), tells gzip by the file's
//! name, does not look at what follows the voxels, and holds file and values at the same time. The
//! part of NIfTI-1 that is needed here is one header of fixed layout, so the checks are the work.
//!
//! Values are `slope * stored + intercept` in f64, kept as f32. A volume is held once; of a series,
//! only the time point asked for.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::volume::Volume;
use crate::volume::error::VolumeError;
use crate::volume::header::{Datatype, HEADER_BYTES, Header};
use crate::volume::orientation::AxisMap;

/// Bytes decoded at a time; a multiple of every voxel's size.
const CHUNK_BYTES: usize = 1 << 16;

/// Deflate cannot make more than 1032 bytes of one (zlib's technical notes).
const MAX_INFLATION: u64 = 1032;

/// Reads a `.nii` or `.nii.gz` file of one volume; the first bytes tell which it is.
///
/// # Errors
/// [`VolumeError`]; a file of several time points is [`VolumeError::TimeSeries`].
pub fn read_nifti(path: &Path) -> Result<Volume, VolumeError> {
    open(path, None)
}

/// Reads time point `time` (from 0) of a file of three or four dimensions.
///
/// # Errors
/// [`VolumeError`]; [`VolumeError::NoSuchTime`] beyond the last one.
pub fn read_nifti_time(path: &Path, time: usize) -> Result<Volume, VolumeError> {
    open(path, Some(time))
}

/// Reads a NIfTI file from memory; `path` is what errors call it.
///
/// # Errors
/// As [`read_nifti`].
pub fn decode_nifti(bytes: &[u8], path: &Path) -> Result<Volume, VolumeError> {
    decode(bytes, bytes.len() as u64, path, None)
}

fn open(path: &Path, time: Option<usize>) -> Result<Volume, VolumeError> {
    let file = File::open(path).map_err(VolumeError::io("read", path))?;
    let length = file
        .metadata()
        .map_err(VolumeError::io("read", path))?
        .len();
    decode(BufReader::new(file), length, path, time)
}

/// A file that is read from front to end, with its bytes counted.
struct Source<'a> {
    reader: Box<dyn Read + 'a>,
    path: &'a Path,
    gzip: bool,
    /// Most bytes that can come.
    limit: u64,
}

fn decode(
    mut file: impl io::BufRead,
    length: u64,
    path: &Path,
    time: Option<usize>,
) -> Result<Volume, VolumeError> {
    let start = file.fill_buf().map_err(VolumeError::io("read", path))?;
    let gzip = start.starts_with(&[0x1f, 0x8b]);
    let mut source = Source {
        reader: if gzip {
            Box::new(MultiGzDecoder::new(file))
        } else {
            Box::new(file)
        },
        path,
        gzip,
        limit: if gzip {
            length.saturating_mul(MAX_INFLATION)
        } else {
            length
        },
    };
    let mut bytes = [0; HEADER_BYTES];
    if source.fill(&mut bytes)? < HEADER_BYTES {
        return Err(VolumeError::NotNifti {
            path: path.to_owned(),
        });
    }
    let header = Header::parse(&bytes, path)?;
    let frame = match time {
        None if header.frames > 1 => {
            return Err(VolumeError::TimeSeries {
                path: path.to_owned(),
                frames: header.frames,
            });
        }
        Some(received) if received >= header.frames => {
            return Err(VolumeError::NoSuchTime {
                path: path.to_owned(),
                frames: header.frames,
                received,
            });
        }
        chosen => chosen.unwrap_or(0) as u64,
    };
    let expected = header.file_bytes();
    if source.limit < expected {
        return Err(VolumeError::Truncated {
            path: path.to_owned(),
            expected,
            received: source.limit,
        });
    }
    let before = header.offset + frame * header.frame_bytes();
    source.skip(before - HEADER_BYTES as u64, HEADER_BYTES as u64, expected)?;
    let voxels = source.voxels(&header, before)?;
    let read = before + header.frame_bytes();
    source.skip(expected - read, read, expected)?;
    // Reading the end also compares the checksum of a gzip stream.
    if source.fill(&mut [0])? > 0 {
        return Err(VolumeError::Trailing {
            path: path.to_owned(),
            expected,
        });
    }
    Ok(Volume {
        path: path.to_owned(),
        size: header.size,
        spacing_mm: header.spacing_mm,
        orientation: header.orientation,
        non_finite: voxels.iter().filter(|v| !v.is_finite()).count(),
        voxels,
        header,
        from_file: AxisMap::IDENTITY,
    })
}

impl Source<'_> {
    /// Fills `buffer` as far as there is something left.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, VolumeError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(filled)
    }

    fn failed(&self, error: io::Error) -> VolumeError {
        if self.gzip {
            return VolumeError::Gzip {
                path: self.path.to_owned(),
                problem: error.to_string(),
            };
        }
        VolumeError::io("read", self.path)(error)
    }

    /// Passes `count` bytes, of which the first is byte `position`.
    fn skip(&mut self, count: u64, position: u64, expected: u64) -> Result<(), VolumeError> {
        let passed = io::copy(&mut self.reader.by_ref().take(count), &mut io::sink())
            .map_err(|error| self.failed(error))?;
        if passed == count {
            return Ok(());
        }
        Err(self.truncated(position + passed, expected))
    }

    fn truncated(&self, received: u64, expected: u64) -> VolumeError {
        VolumeError::Truncated {
            path: self.path.to_owned(),
            expected,
            received,
        }
    }

    /// One time point. The vector grows with what has really come.
    fn voxels(&mut self, header: &Header, position: u64) -> Result<Vec<f32>, VolumeError> {
        let mut voxels = Vec::new();
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut left = header.frame_bytes();
        while left > 0 {
            let wanted = left.min(CHUNK_BYTES as u64) as usize;
            let came = self.fill(&mut chunk[..wanted])?;
            if came < wanted {
                let received = position + header.frame_bytes() - left + came as u64;
                return Err(self.truncated(received, header.file_bytes()));
            }
            append(&chunk[..wanted], header, &mut voxels);
            left -= wanted as u64;
        }
        Ok(voxels)
    }
}

/// Decodes whole voxels and applies the scaling.
fn append(bytes: &[u8], header: &Header, voxels: &mut Vec<f32>) {
    fn all<const N: usize>(
        bytes: &[u8],
        header: &Header,
        value: impl Fn([u8; N]) -> f64,
        voxels: &mut Vec<f32>,
    ) {
        let (slope, inter) = header.scaling.unwrap_or((1.0, 0.0));
        let (stored, _) = bytes.as_chunks::<N>();
        voxels.extend(stored.iter().map(|&stored| {
            let mut stored = stored;
            if header.big_endian {
                stored.reverse();
            }
            (value(stored) * slope + inter) as f32
        }));
    }
    match header.datatype {
        Datatype::U8 => all(bytes, header, |[b]| f64::from(b), voxels),
        Datatype::I8 => all(bytes, header, |b| f64::from(i8::from_le_bytes(b)), voxels),
        Datatype::U16 => all(bytes, header, |b| f64::from(u16::from_le_bytes(b)), voxels),
        Datatype::I16 => all(bytes, header, |b| f64::from(i16::from_le_bytes(b)), voxels),
        Datatype::U32 => all(bytes, header, |b| f64::from(u32::from_le_bytes(b)), voxels),
        Datatype::I32 => all(bytes, header, |b| f64::from(i32::from_le_bytes(b)), voxels),
        Datatype::F32 => all(bytes, header, |b| f64::from(f32::from_le_bytes(b)), voxels),
        Datatype::F64 => all(bytes, header, f64::from_le_bytes, voxels),
    }
}
