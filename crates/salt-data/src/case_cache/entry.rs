//! One decoded and scaled case as a file.
//!
//! | bytes | content |
//! |---|---|
//! | 0..8 | `SALTCASE` |
//! | 8..12 | [`VERSION`] |
//! | 12..16, 16..20 | width, height |
//! | 20..28 | mean intensity, the bits of an `f64` |
//! | 28..60 | the key of the entry |
//! | then | `3 * width * height` bytes RGB, `width * height` bytes classes |
//! | last 32 | BLAKE3 of everything before |
//!
//! Numbers are little-endian. Pixels are stored as they are: LZ4 leaves 0.70 and zstd 0.64 of the bytes of
//! pictures of CHASE_DB1 at 512 pixels, which is not worth another way for an entry to be damaged.

use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;

use super::key::{Key, VERSION};
use crate::decode_image::MAX_PIXELS;
use crate::pixels::{ImageRgb, LabelMap};
use crate::prepared_case::PreparedCase;

const MAGIC: [u8; 8] = *b"SALTCASE";
const HEADER: usize = 60;
const CHECKSUM: usize = 32;

/// Bytes of the file of a case.
pub(super) fn file_bytes(case: &PreparedCase) -> u64 {
    (HEADER + CHECKSUM) as u64 + case.bytes()
}

/// Why an entry was not used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// There is none.
    Absent,
    /// Something else is in its place; the reason in words.
    Damaged(String),
}

/// Reads an entry, all of which has to be as it was written.
pub(super) fn read(path: &Path, key: &Key) -> Result<PreparedCase, Unusable> {
    let mut file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Unusable::Absent,
        _ => Unusable::Damaged(error.to_string()),
    })?;
    parse(&mut file, key).map_err(Unusable::Damaged)
}

fn parse(file: &mut File, key: &Key) -> Result<PreparedCase, String> {
    let in_words = |error: std::io::Error| error.to_string();
    let length = file.metadata().map_err(in_words)?.len();
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(in_words)?;
    let number = |at: usize| {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&header[at..at + 4]);
        u32::from_le_bytes(bytes)
    };
    if header[..8] != MAGIC || number(8) != VERSION {
        return Err("another kind of file".into());
    }
    if header[28..HEADER] != key.0 {
        return Err("the entry of another case".into());
    }
    let (width, height) = (number(12), number(16));
    let pixels = u64::from(width) * u64::from(height);
    // Sizes are believed only where the file is as long as they say.
    if pixels == 0 || pixels > MAX_PIXELS || length != 4 * pixels + (HEADER + CHECKSUM) as u64 {
        return Err(format!("{length} bytes for {width} x {height} pixels"));
    }
    let mut take = |bytes: u64| {
        let mut buffer = Vec::with_capacity(bytes as usize);
        file.take(bytes).read_to_end(&mut buffer).map(|_| buffer)
    };
    let data = take(3 * pixels).map_err(in_words)?;
    let classes = take(pixels).map_err(in_words)?;
    let checksum = take(CHECKSUM as u64).map_err(in_words)?;
    if checksum != checksum_of(&header, &data, &classes) {
        return Err("a wrong checksum".into());
    }
    let mut mean = [0; 8];
    mean.copy_from_slice(&header[20..28]);
    let (width, height) = (width as usize, height as usize);
    Ok(PreparedCase {
        image: ImageRgb::new(width, height, data).map_err(|error| error.to_string())?,
        labels: LabelMap::new(width, height, classes).map_err(|error| error.to_string())?,
        mean: f64::from_bits(u64::from_le_bytes(mean)),
    })
}

fn checksum_of(header: &[u8], data: &[u8], classes: &[u8]) -> [u8; CHECKSUM] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(header).update(data).update(classes);
    *hasher.finalize().as_bytes()
}

/// Writes an entry to a file that is empty. Nothing waits for the disk: what a power cut leaves behind has a
/// wrong checksum.
pub(super) fn write(file: File, key: &Key, case: &PreparedCase) -> std::io::Result<()> {
    let side = |length: usize| u32::try_from(length).map_err(std::io::Error::other);
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(side(case.image.width)?.to_le_bytes());
    header.extend(side(case.image.height)?.to_le_bytes());
    header.extend(case.mean.to_bits().to_le_bytes());
    header.extend(key.0);
    let (data, classes) = (&case.image.data, &case.labels.classes);
    let mut file = BufWriter::new(file);
    file.write_all(&header)?;
    file.write_all(data)?;
    file.write_all(classes)?;
    file.write_all(&checksum_of(&header, data, classes))?;
    file.flush()
}
