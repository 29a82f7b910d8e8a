//! One array of an npz file, picture by picture.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;

use crate::decode_image::MAX_PIXELS;
use crate::npz::NpzEntry;
use crate::npz::error::NpzError;
use crate::npz::header::{self, Descr, NpyHeader};

/// Longest header that is read; numpy itself stops at 10,000 bytes.
const MAX_HEADER_BYTES: u64 = 1 << 16;

/// The items of an array along its first axis, as bytes of 0 to 255 in C order.
///
/// Only one item is held at a time. After the last one the archive's checksum is compared; an error
/// ends the iteration.
pub struct NpzItems {
    path: PathBuf,
    name: String,
    reader: CrcReader<Box<dyn Read + Send>>,
    shape: Vec<u64>,
    element: Element,
    item_elements: usize,
    left: u64,
    read: u64,
    expected: u64,
    crc32: u32,
    done: bool,
}

impl std::fmt::Debug for NpzItems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpzItems")
            .field("path", &self.path)
            .field("name", &self.name)
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

/// An integer type: bytes, sign and byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Element {
    bytes: usize,
    signed: bool,
    big_endian: bool,
}

impl Element {
    fn of(descr: &str) -> Option<Self> {
        let (order, kind) = (descr.get(..1)?, descr.get(1..)?);
        let (bytes, signed) = match kind {
            "u1" | "b1" => (1, false),
            "i1" => (1, true),
            "u2" => (2, false),
            "i2" => (2, true),
            "u4" => (4, false),
            "i4" => (4, true),
            "u8" => (8, false),
            "i8" => (8, true),
            _ => return None,
        };
        let big_endian = match order {
            "<" => false,
            ">" => true,
            "|" if bytes == 1 => false,
            _ => return None,
        };
        Some(Self {
            bytes,
            signed,
            big_endian,
        })
    }

    fn value(self, bytes: &[u8]) -> i128 {
        let top = if self.big_endian {
            bytes.first()
        } else {
            bytes.last()
        };
        let negative = self.signed && top.is_some_and(|top| top & 0x80 != 0);
        let shift = |value: i128, byte: &u8| (value << 8) | i128::from(*byte);
        let start = if negative { -1 } else { 0 };
        if self.big_endian {
            bytes.iter().fold(start, shift)
        } else {
            bytes.iter().rev().fold(start, shift)
        }
    }
}

