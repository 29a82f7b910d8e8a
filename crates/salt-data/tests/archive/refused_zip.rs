//! Zip files that are not unpacked for their names, types and directory, each with its reason.

use salt_data::archive::{ArchiveError as E, ExtractLimits, NameProblem as P};

use super::zip_bytes::{End, Entry, end64, zip, zip_with};
use super::{Place, assert_refused};

pub(super) fn place(bytes: &[u8]) -> Place {
    Place::new("set.zip", bytes)
}

pub(super) fn good() -> Entry {
    Entry::stored("a.png", b"content")
}

/// `good()` with one field changed.
pub(super) fn one(change: impl FnOnce(&mut Entry)) -> Place {
    let mut entry = good();
    change(&mut entry);
    // Behind a sound entry, so that something has been written by then.
    place(&zip(&[Entry::stored("first.png", b"1"), entry]))
}

fn ended(change: impl FnOnce(&mut End)) -> Place {
    let mut end = End::default();
    change(&mut end);
    place(&zip_with(&[good()], &end))
}

macro_rules! name_cases {
    ($($test:ident: $name:expr => $problem:pat,)*) => {$(
        #[test]
        fn $test() {
            let error = one(|it| it.name = $name.to_vec());
            assert_refused!(stringify!($test), error, E::BadName { problem: $problem, .. });
        }
    )*};
}

name_cases! {
    slip_upwards: b"../evil.png" => P::Upwards,
    slip_from_within: b"a/b/../../../evil.png" => P::Upwards,
    slip_with_backslashes: b"..\\..\\evil.png" => P::Backslash,
    windows_separators: b"images\\a.png" => P::Backslash,
    absolute: b"/etc/evil.png" => P::Absolute,
    drive: b"C:/evil.png" => P::Colon,
    drive_relative: b"C:evil.png" => P::Colon,
    network_share: b"//server/share/evil.png" => P::Absolute,
    hidden_stream: b"a.png:evil" => P::Colon,
    terminated: b"a.png\0.txt" => P::Control,
    line_end: b"a\nb.png" => P::Control,
    escape_sequence: b"\x1b[2Ja.png" => P::Control,
    device: b"images/NUL.png" => P::Device,
    trailing_dot: b"images./a.png" => P::TrailingDotOrSpace,
    trailing_space: b"a.png " => P::TrailingDotOrSpace,
    no_name: b"" => P::Empty,
    only_dots: b"./." => P::Empty,
    code_page_437: b"caf\x82.png" => P::NotUtf8,
    overlong_utf8: b"\xc0\xae\xc0\xae/evil.png" => P::NotUtf8,
    debris_upwards: b"__MACOSX/../../evil.png" => P::Upwards,
}

#[test]
fn deep_and_long_names() {
    let deep = [&b"a/".repeat(40)[..], b"b"].concat();
    assert_refused!(
        "deep",
        one(|it| it.name = deep),
        E::BadName {
            problem: P::TooDeep { limit: 32 },
            ..
        }
    );
    let long = b"a".repeat(256);
    assert_refused!(
        "part",
        one(|it| it.name = long),
        E::BadName {
            problem: P::TooLong { limit: 255 },
            ..
        }
    );
    let long = b"abcdefg/a".repeat(100);
    assert_refused!(
        "path",
        one(|it| it.name = long),
        E::BadName {
            problem: P::TooLong { limit: 512 },
            ..
        }
    );
}

#[test]
fn symbolic_link() {
    let error = one(|it| (it.mode, it.name) = (0o120_777, b"link".to_vec()));
    assert_refused!(
        "link",
        error,
        E::Link {
            kind: "symbolic link",
            ..
        }
    );
}

#[test]
fn file_through_a_symbolic_link() {
    let link = Entry {
        mode: 0o120_777,
        ..Entry::stored("d", b"/etc")
    };
    let bytes = zip(&[link, Entry::stored("d/evil.png", b"x")]);
    assert_refused!("link", place(&bytes), E::Link { .. });
}

#[test]
fn devices_pipes_and_sockets() {
    for mode in [0o020_644, 0o060_644, 0o010_644, 0o140_644] {
        assert_refused!(mode, one(|it| it.mode = mode), E::Special { .. });
    }
}

#[test]
fn folder_by_mode_only() {
    assert_refused!(
        "mode",
        one(|it| it.mode = 0o040_755),
        E::Contradiction { .. }
    );
}

#[test]
fn folder_with_content() {
    assert_refused!(
        "folder",
        one(|it| it.name = b"a/".to_vec()),
        E::Contradiction { .. }
    );
}

