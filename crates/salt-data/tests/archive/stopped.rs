//! An extraction that ends early, and a target that is not free.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use salt_data::DataError;
use salt_data::archive::{ArchiveError as E, ExtractLimits, ExtractProgress, extract};

use super::good::noise;
use super::tar_bytes::{self, tar};
use super::zip_bytes::{Entry, zip};
use super::{Place, gz, listing};

fn archives() -> [(&'static str, Vec<u8>); 4] {
    let content = noise(300_000);
    let tarred = tar(&["a", "b"].map(|name| tar_bytes::Entry::file(name, &content)));
    [
        (
            "a.zip",
            zip(&["a", "b"].map(|name| Entry::deflated(name, &content))),
        ),
        ("a.tar.gz", gz(&tarred)),
        ("a.tar", tarred),
        ("a.gz", gz(&content)),
    ]
}

fn run(
    place: &Place,
    name: &str,
    report: &mut dyn FnMut(ExtractProgress) -> ControlFlow<()>,
) -> Result<(), E> {
    let archive = place.path().join(name);
    extract(&archive, &place.target(), &ExtractLimits::default(), report).map(|_| ())
}

/// How often a whole extraction reports; what it says only grows.
fn reports(name: &str, bytes: &[u8]) -> usize {
    let mut seen = Vec::<ExtractProgress>::new();
    run(&Place::new(name, bytes), name, &mut |progress| {
        seen.push(progress);
        ControlFlow::Continue(())
    })
    .expect("a good archive");
    for pair in seen.windows(2) {
        assert!(pair[0].archive_bytes <= pair[1].archive_bytes && pair[0].bytes <= pair[1].bytes);
    }
    let last = seen.last().expect("at least one report");
    assert_eq!(last.of, bytes.len() as u64);
    assert!(
        last.archive_bytes * 10 > last.of * 9 && last.archive_bytes <= last.of,
        "{last:?}"
    );
    seen.len()
}

#[test]
fn stopped_at_every_report_nothing_is_left() {
    for (name, bytes) in archives() {
        let reports = reports(name, &bytes);
        assert!(reports > 3, "{name}: {reports}");
        for stop in 0..reports {
            let place = Place::new(name, &bytes);
            let before = listing(place.path());
            let mut count = 0;
            let result = run(&place, name, &mut |_| {
                count += 1;
                match count > stop {
                    true => ControlFlow::Break(()),
                    false => ControlFlow::Continue(()),
                }
            });
            assert!(
                matches!(result, Err(E::Stopped { .. })),
                "{name} at {stop}: {result:?}"
            );
            assert_eq!(before, listing(place.path()), "{name} at {stop}");
        }
    }
}

#[test]
fn a_panic_leaves_nothing() {
    for (name, bytes) in archives() {
        let place = Place::new(name, &bytes);
        let before = listing(place.path());
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            run(&place, name, &mut |progress| {
                assert!(progress.bytes < 200_000, "a report that fails");
                ControlFlow::Continue(())
            })
        }));
        assert!(panicked.is_err(), "{name}");
        assert_eq!(before, listing(place.path()), "{name}");
    }
}

#[test]
fn what_a_killed_extraction_left_is_removed() {
    let bytes = zip(&[Entry::stored("a", b"x")]);
    let place = Place::new("a.zip", &bytes);
    let left = place.path().join(".out.extracting");
    std::fs::create_dir_all(left.join("deep/er")).expect("created");
    std::fs::write(left.join("deep/a"), "half").expect("written");
    place.try_extract().expect("a good archive");
    assert!(!left.exists());
    assert_eq!(listing(&place.target()).keys().collect::<Vec<_>>(), ["a"]);
}

#[cfg(unix)]
#[test]
fn a_link_in_the_way_is_removed_and_not_followed() {
    let place = Place::new("a.zip", &zip(&[Entry::stored("a", b"x")]));
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(elsewhere.path().join("kept"), "kept").expect("written");
    let left = place.path().join(".out.extracting");
    std::os::unix::fs::symlink(elsewhere.path(), left).expect("linked");
    place.try_extract().expect("a good archive");
    assert_eq!(
        listing(elsewhere.path()).keys().collect::<Vec<_>>(),
        ["kept"]
    );
}

#[test]
fn an_empty_target_is_filled_and_any_other_is_left_alone() {
    let bytes = zip(&[Entry::stored("a", b"x")]);
    let place = Place::new("a.zip", &bytes);
    std::fs::create_dir(place.target()).expect("created");
    place.try_extract().expect("a good archive");
    let before = listing(place.path());
    let again = place.try_extract();
    assert!(matches!(again, Err(E::NotEmpty { .. })), "{again:?}");
    assert_eq!(before, listing(place.path()));

    let place = Place::new("a.zip", &bytes);
    std::fs::write(place.target(), "a file").expect("written");
    let before = listing(place.path());
    assert!(matches!(place.try_extract(), Err(E::NotEmpty { .. })));
    assert_eq!(before, listing(place.path()));
}

#[test]
fn an_empty_target_stays_when_the_archive_is_bad() {
    let place = Place::new("a.zip", &zip(&[Entry::stored("../a", b"x")]));
    std::fs::create_dir(place.target()).expect("created");
    let before = listing(place.path());
    place.try_extract().expect_err("a bad archive");
    assert_eq!(before, listing(place.path()));
}

#[cfg(unix)]
#[test]
fn a_link_to_an_empty_folder_stays_a_link() {
    let place = Place::new("a.zip", &zip(&[Entry::stored("a", b"x")]));
    let real = place.path().join("real");
    std::fs::create_dir(&real).expect("created");
    std::os::unix::fs::symlink(&real, place.target()).expect("linked");
    place.try_extract().expect("a good archive");
    assert!(real.join("a").is_file() && place.target().join("a").is_file());
    assert!(place.target().is_symlink());

    let place = Place::new("a.zip", &zip(&[Entry::stored("a", b"x")]));
    std::os::unix::fs::symlink(place.path().join("nowhere"), place.target()).expect("linked");
    assert!(matches!(place.try_extract(), Err(E::NotEmpty { .. })));
}

#[test]
fn a_folder_without_parent_or_an_archive_that_is_not_there() {
    let place = Place::new("a.zip", &zip(&[Entry::stored("a", b"x")]));
    let go_on = &mut |_: ExtractProgress| ControlFlow::Continue(());
    let limits = ExtractLimits::default();
    let archive = place.path().join("a.zip");
    let nowhere = place.path().join("no/such/folder");
    let result = extract(&archive, &nowhere, &limits, go_on);
    assert!(
        matches!(
            result,
            Err(E::Io {
                action: "create",
                ..
            })
        ),
        "{result:?}"
    );
    let missing = place.path().join("b.zip");
    let result = extract(&missing, &place.target(), &limits, go_on);
    assert!(
        matches!(result, Err(E::Io { action: "open", .. })),
        "{result:?}"
    );
    assert_eq!(listing(place.path()).keys().collect::<Vec<_>>(), ["a.zip"]);
}

#[test]
fn an_archive_error_is_a_data_error_with_the_same_words() {
    let place = Place::new("a.zip", b"no archive");
    let error = place.refused();
    let (message, remedy) = (error.to_string(), error.remedy());
    let error = DataError::from(error);
    assert_eq!((error.to_string(), error.remedy()), (message, remedy));
    assert_eq!(error.path(), Some(place.path().join("a.zip").as_path()));
}
