//! The shared real data sets, where they are at hand.

use salt_data::verify::verify;
use salt_data::{DataError, Dataset, Split};

use crate::fixture::shared;

#[test]
fn chase_db1_opens_and_its_masks_are_vessels() {
    let Some(path) = shared("CHASE_DB1") else {
        return;
    };
    let set = Dataset::open(&path).expect("opens");
    assert_eq!(set.name, "CHASE_DB1");
    assert_eq!(
        (set.split(Split::Train).len(), set.split(Split::Test).len()),
        (20, 8)
    );
    assert_eq!((set.split(Split::Val).len(), set.n_classes), (0, 1));
    let case = set.load(set.split(Split::Test)[0]).expect("loads");
    assert_eq!((case.image.width, case.image.height), (999, 960));
    let vessels = case.labels.mask_of(1).iter().filter(|&&m| m).count();
    let share = vessels as f64 / case.labels.classes.len() as f64;
    assert!((0.04..0.12).contains(&share), "vessels cover {share}");
    // In the green channel vessels are darker than their surroundings.
    let mean = |class: u8| {
        let pixels = case
            .labels
            .classes
            .iter()
            .zip(case.image.data.chunks_exact(3));
        let values: Vec<f64> = pixels
            .filter(|(c, p)| **c == class && p[0] > 60)
            .map(|(_, p)| f64::from(p[1]))
            .collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    assert!(mean(1) + 10.0 < mean(0), "{} {}", mean(1), mean(0));
    let set = set.with_validation(0.2, 0).expect("enough cases");
    assert_eq!(
        (set.split(Split::Train).len(), set.split(Split::Val).len()),
        (16, 4)
    );
}

#[test]
fn rossa_opens_and_is_sound() {
    let Some(path) = shared("ROSSA") else { return };
    let report = verify(&path);
    assert!(report.is_sound(), "{:?}", report.findings);
    assert_eq!((report.cases, report.n_classes), (100, 1));
    assert_eq!(report.grey_images, 100);
    let set = Dataset::open(&path).expect("opens");
    assert!(matches!(
        set.load_split(Split::Train),
        Err(DataError::EmptySplit {
            split: Split::Train,
            ..
        })
    ));
}

#[test]
fn arcade_sample_has_a_split_of_its_own_and_is_told_so() {
    let Some(path) = shared("ARCADE_sample") else {
        return;
    };
    let error = Dataset::open(&path).expect_err("`sample` is no split");
    assert!(matches!(error, DataError::UnknownSplit { .. }), "{error}");
    assert!(error.to_string().contains("`sample`"));
}
