//! Zip files that are not unpacked for the content of an entry or what is said of it, each with its reason.

use salt_data::archive::ArchiveError as E;

use super::assert_refused;
use super::refused_zip::{good, one, place};
use super::zip_bytes::{Entry, zip};

#[test]
fn encrypted() {
    assert_refused!("encrypted", one(|it| it.flags = 1), E::Encrypted { .. });
}

#[test]
fn other_compression_methods() {
    for method in [1, 6, 9, 12, 14, 93, 95, 99] {
        assert_refused!(method, one(|it| it.method = method), E::Unsupported { .. });
    }
}

#[test]
fn declared_smaller_than_it_is() {
    assert_refused!(
        "stored",
        one(|it| it.size = 3),
        E::SizeLies { declared: 3, .. }
    );
    let mut entry = Entry::deflated("a.png", &[7; 100_000]);
    entry.size = 10;
    assert_refused!(
        "deflated",
        place(&zip(&[entry])),
        E::SizeLies { declared: 10, .. }
    );
}

#[test]
fn declared_larger_than_it_is() {
    assert_refused!(
        "stored",
        one(|it| it.size = 8),
        E::SizeLies {
            declared: 8,
            received: 7,
            ..
        }
    );
    let mut entry = Entry::deflated("a.png", &[7; 1000]);
    entry.size = 1001;
    assert_refused!(
        "deflated",
        place(&zip(&[entry])),
        E::SizeLies { received: 1000, .. }
    );
}

#[test]
fn bytes_hidden_after_the_compressed_stream() {
    let mut entry = Entry::deflated("a.png", &[7; 1000]);
    entry.packed.extend(b"hidden");
    assert_refused!("hidden", place(&zip(&[entry])), E::SizeLies { .. });
}

#[test]
fn compressed_stream_cut_short() {
    let mut entry = Entry::deflated("a.png", &super::good::noise(1000));
    entry.packed.truncate(500);
    assert_refused!(
        "cut",
        place(&zip(&[entry])),
        E::SizeLies { declared: 1000, .. } | E::Truncated { .. }
    );
}

#[test]
fn compressed_stream_of_garbage() {
    let mut entry = Entry::deflated("a.png", &[7; 1000]);
    entry.packed.fill(0xff);
    assert_refused!("garbage", place(&zip(&[entry])), E::Damaged { entry: Some(entry), .. } if entry == "a.png");
}

#[test]
fn wrong_checksum() {
    assert_refused!("crc", one(|it| it.crc32 ^= 1), E::Checksum { .. });
    assert_refused!("content", one(|it| it.packed[2] ^= 1), E::Checksum { .. });
}

#[test]
fn headers_that_disagree() {
    let name = |it: &mut Entry| it.local_name = Some(b"b.png".to_vec());
    assert_refused!("name", one(name), E::Contradiction { entry, .. } if entry == "a.png");
    let method = |it: &mut Entry| it.local_method = Some(8);
    assert_refused!("method", one(method), E::Contradiction { .. });
    let size = |it: &mut Entry| it.local_size = Some(6);
    assert_refused!("size", one(size), E::Contradiction { .. });
}

#[test]
fn slip_in_the_local_name_only() {
    let name = |it: &mut Entry| it.local_name = Some(b"../evil.png".to_vec());
    assert_refused!("name", one(name), E::Contradiction { .. });
}

#[test]
fn zip64_sizes_that_lie() {
    let mut entry = good();
    entry.extra = [
        &[1, 0, 16, 0][..],
        &u64::MAX.to_le_bytes(),
        &7_u64.to_le_bytes(),
    ]
    .concat();
    (entry.size, entry.packed_size) = (u32::MAX, Some(u32::MAX));
    assert_refused!("huge", place(&zip(&[entry])), E::FileTooLarge { .. });
    let mut entry = good();
    entry.extra = [
        &[1, 0, 16, 0][..],
        &7_u64.to_le_bytes(),
        &(u64::MAX - 5).to_le_bytes(),
    ]
    .concat();
    (entry.size, entry.packed_size) = (u32::MAX, Some(u32::MAX));
    assert_refused!(
        "wraps",
        place(&zip(&[entry])),
        E::Contradiction { .. } | E::Overlap { .. }
    );
}
