//! The first directory of a TIFF file (TIFF 6.0, section 2; BigTIFF), as far as single numbers go:
//! enough to measure a picture, and to refuse one before a decoder trusts its sizes.

use std::io::{Read, Seek, SeekFrom};

use super::source::Source;
use crate::error::DataError;

/// One entry of the directory.
#[derive(Debug)]
struct Entry {
    tag: u16,
    /// The first element, for unsigned integers that are stored in the entry itself.
    value: Option<u64>,
    /// Where in the file the value is.
    at: u64,
}

/// The first directory.
#[derive(Debug)]
pub(super) struct Header {
    big_endian: bool,
    entries: Vec<Entry>,
    /// Whether another directory follows.
    pub(super) has_next: bool,
}

impl Header {
    pub(super) fn read(
        reader: &mut (impl Read + Seek),
        source: &Source,
    ) -> Result<Self, DataError> {
        let mut bytes = Bytes {
            reader,
            source,
            big_endian: false,
        };
        bytes.seek(0)?;
        let order = bytes.array::<2>()?;
        bytes.big_endian = order == *b"MM";
        let big = bytes.number(2)? == 43;
        if big {
            // Size of an offset, which is 8, and a zero.
            bytes.number(4)?;
        }
        let word = if big { 8 } else { 4 };
        let directory = bytes.number(word)?;
        bytes.seek(directory)?;
        let count = bytes.number(if big { 8 } else { 2 })?;
        if count > u64::from(u16::MAX) {
            return Err(source.corrupt(format!("a directory of {count} entries")));
        }
        let mut entries = Vec::new();
        let mut at = directory + if big { 8 } else { 2 };
        for _ in 0..count {
            let tag = bytes.number(2)? as u16;
            let kind = bytes.number(2)?;
            let elements = bytes.number(word)?;
            let raw = bytes.array_of(word)?;
            let width = match kind {
                1 => 1,
                3 => 2,
                4 => 4,
                16 => 8,
                _ => word + 1,
            };
            let inside = elements > 0 && width <= word && elements <= (word / width) as u64;
            entries.push(Entry {
                tag,
                value: inside.then(|| bytes.decode(&raw[..width])),
                at: at + 4 + word as u64,
            });
            at += 4 + 2 * word as u64;
        }
        let has_next = bytes.number(word)? != 0;
        Ok(Self {
            big_endian: bytes.big_endian,
            entries,
            has_next,
        })
    }

    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.tag == tag)
    }

    /// The number of a tag, where it has one.
    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.entry(tag)?.value
    }

    /// Overwrites the 16-bit number of a tag in the file's bytes.
    pub(super) fn overwrite(&self, bytes: &mut [u8], tag: u16, value: u16) {
        let stored = match self.big_endian {
            true => value.to_be_bytes(),
            false => value.to_le_bytes(),
        };
        let at = self
            .entry(tag)
            .map_or(usize::MAX, |entry| entry.at as usize);
        if let Some(place) = bytes.get_mut(at..at.saturating_add(2)) {
            place.copy_from_slice(&stored);
        }
    }
}

/// Numbers of either byte order from a stream.
struct Bytes<'a, R> {
    reader: &'a mut R,
    source: &'a Source<'a>,
    big_endian: bool,
}

impl<R: Read + Seek> Bytes<'_, R> {
    fn seek(&mut self, to: u64) -> Result<(), DataError> {
        self.reader
            .seek(SeekFrom::Start(to))
            .map(|_| ())
            .map_err(|error| self.source.io(&error))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DataError> {
        let mut array = [0; N];
        self.reader
            .read_exact(&mut array)
            .map_err(|error| self.source.io(&error))?;
        Ok(array)
    }

    /// The first `length` (at most 8) bytes of the result are read.
    fn array_of(&mut self, length: usize) -> Result<[u8; 8], DataError> {
        let mut array = [0; 8];
        self.reader
            .read_exact(&mut array[..length])
            .map_err(|error| self.source.io(&error))?;
        Ok(array)
    }

    fn number(&mut self, length: usize) -> Result<u64, DataError> {
        let array = self.array_of(length)?;
        Ok(self.decode(&array[..length]))
    }

    fn decode(&self, bytes: &[u8]) -> u64 {
        let shift = |value: u64, &byte: &u8| value << 8 | u64::from(byte);
        match self.big_endian {
            true => bytes.iter().fold(0, shift),
            false => bytes.iter().rev().fold(0, shift),
        }
    }
}
