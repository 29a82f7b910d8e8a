//! The real sets of the shared folder, where they are at hand: prepared, opened, verified without a finding that
//! would be false.

use salt_data::verify::{Severity, verify};
use salt_data::{Dataset, Split};

use super::made::{Ask, PART, counts, prepare};
use crate::fixture::shared;

fn check(
    name: &str,
    folder: &str,
    ask: Ask<'_>,
    expected: [usize; 3],
    shares: std::ops::Range<f64>,
) {
    let Some(path) = shared(folder) else { return };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join(name);
    let record = prepare(name, std::slice::from_ref(&path), dir.path(), &out, ask)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(record.name, name);
    let set = Dataset::open(&out).expect("opens");
    assert_eq!(counts(&set), expected, "{name}");
    let report = verify(&out);
    let wrong: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .collect();
    assert!(wrong.is_empty(), "{name}: {wrong:#?}");
    assert!(
        shares.contains(&report.foreground_share[0]),
        "{name}: {:?}",
        report.foreground_share
    );
    // What was brought is where it was.
    assert!(path.join("images").is_dir());
}

#[test]
fn chase_db1() {
    check(
        "chase_db1",
        "CHASE_DB1",
        Ask::default(),
        [20, 0, 8],
        0.04..0.12,
    );
    let second = Ask {
        variant: Some("second"),
        split: Some("fold:0/4"),
        partial: false,
    };
    check("chase_db1", "CHASE_DB1", second, [20, 0, 8], 0.04..0.12);
}

#[test]
fn rossa() {
    let part = Ask {
        split: Some("seed:0"),
        ..PART
    };
    check("rossa", "ROSSA", part, [70, 10, 20], 0.1..0.5);
}

#[test]
fn arcade_sample() {
    let stenosis = Ask {
        variant: Some("stenosis"),
        ..PART
    };
    check("arcade", "ARCADE_sample", stenosis, [7, 1, 2], 0.0005..0.05);
}

#[test]
fn the_masks_of_chase_db1_are_those_of_the_files() {
    let Some(path) = shared("CHASE_DB1") else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let out = dir.path().join("chase");
    prepare(
        "chase_db1",
        std::slice::from_ref(&path),
        dir.path(),
        &out,
        Ask::default(),
    )
    .expect("prepared");
    let (ours, theirs) = (
        Dataset::open(&out).expect("opens"),
        Dataset::open(&path).expect("opens"),
    );
    let by_id = |set: &Dataset| {
        let cases = set.split(Split::Test).into_iter();
        cases
            .map(|case| set.load(case).expect("loads"))
            .collect::<Vec<_>>()
    };
    assert_eq!(by_id(&ours), by_id(&theirs));
}
