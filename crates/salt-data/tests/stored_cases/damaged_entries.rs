//! A file in the cache that is not what was written there is never believed.

use std::path::Path;

use salt_data::{CacheOptions, CacheWarning, Dataset, DiskCache, Split, TrainLoader, View};

use super::{NO_LIMIT, RESIZED, Vessels, batches, config};
use crate::fixture::Folder;

/// Changes the bytes of every entry; the batches must be as without a cache, every entry reported with
/// `problem`, and written again.
fn check(name: &str, problem: &str, damage: impl Fn(Vec<u8>) -> Vec<u8>) {
    check_files(name, problem, |path| {
        let bytes = std::fs::read(path).expect("read");
        std::fs::write(path, damage(bytes)).expect("written");
    });
}

fn check_files(name: &str, problem: &str, damage: impl Fn(&Path)) {
    let set = Vessels::new();
    let config = config(RESIZED, 0);
    let expected = batches(&set.in_memory(&config), 0);
    batches(&set.open(&config, &set.on_disk(NO_LIMIT)), 0);
    let entries = set.entries();
    assert_eq!(entries.len(), 5, "{name}");
    let sound: Vec<Vec<u8>> = entries
        .iter()
        .map(|e| std::fs::read(e).expect("read"))
        .collect();
    entries.iter().for_each(|entry| damage(entry));

    let loader = set.open(&config, &set.on_disk(NO_LIMIT));
    assert!(batches(&loader, 0) == expected, "{name}");
    let report = loader.cache_report();
    assert_eq!((report.misses, report.stored), (5, 5), "{name}");
    assert_eq!(report.warnings_total, 5, "{name}");
    for warning in &report.warnings {
        let CacheWarning::Damaged {
            problem: received, ..
        } = warning
        else {
            panic!("{name}: {warning}");
        };
        assert!(received.contains(problem), "{name}: {warning}");
    }
    for (entry, sound) in entries.iter().zip(sound) {
        assert!(std::fs::read(entry).expect("read") == sound, "{name}");
    }
    let loader = set.open(&config, &set.on_disk(NO_LIMIT));
    assert!(batches(&loader, 0) == expected, "{name}");
    assert_eq!(loader.cache_report().hits, 13, "{name}");
}

#[test]
fn empty_files() {
    check("empty", "failed to fill", |_| Vec::new());
}

#[test]
fn headers_cut_short() {
    check("cut header", "failed to fill", |b| b[..59].to_vec());
}

#[test]
fn pixels_cut_short() {
    check("cut pixels", "bytes for 32 x 32", |b| {
        b[..b.len() - 1].to_vec()
    });
}

#[test]
fn bytes_too_many() {
    check("longer", "bytes for 32 x 32", |mut b| {
        b.push(0);
        b
    });
}

#[test]
fn other_kinds_of_files() {
    check("foreign", "another kind", |b| vec![b'x'; b.len()]);
}

#[test]
fn entries_of_another_version() {
    check("version", "another kind", |mut b| {
        b[8] += 1;
        b
    });
}

#[test]
fn one_bit_of_a_pixel() {
    check("pixel", "checksum", |mut b| {
        b[1000] ^= 1;
        b
    });
}

#[test]
fn one_bit_of_a_label() {
    check("label", "checksum", |mut b| {
        let at = b.len() - 40;
        b[at] ^= 1;
        b
    });
}

#[test]
fn one_bit_of_the_mean() {
    check("mean", "checksum", |mut b| {
        b[20] ^= 1;
        b
    });
}

#[test]
fn one_bit_of_the_checksum() {
    check("checksum", "checksum", |mut b| {
        let last = b.len() - 1;
        b[last] ^= 1;
        b
    });
}

#[test]
fn sizes_that_do_not_fit_the_file() {
    check("wider", "bytes for 4294967295 x 32", |mut b| {
        b[12..16].fill(255);
        b
    });
    check("flat", "bytes for 0 x 32", |mut b| {
        b[12..16].fill(0);
        b
    });
}

#[test]
fn width_and_height_exchanged_keep_the_length_and_break_the_checksum() {
    check("16 x 64", "checksum", |mut b| {
        b[12] = 16;
        b[16] = 64;
        b
    });
}

#[test]
fn an_entry_under_the_name_of_another() {
    check("renamed", "another case", |mut b| {
        b[40] ^= 1;
        b
    });
}

#[test]
fn a_folder_in_the_place_of_an_entry_stays_and_is_reported() {
    let set = Vessels::new();
    let config = config(RESIZED, 0);
    let expected = batches(&set.in_memory(&config), 0);
    batches(&set.open(&config, &set.on_disk(NO_LIMIT)), 0);
    let entry = &set.entries()[0];
    std::fs::remove_file(entry).expect("removed");
    std::fs::create_dir_all(entry.join("inside")).expect("created");
    let loader = set.open(&config, &set.on_disk(NO_LIMIT));
    assert!(batches(&loader, 0) == expected);
    let warnings = loader.cache_report().warnings;
    assert!(
        warnings
            .iter()
            .any(|w| matches!(w, CacheWarning::NotWritten { path, .. } if path == entry)),
        "{warnings:?}"
    );
    assert!(super::files_under(&set.cache(), "part").is_empty());
}

/// Hashes of what is stored of one small case. When decoding, the label rules or resizing give it other
/// pixels, this fails: raise `VERSION` in src/case_cache/key.rs, so that what older programs stored is not
/// found, and write the new hashes down.
#[test]
fn what_is_stored_changes_with_the_version_only() {
    let folder = Folder::sound();
    let dataset = Dataset::open(folder.path()).expect("opens");
    let stored_of = |view: View| {
        let cache = tempfile::tempdir().expect("a temporary folder");
        let options = CacheOptions {
            memory_bytes: 0,
            disk: Some(DiskCache {
                dir: cache.path().to_owned(),
                max_bytes: NO_LIMIT,
            }),
        };
        let loader = TrainLoader::open(&dataset, Split::Train, config(view, 0), &options);
        batches(&loader.expect("opens"), 0);
        let stored = super::files_under(cache.path(), "case");
        let bytes = std::fs::read(&stored[0]).expect("read");
        // The key of the entry depends on how the picture was packed, its other parts do not.
        let end = bytes.len() - 32;
        let parts = [&bytes[..28], &bytes[60..end]].concat();
        blake3::hash(&parts).to_hex()[..16].to_owned()
    };
    let half = View::Tiles {
        tile: 8,
        scale: 0.5,
        overlap: 0.0,
    };
    let stored = [View::Resize { image_size: 12 }, half].map(stored_of);
    assert_eq!(stored, ["9cb2251b128279cd", "f4abbb41da2f3bb0"]);
}
