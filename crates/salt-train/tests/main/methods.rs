//! What each method of a recipe means for a run.

use crate::support::{assert_same_files, recipe, stable_files, train};

#[test]
fn every_method_runs_and_reports_what_it_trains() {
    let tmp = tempfile::tempdir().unwrap();
    let methods = [
        "salt", "ssam", "lora", "dora", "pissa", "svft", "norms", "bias", "decoder", "full",
        "scratch",
    ];
    for method in methods {
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
fn training_learns_a_task_that_can_be_learned() {
    let tmp = tempfile::tempdir().unwrap();
    let (data, run) = (tmp.path().join("squares"), tmp.path().join("run"));
    write_squares(&data);
    let path = format!("data.path={}", data.display());
    let overrides = [
        path.as_str(),
        "data.view=resize",
        "train.epochs=15",
        "train.samples_per_epoch=24",
        "train.validate_every=5",
        "train.lr=5e-3",
    ];
    let result = train(&recipe("full", &overrides).unwrap(), &run).unwrap();
    let dice = result.test.dice.unwrap().mean;
    assert!(dice > 0.7, "test Dice {dice}");
    let metrics = std::fs::read_to_string(run.join("metrics.csv")).unwrap();
    let losses: Vec<f64> = csv::Reader::from_reader(metrics.as_bytes())
        .records()
        .map(|r| r.unwrap()[3].parse().unwrap())
        .collect();
    assert!(losses[14] < 0.6 * losses[0], "{losses:?}");
}

/// Bright squares of 16 pixels on dark ground, each somewhere else.
pub(crate) fn write_squares(dir: &std::path::Path) {
    std::fs::create_dir_all(dir.join("images")).unwrap();
    std::fs::create_dir_all(dir.join("masks")).unwrap();
    let mut table = String::from("imgs,split\n");
    for i in 0..10u32 {
        let (x, y) = (i * 5 % 16, i * 7 % 16);
        let inside = |px: u32, py: u32| (x..x + 16).contains(&px) && (y..y + 16).contains(&py);
        let draw = |bright: u8, dark: u8| {
            image::GrayImage::from_fn(32, 32, |px, py| {
                image::Luma([if inside(px, py) { bright } else { dark }])
            })
        };
        draw(220, 40)
            .save(dir.join(format!("images/{i}.png")))
            .unwrap();
        draw(255, 0)
            .save(dir.join(format!("masks/{i}.png")))
            .unwrap();
        table += &format!("{i}.png,{}\n", if i < 7 { "train" } else { "test" });
    }
    std::fs::write(dir.join("data_split.csv"), table).unwrap();
}

#[test]
fn a_batch_over_two_threads_learns_the_same_every_time() {
    let tmp = tempfile::tempdir().unwrap();
    let recipe = recipe("salt", &["train.shards=2", "adapter.lambda=0.1"]).unwrap();
    let (a, b) = (tmp.path().join("a"), tmp.path().join("b"));
    train(&recipe, &a).unwrap();
    train(&recipe, &b).unwrap();
    assert_same_files(&a, &b, "two threads twice");
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
