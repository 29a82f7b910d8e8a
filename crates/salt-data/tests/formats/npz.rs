//! npz files against numpy, and files that are refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use salt_data::{DataError, NpzError, NpzFile};
use serde::Deserialize;

#[derive(Deserialize)]
struct Array {
    shape: Vec<u64>,
    values: Vec<u8>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/npz")
}

#[test]
fn arrays_are_those_of_numpy() {
    let text = std::fs::read_to_string(folder().join("expected.json")).expect("readable");
    let expected: BTreeMap<String, BTreeMap<String, Array>> =
        serde_json::from_str(&text).expect("as generated");
    assert_eq!(expected.len(), 7);
    for (name, arrays) in expected {
        let file = NpzFile::open(&folder().join(&name)).expect("sound");
        assert_eq!(
            file.names().collect::<Vec<_>>(),
            arrays.keys().collect::<Vec<_>>()
        );
        for (key, array) in &arrays {
            let items = file.items(key).expect("sound");
            assert_eq!(items.shape(), array.shape, "{name} {key}");
            let items: Vec<Vec<u8>> = items.collect::<Result<_, _>>().expect("whole");
            assert_eq!(items.len() as u64, array.shape[0], "{name} {key}");
            assert_eq!(items.concat(), array.values, "{name} {key}");
        }
        for split in ["train", "val", "test"] {
            let pairs: Vec<_> = file
                .pairs(split)
                .expect("sound")
                .collect::<Result<_, _>>()
                .expect("whole");
            let labels = &arrays[&format!("{split}_label")];
            let images = &arrays[&format!("{split}_images")];
            assert_eq!(pairs.len() as u64, labels.shape[0], "{name} {split}");
            let classes: Vec<u8> = pairs.iter().flat_map(|(_, l)| l.classes.clone()).collect();
            assert_eq!(classes, labels.values, "{name} {split}");
            let per_pixel = 3 / images.shape.get(3).map_or(1, |&channels| channels as usize);
            let colours: Vec<u8> = pairs.iter().flat_map(|(i, _)| i.data.clone()).collect();
            let wanted: Vec<u8> = images
                .values
                .iter()
                .flat_map(|&v| std::iter::repeat_n(v, per_pixel))
                .collect();
            assert_eq!(colours, wanted, "{name} {split}");
            assert!(
                pairs
                    .iter()
                    .all(|(i, l)| [i.width, i.height, l.width, l.height] == [5, 6, 5, 6])
            );
        }
    }
}

/// One entry of an archive, with lies where the test wants them.
struct Entry {
    name: String,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    size: u32,
}

impl Entry {
    fn new(name: &str, data: Vec<u8>) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(&data);
        Self {
            name: name.to_owned(),
            size: data.len() as u32,
            crc: crc.sum(),
            method: 0,
            flags: 0,
            data,
        }
    }
}

