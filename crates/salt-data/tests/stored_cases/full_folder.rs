//! The cap of a cache folder, and folders that are shared.

use std::time::{Duration, SystemTime};

use salt_data::{CacheReport, CacheWarning};

use super::{NO_LIMIT, RESIZED, Vessels, batches, config};

/// An entry of a picture that was scaled to 32 x 32 pixels.
const ENTRY: u64 = 4 * 32 * 32 + 92;

fn run(set: &Vessels, max_bytes: u64) -> CacheReport {
    let loader = set.open(&config(RESIZED, 0), &set.on_disk(max_bytes));
    batches(&loader, 0);
    loader.cache_report()
}

/// Makes all entries look `hours` older.
fn age(set: &Vessels, hours: u64) {
    for path in set.entries() {
        let time = SystemTime::now() - Duration::from_secs(3600 * hours);
        let file = std::fs::File::open(path).expect("opened");
        file.set_modified(time).expect("set");
    }
}

#[test]
fn cases_that_are_in_use_are_not_exchanged_for_one_another() {
    let set = Vessels::new();
    let report = run(&set, 3 * ENTRY + 10);
    assert_eq!((report.stored, report.evicted), (3, 0));
    assert_eq!(set.entries().len(), 3);
    // Thirteen samples of five cases, of which three are found once they are stored.
    assert_eq!(report.hits + report.stored + report.no_room, 13);
    assert!(report.no_room >= 4, "{report:?}");
    let again = run(&set, 3 * ENTRY + 10);
    assert_eq!((again.stored, again.evicted), (0, 0));
}

#[test]
fn the_longest_unused_entries_make_room() {
    let set = Vessels::new();
    run(&set, NO_LIMIT);
    age(&set, 48);
    let old = set.entries();
    // One of the five is used yesterday.
    let file = std::fs::File::open(&old[2]).expect("opened");
    let yesterday = SystemTime::now() - Duration::from_secs(24 * 3600);
    file.set_modified(yesterday).expect("set");
    // Other entries come in: the same pictures at another scale, one byte short of room for a sixth.
    let view = salt_data::View::Resize { image_size: 31 };
    let loader = set.open(&config(view, 0), &set.on_disk(6 * ENTRY - 1));
    let first = loader.batches(0, 0).next().expect("one batch");
    assert_eq!(first.expect("readable").size, 2);
    let report = loader.cache_report();
    assert!(report.evicted >= 1 && report.evicted < 5, "{report:?}");
    assert!(old[2].is_file(), "the one used last stays the longest");
    batches(&loader, 0);
    let bytes: u64 = set
        .entries()
        .iter()
        .map(|e| e.metadata().expect("listed").len())
        .sum();
    assert!(bytes < 6 * ENTRY, "{bytes}");
    assert_eq!(loader.cache_report().warnings, []);
}

#[test]
fn being_read_counts_as_being_used() {
    let set = Vessels::new();
    run(&set, NO_LIMIT);
    age(&set, 48);
    let report = run(&set, NO_LIMIT);
    assert_eq!(report.hits, 13);
    for entry in set.entries() {
        let modified = entry.metadata().and_then(|m| m.modified()).expect("known");
        let age = modified.elapsed().unwrap_or_default();
        assert!(age < Duration::from_secs(3600), "{age:?}");
    }
}

#[test]
fn a_cap_below_one_entry_stores_nothing() {
    let set = Vessels::new();
    let report = run(&set, ENTRY - 1);
    assert_eq!((report.stored, report.no_room), (0, 13));
    assert_eq!(run(&set, 0).stored, 0);
}

#[test]
fn loaders_that_write_the_same_folder_at_once_agree() {
    let set = Vessels::new();
    let expected = batches(&set.in_memory(&config(RESIZED, 0)), 0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let loader = set.open(&config(RESIZED, 2), &set.on_disk(NO_LIMIT));
                assert!(batches(&loader, 0) == expected);
                assert_eq!(loader.cache_report().warnings, []);
            });
        }
    });
    assert_eq!(set.entries().len(), 5);
    assert!(super::files_under(&set.cache(), "part").is_empty());
}

#[test]
fn files_that_are_not_ours_stay_and_abandoned_parts_go() {
    let set = Vessels::new();
    run(&set, NO_LIMIT);
    let shelf = set.entries()[0].parent().expect("a shelf").to_owned();
    let [fresh, abandoned] = ["a.1-0.part", "b.1-0.part"].map(|name| shelf.join(name));
    let [note, outside] = [shelf.join("note.txt"), set.cache().join("other.case")];
    for path in [&fresh, &abandoned, &note, &outside] {
        std::fs::write(path, b"x").expect("written");
    }
    let file = std::fs::File::open(&abandoned).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(7200))
        .expect("set");
    age_and_evict_all(&set);
    assert!(!abandoned.exists());
    assert!(fresh.exists() && note.exists() && outside.exists());
    assert!(set.cache().join("CACHEDIR.TAG").exists());
}

fn age_and_evict_all(set: &Vessels) {
    for path in set.entries() {
        if path.parent() != Some(set.cache().as_path()) {
            let file = std::fs::File::open(path).expect("opened");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("set");
        }
    }
    let view = salt_data::View::Resize { image_size: 30 };
    let loader = set.open(&config(view, 0), &set.on_disk(ENTRY));
    batches(&loader, 0);
    assert_eq!(loader.cache_report().evicted, 5);
}

#[test]
fn a_folder_that_takes_no_files_costs_time_only() {
    let set = Vessels::new();
    run(&set, NO_LIMIT);
    // Files where the shelves of the entries would be.
    for entry in set.entries() {
        let shelf = entry.parent().expect("a shelf");
        if shelf.is_dir() {
            std::fs::remove_dir_all(shelf).expect("removed");
            std::fs::write(shelf, b"in the way").expect("written");
        }
    }
    let expected = batches(&set.in_memory(&config(RESIZED, 0)), 0);
    let loader = set.open(&config(RESIZED, 0), &set.on_disk(NO_LIMIT));
    assert!(batches(&loader, 0) == expected);
    let report = loader.cache_report();
    assert_eq!((report.hits, report.stored), (0, 0));
    assert!(
        report
            .warnings
            .iter()
            .any(|w| matches!(w, CacheWarning::NotWritten { .. })),
        "{report:?}"
    );
}
