//! Wherever the cases come from, the batches are the same.

use salt_data::{CacheOptions, DataError, LabelRule, Split, TrainLoader, View};

use super::{NO_LIMIT, RESIZED, Vessels, batches, config};

#[test]
fn from_memory_files_and_caches_cold_and_warm_with_any_number_of_workers() {
    let tiles = |scale| View::Tiles {
        tile: 24,
        scale,
        overlap: 0.5,
    };
    for view in [RESIZED, tiles(1.0), tiles(0.75)] {
        let set = Vessels::new();
        let expected = [0, 1].map(|epoch| batches(&set.in_memory(&config(view, 0)), epoch));
        let case = 4 * 48 * 48 + 92;
        let options = [
            ("read from files", CacheOptions::none()),
            ("kept in memory", CacheOptions::default()),
            (
                "some kept in memory",
                CacheOptions {
                    memory_bytes: 2 * case,
                    disk: None,
                },
            ),
            ("stored, with room for two", set.on_disk(2 * case)),
            ("stored", set.on_disk(NO_LIMIT)),
            ("read from the cache", set.on_disk(NO_LIMIT)),
            (
                "both",
                CacheOptions {
                    memory_bytes: 3 * case,
                    ..set.on_disk(NO_LIMIT)
                },
            ),
        ];
        for (name, options) in &options {
            for workers in [0, 1, 2, 5] {
                let loader = set.open(&config(view, workers), options);
                for (epoch, expected) in expected.iter().enumerate() {
                    let received = batches(&loader, epoch as u64);
                    assert!(
                        received == *expected,
                        "{name}, {workers} workers, epoch {epoch}, {view:?}"
                    );
                }
                assert_eq!(loader.cache_report().warnings, []);
            }
        }
    }
}

#[test]
fn an_epoch_of_stored_cases_resumes_at_a_sample() {
    let set = Vessels::new();
    let whole = batches(&set.in_memory(&config(RESIZED, 0)), 1);
    let loader = set.open(&config(RESIZED, 2), &set.on_disk(NO_LIMIT));
    let rest: Vec<_> = loader
        .batches_from_sample(1, 5)
        .collect::<Result<_, _>>()
        .expect("readable");
    assert_eq!(rest[0].ids, whole[2].ids[1..]);
    assert_eq!(rest[0].labels_bhw, whole[2].labels_bhw[32 * 32..]);
    assert_eq!(rest[1..], whole[3..]);
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_in_its_place() {
    let set = Vessels::new();
    let whole = batches(&set.in_memory(&config(RESIZED, 0)), 0);
    let broken = &set.dataset.split(Split::Train)[1];
    std::fs::write(&broken.mask, b"no picture").expect("written");
    for (workers, cache) in [
        (0, CacheOptions::none()),
        (2, CacheOptions::none()),
        (2, set.on_disk(NO_LIMIT)),
    ] {
        let loader = set.open(&config(RESIZED, workers), &cache);
        let received: Vec<_> = loader.batches(0, 0).collect();
        assert_eq!(received.len(), whole.len());
        assert!(received.iter().any(Result::is_ok));
        for (received, expected) in received.iter().zip(&whole) {
            match received {
                Ok(batch) => assert_eq!(batch, expected),
                Err(error) => {
                    assert!(expected.ids.contains(&broken.id));
                    assert!(matches!(error, DataError::Picture(_)), "{error}");
                    assert_eq!(error.path(), Some(broken.mask.as_path()));
                }
            }
            assert_eq!(received.is_err(), expected.ids.contains(&broken.id));
        }
    }
    // A file that is gone is an error too, with a cache and without.
    std::fs::remove_file(&broken.mask).expect("removed");
    for cache in [CacheOptions::none(), set.on_disk(NO_LIMIT)] {
        let loader = set.open(&config(RESIZED, 1), &cache);
        let error = loader.batches(0, 0).find_map(Result::err);
        assert!(matches!(error, Some(DataError::Io { .. })), "{error:?}");
    }
}

#[test]
fn another_content_or_rule_or_scale_is_another_entry() {
    let mut set = Vessels::new();
    let run = |set: &Vessels, view| {
        let loader = set.open(&config(view, 2), &set.on_disk(NO_LIMIT));
        assert_eq!(
            batches(&loader, 0),
            batches(&set.in_memory(&config(view, 0)), 0)
        );
        let report = loader.cache_report();
        assert_eq!(report.warnings, []);
        report.stored
    };
    // Two workers may meet a case at the same time, and each stores it.
    assert!(run(&set, RESIZED) >= 5);
    assert_eq!(run(&set, RESIZED), 0);
    assert!(run(&set, View::Resize { image_size: 31 }) >= 5);
    set.dataset.label_rule = LabelRule::Ids {
        n_classes: 1,
        ignore_255: false,
    };
    assert!(run(&set, RESIZED) >= 5);
    assert_eq!(set.entries().len(), 15);
    // The image of another case in a file of the same name, size and length changes the batches.
    let cases = set.dataset.split(Split::Train);
    let picture = std::fs::read(&cases[2].image).expect("read");
    std::fs::write(&cases[0].image, picture).expect("written");
    assert!(run(&set, RESIZED) >= 1);
}

#[test]
fn a_file_that_changes_while_an_epoch_runs_is_read_again() {
    let set = Vessels::new();
    let loader = set.open(&config(RESIZED, 0), &set.on_disk(NO_LIMIT));
    batches(&loader, 0);
    let cases = set.dataset.split(Split::Train);
    let mask = std::fs::read(&cases[3].mask).expect("read");
    std::fs::write(&cases[1].mask, mask).expect("written");
    assert_eq!(
        batches(&loader, 1),
        batches(&set.in_memory(&config(RESIZED, 0)), 1)
    );
}

#[test]
fn a_split_without_cases_and_a_folder_that_cannot_be_made_are_refused() {
    let mut set = Vessels::new();
    std::fs::write(set.cache(), b"a file").expect("written");
    let open = |set: &Vessels, cache: &CacheOptions| {
        TrainLoader::open(&set.dataset, Split::Train, config(RESIZED, 0), cache)
    };
    assert!(matches!(
        open(&set, &set.on_disk(NO_LIMIT)),
        Err(DataError::Io {
            action: "create",
            ..
        })
    ));
    set.dataset.cases.retain(|case| case.split != Split::Train);
    assert!(matches!(
        open(&set, &CacheOptions::none()),
        Err(DataError::EmptySplit { .. })
    ));
}
