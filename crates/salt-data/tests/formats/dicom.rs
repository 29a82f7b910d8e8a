//! DICOM frames against pydicom; refused files; and no word about the patient anywhere.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_data::{DataError, DicomError, DicomFrame, decode_dicom, read_dicom};
use serde::Deserialize;

#[derive(Deserialize)]
struct Expected {
    size: [usize; 2],
    spacing_mm: Option<[f64; 2]>,
    values: Vec<f32>,
    grey: Option<Vec<u8>>,
    inverted: bool,
}

/// Part of every text about the patient of the generated files.
pub(super) const SECRET: &str = "Zyxwvut";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/dicom")
}

pub(super) fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect("readable")
}

fn decode(bytes: &[u8]) -> Result<DicomFrame, DicomError> {
    decode_dicom(bytes, Path::new("case.dcm"))
}

#[test]
fn frames_are_those_of_pydicom() {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("readable");
    let all: BTreeMap<String, Expected> = serde_json::from_str(&text).expect("as generated");
    assert_eq!(all.len(), 11);
    for (name, expected) in all {
        let frame = read_dicom(&folder().join(&name)).expect(&name);
        let plane = frame.plane();
        assert_eq!([plane.width, plane.height], expected.size, "{name}");
        assert_eq!(plane.spacing_mm, expected.spacing_mm, "{name}");
        // Decoders of JPEG may differ by one level (ISO 10918-2); all else is exact.
        let tolerance = if name == "jpeg.dcm" { 1.0 } else { 0.0 };
        assert_eq!(plane.values.len(), expected.values.len(), "{name}");
        for (received, expected) in plane.values.iter().zip(&expected.values) {
            assert!(
                (received - expected).abs() <= tolerance,
                "{name}: {received} {expected}"
            );
        }
        assert_eq!(frame.inverted(), expected.inverted, "{name}");
        assert!(!format!("{frame:?}").contains(SECRET), "{name}");
        let picture = frame.picture(None);
        let Some(mut grey) = expected.grey else {
            assert!(
                matches!(picture, Err(DicomError::NoWindow { .. })),
                "{name}"
            );
            assert!(frame.picture(Some([0.0, 4095.0])).is_ok(), "{name}");
            continue;
        };
        if expected.inverted {
            grey.iter_mut().for_each(|grey| *grey = 255 - *grey);
        }
        let received: Vec<u8> = picture
            .expect("a window")
            .data
            .chunks_exact(3)
            .map(|p| p[0])
            .collect();
        assert_eq!(received, grey, "{name}");
        let error = frame.picture(Some([1.0, 1.0])).expect_err("no range");
        assert!(matches!(error, DicomError::IntensityRange { .. }), "{name}");
    }
}

/// Where the value of a little-endian explicit element of two bytes starts.
pub(super) fn value_of(bytes: &[u8], tag: [u16; 2]) -> usize {
    let tag = [tag[0].to_le_bytes(), tag[1].to_le_bytes()].concat();
    8 + bytes
        .windows(4)
        .position(|window| window == tag)
        .expect("the element")
}

#[track_caller]
fn refused(name: &str, bytes: &[u8], expected: impl Fn(&DicomError) -> bool) {
    let error = decode(bytes).expect_err(name);
    assert!(expected(&error), "{name}: {error:?}");
    assert_eq!(error.path(), Path::new("case.dcm"), "{name}");
    let error = DataError::from(error);
    assert!(
        error.problem().starts_with("expected ") && !error.remedy().is_empty(),
        "{name}"
    );
    assert_eq!(error.path(), Some(Path::new("case.dcm")), "{name}");
}

macro_rules! is {
    ($variant:ident $($field:tt)*) => {
        |error: &DicomError| matches!(error, DicomError::$variant $($field)*)
    };
}

#[test]
fn attributes_that_describe_no_grey_frame_are_refused() {
    let sound = bytes("undefined_lengths.dcm");
    assert!(decode(&sound).is_ok());
    let check = |name: &str, tag: [u16; 2], value: u16, attribute: &str| {
        let mut bytes = sound.clone();
        let at = value_of(&bytes, tag);
        bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
        refused(
            name,
            &bytes,
            |error| matches!(error, DicomError::Attribute { attribute: received, .. } if *received == attribute),
        );
    };
    check("three samples", [0x28, 2], 3, "SamplesPerPixel");
    check("no rows", [0x28, 0x10], 0, "Rows");
    check("no columns", [0x28, 0x11], 0, "Columns");
    check("32 bits", [0x28, 0x100], 32, "BitsAllocated");
    check("no bits", [0x28, 0x101], 0, "BitsStored");
    check("17 of 16 bits", [0x28, 0x101], 17, "BitsStored");
    check("high bit 15 of 12", [0x28, 0x102], 15, "HighBit");
    check("signed 2", [0x28, 0x103], 2, "PixelRepresentation");
    check(
        "palette",
        [0x28, 4],
        u16::from_le_bytes(*b"PA"),
        "PhotometricInterpretation",
    );
    check(
        "slope 0",
        [0x28, 0x1053],
        u16::from_le_bytes(*b"0 "),
        "RescaleSlope",
    );
    check(
        "slope in words",
        [0x28, 0x1053],
        u16::from_le_bytes(*b"xy"),
        "RescaleSlope",
    );
    check(
        "spacing 0",
        [0x28, 0x30],
        u16::from_le_bytes(*b"-0"),
        "PixelSpacing",
    );

    let mut rows = sound.clone();
    let at = value_of(&rows, [0x28, 0x10]);
    rows[at] = 7;
    refused("another number of rows", &rows, is!(PixelData { .. }));
    rows[at - 6] = 0x11;
    refused("an element twice", &rows, is!(Structure { .. }));
    rows[at - 6] = 0x09;
    refused(
        "no rows at all",
        &rows,
        is!(MissingAttribute {
            attribute: "Rows",
            ..
        }),
    );
    let mut frames = sound.clone();
    // The element of the columns becomes one that says how many frames there are.
    let at = value_of(&frames, [0x28, 0x11]);
    frames[at - 8..at + 2].copy_from_slice(b"\x28\0\x08\0IS\x02\x002 ");
    refused("two frames", &frames, |error| {
        matches!(
            error,
            DicomError::Attribute {
                attribute: "NumberOfFrames",
                ..
            }
        )
    });
}

