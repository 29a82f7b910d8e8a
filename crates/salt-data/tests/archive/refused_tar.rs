//! Tar files, gzip files and files of other kinds that are not unpacked, each with its reason.

use salt_data::archive::{ArchiveError as E, NameProblem as P};

use super::tar_bytes::{Entry, GNU, OLD, long_name, pax, tar, unended};
use super::{Place, assert_refused, gz};

fn place(bytes: &[u8]) -> Place {
    Place::new("set.tar", bytes)
}

fn good() -> Entry {
    Entry::file("a.png", b"content")
}

/// Entries behind a sound one, so that something has been written by then.
fn entries(entries: &[Entry]) -> Place {
    place(&tar(&[&[Entry::file("first.png", b"1")], entries].concat()))
}

macro_rules! name_cases {
    ($($test:ident: $name:expr => $problem:pat,)*) => {$(
        #[test]
        fn $test() {
            let bad = entries(&[Entry::file($name, b"x")]);
            assert_refused!("ustar", bad, E::BadName { problem: $problem, .. });
            let bad = entries(&[long_name($name), good()]);
            assert_refused!("GNU long name", bad, E::BadName { problem: $problem, .. });
            let bad = entries(&[pax(&[("path", $name)]), good()]);
            assert_refused!("pax path", bad, E::BadName { problem: $problem, .. });
        }
    )*};
}

name_cases! {
    slip_upwards: "../evil.png" => P::Upwards,
    slip_from_within: "a/../../evil.png" => P::Upwards,
    absolute: "/etc/evil.png" => P::Absolute,
    backslashes: "a\\b.png" => P::Backslash,
    drive: "c:/evil.png" => P::Colon,
    device: "aux.png" => P::Device,
    line_end: "a\nb.png" => P::Control,
    trailing_dot: "a.png." => P::TrailingDotOrSpace,
}

#[test]
fn a_terminator_within_a_long_name() {
    let bad = entries(&[long_name("a.png\0/../../evil"), good()]);
    assert_refused!(
        "GNU",
        bad,
        E::BadName {
            problem: P::Control | P::Upwards,
            ..
        }
    );
    let bad = entries(&[pax(&[("path", "a\0b")]), good()]);
    assert_refused!(
        "pax",
        bad,
        E::BadName {
            problem: P::Control,
            ..
        }
    );
}

#[test]
fn links_devices_and_pipes() {
    let of = |kind, link: &str| Entry {
        link: link.as_bytes().to_vec(),
        ..Entry::new("a", kind, b"")
    };
    assert_refused!(
        "symlink",
        entries(&[of(b'2', "/etc")]),
        E::Link {
            kind: "symbolic link",
            ..
        }
    );
    assert_refused!("inside", entries(&[of(b'2', "first.png")]), E::Link { .. });
    assert_refused!(
        "hard link",
        entries(&[of(b'1', "first.png")]),
        E::Link {
            kind: "hard link",
            ..
        }
    );
    assert_refused!("outside", entries(&[of(b'1', "../../x")]), E::Link { .. });
    for kind in [b'3', b'4', b'6'] {
        assert_refused!(kind, entries(&[of(kind, "")]), E::Special { .. });
    }
}

#[test]
fn a_file_through_a_symbolic_link() {
    let link = Entry {
        link: b"/etc".to_vec(),
        ..Entry::new("d", b'2', b"")
    };
    assert_refused!(
        "link",
        entries(&[link, Entry::file("d/evil", b"x")]),
        E::Link { .. }
    );
}

#[test]
fn sparse_files() {
    let old = Entry {
        magic: GNU,
        ..Entry::new("a", b'S', b"")
    };
    assert_refused!(
        "GNU",
        entries(&[old]),
        E::Unsupported { .. } | E::Damaged { .. }
    );
    let bad = entries(&[
        pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "../x")]),
        good(),
    ]);
    assert_refused!("pax", bad, E::Unsupported { .. });
}

#[test]
fn types_that_nobody_uses() {
    for kind in [b'7', b'D', b'M', b'V', b'Z', 0xff] {
        assert_refused!(
            kind,
            entries(&[Entry::new("a", kind, b"")]),
            E::Unsupported { .. }
        );
    }
    // Before ustar there were no long names.
    let long = Entry {
        magic: OLD,
        ..long_name("../evil")
    };
    assert_refused!("old", entries(&[long, good()]), E::Unsupported { .. });
}

