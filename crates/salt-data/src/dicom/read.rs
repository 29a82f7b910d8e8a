//! The attributes that describe a frame, and the frame.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::decode_image::MAX_PIXELS;
use crate::dicom::elements::{Broken, Elements, Encoding, PIXEL_DATA, Value};
use crate::dicom::pixels::{self, Layout, Storage};
use crate::dicom::{DicomError, DicomFrame};
use crate::volume::Plane;

/// Longest file: the largest frame of 16 bits, and as much again for what else is in the file.
const MAX_FILE_BYTES: u64 = 4 * MAX_PIXELS;

/// Bytes that are read for the size alone; the attributes before the pixels seldom need more.
const HEAD_BYTES: u64 = 1 << 16;

/// Tags with their names (PS3.6); nothing else of a file is looked at.
const ATTRIBUTES: [(u32, &str); 17] = [
    (TRANSFER_SYNTAX, "TransferSyntaxUID"),
    (SAMPLES, "SamplesPerPixel"),
    (PHOTOMETRIC, "PhotometricInterpretation"),
    (FRAMES, "NumberOfFrames"),
    (ROWS, "Rows"),
    (COLUMNS, "Columns"),
    (SPACING, "PixelSpacing"),
    (BITS_ALLOCATED, "BitsAllocated"),
    (BITS_STORED, "BitsStored"),
    (HIGH_BIT, "HighBit"),
    (SIGNED, "PixelRepresentation"),
    (CENTRE, "WindowCenter"),
    (WIDTH, "WindowWidth"),
    (INTERCEPT, "RescaleIntercept"),
    (SLOPE, "RescaleSlope"),
    (FUNCTION, "VOILUTFunction"),
    (MODALITY_LUT, "ModalityLUTSequence"),
];
const TRANSFER_SYNTAX: u32 = 0x0002_0010;
const SAMPLES: u32 = 0x0028_0002;
const PHOTOMETRIC: u32 = 0x0028_0004;
const FRAMES: u32 = 0x0028_0008;
const ROWS: u32 = 0x0028_0010;
const COLUMNS: u32 = 0x0028_0011;
const SPACING: u32 = 0x0028_0030;
const BITS_ALLOCATED: u32 = 0x0028_0100;
const BITS_STORED: u32 = 0x0028_0101;
const HIGH_BIT: u32 = 0x0028_0102;
const SIGNED: u32 = 0x0028_0103;
const CENTRE: u32 = 0x0028_1050;
const WIDTH: u32 = 0x0028_1051;
const INTERCEPT: u32 = 0x0028_1052;
const SLOPE: u32 = 0x0028_1053;
const FUNCTION: u32 = 0x0028_1056;
const MODALITY_LUT: u32 = 0x0028_3000;

/// Reads a single-frame grey DICOM file: uncompressed, RLE or JPEG baseline.
///
/// # Errors
/// [`DicomError`]; no message holds a value of the file.
pub fn read_dicom(path: &Path) -> Result<DicomFrame, DicomError> {
    decode_dicom(&start_of(path, MAX_FILE_BYTES + 1)?, path)
}

/// Width and height of a DICOM file, from the attributes before its pixels.
///
/// # Errors
/// As [`read_dicom`], as far as these attributes show.
pub(crate) fn dicom_size(path: &Path) -> Result<[usize; 2], DicomError> {
    let start = start_of(path, HEAD_BYTES)?;
    match size(&start, path) {
        // The attributes go on behind what was read.
        Err(DicomError::Truncated { .. } | DicomError::MissingAttribute { .. })
            if start.len() as u64 == HEAD_BYTES =>
        {
            size(&start_of(path, MAX_FILE_BYTES + 1)?, path)
        }
        outcome => outcome,
    }
}

