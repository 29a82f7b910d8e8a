//! Archives that are unpacked: what comes out, and what stays behind.

use salt_data::archive::ArchiveKind;

use super::tar_bytes::{self, OLD, long_name, pax, tar};
use super::zip_bytes::{End, Entry, zip, zip_with};
use super::{Place, gz};

/// Bytes that do not compress.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

fn check(name: &str, bytes: &[u8], kind: ArchiveKind, expected: &[(&str, &[u8])]) {
    let place = Place::new(name, bytes);
    let (extracted, out) = place.extracted();
    assert_eq!(extracted.kind, kind, "{name}");
    assert_eq!(
        extracted.folder.canonicalize().ok(),
        place.target().canonicalize().ok()
    );
    let out: Vec<_> = out
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    assert_eq!(out, expected, "{name}");
}

#[test]
fn zip_files() {
    let large = noise(300_000);
    let bytes = zip(&[
        Entry::stored("b/c/", b""),
        Entry::deflated("b/empty", b""),
        Entry::deflated("b/large", &large),
        Entry::stored("a (1).png", b"one"),
        Entry::stored("./b//x", b"two"),
        Entry::stored("\u{9aa8}.png", b"three"),
    ]);
    let expected = [
        ("a (1).png", &b"one"[..]),
        ("b/", b""),
        ("b/c/", b""),
        ("b/empty", b""),
        ("b/large", &large),
        ("b/x", b"two"),
        ("\u{9aa8}.png", b"three"),
    ];
    check("set.zip", &bytes, ArchiveKind::Zip, &expected);
    check("misnamed.tar", &bytes, ArchiveKind::Zip, &expected);
}

#[test]
fn zip_with_a_comment() {
    let end = End {
        comment: b"from the publisher".to_vec(),
        ..End::default()
    };
    let bytes = zip_with(&[Entry::stored("a", b"x")], &end);
    check("set.zip", &bytes, ArchiveKind::Zip, &[("a", b"x")]);
}

#[test]
fn archives_within_archives_stay_files() {
    let inner = zip(&[Entry::stored("../evil", b"x")]);
    let bytes = zip(&[Entry::stored("inner.zip", &inner)]);
    check(
        "set.zip",
        &bytes,
        ArchiveKind::Zip,
        &[("inner.zip", &inner)],
    );
    let inner = gz(b"picture");
    let bytes = tar(&[tar_bytes::Entry::file("im0001.ppm.gz", &inner)]);
    check(
        "set.tar",
        &bytes,
        ArchiveKind::Tar,
        &[("im0001.ppm.gz", &inner)],
    );
}

#[test]
fn tar_files_of_all_formats() {
    let long = format!("{}/{}.png", "d".repeat(120), "n".repeat(120));
    let old = tar_bytes::Entry {
        magic: OLD,
        ..tar_bytes::Entry::new("old", 0, b"1")
    };
    let old_folder = tar_bytes::Entry {
        magic: OLD,
        ..tar_bytes::Entry::new("od/", 0, b"")
    };
    let comment = tar_bytes::Entry {
        kind: b'g',
        ..pax(&[("comment", "a commit")])
    };
    let bytes = tar(&[
        old,
        old_folder,
        comment,
        tar_bytes::Entry::new("./", b'5', b""),
        tar_bytes::Entry::new("./d/", b'5', b""),
        tar_bytes::Entry::new("./d", b'5', b""),
        tar_bytes::Entry::file("./d/f", &[7; 600]),
        long_name(&long),
        tar_bytes::Entry::file("cut", b"2"),
        pax(&[("path", "p/\u{9aa8}"), ("mtime", "1.5"), ("size", "1")]),
        tar_bytes::Entry::file("other", b"3"),
    ]);
    let folder = format!("{}/", "d".repeat(120));
    let expected = [
        ("d/", &b""[..]),
        ("d/f", &[7; 600]),
        (folder.as_str(), b""),
        (long.as_str(), b"2"),
        ("od/", b""),
        ("old", b"1"),
        ("p/", b""),
        ("p/\u{9aa8}", b"3"),
    ];
    check("set.tar", &bytes, ArchiveKind::Tar, &expected);
    check("set.tar.gz", &gz(&bytes), ArchiveKind::TarGz, &expected);
    check("set", &gz(&bytes), ArchiveKind::TarGz, &expected);
}

#[test]
fn single_gz_files() {
    let content = noise(200_000);
    let name = "im0001.ah.ppm";
    check(
        "im0001.ah.ppm.gz",
        &gz(&content),
        ArchiveKind::Gz,
        &[(name, &content)],
    );
    check("IM.GZ", &gz(b"x"), ArchiveKind::Gz, &[("IM", b"x")]);
    check("download", &gz(b""), ArchiveKind::Gz, &[("download", b"")]);
}

#[test]
fn gz_of_several_members_is_one() {
    let bytes = [gz(b"one "), gz(b""), gz(b"two")].concat();
    check("a.gz", &bytes, ArchiveKind::Gz, &[("a", b"one two")]);
    let whole = tar(&[tar_bytes::Entry::file("a", &[7; 2000])]);
    let bytes = [gz(&whole[..700]), gz(&whole[700..])].concat();
    check("a.tar.gz", &bytes, ArchiveKind::TarGz, &[("a", &[7; 2000])]);
}

#[test]
fn debris_of_operating_systems_is_counted_and_left_out() {
    let names = [
        "__MACOSX/set/._a.png",
        "set/.DS_Store",
        "set/Thumbs.db",
        "set/._a.png",
        "set/a.png",
    ];
    let entries = names.map(|name| Entry::stored(name, name.as_bytes()));
    let place = Place::new("set.zip", &zip(&entries));
    let (extracted, out) = place.extracted();
    assert_eq!(extracted.skipped, 4);
    assert_eq!(out.keys().collect::<Vec<_>>(), ["set/", "set/a.png"]);
    let entries = names.map(|name| tar_bytes::Entry::file(name, name.as_bytes()));
    let (extracted, out) = Place::new("set.tar", &tar(&entries)).extracted();
    assert_eq!((extracted.skipped, out.len()), (4, 2));
}

#[cfg(unix)]
#[test]
fn modes_are_not_applied() {
    use std::os::unix::fs::PermissionsExt as _;
    let entry = Entry {
        mode: 0o106_777,
        ..Entry::stored("a", b"#!/bin/sh")
    };
    let of_zip = Place::new("set.zip", &zip(&[entry]));
    let entry = tar_bytes::Entry {
        mode: 0o6777,
        ..tar_bytes::Entry::file("a", b"#!/bin/sh")
    };
    let of_tar = Place::new("set.tar", &tar(&[entry]));
    for place in [of_zip, of_tar] {
        place.extracted();
        let mode = std::fs::metadata(place.target().join("a"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7111, 0, "{mode:o}");
    }
}