impl NpzItems {
    pub(super) fn open(path: &Path, name: &str, entry: &NpzEntry) -> Result<Self, NpzError> {
        let io = |source| NpzError::Io {
            path: path.to_owned(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        file.seek(SeekFrom::Start(entry.start)).map_err(io)?;
        let stored = BufReader::new(file.take(entry.stored_bytes));
        let reader: Box<dyn Read + Send> = if entry.deflated {
            Box::new(DeflateDecoder::new(stored))
        } else {
            Box::new(stored)
        };
        let mut items = Self {
            path: path.to_owned(),
            name: name.to_owned(),
            reader: CrcReader::new(reader),
            shape: Vec::new(),
            element: Element {
                bytes: 1,
                signed: false,
                big_endian: false,
            },
            item_elements: 0,
            left: 0,
            read: 0,
            expected: entry.bytes,
            crc32: entry.crc32,
            done: false,
        };
        let header = items.header()?;
        items.accept(header)?;
        Ok(items)
    }

    /// The array's shape; the first extent is the number of items.
    pub fn shape(&self) -> &[u64] {
        &self.shape
    }

    /// Magic number, version, length and text of the header.
    fn header(&mut self) -> Result<NpyHeader, NpzError> {
        let not_npy = |items: &Self, received: String| NpzError::NotNpy {
            path: items.path.clone(),
            name: items.name.clone(),
            received,
        };
        let start = self.take(8)?;
        let Some((b"\x93NUMPY", version)) = start.split_first_chunk::<6>() else {
            return Err(not_npy(self, "another file".to_owned()));
        };
        let length = match version {
            [1, 0] => match self.take(2)?.try_into() {
                Ok(length) => u64::from(u16::from_le_bytes(length)),
                Err(_) => return Err(self.length(self.read)),
            },
            [2 | 3, 0] => match self.take(4)?.try_into() {
                Ok(length) => u64::from(u32::from_le_bytes(length)),
                Err(_) => return Err(self.length(self.read)),
            },
            other => return Err(not_npy(self, format!("version {other:?}"))),
        };
        if length > MAX_HEADER_BYTES {
            return Err(self.bad_header(format!("{length} bytes of it")));
        }
        let text = self.take(length)?;
        if (text.len() as u64) < length {
            return Err(self.length(self.read));
        }
        header::parse(&text).map_err(|problem| self.bad_header(problem))
    }

    /// Checks type, order, shape and length before anything is allocated.
    fn accept(&mut self, header: NpyHeader) -> Result<(), NpzError> {
        let (path, name) = (self.path.clone(), self.name.clone());
        let descr = match header.descr {
            Descr::Plain(descr) => descr,
            Descr::Structured => {
                let received = "a structured type".to_owned();
                return Err(NpzError::Datatype {
                    path,
                    name,
                    received,
                });
            }
        };
        if descr
            .trim_start_matches(['|', '<', '>', '='])
            .starts_with('O')
        {
            return Err(NpzError::Pickle { path, name });
        }
        let Some(element) = Element::of(&descr) else {
            return Err(NpzError::Datatype {
                path,
                name,
                received: descr,
            });
        };
        if header.fortran_order {
            return Err(NpzError::FortranOrder { path, name });
        }
        let Some((&count, extents)) = header.shape.split_first() else {
            let expected = "[N, ...]";
            return Err(NpzError::Shape {
                path,
                name,
                expected,
                received: header.shape,
            });
        };
        let item = extents
            .iter()
            .try_fold(1_u64, |product, &n| product.checked_mul(n));
        // Three channels at most.
        let item = item.filter(|&item| item <= 3 * MAX_PIXELS);
        let bytes = item.and_then(|item| {
            let item_bytes = item.checked_mul(element.bytes as u64)?;
            self.read.checked_add(count.checked_mul(item_bytes)?)
        });
        let (Some(item), Some(bytes)) = (item, bytes) else {
            let limit = MAX_PIXELS;
            return Err(NpzError::TooLarge {
                path,
                name,
                received: header.shape,
                limit,
            });
        };
        if item == 0 {
            let expected = "[N, ...] without empty axes";
            return Err(NpzError::Shape {
                path,
                name,
                expected,
                received: header.shape,
            });
        }
        let announced = std::mem::replace(&mut self.expected, bytes);
        if announced != bytes {
            return Err(self.length(announced));
        }
        self.shape = header.shape;
        self.element = element;
        self.item_elements = item as usize;
        self.left = count;
        Ok(())
    }

    /// Up to `count` bytes; the vector grows with what comes.
    fn take(&mut self, count: u64) -> Result<Vec<u8>, NpzError> {
        let mut bytes = Vec::new();
        let came = self.reader.by_ref().take(count).read_to_end(&mut bytes);
        self.read += came.map_err(|error| self.damaged(&error))? as u64;
        Ok(bytes)
    }

    fn item(&mut self) -> Result<Vec<u8>, NpzError> {
        let bytes = self.take((self.item_elements * self.element.bytes) as u64)?;
        if bytes.len() < self.item_elements * self.element.bytes {
            return Err(self.length(self.read));
        }
        if self.element.bytes == 1 && !self.element.signed {
            return Ok(bytes);
        }
        let values = bytes.chunks_exact(self.element.bytes).map(|bytes| {
            let value = self.element.value(bytes);
            u8::try_from(value).map_err(|_| NpzError::Value {
                path: self.path.clone(),
                name: self.name.clone(),
                received: value,
            })
        });
        values.collect()
    }

    /// Nothing may follow, and the checksum must be the archive's.
    fn end(&mut self) -> Result<(), NpzError> {
        if !self.take(1)?.is_empty() {
            return Err(self.length(self.read));
        }
        if self.reader.crc().sum() == self.crc32 {
            return Ok(());
        }
        Err(NpzError::Damaged {
            path: self.path.clone(),
            name: self.name.clone(),
            problem: "another checksum than the archive's".to_owned(),
        })
    }

    fn length(&self, received: u64) -> NpzError {
        NpzError::Length {
            path: self.path.clone(),
            name: self.name.clone(),
            expected: self.expected,
            received,
        }
    }

    fn bad_header(&self, problem: String) -> NpzError {
        NpzError::Header {
            path: self.path.clone(),
            name: self.name.clone(),
            problem,
        }
    }

    fn damaged(&self, error: &io::Error) -> NpzError {
        let problem = match error.kind() {
            ErrorKind::InvalidInput | ErrorKind::InvalidData => "no deflate stream".to_owned(),
            _ => error.to_string(),
        };
        NpzError::Damaged {
            path: self.path.clone(),
            name: self.name.clone(),
            problem,
        }
    }
}

impl Iterator for NpzItems {
    type Item = Result<Vec<u8>, NpzError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        if self.left == 0 {
            self.done = true;
            return self.end().err().map(Err);
        }
        self.left -= 1;
        let item = self.item();
        self.done = item.is_err();
        Some(item)
    }
}