/// The first bytes of a file, at most `count`.
fn start_of(path: &Path, count: u64) -> Result<Vec<u8>, DicomError> {
    let io = |source| DicomError::Io {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(count).read_to_end(&mut bytes).map_err(io)?;
    Ok(bytes)
}

fn size(bytes: &[u8], path: &Path) -> Result<[usize; 2], DicomError> {
    let (mut header, mut elements, _) = open(bytes, path)?;
    let known = |header: &Header<'_>| [ROWS, COLUMNS].map(|tag| header.values.contains_key(&tag));
    while known(&header) != [true; 2] && header.take(&mut elements)? {}
    header.size()
}

/// Reads a DICOM file from memory; `path` is what errors call it.
///
/// # Errors
/// As [`read_dicom`].
pub fn decode_dicom(bytes: &[u8], path: &Path) -> Result<DicomFrame, DicomError> {
    let (mut header, mut elements, storage) = open(bytes, path)?;
    while !header.values.contains_key(&PIXEL_DATA) && header.take(&mut elements)? {}
    header.frame(storage)
}

/// Reads how the file is encoded, up to the elements of the data set.
fn open<'a>(
    bytes: &'a [u8],
    path: &'a Path,
) -> Result<(Header<'a>, Elements<'a>, Storage), DicomError> {
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(DicomError::TooLarge {
            path: path.to_owned(),
            limit: MAX_FILE_BYTES,
        });
    }
    let (b"DICM", rest) = bytes
        .get(128..)
        .and_then(<[u8]>::split_first_chunk::<4>)
        .ok_or_else(|| DicomError::NotDicom {
            path: path.to_owned(),
        })?
    else {
        return Err(DicomError::NotDicom {
            path: path.to_owned(),
        });
    };
    let mut header = Header {
        path,
        encoding: Encoding::EXPLICIT,
        values: BTreeMap::new(),
    };
    let mut meta = Elements::new(rest, Encoding::EXPLICIT);
    while meta.next_group() == Some(2) {
        header.take(&mut meta)?;
    }
    let (encoding, storage) = header.transfer_syntax()?;
    header.encoding = encoding;
    Ok((header, Elements::new(meta.rest(), encoding), storage))
}

/// The attributes that were met.
struct Header<'a> {
    path: &'a Path,
    encoding: Encoding,
    values: BTreeMap<u32, Value<'a>>,
}

impl<'a> Header<'a> {
    /// Takes the next element, and keeps it if it describes pixels. `false` at the end.
    fn take(&mut self, elements: &mut Elements<'a>) -> Result<bool, DicomError> {
        let path = || self.path.to_owned();
        let element = elements.next().map_err(|broken| match broken {
            Broken::Truncated => DicomError::Truncated { path: path() },
            Broken::Structure(problem) => DicomError::Structure {
                path: path(),
                problem,
            },
        })?;
        let Some((tag, value)) = element else {
            return Ok(false);
        };
        let wanted = tag == PIXEL_DATA || ATTRIBUTES.iter().any(|(known, _)| *known == tag);
        if wanted && self.values.insert(tag, value).is_some() {
            return Err(DicomError::Structure {
                path: path(),
                problem: "an element twice",
            });
        }
        Ok(true)
    }

    fn missing(&self, tag: u32) -> DicomError {
        DicomError::MissingAttribute {
            path: self.path.to_owned(),
            attribute: name(tag),
        }
    }

    fn wrong(&self, tag: u32, expected: &'static str, remedy: &'static str) -> DicomError {
        DicomError::Attribute {
            path: self.path.to_owned(),
            attribute: name(tag),
            expected,
            remedy,
        }
    }