#[test]
fn files_that_are_built_wrongly_are_refused() {
    refused("empty", b"", is!(NotDicom { .. }));
    refused("text", &[b'x'; 500], is!(NotDicom { .. }));
    refused(
        "deflated",
        &bytes("deflated.dcm"),
        is!(TransferSyntax {
            received: "a deflated file",
            ..
        }),
    );
    let sound = bytes("u16_implicit.dcm");
    refused(
        "no meta",
        &sound[..132],
        is!(MissingAttribute {
            attribute: "TransferSyntaxUID",
            ..
        }),
    );
    refused(
        "one byte short",
        &sound[..sound.len() - 1],
        is!(Truncated { .. }),
    );
    let mut long = bytes("undefined_lengths.dcm");
    let pixels = value_of(&long, [0x7fe0, 0x10]);
    long[pixels..pixels + 4].copy_from_slice(&0xffff_fffe_u32.to_le_bytes());
    refused("4 GiB announced", &long, is!(Truncated { .. }));
    let mut lower = bytes("u8_odd.dcm");
    let at = value_of(&lower, [0x28, 0x10]);
    lower[at - 4] = b'u';
    refused("no representation", &lower, is!(Structure { .. }));
    let mut deep = bytes("u8_odd.dcm")[..132].to_vec();
    deep.extend(b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0");
    for _ in 0..200_000 {
        deep.extend(b"\x08\0\x10\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff");
    }
    refused(
        "200,000 sequences in each other",
        &deep,
        is!(Structure { .. }),
    );
}

#[test]
fn pixels_that_do_not_fit_their_header_are_refused() {
    let rows = |name: &str, rows: u8| {
        let mut bytes = bytes(name);
        let at = value_of(&bytes, [0x28, 0x10]);
        bytes[at] = rows;
        bytes
    };
    refused(
        "more rows than RLE",
        &rows("rle_16.dcm", 200),
        is!(PixelData { .. }),
    );
    refused(
        "fewer rows than RLE",
        &rows("rle_16.dcm", 1),
        is!(PixelData { .. }),
    );
    refused(
        "another size than JPEG",
        &rows("jpeg.dcm", 23),
        is!(PixelData { .. }),
    );
    let mut rle = bytes("rle_8.dcm");
    let start = rle.len() - 8 - 64;
    // The run lengths' end: every code becomes one that asks for more than is there.
    rle[start..]
        .iter_mut()
        .take(64)
        .for_each(|byte| *byte = 127);
    refused("RLE that breaks off", &rle, is!(PixelData { .. }));
    let mut jpeg = bytes("jpeg.dcm");
    let start = jpeg
        .windows(3)
        .position(|w| w == [0xff, 0xd8, 0xff])
        .expect("a JPEG");
    jpeg[start] = 0;
    refused("no JPEG", &jpeg, is!(PixelData { .. }));
}

#[test]
fn nothing_of_the_patient_shows_in_any_error() {
    let mut errors = 0;
    for name in [
        "undefined_lengths.dcm",
        "u16_implicit.dcm",
        "rle_16.dcm",
        "jpeg.dcm",
        "u8_odd.dcm",
    ] {
        let sound = bytes(name);
        assert!(
            sound
                .windows(SECRET.len())
                .any(|window| window == SECRET.as_bytes())
        );
        let mut check = |bytes: &[u8]| {
            if let Err(error) = decode(bytes) {
                let all = format!("{error} {error:?}");
                assert!(!all.contains(&SECRET[1..6]), "{name}: {all}");
                errors += 1;
            }
        };
        for length in 0..sound.len() {
            check(&sound[..length]);
        }
        for at in 128..sound.len() {
            for value in [0, 0xff, sound[at] ^ 1, b'Z'] {
                let mut changed = sound.clone();
                changed[at] = value;
                check(&changed);
            }
        }
    }
    assert!(errors > 5_000, "{errors}");
}
