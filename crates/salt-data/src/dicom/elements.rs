//! The data elements of a DICOM file (PS3.5, section 7), as slices of it.

/// Why a file's elements cannot be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Truncated,
    Structure(&'static str),
}

/// How elements are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Encoding {
    pub(super) explicit: bool,
    pub(super) big_endian: bool,
}

impl Encoding {
    pub(super) const EXPLICIT: Self = Self {
        explicit: true,
        big_endian: false,
    };
    pub(super) const IMPLICIT: Self = Self {
        explicit: false,
        big_endian: false,
    };
    pub(super) const EXPLICIT_BIG: Self = Self {
        explicit: true,
        big_endian: true,
    };

    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        }
    }

    fn u32(self, bytes: [u8; 4]) -> u32 {
        if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        }
    }
}

/// An element's value.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Bytes(&'a [u8]),
    /// Encapsulated pixels, the offset table first.
    Fragments(Vec<&'a [u8]>),
    /// A sequence of undefined length, passed over.
    Sequence,
}

pub(super) const PIXEL_DATA: u32 = 0x7fe0_0010;
const ITEM: u32 = 0xfffe_e000;
const ITEM_END: u32 = 0xfffe_e00d;
const SEQUENCE_END: u32 = 0xfffe_e0dd;
const UNDEFINED: u32 = u32::MAX;
/// Sequences within sequences; reports reach about ten.
const MAX_DEPTH: usize = 64;
/// Fragments of one frame.
const MAX_FRAGMENTS: usize = 65_536;

/// Representations whose length has four bytes, after two that are reserved (PS3.5, 7.1.2).
const LONG: [&[u8; 2]; 13] = [
    b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV",
];

/// A reader of elements, one after another.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
    encoding: Encoding,
}

impl<'a> Elements<'a> {
    pub(super) fn new(rest: &'a [u8], encoding: Encoding) -> Self {
        Self { rest, encoding }
    }

    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The group of the next element, if there is one.
    pub(super) fn next_group(&self) -> Option<u16> {
        self.rest
            .first_chunk()
            .map(|bytes| self.encoding.u16(*bytes))
    }

    /// The next element: its tag (group and number in one) and its value.
    pub(super) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Broken> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.element(0).map(Some)
    }

    fn element(&mut self, depth: usize) -> Result<(u32, Value<'a>), Broken> {
        let tag = self.tag()?;
        let mut unknown = false;
        let length = if self.encoding.explicit && tag >> 16 != 0xfffe {
            let representation: [u8; 2] = self.array()?;
            if !representation.iter().all(u8::is_ascii_uppercase) {
                return Err(Broken::Structure("an element without value representation"));
            }
            unknown = representation == *b"UN";
            if LONG.contains(&&representation) {
                self.bytes(2)?;
                self.length()?
            } else {
                u32::from(self.encoding.u16(self.array()?))
            }
        } else {
            self.length()?
        };
        if length != UNDEFINED {
            return Ok((tag, Value::Bytes(self.bytes(length)?)));
        }
        if tag == PIXEL_DATA {
            return Ok((tag, Value::Fragments(self.fragments()?)));
        }
        // Unknown elements of undefined length are implicit inside (PS3.5, 6.2.2, note 2).
        let inside = if unknown {
            Encoding::IMPLICIT
        } else {
            self.encoding
        };
        let outside = std::mem::replace(&mut self.encoding, inside);
        self.sequence(depth + 1)?;
        self.encoding = outside;
        Ok((tag, Value::Sequence))
    }

    /// Passes over the items of a sequence of undefined length, its end included.
    fn sequence(&mut self, depth: usize) -> Result<(), Broken> {
        if depth > MAX_DEPTH {
            return Err(Broken::Structure("sequences too deep in each other"));
        }
        loop {
            match (self.tag()?, self.length()?) {
                (SEQUENCE_END, _) => return Ok(()),
                (ITEM, UNDEFINED) => self.item(depth)?,
                (ITEM, length) => _ = self.bytes(length)?,
                _ => return Err(Broken::Structure("something else than items in a sequence")),
            }
        }
    }

    /// Passes over the elements of an item of undefined length, its end included.
    fn item(&mut self, depth: usize) -> Result<(), Broken> {
        loop {
            let mut ahead = Self {
                rest: self.rest,
                encoding: self.encoding,
            };
            if ahead.tag()? == ITEM_END {
                ahead.length()?;
                self.rest = ahead.rest;
                return Ok(());
            }
            self.element(depth)?;
        }
    }

    fn fragments(&mut self) -> Result<Vec<&'a [u8]>, Broken> {
        let mut fragments = Vec::new();
        loop {
            match (self.tag()?, self.length()?) {
                (SEQUENCE_END, _) => return Ok(fragments),
                (ITEM, length) if length != UNDEFINED && fragments.len() < MAX_FRAGMENTS => {
                    fragments.push(self.bytes(length)?);
                }
                _ => {
                    return Err(Broken::Structure(
                        "something else than fragments in the pixels",
                    ));
                }
            }
        }
    }

    fn tag(&mut self) -> Result<u32, Broken> {
        let group = self.encoding.u16(self.array()?);
        let number = self.encoding.u16(self.array()?);
        Ok(u32::from(group) << 16 | u32::from(number))
    }

    fn length(&mut self) -> Result<u32, Broken> {
        Ok(self.encoding.u32(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        let (value, rest) = self.rest.split_first_chunk().ok_or(Broken::Truncated)?;
        self.rest = rest;
        Ok(*value)
    }

    fn bytes(&mut self, count: u32) -> Result<&'a [u8], Broken> {
        let (value, rest) = self
            .rest
            .split_at_checked(count as usize)
            .ok_or(Broken::Truncated)?;
        self.rest = rest;
        Ok(value)
    }
}