    /// A text without the spaces or zero that fill it up.
    fn text(&self, tag: u32) -> Option<&'a str> {
        match self.values.get(&tag)? {
            Value::Bytes(bytes) => std::str::from_utf8(bytes)
                .ok()
                .map(|t| t.trim_matches([' ', '\0'])),
            Value::Fragments(_) | Value::Sequence => None,
        }
    }

    /// The numbers of a decimal text; an empty one is as good as none.
    fn decimals(&self, tag: u32) -> Result<Option<Vec<f64>>, DicomError> {
        if !self.values.contains_key(&tag) || self.text(tag) == Some("") {
            return Ok(None);
        }
        let numbers = self.text(tag).and_then(|text| {
            let numbers = text.split('\\').map(|number| number.trim().parse::<f64>());
            let numbers: Vec<f64> = numbers.collect::<Result<_, _>>().ok()?;
            numbers
                .iter()
                .all(|number| number.is_finite())
                .then_some(numbers)
        });
        let refused = || self.wrong(tag, "decimal numbers", "export the file again");
        numbers.map(Some).ok_or_else(refused)
    }

    /// The first number of a decimal text.
    fn decimal(&self, tag: u32) -> Result<Option<f64>, DicomError> {
        Ok(self
            .decimals(tag)?
            .and_then(|numbers| numbers.first().copied()))
    }

    fn short(&self, tag: u32) -> Result<u16, DicomError> {
        match self.values.get(&tag) {
            Some(Value::Bytes(bytes)) => match <[u8; 2]>::try_from(*bytes) {
                Ok(bytes) => Ok(self.encoding.u16(bytes)),
                Err(_) => Err(self.wrong(tag, "a number of two bytes", "export the file again")),
            },
            _ => Err(self.missing(tag)),
        }
    }

    /// A short number that must be among the given ones.
    fn among(
        &self,
        tag: u32,
        allowed: &[u16],
        expected: &'static str,
        remedy: &'static str,
    ) -> Result<u16, DicomError> {
        let value = self.short(tag)?;
        allowed
            .contains(&value)
            .then_some(value)
            .ok_or_else(|| self.wrong(tag, expected, remedy))
    }

    fn transfer_syntax(&self) -> Result<(Encoding, Storage), DicomError> {
        let native = |encoding| Ok((encoding, Storage::Native(encoding)));
        let received = match self
            .text(TRANSFER_SYNTAX)
            .ok_or_else(|| self.missing(TRANSFER_SYNTAX))?
        {
            "1.2.840.10008.1.2" => return native(Encoding::IMPLICIT),
            "1.2.840.10008.1.2.1" => return native(Encoding::EXPLICIT),
            "1.2.840.10008.1.2.2" => return native(Encoding::EXPLICIT_BIG),
            "1.2.840.10008.1.2.5" => return Ok((Encoding::EXPLICIT, Storage::Rle)),
            "1.2.840.10008.1.2.4.50" => return Ok((Encoding::EXPLICIT, Storage::Jpeg)),
            "1.2.840.10008.1.2.1.99" => "a deflated file",
            "1.2.840.10008.1.2.4.51" => "JPEG extended",
            "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => "JPEG lossless",
            "1.2.840.10008.1.2.4.80" | "1.2.840.10008.1.2.4.81" => "JPEG-LS",
            "1.2.840.10008.1.2.4.90" | "1.2.840.10008.1.2.4.91" => "JPEG 2000",
            _ => "another transfer syntax",
        };
        Err(DicomError::TransferSyntax {
            path: self.path.to_owned(),
            received,
        })
    }

    fn frame(&self, storage: Storage) -> Result<DicomFrame, DicomError> {
        let frames = self.decimal(FRAMES)?.unwrap_or(1.0);
        if frames != 1.0 {
            return Err(self.wrong(FRAMES, "1", "export the frames one by one"));
        }
        self.among(
            SAMPLES,
            &[1],
            "1",
            "convert the file to grey, or colour pictures to PNG",
        )?;
        let inverted = match self
            .text(PHOTOMETRIC)
            .ok_or_else(|| self.missing(PHOTOMETRIC))?
        {
            "MONOCHROME1" => true,
            "MONOCHROME2" => false,
            _ => {
                let remedy = "convert the file to grey, or colour pictures to PNG";
                return Err(self.wrong(PHOTOMETRIC, "MONOCHROME1 or MONOCHROME2", remedy));
            }
        };
        if self.values.contains_key(&MODALITY_LUT) {
            let remedy = "apply the table when exporting the file";
            return Err(self.wrong(MODALITY_LUT, "no table", remedy));
        }
        let [width, height] = self.size()?;
        let (values, full_range) = self.values(storage, [width, height])?;
        let plane = Plane {
            path: self.path.to_owned(),
            width,
            height,
            spacing_mm: self.spacing_mm()?,
            values,
        };
        Ok(DicomFrame {
            plane,
            window: self.window()?,
            full_range,
            inverted,
        })
    }

    /// Width and height.
    fn size(&self) -> Result<[usize; 2], DicomError> {
        let (height, width) = (
            usize::from(self.short(ROWS)?),
            usize::from(self.short(COLUMNS)?),
        );
        if width == 0 || height == 0 {
            let tag = if width == 0 { COLUMNS } else { ROWS };
            return Err(self.wrong(tag, "at least 1", "export the file again"));
        }
        if (width * height) as u64 > MAX_PIXELS {
            return Err(DicomError::TooLarge {
                path: self.path.to_owned(),
                limit: MAX_PIXELS,
            });
        }
        Ok([width, height])
    }

    /// The distance between rows comes first in the file (PS3.3, 10.7.1.3).
    fn spacing_mm(&self) -> Result<Option<[f64; 2]>, DicomError> {
        match self.decimals(SPACING)?.as_deref() {
            None => Ok(None),
            Some([y, x]) if *x > 0.0 && *y > 0.0 => Ok(Some([*x, *y])),
            Some(_) => Err(self.wrong(SPACING, "two positive numbers", "export the file again")),
        }
    }

    /// Black and white of the first window (PS3.3, C.11.2.1.2.1 and C.11.2.1.3.2).
    fn window(&self) -> Result<Option<[f64; 2]>, DicomError> {
        let (Some(centre), Some(width)) = (self.decimal(CENTRE)?, self.decimal(WIDTH)?) else {
            return Ok(None);
        };
        let function = self.values.get(&FUNCTION).map(|_| self.text(FUNCTION));
        let (middle, half) = match function {
            None | Some(Some("" | "LINEAR")) => (centre - 0.5, (width - 1.0) / 2.0),
            Some(Some("LINEAR_EXACT")) => (centre, width / 2.0),
            Some(_) => return Ok(None),
        };
        Ok((half > 0.0).then_some([middle - half, middle + half]))
    }

    /// `RescaleSlope * stored + RescaleIntercept` (PS3.3, C.11.1), and the range of what the bits can hold.
    fn values(
        &self,
        storage: Storage,
        [width, height]: [usize; 2],
    ) -> Result<(Vec<f32>, [f64; 2]), DicomError> {
        let again = "export the file again";
        let allocated = self.among(BITS_ALLOCATED, &[8, 16], "8 or 16", again)?;
        let stored = self.short(BITS_STORED)?;
        if stored == 0 || stored > allocated {
            return Err(self.wrong(BITS_STORED, "1 to BitsAllocated", again));
        }
        self.among(HIGH_BIT, &[stored - 1], "BitsStored - 1", again)?;
        let signed = self.among(SIGNED, &[0, 1], "0 or 1", again)? == 1;
        if allocated == 8 && storage == Storage::Native(Encoding::EXPLICIT_BIG) {
            let remedy = "convert the file to little endian";
            return Err(self.wrong(BITS_ALLOCATED, "16 in a big-endian file", remedy));
        }
        let slope = self.decimal(SLOPE)?.unwrap_or(1.0);
        let intercept = self.decimal(INTERCEPT)?.unwrap_or(0.0);
        if slope == 0.0 {
            return Err(self.wrong(SLOPE, "another number than 0", again));
        }
        let data = self
            .values
            .get(&PIXEL_DATA)
            .ok_or_else(|| DicomError::MissingAttribute {
                path: self.path.to_owned(),
                attribute: "PixelData",
            })?;
        let layout = Layout {
            width,
            height,
            bytes: usize::from(allocated / 8),
        };
        let samples =
            pixels::decode(data, storage, layout).map_err(|problem| DicomError::PixelData {
                path: self.path.to_owned(),
                problem,
            })?;
        // Bits above those that are stored may hold an overlay; shifting cuts them off and
        // brings the sign to its place.
        let spare = 16 - stored;
        let value = |word: u16| {
            let word = word << spare;
            let number = if signed {
                f64::from(word.cast_signed() >> spare)
            } else {
                f64::from(word >> spare)
            };
            (slope * number + intercept) as f32
        };
        let steps = f64::from(1_u32 << stored);
        let least = if signed { -steps / 2.0 } else { 0.0 };
        let ends = [least, least + steps - 1.0].map(|end| slope * end + intercept);
        let values = match layout.bytes {
            1 => samples.iter().map(|&byte| value(u16::from(byte))).collect(),
            _ => samples
                .chunks_exact(2)
                .map(|b| value(u16::from_le_bytes([b[0], b[1]])))
                .collect(),
        };
        Ok((values, [ends[0].min(ends[1]), ends[0].max(ends[1])]))
    }
}

fn name(tag: u32) -> &'static str {
    let known = ATTRIBUTES.iter().find(|(known, _)| *known == tag);
    known.map_or("PixelData", |(_, name)| name)
}
