//! Zip files byte by byte, with any lie in any field (PKWARE's APPNOTE 6.3.10).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::DeflateEncoder;

pub(crate) const STORED: u16 = 0;
pub(crate) const DEFLATED: u16 = 8;

/// An entry. `None` is the truth.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    /// The name in the header before the content.
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) method: u16,
    pub(crate) local_method: Option<u16>,
    pub(crate) flags: u16,
    /// Bytes as they lie in the file.
    pub(crate) packed: Vec<u8>,
    pub(crate) crc32: u32,
    pub(crate) size: u32,
    pub(crate) packed_size: Option<u32>,
    /// Sizes of the header before the content.
    pub(crate) local_size: Option<u32>,
    pub(crate) mode: u32,
    pub(crate) extra: Vec<u8>,
    /// Where the directory says it is.
    pub(crate) offset: Option<u32>,
}

impl Entry {
    pub(crate) fn stored(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Self {
            name: name.as_ref().to_vec(),
            local_name: None,
            method: STORED,
            local_method: None,
            flags: 0,
            packed: content.to_vec(),
            crc32: crc.sum(),
            size: content.len() as u32,
            packed_size: None,
            local_size: None,
            mode: 0o100_644,
            extra: Vec::new(),
            offset: None,
        }
    }

    pub(crate) fn deflated(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).expect("in memory");
        Self {
            method: DEFLATED,
            packed: encoder.finish().expect("in memory"),
            ..Self::stored(name, content)
        }
    }

    fn sizes(&self, local: bool) -> [u32; 2] {
        let packed = self.packed_size.unwrap_or(self.packed.len() as u32);
        match (local, self.local_size) {
            (true, Some(size)) => [size, size],
            _ => [packed, self.size],
        }
    }

    fn fields(&self, local: bool) -> Vec<u8> {
        let name = match (local, &self.local_name) {
            (true, Some(name)) => name,
            _ => &self.name,
        };
        let method = match (local, self.local_method) {
            (true, Some(method)) => method,
            _ => self.method,
        };
        let [packed, size] = self.sizes(local);
        let mut bytes = Vec::new();
        bytes.extend(20_u16.to_le_bytes());
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(method.to_le_bytes());
        // 1980-01-01.
        bytes.extend([0, 0, 0x21, 0]);
        bytes.extend(self.crc32.to_le_bytes());
        bytes.extend(packed.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend((self.extra.len() as u16).to_le_bytes());
        if !local {
            // Comment, disk, internal attributes.
            bytes.extend([0; 6]);
            bytes.extend((self.mode << 16).to_le_bytes());
            bytes.extend(self.offset.unwrap_or(0).to_le_bytes());
        }
        bytes.extend(name);
        bytes.extend(&self.extra);
        bytes
    }

    pub(crate) fn local(&self) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.extend(self.fields(true));
        bytes.extend(&self.packed);
        bytes
    }

    pub(crate) fn central(&self, offset: u32) -> Vec<u8> {
        let mut bytes = b"PK\x01\x02\x14\x03".to_vec();
        let told = Self {
            offset: Some(self.offset.unwrap_or(offset)),
            ..self.clone()
        };
        bytes.extend(told.fields(false));
        bytes
    }
}

/// What the end of the file says. `None` is the truth.
#[derive(Clone, Default)]
pub(crate) struct End {
    pub(crate) entries: Option<u16>,
    pub(crate) size: Option<u32>,
    pub(crate) offset: Option<u32>,
    pub(crate) disk: u16,
    pub(crate) comment: Vec<u8>,
    /// What stands between the entries and the directory.
    pub(crate) gap: Vec<u8>,
    /// What stands between the directory and its end.
    pub(crate) after: Vec<u8>,
}

pub(crate) fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_with(entries, &End::default())
}

pub(crate) fn zip_with(entries: &[Entry], end: &End) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        directory.extend(entry.central(bytes.len() as u32));
        bytes.extend(entry.local());
    }
    bytes.extend(&end.gap);
    let offset = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(&end.after);
    let count = end.entries.unwrap_or(entries.len() as u16);
    bytes.extend(b"PK\x05\x06");
    bytes.extend(end.disk.to_le_bytes());
    bytes.extend(end.disk.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    let size = end.size.unwrap_or(directory.len() as u32);
    bytes.extend(size.to_le_bytes());
    bytes.extend(end.offset.unwrap_or(offset).to_le_bytes());
    bytes.extend((end.comment.len() as u16).to_le_bytes());
    bytes.extend(&end.comment);
    bytes
}

/// A zip64 record and its locator, to stand between a directory and its end.
pub(crate) fn end64(entries: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut bytes = b"PK\x06\x06".to_vec();
    bytes.extend(44_u64.to_le_bytes());
    bytes.extend([45, 3, 45, 0]);
    bytes.extend([0; 8]);
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(offset.to_le_bytes());
    bytes.extend(b"PK\x06\x07");
    bytes.extend([0; 4]);
    bytes.extend(offset.wrapping_add(size).to_le_bytes());
    bytes.extend(1_u32.to_le_bytes());
    bytes
}
