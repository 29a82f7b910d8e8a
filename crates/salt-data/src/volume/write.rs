//! Labels to a NIfTI file that lies over the volume they belong to.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::volume::Volume;
use crate::volume::error::VolumeError;

/// Writes `labels`, one byte per voxel of `source` in its order, as NIfTI-1 of type uint8.
///
/// Size, voxel sizes, units, orientation and byte order are those of the source's file, so both
/// files overlay in every viewer; a volume that was reoriented is turned back. The header's texts
/// and extensions are left out: they may speak of a patient. A name that ends in `.gz` is gzipped;
/// the same labels give the same bytes.
///
/// # Errors
/// [`VolumeError::LabelCount`] or [`VolumeError::Io`].
pub fn write_nifti_labels(path: &Path, source: &Volume, labels: &[u8]) -> Result<(), VolumeError> {
    if labels.len() != source.voxels.len() {
        return Err(VolumeError::LabelCount {
            path: source.path.clone(),
            expected: source.voxels.len(),
            received: labels.len(),
        });
    }
    let stored = source.from_file.inverse().apply(labels, source.size);
    let head = head(source);
    let failed = VolumeError::io("write", path);
    let file = BufWriter::new(File::create(path).map_err(&failed)?);
    let gzip = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let written = if gzip {
        let mut out = GzEncoder::new(file, Compression::default());
        put(&mut out, &head, &stored)
            .and_then(|()| out.finish())
            .and_then(|mut file| file.flush())
    } else {
        let mut out = file;
        put(&mut out, &head, &stored).and_then(|()| out.flush())
    };
    written.map_err(failed)
}

fn put(out: &mut impl Write, head: &[u8], voxels: &[u8]) -> io::Result<()> {
    out.write_all(head)?;
    out.write_all(voxels)
}

/// The source's header for one volume of bytes, and the four zeros that say "no extension".
fn head(source: &Volume) -> Vec<u8> {
    let header = &source.header;
    let mut bytes = [header.bytes.as_slice(), &[0; 4]].concat();
    let mut put = |offset: usize, little_endian: &[u8]| {
        let place = &mut bytes[offset..offset + little_endian.len()];
        place.copy_from_slice(little_endian);
        if header.big_endian {
            place.reverse();
        }
    };
    let two = if header.big_endian { [0, 2] } else { [2, 0] };
    // dim: three of them, so a 2-D file gets a third of one voxel, and no time.
    put(40, &3_i16.to_le_bytes());
    for axis in 0..3 {
        put(42 + 2 * axis, &(header.size[axis] as i16).to_le_bytes());
    }
    for axis in 3..7 {
        put(42 + 2 * axis, &1_i16.to_le_bytes());
    }
    // A 2-D file may leave its third voxel size empty.
    if header.bytes[40..42] == two {
        put(88, &1_f32.to_le_bytes());
    }
    put(68, &0_i16.to_le_bytes());
    put(70, &2_i16.to_le_bytes());
    put(72, &8_i16.to_le_bytes());
    put(108, &352_f32.to_le_bytes());
    put(112, &1_f32.to_le_bytes());
    put(116, &0_f32.to_le_bytes());
    // data_type, db_name, extents, session_error, regular; cal_max to glmin; descrip, aux_file;
    // the intent's parameters and its name.
    for texts in [4..39, 124..148, 148..252, 56..68, 328..344] {
        bytes[texts].fill(0);
    }
    bytes
}
