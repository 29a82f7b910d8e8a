//! Files that end before their format says so.
//!
//! A decoder may not notice: one fills the missing part of a JPEG with grey, another never asks for
//! the last chunk of a PNG. So the marks of a file are walked from its beginning to its end.

use std::path::Path;

/// Whether a PNG or JPEG file ends early. Files of other formats are left to their decoders, and a
/// file that cannot be opened or is damaged in the middle is not called short.
pub(super) fn cut_short(path: &Path) -> bool {
    let Ok(bytes) = std::fs::read(path) else {
        return false;
    };
    if bytes.is_empty() {
        return true;
    }
    if let Some(rest) = bytes.strip_prefix(b"\x89PNG\r\n\x1a\n") {
        return png_ends_early(rest);
    }
    match bytes.strip_prefix(b"\xff\xd8\xff") {
        Some(_) => jpeg_ends_early(&bytes[2..]),
        None => false,
    }
}

/// Chunks are: length, name, data, checksum; the last one is `IEND` (PNG, section 5.3).
fn png_ends_early(mut rest: &[u8]) -> bool {
    loop {
        let Some((length, tail)) = rest.split_first_chunk::<4>() else {
            return true;
        };
        let Some((name, _)) = tail.split_first_chunk::<4>() else {
            return true;
        };
        let length = u32::from_be_bytes(*length) as usize;
        match tail.get(8 + length..) {
            Some(next) if name != b"IEND" => rest = next,
            Some(_) => return false,
            // A chunk with a name that is none was not cut but overwritten.
            None => return name.iter().all(u8::is_ascii_alphabetic),
        }
    }
}

/// Segments start with 0xff and a code; after `SOS` (0xda) follow coded samples, in which 0xff 0x00
/// and the restarts 0xd0 to 0xd7 are no marks; `EOI` (0xd9) is the last (ITU T.81, annex B).
fn jpeg_ends_early(mut rest: &[u8]) -> bool {
    loop {
        let Some(at) = rest.windows(2).position(|pair| {
            pair[0] == 0xff && !matches!(pair[1], 0x00 | 0x01 | 0xff | 0xd0..=0xd7)
        }) else {
            return true;
        };
        let code = rest[at + 1];
        if code == 0xd9 {
            return false;
        }
        let Some((length, _)) = rest[at + 2..].split_first_chunk::<2>() else {
            return true;
        };
        // The length counts its own two bytes.
        let skip = usize::from(u16::from_be_bytes(*length)).max(2);
        match rest.get(at + 2 + skip..) {
            Some(next) => rest = next,
            None => return true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cut_short, jpeg_ends_early};

    #[test]
    fn every_cut_of_a_png_is_noticed_and_what_follows_its_end_is_not() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("a.png");
        let image = crate::ImageRgb::new(5, 4, (0..60).collect()).expect("valid");
        crate::write_image(&path, &image).expect("written");
        let mut whole = std::fs::read(&path).expect("there");
        for end in 8..whole.len() {
            std::fs::write(&path, &whole[..end]).expect("written");
            assert!(cut_short(&path), "{end} of {}", whole.len());
        }
        whole.extend(b"trailing");
        std::fs::write(&path, &whole).expect("written");
        assert!(!cut_short(&path));
        for (bytes, expected) in [(&b""[..], true), (b"this is no picture", false)] {
            std::fs::write(&path, bytes).expect("written");
            assert_eq!(cut_short(&path), expected);
        }
        assert!(!cut_short(&dir.path().join("nowhere.png")));
    }

    #[test]
    fn the_end_of_a_thumbnail_is_not_the_end_of_a_jpeg() {
        // APP1 of 8 bytes with an EOI inside; SOS of 2 bytes; samples with a stuffed byte; EOI.
        let whole = [
            0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xd9, 0, 0, 0xff, 0xda, 0, 2, 1, 0xff, 0, 0xff,
            0xd0, 7, 0xff, 0xd9,
        ];
        for end in 0..whole.len() {
            assert!(jpeg_ends_early(&whole[..end]), "{end}");
        }
        assert!(!jpeg_ends_early(&whole));
    }
}
