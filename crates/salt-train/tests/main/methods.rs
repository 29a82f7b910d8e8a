//! What each method of a recipe means for a run.

use crate::support::{recipe, stable_files, train};

#[test]
fn every_method_runs_and_reports_what_it_trains() {
    let tmp = tempfile::tempdir().unwrap();
    for method in ["salt", "ssam", "lora", "norms", "full", "scratch"] {
        let run = tmp.path().join(method);
        let result = train(
            &recipe(method, &["train.epochs=1", "train.samples_per_epoch=3"]).unwrap(),
            &run,
        )
        .unwrap();
        assert_eq!(result.method, method);
        assert!(result.params.trainable > 0 && result.params.total >= result.params.trainable);
        assert_eq!(result.best_epoch, 1);
        assert!(result.val.is_some());
    }
}

#[test]
fn frozen_only_evaluates() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("frozen");
    let result = train(&recipe("frozen", &[]).unwrap(), &run).unwrap();
    assert_eq!(
        (
            result.params.trainable,
            result.best_epoch,
            result.time.step_ms_median
        ),
        (0, 0, None)
    );
    let metrics = String::from_utf8(stable_files(&run)["metrics.csv"].clone()).unwrap();
    assert_eq!(metrics.lines().count(), 1, "only the header: {metrics}");
}

#[test]
fn training_lowers_the_loss() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    train(
        &recipe(
            "full",
            &[
                "train.epochs=6",
                "train.lr=3e-3",
                "train.validate_every=6",
                "train.augment.rotate_deg=0",
            ],
        )
        .unwrap(),
        &run,
    )
    .unwrap();
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    let losses: Vec<f64> = csv::Reader::from_reader(metrics.as_bytes())
        .records()
        .map(|r| r.unwrap()[3].parse().unwrap())
        .collect();
    assert!(losses[5] < 0.9 * losses[0], "{losses:?}");
}

#[test]
fn patience_stops_early() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    // A rate this small changes no pixel: no validation after the first is better.
    train(
        &recipe(
            "norms",
            &["train.epochs=9", "train.lr=1e-12", "train.patience=2"],
        )
        .unwrap(),
        &run,
    )
    .unwrap();
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 1 + 3, "{metrics}");
}