#[test]
fn the_same_name_twice() {
    let bytes = zip(&[good(), good()]);
    assert_refused!("twice", place(&bytes), E::Duplicate { entry, .. } if entry == "a.png");
}

#[test]
fn names_that_differ_in_case() {
    for (one, two) in [
        ("a.png", "A.PNG"),
        ("d/a.png", "D/b.png"),
        ("\u{e9}.png", "\u{c9}.png"),
        ("d/a.png", "./d//a.png"),
    ] {
        let bytes = zip(&[Entry::stored(one, b"1"), Entry::stored(two, b"2")]);
        assert_refused!(two, place(&bytes), E::Duplicate { .. });
    }
}

#[test]
fn a_file_that_is_a_folder() {
    for (one, two) in [("a", "a/b"), ("a/b", "a"), ("a", "A/b"), ("a/b/c", "a/b")] {
        let bytes = zip(&[Entry::stored(one, b"1"), Entry::stored(two, b"2")]);
        assert_refused!(two, place(&bytes), E::Clash { .. });
    }
    let bytes = zip(&[Entry::stored("a", b"1"), Entry::stored("a/", b"")]);
    assert_refused!("a/", place(&bytes), E::Clash { .. });
}

#[test]
fn one_content_for_many_names() {
    let mut entries = vec![Entry::deflated("0", &[0; 100_000])];
    let first = zip(&entries);
    // All headers in the directory point to the one entry.
    let mut directory = Vec::new();
    for index in 0..50 {
        let mut entry = entries[0].clone();
        entry.name = index.to_string().into_bytes();
        directory.extend(entry.central(0));
    }
    let local = entries.remove(0).local();
    let mut bytes = local.clone();
    bytes.extend(&directory);
    let end = &first[first.len() - 22..];
    bytes.extend(&end[..8]);
    bytes.extend([50, 0, 50, 0]);
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend((local.len() as u32).to_le_bytes());
    bytes.extend([0, 0]);
    assert_refused!("shared", place(&bytes), E::Overlap { .. });
}

/// Fifield's "A better zip bomb": a header is the quoted content of the entry before it.
#[test]
fn headers_quoted_as_content() {
    let kernel = Entry::deflated("b", &[0; 100_000]);
    let local = kernel.local();
    let mut quoting = Entry::stored("a", &[]);
    quoting.packed = local.clone();
    quoting.size = local.len() as u32;
    let outer = quoting.local();
    let inner_at = (outer.len() - local.len()) as u32;
    let directory = [quoting.central(0), kernel.central(inner_at)].concat();
    let mut bytes = outer.clone();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend((outer.len() as u32).to_le_bytes());
    bytes.extend([0, 0]);
    assert_refused!("quoted", place(&bytes), E::Overlap { .. });
}

#[test]
fn content_that_reaches_into_the_directory() {
    let entry = Entry {
        packed_size: Some(30),
        size: 30,
        ..good()
    };
    assert_refused!("overlap", place(&zip(&[entry])), E::Overlap { .. });
}

#[test]
fn entry_outside_of_the_file() {
    for offset in [1_000_000, u32::MAX] {
        assert_refused!(
            offset,
            one(|it| it.offset = Some(offset)),
            E::Contradiction { .. } | E::Truncated { .. } | E::Damaged { .. }
        );
    }
}

#[test]
fn entry_that_the_directory_does_not_list() {
    let error = ended(|end| end.gap = Entry::stored("hidden.png", b"x").local());
    assert_refused!("hidden", error, E::Contradiction { .. });
}

#[test]
fn more_or_fewer_entries_than_declared() {
    assert_refused!(
        "more",
        ended(|end| end.entries = Some(0)),
        E::BadDirectory { .. }
    );
    assert_refused!(
        "fewer",
        ended(|end| end.entries = Some(2)),
        E::BadDirectory { .. }
    );
    assert_refused!(
        "most",
        ended(|end| end.entries = Some(u16::MAX)),
        E::BadDirectory { .. }
    );
}

#[test]
fn a_directory_of_another_size_or_place() {
    assert_refused!(
        "size",
        ended(|end| end.size = Some(10)),
        E::BadDirectory { .. }
    );
    assert_refused!(
        "offset",
        ended(|end| end.offset = Some(0)),
        E::BadDirectory { .. }
    );
    assert_refused!(
        "far",
        ended(|end| end.offset = Some(u32::MAX - 1)),
        E::BadDirectory { .. }
    );
    assert_refused!(
        "after",
        ended(|end| end.after = vec![0; 10]),
        E::BadDirectory { .. }
    );
}