#[test]
fn names_that_collide() {
    assert_refused!("twice", entries(&[good(), good()]), E::Duplicate { .. });
    let case = [good(), Entry::file("A.png", b"x")];
    assert_refused!("case", entries(&case), E::Duplicate { .. });
    let case = [Entry::new("d/", b'5', b""), Entry::new("D/", b'5', b"")];
    assert_refused!("folders", entries(&case), E::Duplicate { .. });
    let clash = [Entry::file("a", b"x"), Entry::file("a/b", b"x")];
    assert_refused!("file first", entries(&clash), E::Clash { .. });
    let clash = [Entry::new("a", b'5', b""), Entry::file("a", b"x")];
    assert_refused!("folder first", entries(&clash), E::Clash { .. });
    let long = [good(), long_name("a.png"), Entry::file("b", b"x")];
    assert_refused!("by its long name", entries(&long), E::Duplicate { .. });
}

#[test]
fn folders_with_content() {
    let bad = entries(&[Entry::new("d", b'5', b"content")]);
    assert_refused!("folder", bad, E::Contradiction { .. });
    let bad = entries(&[Entry::file("d/", b"content")]);
    assert_refused!("slash", bad, E::Contradiction { .. });
}

#[test]
fn a_pax_size_that_is_not_the_header_size() {
    for size in ["0", "3", "8", "1000"] {
        let bad = entries(&[pax(&[("size", size)]), good()]);
        assert_refused!(size, bad, E::Contradiction { .. });
    }
    let bad = entries(&[pax(&[("size", "99999999999")]), good()]);
    assert_refused!("huge", bad, E::FileTooLarge { .. });
    // That would hide an entry from readers that skip what the pax header says.
    let hidden = Entry {
        content: Entry::file("../evil", b"x").bytes(),
        ..good()
    };
    let bad = entries(&[pax(&[("size", "0")]), hidden]);
    assert_refused!("hidden", bad, E::Contradiction { .. });
}

#[test]
fn pax_headers_that_are_malformed() {
    for content in [
        &b"path=x"[..],
        b"99 path=x\n",
        b"11 size=-1\n",
        b"10 size=x\n",
        b"9 path=a\n9 path=b\n",
    ] {
        let bad = entries(&[Entry::new("pax", b'x', content), good()]);
        assert_refused!(content.escape_ascii(), bad, E::Damaged { .. });
    }
}

#[test]
fn global_pax_headers_that_name_or_measure() {
    for record in [
        ("path", "../evil"),
        ("size", "0"),
        ("GNU.sparse.major", "1"),
    ] {
        let global = Entry {
            kind: b'g',
            ..pax(&[record])
        };
        assert_refused!(
            record.0,
            entries(&[global, good()]),
            E::Contradiction { .. }
        );
    }
}

#[test]
fn two_descriptions_of_one_entry() {
    let bad = entries(&[long_name("a"), long_name("b"), good()]);
    assert_refused!("names", bad, E::Contradiction { .. });
    let bad = entries(&[pax(&[("path", "a")]), pax(&[("path", "b")]), good()]);
    assert_refused!("pax", bad, E::Contradiction { .. });
    let bad = entries(&[long_name("a"), pax(&[("path", "b")]), good()]);
    assert_refused!("both", bad, E::Contradiction { .. });
}

#[test]
fn a_description_of_nothing() {
    assert_refused!("end", entries(&[long_name("a")]), E::Damaged { .. });
    assert_refused!("end", entries(&[pax(&[("path", "a")])]), E::Damaged { .. });
}

#[test]
fn a_long_name_that_fills_the_memory() {
    let huge = Entry {
        size: Some(1 << 40),
        ..long_name("a")
    };
    assert_refused!("GNU", entries(&[huge, good()]), E::FileTooLarge { .. });
    let name = "a".repeat(2000);
    assert_refused!(
        "long",
        entries(&[long_name(&name), good()]),
        E::BadName {
            problem: P::TooLong { .. },
            ..
        }
    );
}

#[test]
fn wrong_header_checksum() {
    let mut bytes = tar(&[good(), Entry::file("b", b"x")]);
    bytes[1024] ^= 1;
    assert_refused!("checksum", place(&bytes), E::Damaged { .. });
}

#[test]
fn a_checksum_that_is_no_number_and_a_name_that_moves_the_cursor() {
    let mut bytes = tar(&[good(), Entry::file("\x1b[2J\n", b"x")]);
    bytes[1024 + 148..1024 + 156].fill(b'n');
    assert_refused!("checksum", place(&bytes), E::Damaged { .. });
}

#[test]
fn sizes_beyond_the_file_or_the_machine() {
    let of = |size| Entry {
        size: Some(size),
        ..good()
    };
    assert_refused!("file", entries(&[of(1_000_000)]), E::Truncated { .. });
    assert_refused!("limit", entries(&[of(1 << 40)]), E::FileTooLarge { .. });
    assert_refused!(
        "overflow",
        entries(&[of(u64::MAX)]),
        E::Damaged { .. } | E::FileTooLarge { .. }
    );
}

