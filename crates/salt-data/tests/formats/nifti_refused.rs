//! Damaged and foreign NIfTI files, each with the variant that refuses it.

use std::io::Write;
use std::path::Path;

use salt_data::{
    DataError, Orientation, Volume, VolumeError, decode_nifti, read_nifti, read_nifti_time,
    write_nifti_labels,
};

/// A sound volume of 3 x 2 x 2 voxels of type i16: 0, 1, 2, ...
fn sound() -> Vec<u8> {
    let mut bytes = vec![0; 352];
    put(&mut bytes, 0, &348_i32.to_le_bytes());
    for (i, extent) in [3_i16, 3, 2, 2, 1, 1, 1, 1].into_iter().enumerate() {
        put(&mut bytes, 40 + 2 * i, &extent.to_le_bytes());
    }
    put(&mut bytes, 70, &4_i16.to_le_bytes());
    put(&mut bytes, 72, &16_i16.to_le_bytes());
    for axis in 0..4 {
        put(&mut bytes, 76 + 4 * axis, &1_f32.to_le_bytes());
    }
    put(&mut bytes, 108, &352_f32.to_le_bytes());
    bytes[123] = 2;
    put(&mut bytes, 344, b"n+1\0");
    bytes.extend((0..12_i16).flat_map(i16::to_le_bytes));
    bytes
}

