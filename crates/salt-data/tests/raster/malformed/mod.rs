//! Files that are no whole, sound, single picture: each has a name and the variant that refuses it.

mod gif_bmp;
mod png_jpeg;
mod pnm;
mod tiff;

use std::path::Path;

use salt_data::{DataError, PictureError, decode_raster, read_image, read_raster};

use super::{fixture, fixture_bytes};
use crate::fixture::Folder;

/// The variant of an error.
fn kind(error: &DataError) -> &'static str {
    match error {
        DataError::Picture(error) => match error {
            PictureError::UnknownFormat { .. } => "unknown format",
            PictureError::Unsupported { .. } => "unsupported",
            PictureError::Volume { .. } => "volume",
            PictureError::ColourModel { .. } => "colour model",
            PictureError::Truncated { .. } => "truncated",
            PictureError::Corrupt { .. } => "corrupt",
            PictureError::SeveralFrames { .. } => "several frames",
            _ => "another picture error",
        },
        DataError::TooLarge { .. } => "too large",
        DataError::Io { .. } => "io",
        _ => "another error",
    }
}

/// Decoding must fail with this variant and with a message that names `mention` and the file and
/// has a remedy; reading it as a file must fail with the same variant.
fn check(name: &str, bytes: &[u8], expected: &str, mention: &str) {
    let path = Path::new("mask.dat");
    let error = match decode_raster(bytes, path) {
        Err(error) => error,
        Ok(raster) => panic!("{name} became {} x {}", raster.width, raster.height),
    };
    assert_eq!(kind(&error), expected, "{name}: {error}");
    let text = error.to_string();
    assert!(text.contains(mention), "{name}: {text}");
    assert!(
        text.contains("mask.dat") && text.starts_with("expected "),
        "{name}: {text}"
    );
    assert!(!error.remedy().is_empty(), "{name}: {text}");
    assert_eq!(error.path(), Some(path), "{name}");
    let folder = Folder::empty();
    let file = folder.at("mask.dat");
    std::fs::write(&file, bytes).expect("written");
    assert_eq!(
        kind(&read_image(&file).expect_err(name)),
        expected,
        "{name}"
    );
}

/// A fixture with some bytes replaced.
fn with(name: &str, at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = fixture_bytes(name);
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}

fn cut(name: &str, length: usize) -> Vec<u8> {
    fixture_bytes(name)[..length].to_vec()
}

fn position(haystack: &[u8], needle: &[u8]) -> usize {
    let found = haystack.windows(needle.len()).position(|w| w == needle);
    found.expect("the fixture has it")
}

#[test]
fn what_is_no_picture() {
    check("an empty file", b"", "unknown format", "an empty file");
    check("a text", b"this is no picture", "unknown format", "a text");
    check("a web page", b"<!DOCTYPE html>", "unknown format", "HTML");
    check("zeros", &[0; 400], "unknown format", "unknown format");
    check("two bytes of a PNG", b"\x89P", "unknown format", "unknown");
    check("WebP", b"RIFF\x20\0\0\0WEBPVP8 ", "unsupported", "WebP");
    check("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0", "unsupported", "HEIC");
    check(
        "JPEG 2000",
        b"\0\0\0\x0cjP  \r\n\x87\n",
        "unsupported",
        "2000",
    );
    check("a zip archive", b"PK\x03\x04\x14\0", "unsupported", "zip");
    check("PAM", b"P7\nWIDTH 1\n", "unsupported", "PAM");
    check("NumPy", b"\x93NUMPY\x01\0", "unsupported", "NumPy");
    let folder = Folder::empty();
    let error = read_raster(folder.path()).expect_err("a folder");
    assert_eq!(kind(&error), "io", "{error}");
    let error = read_raster(&folder.at("nowhere.png")).expect_err("no file");
    assert_eq!(kind(&error), "io", "{error}");
}

/// A volume is refused as one, and nobody is sent to unpack it or to an image viewer.
fn check_volume(name: &str, bytes: &[u8], received: &str) {
    let folder = Folder::empty();
    let file = folder.at(name);
    std::fs::write(&file, bytes).expect("written");
    for error in [
        read_image(&file).map(|_| ()).expect_err(name),
        read_raster(&file).map(|_| ()).expect_err(name),
    ] {
        assert_eq!(kind(&error), "volume", "{name}: {error}");
        let received = format!("received {received}; ");
        assert!(error.to_string().contains(&received), "{name}: {error}");
        let remedy = error.remedy();
        assert!(remedy.starts_with("save each slice"), "{error}");
        for misleading in ["gunzip", "viewer"] {
            assert!(!remedy.contains(misleading), "{error}");
        }
    }
}

#[test]
fn volumes_are_not_pictures() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nifti");
    let mut seen = [0, 0];
    for entry in std::fs::read_dir(fixtures).expect("committed") {
        let path = entry.expect("readable").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let packed = match name.expect("UTF-8") {
            name if name.ends_with(".nii.gz") => true,
            name if name.ends_with(".nii") => false,
            _ => continue,
        };
        let bytes = std::fs::read(&path).expect("readable");
        // Whatever it is called.
        let received = ["a NIfTI volume", "a NIfTI volume inside of gzip"];
        for name in ["a.png", "a.nii", "A.NII.GZ"] {
            check_volume(name, &bytes, received[usize::from(packed)]);
        }
        seen[usize::from(packed)] += 1;
    }
    assert!(seen[0] > 10 && seen[1] > 2, "{seen:?}");

    // Older or damaged ones have the name alone.
    let named = ", by its name a NIfTI volume";
    let zeros = format!("a file of unknown format{named}");
    check_volume("a.nii", &[0; 400], &zeros);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &[0; 400]).expect("in memory");
    let packed = packed.finish().expect("in memory");
    let zeros = format!("a file of unknown format inside of gzip{named}");
    check_volume("a.nii.gz", &packed, &zeros);
}

/// The fixtures that are pictures.
fn sound() -> Vec<(String, Vec<u8>)> {
    let json = fixture_bytes("expected.json");
    let all: std::collections::BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&json).expect("valid");
    let names = all.into_keys();
    names
        .map(|name| (name.clone(), fixture_bytes(&name)))
        .collect()
}

#[test]
fn no_beginning_of_a_file_is_a_picture() {
    for (name, bytes) in sound() {
        // A text may lose its last separator, and then digits of its last number.
        let optional = if name.starts_with("text") { 4 } else { 0 };
        for length in (0..bytes.len() - optional).rev().step_by(5) {
            let decoded = decode_raster(&bytes[..length], &fixture(&name));
            assert!(
                decoded.is_err(),
                "{length} of {} bytes of {name}",
                bytes.len()
            );
        }
    }
}

#[test]
fn no_flipped_byte_makes_a_panic_or_another_size_in_silence() {
    for (name, bytes) in sound() {
        for at in (0..bytes.len()).step_by(3) {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                if let Ok(raster) = decode_raster(&damaged, &fixture(&name)) {
                    let area = raster.width * raster.height;
                    assert_eq!(raster.samples.len(), area * raster.layout.channels());
                    assert_eq!(raster.to_rgb8().len(), 3 * area, "{name}");
                }
            }
        }
    }
}