#[test]
fn cut_off() {
    let bytes = unended(&[good(), Entry::file("b", &[1; 1000])]);
    // In a header, in content, in padding, between entries, and before the end marker.
    for cut in [
        600,
        1024 + 100,
        1024 + 512 + 400,
        2048 + 490,
        1024,
        bytes.len(),
    ] {
        assert_refused!(cut, place(&bytes[..cut]), E::Truncated { .. });
        let packed = Place::new("set.tar.gz", &gz(&bytes[..cut]));
        assert_refused!(cut, packed, E::Truncated { .. });
    }
}

#[test]
fn an_archive_behind_the_archive() {
    let bytes = [tar(&[good()]), tar(&[Entry::file("b", b"x")])].concat();
    assert_refused!("tar", place(&bytes), E::TrailingData { .. });
    assert_refused!(
        "tar.gz",
        Place::new("a.tgz", &gz(&bytes)),
        E::TrailingData { .. }
    );
}

#[test]
fn zeros_without_end_behind_the_archive() {
    let mut bytes = tar(&[good()]);
    bytes.resize(20 << 20, 0);
    assert_refused!(
        "tar.gz",
        Place::new("a.tgz", &gz(&bytes)),
        E::TrailingData { .. }
    );
}

#[test]
fn gzip_that_is_cut_or_damaged() {
    let bytes = gz(&tar(&[Entry::file("a", &super::good::noise(5000))]));
    for cut in [5, 12, 300, bytes.len() - 9, bytes.len() - 1] {
        let place = Place::new("set.tar.gz", &bytes[..cut]);
        assert_refused!(cut, place, E::Truncated { .. });
    }
    for at in [bytes.len() - 8, bytes.len() - 4, 1000] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x55;
        assert_refused!(
            at,
            Place::new("set.tar.gz", &bytes),
            E::Damaged { .. } | E::Truncated { .. } | E::TrailingData { .. }
        );
    }
}

#[test]
fn garbage_behind_gzip() {
    for (name, bytes) in [("a.tar.gz", tar(&[good()])), ("a.gz", b"content".to_vec())] {
        for tail in [&b"garbage garbage garbage"[..], &[0; 40], b"\x1f\x8b\x08"] {
            let bytes = [&gz(&bytes), tail].concat();
            assert_refused!(
                name,
                Place::new(name, &bytes),
                E::Damaged { .. } | E::Truncated { .. }
            );
        }
    }
}

#[test]
fn gzip_files_with_bad_names() {
    assert_refused!(
        "device",
        Place::new("nul.gz", &gz(b"x")),
        E::BadName {
            problem: P::Device,
            ..
        }
    );
    assert_refused!(
        "none",
        Place::new(".gz", &gz(b"x")),
        E::BadName {
            problem: P::Empty,
            ..
        }
    );
    for name in ["set.tar.gz", "set.tgz"] {
        assert_refused!(
            name,
            Place::new(name, &gz(b"no tar at all")),
            E::Damaged { .. }
        );
    }
}

#[test]
fn formats_to_be_unpacked_by_hand() {
    for (name, start, expected) in [
        ("a.rar", &b"Rar!\x1a\x07\0"[..], "RAR"),
        ("a.rar", b"Rar!\x1a\x07\x01\0", "RAR"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04", "7z"),
        ("a.tar.bz2", b"BZh91AY&SY", "bzip2"),
        ("a.tar.xz", b"\xfd7zXZ\0\0\x04", "xz"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd\x24", "Zstandard"),
        ("a.z01", b"PK\x07\x08PK\x03\x04", "split zip"),
        // Whatever it is called.
        ("a.zip", b"Rar!\x1a\x07\0", "RAR"),
    ] {
        let error = Place::new(name, start).refused();
        assert!(
            matches!(error, E::Foreign { format, .. } if format == expected),
            "{error:?}"
        );
        assert!(error.remedy().contains("pass the folder"), "{error}");
    }
}

#[test]
fn files_that_are_no_archives() {
    for (name, content) in [
        ("a.zip", &b"<!DOCTYPE html><html>Please log in"[..]),
        ("a.zip", b""),
        ("a.zip", b"P"),
        ("a.tar", &[0; 10_240]),
        ("a.png", b"\x89PNG\r\n\x1a\n"),
    ] {
        assert_refused!(name, Place::new(name, content), E::NotAnArchive { .. });
    }
}

#[test]
fn no_files() {
    assert_refused!(
        "folder",
        place(&tar(&[Entry::new("a/", b'5', b"")])),
        E::Empty { .. }
    );
    assert_refused!(
        "debris",
        place(&tar(&[Entry::file("._a", b"x")])),
        E::Empty { .. }
    );
}
