//! Tar files block by block, with any lie in any field.

/// An entry with a header of the ustar format.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) content: Vec<u8>,
    /// The size in the header; `None` is the truth.
    pub(crate) size: Option<u64>,
    pub(crate) mode: u32,
    pub(crate) link: Vec<u8>,
    /// `magic` and `version`.
    pub(crate) magic: [u8; 8],
}

pub(crate) const USTAR: [u8; 8] = *b"ustar\x0000";
pub(crate) const GNU: [u8; 8] = *b"ustar  \0";
pub(crate) const OLD: [u8; 8] = [0; 8];

impl Entry {
    pub(crate) fn new(name: impl AsRef<[u8]>, kind: u8, content: &[u8]) -> Self {
        Self {
            name: name.as_ref().to_vec(),
            kind,
            content: content.to_vec(),
            size: None,
            mode: 0o644,
            link: Vec::new(),
            magic: USTAR,
        }
    }

    pub(crate) fn file(name: impl AsRef<[u8]>, content: &[u8]) -> Self {
        Self::new(name, b'0', content)
    }

    pub(crate) fn header(&self) -> [u8; 512] {
        let mut header = [0; 512];
        header[..self.name.len()].copy_from_slice(&self.name);
        put(&mut header, 100, &format!("{:07o}", self.mode));
        put(&mut header, 108, "0000000");
        put(&mut header, 116, "0000000");
        let size = self.size.unwrap_or(self.content.len() as u64);
        match size < 1 << 33 {
            true => put(&mut header, 124, &format!("{size:011o}")),
            // GNU: binary, marked by the top bit.
            false => {
                header[124] = 0x80;
                header[128..136].copy_from_slice(&size.to_be_bytes());
            }
        }
        put(&mut header, 136, "00000000000");
        header[156] = self.kind;
        header[157..157 + self.link.len()].copy_from_slice(&self.link);
        header[257..265].copy_from_slice(&self.magic);
        sum(&mut header);
        header
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.header().to_vec();
        bytes.extend(&self.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

/// Makes the checksum right again.
pub(crate) fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    put(header, 148, &format!("{sum:06o}\0"));
}

fn put(header: &mut [u8], at: usize, text: &str) {
    header[at..at + text.len()].copy_from_slice(text.as_bytes());
}

/// The entries without an end.
pub(crate) fn unended(entries: &[Entry]) -> Vec<u8> {
    entries.iter().flat_map(Entry::bytes).collect()
}

pub(crate) fn tar(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = unended(entries);
    bytes.extend([0; 1024]);
    bytes
}

/// A pax header for the next entry.
pub(crate) fn pax(records: &[(&str, &str)]) -> Entry {
    let mut content = String::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        // The length counts its own digits.
        let digits = (1..)
            .find(|digits| (rest + digits).to_string().len() == *digits)
            .expect("a length");
        content += &format!("{} {key}={value}\n", rest + digits);
    }
    Entry::new("pax", b'x', content.as_bytes())
}

/// A GNU header with the name of the next entry.
pub(crate) fn long_name(name: &str) -> Entry {
    Entry {
        magic: GNU,
        ..Entry::new("././@LongLink", b'L', format!("{name}\0").as_bytes())
    }
}