fn put(bytes: &mut [u8], offset: usize, value: &[u8]) {
    bytes[offset..offset + value.len()].copy_from_slice(value);
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

fn decode(bytes: &[u8]) -> Result<Volume, VolumeError> {
    decode_nifti(bytes, Path::new("case.nii"))
}

/// The sound file with `change` must be refused as `expected` says, under its name.
#[track_caller]
fn check(name: &str, change: impl Fn(&mut Vec<u8>), expected: impl Fn(&VolumeError) -> bool) {
    let mut bytes = sound();
    change(&mut bytes);
    let error = decode(&bytes).expect_err(name);
    assert!(expected(&error), "{name}: {error:?}");
    assert_eq!(error.path(), Some(Path::new("case.nii")), "{name}");
    let error = DataError::from(error);
    assert!(
        error.problem().starts_with("expected ") && !error.remedy().is_empty(),
        "{name}"
    );
    assert_eq!(error.path(), Some(Path::new("case.nii")), "{name}");
}

macro_rules! is {
    ($variant:ident $($field:tt)*) => {
        |error: &VolumeError| matches!(error, VolumeError::$variant $($field)*)
    };
}

#[test]
fn the_unchanged_file_is_read() {
    let volume = decode(&sound()).expect("sound");
    assert_eq!(
        volume.voxels(),
        (0..12).map(|v| v as f32).collect::<Vec<_>>()
    );
    assert_eq!(
        decode(&gzip(&sound())).expect("sound").voxels(),
        volume.voxels()
    );
}

#[test]
fn other_formats_are_refused_by_name() {
    check("empty", Vec::clear, is!(NotNifti { .. }));
    check(
        "shorter than a header",
        |b| b.truncate(347),
        is!(NotNifti { .. }),
    );
    check("text", |b| b.fill(b'x'), is!(NotNifti { .. }));
    check(
        "wrong magic",
        |b| put(b, 344, b"n+7\0"),
        is!(NotNifti { .. }),
    );
    check(
        "analyze",
        |b| put(b, 344, &[0; 4]),
        is!(OtherFormat {
            received: "an Analyze 7.5 header (.hdr with .img)",
            ..
        }),
    );
    check(
        "pair",
        |b| put(b, 344, b"ni1\0"),
        is!(OtherFormat {
            received: "the header of a NIfTI pair (.hdr with .img)",
            ..
        }),
    );
    check(
        "nifti-2",
        |b| put(b, 0, &540_i32.to_le_bytes()),
        is!(OtherFormat {
            received: "a NIfTI-2 file",
            ..
        }),
    );
    check(
        "big-endian nifti-2",
        |b| put(b, 0, &540_i32.to_be_bytes()),
        is!(OtherFormat {
            received: "a NIfTI-2 file",
            ..
        }),
    );
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let dim =
        |i: usize, value: i16| move |b: &mut Vec<u8>| put(b, 40 + 2 * i, &value.to_le_bytes());
    check("rank 0", dim(0, 0), is!(Dimensions { .. }));
    check("rank 1", dim(0, 1), is!(Dimensions { .. }));
    check("rank 8", dim(0, 8), is!(Dimensions { .. }));
    check("negative rank", dim(0, -3), is!(Dimensions { .. }));
    check("no columns", dim(1, 0), is!(Dimensions { .. }));
    check("negative rows", dim(2, -2), is!(Dimensions { .. }));
    let five = |b: &mut Vec<u8>| {
        put(b, 40, &5_i16.to_le_bytes());
        put(b, 50, &3_i16.to_le_bytes());
    };
    check("vectors", five, is!(Dimensions { .. }));
    let huge = |b: &mut Vec<u8>| (1..4).for_each(|i| put(b, 40 + 2 * i, &i16::MAX.to_le_bytes()));
    check("35 million million voxels", huge, is!(TooLarge { .. }));
    let series = |b: &mut Vec<u8>| {
        put(b, 40, &4_i16.to_le_bytes());
        put(b, 48, &2_i16.to_le_bytes());
        b.extend([0; 24]);
    };
    check("two time points", series, is!(TimeSeries { frames: 2, .. }));
    for (code, expected) in [
        (1_i16, "binary"),
        (32, "complex64"),
        (128, "rgb24"),
        (1024, "int64"),
        (2304, "rgba32"),
        (77, "an unknown type"),
    ] {
        let change = |b: &mut Vec<u8>| put(b, 70, &code.to_le_bytes());
        check(
            expected,
            change,
            |e| matches!(e, VolumeError::Datatype { name, .. } if *name == expected),
        );
    }
    check(
        "bitpix 8 for i16",
        |b| put(b, 72, &8_i16.to_le_bytes()),
        is!(BitPix {
            expected: 16,
            received: 8,
            ..
        }),
    );
    for offset in [0.0_f32, 351.0, 352.5, -352.0, 1e9, f32::NAN, f32::INFINITY] {
        check(
            "offset",
            |b| put(b, 108, &offset.to_le_bytes()),
            is!(Offset { .. }),
        );
    }
    let scaling = |b: &mut Vec<u8>| {
        put(b, 112, &2_f32.to_le_bytes());
        put(b, 116, &f32::NAN.to_le_bytes());
    };
    check("intercept not a number", scaling, is!(Scaling { .. }));
    check(
        "seconds as a length",
        |b| b[123] = 5,
        is!(Units { code: 5, .. }),
    );
    for zoom in [0.0_f32, -1.0, f32::NAN, f32::INFINITY] {
        check(
            "voxel size",
            |b| put(b, 84, &zoom.to_le_bytes()),
            is!(Spacing { .. }),
        );
    }
    check(
        "flat sform",
        |b| put(b, 254, &1_i16.to_le_bytes()),
        is!(Affine { form: "sform", .. }),
    );
    let long_quaternion = |b: &mut Vec<u8>| {
        put(b, 252, &1_i16.to_le_bytes());
        put(b, 256, &3_f32.to_le_bytes());
    };
    check(
        "quaternion of length 3",
        long_quaternion,
        is!(Affine { form: "qform", .. }),
    );
}

#[test]
fn lengths_are_checked_against_what_is_there() {
    check(
        "one byte short",
        |b| b.truncate(375),
        is!(Truncated {
            expected: 376,
            received: 375,
            ..
        }),
    );
    check("no voxel", |b| b.truncate(352), is!(Truncated { .. }));
    check(
        "one byte more",
        |b| b.push(0),
        is!(Trailing { expected: 376, .. }),
    );
    let lying = |b: &mut Vec<u8>| (1..3).for_each(|i| put(b, 40 + 2 * i, &8000_i16.to_le_bytes()));
    check(
        "256 MiB announced, 24 bytes there",
        lying,
        is!(Truncated { received: 376, .. }),
    );
    let lying_gzip = |b: &mut Vec<u8>| {
        lying(b);
        *b = gzip(b);
    };
    check(
        "256 MiB announced in a small gzip",
        lying_gzip,
        is!(Truncated { .. }),
    );
    let short_gzip = |b: &mut Vec<u8>| *b = gzip(&b[..370]);
    check(
        "gzip of a truncated file",
        short_gzip,
        is!(Truncated {
            expected: 376,
            received: 370,
            ..
        }),
    );
    let long_gzip = |b: &mut Vec<u8>| {
        b.extend(vec![0; 1 << 20]);
        *b = gzip(b);
    };
    check("gzip that goes on", long_gzip, is!(Trailing { .. }));
    let cut_gzip = |b: &mut Vec<u8>| {
        *b = gzip(b);
        b.truncate(b.len() - 12);
    };
    check("truncated gzip", cut_gzip, is!(Gzip { .. }));
    let wrong_sum = |b: &mut Vec<u8>| {
        *b = gzip(b);
        let sum = b.len() - 8;
        b[sum] ^= 1;
    };
    check("wrong checksum", wrong_sum, is!(Gzip { .. }));
    check("gzip of nothing", |b| *b = gzip(&[]), is!(NotNifti { .. }));
    let long_extension = |b: &mut Vec<u8>| put(b, 108, &4096_f32.to_le_bytes());
    check(
        "voxels beyond the end",
        long_extension,
        is!(Truncated { .. }),
    );
}

#[test]
fn wrong_requests_are_refused() {
    let volume = decode(&sound()).expect("sound");
    for (axis, index) in [(3, 0), (0, 3), (2, usize::MAX)] {
        let error = volume.slice(axis, index).expect_err("outside");
        assert!(matches!(error, VolumeError::NoSuchSlice { .. }));
    }
    let error = volume.reoriented(Orientation::RAS).expect_err("unknown");
    assert!(matches!(error, VolumeError::NoOrientation { .. }));
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("a.nii");
    let error = write_nifti_labels(&path, &volume, &[0; 11]).expect_err("one is missing");
    assert!(matches!(
        error,
        VolumeError::LabelCount {
            expected: 12,
            received: 11,
            ..
        }
    ));
    let nowhere = dir.path().join("no/a.nii");
    let error = write_nifti_labels(&nowhere, &volume, &[0; 12]).expect_err("no such folder");
    assert!(matches!(
        error,
        VolumeError::Io {
            action: "write",
            ..
        }
    ));
    let error = read_nifti(&nowhere).expect_err("no such file");
    assert!(matches!(error, VolumeError::Io { action: "read", .. }));
    std::fs::write(&path, sound()).expect("written");
    let error = read_nifti_time(&path, 1).expect_err("there is one");
    assert!(matches!(
        error,
        VolumeError::NoSuchTime {
            frames: 1,
            received: 1,
            ..
        }
    ));
    let constant = [&sound()[..352], &[0; 24]].concat();
    let flat = decode(&constant)
        .expect("sound")
        .grey_range(salt_data::GreyWindow::MR);
    assert!(matches!(
        flat.expect_err("one value"),
        VolumeError::IntensityRange { .. }
    ));
}

#[test]
fn voxels_that_are_no_numbers_are_counted() {
    let mut bytes = sound();
    put(&mut bytes, 70, &16_i16.to_le_bytes());
    put(&mut bytes, 72, &32_i16.to_le_bytes());
    bytes.truncate(352);
    let values = [
        f32::NAN,
        1.0,
        f32::INFINITY,
        2.0,
        3.0,
        4.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
        0.0,
    ];
    bytes.extend(values.iter().flat_map(|v| v.to_le_bytes()));
    let volume = decode(&bytes).expect("readable");
    assert_eq!(volume.non_finite(), 2);
    let range = volume.grey_range(salt_data::GreyWindow::Percentiles {
        low: 0.0,
        high: 100.0,
    });
    assert_eq!(range.expect("of the others"), [0.0, 4.0]);
    let error = volume
        .slice(2, 0)
        .expect("inside")
        .labels()
        .expect_err("no classes");
    assert!(matches!(
        error,
        VolumeError::NonFiniteLabel { count: 2, .. }
    ));
}
