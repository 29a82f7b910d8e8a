//! What a file is, by its first bytes; the extension is never asked.

use crate::volume::HEADER_BYTES;

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Portable Network Graphics.
    Png,
    /// JPEG, baseline or progressive.
    Jpeg,
    /// Tagged Image File Format, classic or BigTIFF.
    Tiff,
    /// Graphics Interchange Format.
    Gif,
    /// Windows bitmap.
    Bmp,
    /// Portable bitmap, graymap or pixmap (PBM, PGM, PPM).
    Pnm,
    /// PBM, PGM or PPM, compressed by gzip.
    PnmGz,
}

impl Format {
    /// The name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Tiff => "TIFF",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::Pnm => "PNM",
            Self::PnmGz => "gzip-compressed PNM",
        }
    }
}

/// Number of bytes that [`recognise`] wants to see.
pub(super) const HEAD: usize = HEADER_BYTES;

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recognised {
    /// A format that is read.
    Known(Format),
    /// DICOM, which is read by [`crate::read_image`] and is never a mask.
    Dicom,
    /// A NIfTI volume, whose slices would be pictures.
    Nifti,
    /// A format that is known by name and not read.
    Refused(&'static str),
    /// Anything else.
    Unknown(&'static str),
}

/// Recognises a file by its first [`HEAD`] bytes (or all, when it has fewer).
pub(super) fn recognise(head: &[u8]) -> Recognised {
    const KNOWN: [(&[u8], Format); 10] = [
        (b"\x89PNG\r\n\x1a\n", Format::Png),
        (b"\xff\xd8\xff", Format::Jpeg),
        (b"II*\0", Format::Tiff),
        (b"MM\0*", Format::Tiff),
        (b"II+\0", Format::Tiff),
        (b"MM\0+", Format::Tiff),
        (b"GIF87a", Format::Gif),
        (b"GIF89a", Format::Gif),
        (b"BM", Format::Bmp),
        (b"\x1f\x8b", Format::PnmGz),
    ];
    const REFUSED: [(usize, &[u8], &str); 12] = [
        (8, b"WEBP", "a WebP file"),
        (4, b"ftyp", "a HEIC, AVIF or video file"),
        (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
        (0, b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
        (0, b"\xff\x0a", "a JPEG XL file"),
        (0, b"\0\0\0\x0cJXL ", "a JPEG XL file"),
        (0, b"P7\n", "a PAM file"),
        (0, b"%PDF", "a PDF file"),
        (0, b"PK\x03\x04", "a zip archive"),
        (0, b"\x93NUMPY", "a NumPy array"),
        (0, b"\x89HDF\r\n", "an HDF5 file"),
        (0, b"8BPS", "a Photoshop file"),
    ];
    if let Some((_, format)) = KNOWN.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Recognised::Known(*format);
    }
    if is_pnm(head) {
        return Recognised::Known(Format::Pnm);
    }
    let at = |start: usize, magic: &[u8]| head.get(start..).is_some_and(|h| h.starts_with(magic));
    if let Some((.., name)) = REFUSED.iter().find(|(start, magic, _)| at(*start, magic)) {
        return Recognised::Refused(name);
    }
    // Last, because the 128 bytes before it may be anything.
    if at(128, b"DICM") {
        return Recognised::Dicom;
    }
    // nifti1.h and nifti2.h: the header's own size, and a word at its end or after that size.
    let one = [348_i32.to_le_bytes(), 348_i32.to_be_bytes()]
        .iter()
        .any(|size| at(0, size));
    let is_one = one && [b"n+1\0", b"ni1\0"].iter().any(|magic| at(344, *magic));
    if is_one || [b"n+2\0", b"ni2\0"].iter().any(|magic| at(4, *magic)) {
        return Recognised::Nifti;
    }
    let trimmed = head.trim_ascii_start();
    let text = |b: &u8| b.is_ascii_graphic() || b.is_ascii_whitespace();
    Recognised::Unknown(match head {
        [] => "an empty file",
        _ if trimmed.starts_with(b"<") => "an XML, SVG or HTML text",
        _ if head.iter().all(text) => "a text",
        _ => "a file of unknown format",
    })
}

/// `P1` to `P6` and a separator, which a text that happens to begin with `P5` would not have.
pub(super) fn is_pnm(head: &[u8]) -> bool {
    matches!(head, [b'P', b'1'..=b'6', separator, ..] if separator.is_ascii_whitespace() || *separator == b'#')
}

#[cfg(test)]
mod tests {
    use super::{Format, Recognised, recognise};

    #[test]
    fn the_first_bytes_decide() {
        let check = |head: &[u8], expected| assert_eq!(recognise(head), expected, "{head:?}");
        check(b"\x89PNG\r\n\x1a\n...", Recognised::Known(Format::Png));
        check(b"II+\0", Recognised::Known(Format::Tiff));
        check(b"P5\n3 4", Recognised::Known(Format::Pnm));
        check(b"P5#a", Recognised::Known(Format::Pnm));
        check(b"P5x", Recognised::Unknown("a text"));
        check(b"RIFF....WEBP", Recognised::Refused("a WebP file"));
        check(b"", Recognised::Unknown("an empty file"));
        check(b" <svg>", Recognised::Unknown("an XML, SVG or HTML text"));
        check(b"\0\x01", Recognised::Unknown("a file of unknown format"));
        let mut dicom = [0; 132];
        dicom[128..].copy_from_slice(b"DICM");
        check(&dicom, Recognised::Dicom);
        let nifti = |size: [u8; 4], at: usize, magic: &[u8; 4]| {
            let mut head = [0; 348];
            head[..4].copy_from_slice(&size);
            head[at..at + 4].copy_from_slice(magic);
            head
        };
        check(
            &nifti(348_i32.to_le_bytes(), 344, b"n+1\0"),
            Recognised::Nifti,
        );
        check(
            &nifti(348_i32.to_be_bytes(), 344, b"ni1\0"),
            Recognised::Nifti,
        );
        check(
            &nifti(540_i32.to_le_bytes(), 4, b"n+2\0"),
            Recognised::Nifti,
        );
        check(
            &nifti(349_i32.to_le_bytes(), 344, b"n+1\0"),
            Recognised::Unknown("a file of unknown format"),
        );
        // The bytes before may make it a TIFF file as well; its picture is the same.
        dicom[..4].copy_from_slice(b"II*\0");
        check(&dicom, Recognised::Known(Format::Tiff));
    }
}