#[test]
fn a_part_of_a_split_archive() {
    assert_refused!("disk", ended(|end| end.disk = 1), E::BadDirectory { .. });
}

#[test]
fn something_before_the_archive() {
    // Begins like a zip, and has another one appended.
    let bytes = [zip(&[good()]), zip(&[Entry::stored("b.png", b"x")])].concat();
    assert_refused!("two", place(&bytes), E::BadDirectory { .. });
}

#[test]
fn something_after_the_archive() {
    let mut bytes = zip(&[good()]);
    bytes.extend(b"tail");
    assert_refused!("tail", place(&bytes), E::TrailingData { .. });
}

#[test]
fn an_end_within_the_comment() {
    let error = ended(|end| end.comment = zip(&[])[..22].to_vec());
    assert_refused!("comment", error, E::BadDirectory { .. });
}

#[test]
fn cut_off() {
    let bytes = zip(&[good(), Entry::deflated("b.png", &[1; 500])]);
    for cut in [4, 20, 40, 60, bytes.len() - 22, bytes.len() - 1] {
        assert_refused!(cut, place(&bytes[..cut]), E::BadDirectory { .. });
    }
}

#[test]
fn zip64_records_that_disagree() {
    let plain = zip(&[good()]);
    let (size, offset) = (good().central(0).len() as u64, good().local().len() as u64);
    let with = |record: Vec<u8>, change: &dyn Fn(&mut End)| {
        let mut end = End {
            after: record,
            ..End::default()
        };
        change(&mut end);
        place(&zip_with(&[good()], &end))
    };
    with(end64(1, size, offset), &|_| {}).extracted();
    with(end64(1, size, offset), &|end| {
        (end.entries, end.size, end.offset) = (Some(u16::MAX), Some(u32::MAX), Some(u32::MAX));
    })
    .extracted();
    assert_refused!(
        "entries",
        with(end64(2, size, offset), &|_| {}),
        E::BadDirectory { .. }
    );
    let saturated = |end: &mut End| end.entries = Some(u16::MAX);
    assert_refused!(
        "many",
        with(end64(1 << 40, size, offset), &saturated),
        E::TooManyEntries { .. }
    );
    assert_refused!(
        "none",
        with(end64(0, size, offset), &saturated),
        E::BadDirectory { .. }
    );
    let outside = end64(1, size, plain.len() as u64 * 2);
    assert_refused!("outside", with(outside, &|_| {}), E::BadDirectory { .. });
    let huge = end64(1, u64::MAX, 1 << 20);
    assert_refused!("huge", with(huge, &|_| {}), E::BadDirectory { .. });
}

#[test]
fn a_unicode_name_in_disguise() {
    // An extra field of Info-ZIP (0x7075) that gives the entry another name.
    let mut crc = flate2::Crc::new();
    crc.update(b"a.png");
    let mut entry = good();
    let name = b"../evil.png";
    entry.extra = [0x75, 0x70, 5 + name.len() as u8, 0, 1].to_vec();
    entry.extra.extend(crc.sum().to_le_bytes());
    entry.extra.extend(name);
    assert_refused!(
        "unicode",
        place(&zip(&[entry])),
        E::BadName {
            problem: P::Upwards,
            ..
        }
    );
}

#[test]
fn no_files() {
    assert_refused!("nothing", place(&zip(&[])), E::Empty { .. });
    assert_refused!(
        "folder",
        place(&zip(&[Entry::stored("a/", b"")])),
        E::Empty { .. }
    );
    let debris = Entry::stored("__MACOSX/._a", b"x");
    assert_refused!("debris", place(&zip(&[debris])), E::Empty { .. });
}

#[test]
fn too_many_entries() {
    let limits = ExtractLimits {
        max_entries: 3,
        ..ExtractLimits::default()
    };
    let files = |names: &[&str]| {
        let entries: Vec<_> = names.iter().map(|name| Entry::stored(name, b"x")).collect();
        place(&zip(&entries)).limits(limits.clone())
    };
    files(&["a", "b", "c"]).extracted();
    files(&["d/a", "d/b"]).extracted();
    assert_refused!(
        "files",
        files(&["a", "b", "c", "d"]),
        E::TooManyEntries { limit: 3, .. }
    );
    assert_refused!(
        "folders",
        files(&["a/b/c/d"]),
        E::TooManyEntries { limit: 3, .. }
    );
}
