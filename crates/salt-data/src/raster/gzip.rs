//! PBM, PGM and PPM inside of gzip, as STARE has them; one level, and decompressed as it is read, so
//! that a small file cannot become a large one in memory.

use std::io::{BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::format::{Recognised, recognise};
use super::source::Source;
use super::{Decoded, Format, pnm};
use crate::error::DataError;
use crate::volume::is_nifti_name;

/// Most bytes after the picture that are read to reach the checksum.
const MOST_TRAILING: u64 = 1 << 16;

pub(super) fn size(file: impl BufRead, source: &Source) -> Result<[usize; 2], DataError> {
    pnm::size(&mut open(file, source)?, source)
}

pub(super) fn decode(bytes: &[u8], source: &Source) -> Result<Decoded, DataError> {
    let mut reader = open(bytes, source)?;
    let decoded = pnm::decode(&mut reader, source)?;
    // The checksum is behind the last byte.
    let rest = std::io::copy(&mut reader.take(MOST_TRAILING), &mut std::io::sink())
        .map_err(|error| source.io(&error))?;
    match rest < MOST_TRAILING {
        true => Ok(decoded),
        false => Err(source.corrupt("more data than its header announces")),
    }
}

fn open<R: BufRead>(file: R, source: &Source) -> Result<BufReader<MultiGzDecoder<R>>, DataError> {
    let mut reader = BufReader::new(MultiGzDecoder::new(file));
    let head = reader.fill_buf().map_err(|error| source.io(&error))?;
    match recognise(head) {
        Recognised::Known(Format::Pnm) => Ok(reader),
        Recognised::Known(other) => Err(source.unsupported(
            match other {
                Format::PnmGz => "gzip inside of gzip".to_owned(),
                other => format!("a {} file inside of gzip", other.name()),
            },
            "unpack it (gunzip)",
        )),
        Recognised::Dicom => {
            Err(source.unsupported("a DICOM file inside of gzip", "unpack it (gunzip)"))
        }
        Recognised::Nifti => Err(source.volume("a NIfTI volume inside of gzip")),
        Recognised::Unknown(what) if is_nifti_name(source.path) => {
            Err(source.volume(format!("{what} inside of gzip, by its name a NIfTI volume")))
        }
        Recognised::Refused(what) | Recognised::Unknown(what) => Err(source.unsupported(
            format!("{what} inside of gzip"),
            "unpack it (gunzip) and convert it to PNG",
        )),
    }
}
