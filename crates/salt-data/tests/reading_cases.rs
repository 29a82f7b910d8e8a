//! Cases surveyed at once, and read one after the other.

use salt_data::synth::vessels;
use salt_data::{Case, CaseFacts, DataError, Dataset, LoadedCase, Split};
use tempfile::TempDir;

fn set(cases: usize) -> (TempDir, Dataset) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    vessels::write_dataset(dir.path(), cases, 48, 3).expect("written");
    let set = Dataset::open(dir.path()).expect("opens");
    (dir, set)
}

fn ids(cases: &[Case]) -> Vec<&str> {
    cases.iter().map(|case| case.id.as_str()).collect()
}

#[test]
fn a_survey_tells_sizes_and_foreground_and_how_far_it_is() {
    let (_dir, set) = set(8);
    let empty = set.split(Split::Train)[1].mask.clone();
    image::GrayImage::new(48, 48).save(&empty).expect("written");
    let of = set.split(Split::Train).len();
    let mut last = 0;
    let facts = set.survey(Split::Train, |done| last = done).expect("reads");
    assert_eq!((facts.len(), last), (of, of));
    let expected = |i: usize| CaseFacts {
        size: [48, 48],
        has_foreground: i != 1,
    };
    assert_eq!(facts, (0..of).map(expected).collect::<Vec<_>>());
}

#[test]
fn a_survey_finds_a_case_that_became_unreadable() {
    let (_dir, set) = set(6);
    let bad = set.split(Split::Test)[0].image.clone();
    std::fs::write(&bad, b"no picture").expect("written");
    assert!(set.survey(Split::Train, |_| {}).is_ok());
    let error = set.survey(Split::Test, |_| {}).expect_err("refused");
    assert!(
        error.to_string().contains(&bad.display().to_string()),
        "{error}"
    );
    let none = set.only(Split::Train).survey(Split::Test, |_| {});
    assert!(matches!(
        none,
        Err(DataError::EmptySplit {
            split: Split::Test,
            ..
        })
    ));
}

#[test]
fn one_split_only_keeps_its_cases_and_their_meaning() {
    let (_dir, set) = set(6);
    for split in Split::ALL {
        let only = set.only(split);
        let expected: Vec<Case> = set.split(split).into_iter().cloned().collect();
        assert_eq!(ids(&only.cases), ids(&expected));
        assert_eq!(only.n_classes, set.n_classes);
        assert_eq!(
            only.load(&only.cases[0]).expect("reads"),
            set.load(&expected[0]).expect("reads")
        );
    }
}

#[test]
fn cases_come_in_order_with_errors_in_their_place() {
    let (_dir, set) = set(9);
    let bad = set.cases[2].id.clone();
    std::fs::write(&set.cases[2].mask, b"no picture").expect("written");
    let read: Vec<Result<LoadedCase, DataError>> =
        set.read_ahead(set.cases.clone()).expect("starts").collect();
    assert_eq!(read.len(), 9);
    for (case, read) in set.cases.iter().zip(&read) {
        match read {
            Ok(loaded) => assert_eq!(*loaded, set.load(case).expect("reads")),
            Err(error) => {
                assert_eq!(case.id, bad);
                assert!(matches!(error, DataError::Picture { .. }), "{error}");
            }
        }
    }
    assert!(read[2].is_err());
    // Leaving early ends the reader instead of waiting for the rest.
    assert!(
        set.read_ahead(set.cases.clone())
            .expect("starts")
            .next()
            .is_some()
    );
    assert_eq!(set.read_ahead(Vec::new()).expect("starts").count(), 0);
}