/// An archive of stored entries (APPNOTE.TXT, sections 4.3.7, 4.3.12, 4.3.16).
fn archive(entries: &[Entry]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        let mut fields = Vec::new();
        for value in [20, entry.flags, entry.method, 0, 0x21] {
            fields.extend(u16::to_le_bytes(value));
        }
        for value in [entry.crc, entry.data.len() as u32, entry.size] {
            fields.extend(u32::to_le_bytes(value));
        }
        fields.extend((entry.name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(entry.name.as_bytes());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&fields);
        bytes.extend(entry.name.as_bytes());
        bytes.extend(&entry.data);
    }
    let start = bytes.len() as u32;
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([(entries.len() as u16).to_le_bytes(); 2].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend(start.to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\0".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn plain(shape: &str, data: &[u8]) -> Vec<u8> {
    npy(
        &format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n"),
        data,
    )
}

/// Opens the archive, opens `name` in it and reads it to its end.
fn read(bytes: &[u8], name: &str) -> Result<Vec<Vec<u8>>, NpzError> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let path = dir.path().join("case.npz");
    std::fs::write(&path, bytes).expect("written");
    NpzFile::open(&path)?.items(name)?.collect()
}

#[track_caller]
fn refused(name: &str, error: NpzError, expected: impl Fn(&NpzError) -> bool) {
    assert!(expected(&error), "{name}: {error:?}");
    let file = error.path().to_owned();
    let error = DataError::from(error);
    assert!(
        error.problem().starts_with("expected ") && !error.remedy().is_empty(),
        "{name}"
    );
    assert_eq!(error.path(), Some(file.as_path()), "{name}");
}

macro_rules! is {
    ($variant:ident $($field:tt)*) => {
        |error: &NpzError| matches!(error, NpzError::$variant $($field)*)
    };
}

#[test]
fn arrays_that_are_no_pictures_are_refused() {
    let file = NpzFile::open(&folder().join("refused.npz")).expect("a sound archive");
    let check = |name: &str, expected: fn(&NpzError) -> bool| {
        let read = file
            .items(name)
            .and_then(|items| items.collect::<Result<Vec<_>, _>>());
        refused(name, read.expect_err(name), expected);
    };
    check("objects", is!(Pickle { .. }));
    check("floats", is!(Datatype { .. }));
    check("fields", is!(Datatype { .. }));
    check("text", is!(Datatype { .. }));
    check("fortran", is!(FortranOrder { .. }));
    check("scalar", is!(Shape { .. }));
    check("negative", is!(Value { received: -1, .. }));
    check("large", is!(Value { received: 256, .. }));
    check("absent", is!(MissingArray { .. }));
    refused(
        "no split",
        file.pairs("train").expect_err("none"),
        is!(MissingArray { .. }),
    );
}

#[test]
fn damaged_archives_and_arrays_are_refused() {
    let sound = || Entry::new("a.npy", plain("(2, 2, 2)", &[1, 2, 3, 4, 5, 6, 7, 8]));
    let items = read(&archive(&[sound()]), "a").expect("sound");
    assert_eq!(items, [[1, 2, 3, 4], [5, 6, 7, 8]]);

    let check = |name: &str, bytes: &[u8], expected: fn(&NpzError) -> bool| {
        refused(name, read(bytes, "a").expect_err(name), expected);
    };
    let entry = |name: &str, data: Vec<u8>, expected: fn(&NpzError) -> bool| {
        check(name, &archive(&[Entry::new("a.npy", data)]), expected);
    };
    check("empty file", b"", is!(NotZip { .. }));
    check(
        "no zip",
        b"not a zip archive at all, only text",
        is!(NotZip { .. }),
    );
    let whole = archive(&[sound()]);
    check(
        "truncated archive",
        &whole[..whole.len() - 30],
        is!(NotZip { .. }),
    );
    check(
        "two of a name",
        &archive(&[sound(), Entry::new("a", vec![])]),
        is!(NotZip { .. }),
    );
    let many: Vec<Entry> = (0..1025)
        .map(|i| Entry::new(&format!("{i}.npy"), vec![]))
        .collect();
    check(
        "1025 arrays",
        &archive(&many),
        is!(TooManyArrays { received: 1025, .. }),
    );
    check(
        "method 12",
        &archive(&[Entry {
            method: 12,
            ..sound()
        }]),
        is!(Storage { .. }),
    );
    check(
        "encrypted",
        &archive(&[Entry {
            flags: 1,
            ..sound()
        }]),
        is!(Storage { .. }),
    );
    let no_stream = Entry {
        method: 8,
        ..Entry::new("a.npy", vec![0xff; 40])
    };
    check(
        "no deflate stream",
        &archive(&[no_stream]),
        is!(Damaged { .. }),
    );
    check(
        "wrong checksum",
        &archive(&[Entry { crc: 7, ..sound() }]),
        is!(Damaged { .. }),
    );
    check(
        "lying size",
        &archive(&[Entry {
            size: 1 << 30,
            ..sound()
        }]),
        is!(Length { .. }),
    );

    entry("no npy", b"PNG and more".to_vec(), is!(NotNpy { .. }));
    entry("nothing", vec![], is!(NotNpy { .. }));
    let mut version = plain("(1, 1, 1)", &[0]);
    version[6] = 9;
    entry("version 9", version, is!(NotNpy { .. }));
    entry(
        "header cut",
        plain("(1, 1, 1)", &[0])[..20].to_vec(),
        is!(Length { .. }),
    );
    let mut long = b"\x93NUMPY\x02\0".to_vec();
    long.extend(u32::MAX.to_le_bytes());
    entry("header of 4 GiB", long, is!(Header { .. }));
    let code = "{'descr': exec('x'), 'fortran_order': False, 'shape': (1,), }\n";
    entry("code in the header", npy(code, &[0]), is!(Header { .. }));
    entry(
        "one byte short",
        plain("(2, 2, 2)", &[0; 7]),
        is!(Length { expected: _, .. }),
    );
    entry(
        "one byte more",
        plain("(2, 2, 2)", &[0; 9]),
        is!(Length { .. }),
    );
    entry("a number", plain("()", &[0]), is!(Shape { .. }));
    entry("empty pictures", plain("(2, 0, 2)", &[]), is!(Shape { .. }));
    entry(
        "huge picture",
        plain("(1, 4000000, 4000000)", &[0]),
        is!(TooLarge { .. }),
    );
    let overflow = "(18446744073709551615, 16384, 16384)";
    entry("overflow", plain(overflow, &[0]), is!(TooLarge { .. }));
    entry(
        "a terabyte",
        plain("(1000000, 1024, 1024)", &[0]),
        is!(Length { .. }),
    );
}

#[test]
fn pairs_that_do_not_belong_together_are_refused() {
    let check = |images: &str, labels: &str, bytes: [usize; 2], expected: fn(&NpzError) -> bool| {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("case.npz");
        let entries = [
            Entry::new("train_images.npy", plain(images, &vec![0; bytes[0]])),
            Entry::new("train_label.npy", plain(labels, &vec![0; bytes[1]])),
        ];
        std::fs::write(&path, archive(&entries)).expect("written");
        let error = NpzFile::open(&path)
            .expect("sound")
            .pairs("train")
            .expect_err(images);
        refused(images, error, expected);
    };
    check("(2, 3, 3)", "(1, 3, 3)", [18, 9], is!(Pairs { .. }));
    check("(1, 3, 3, 3)", "(1, 3, 2)", [27, 6], is!(Pairs { .. }));
    check("(1, 3, 3, 4)", "(1, 3, 3)", [36, 9], is!(Shape { .. }));
    check("(1, 3)", "(1, 3)", [3, 3], is!(Shape { .. }));
    check("(1, 3, 3)", "(1, 3, 3, 2)", [9, 18], is!(Shape { .. }));
}
