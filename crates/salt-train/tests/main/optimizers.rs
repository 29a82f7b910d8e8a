//! Rules, groups, accumulation and averages, as a recipe asks for them.

use std::path::Path;

use burn::tensor::Device;
use salt_train::TrainError;

use crate::support::{recipe, stable_files, train};

/// Train loss and gradient norm of every epoch.
fn losses(run: &Path) -> Vec<[f64; 2]> {
    let mut table = csv::Reader::from_path(run.join("metrics.csv")).unwrap();
    let headers = table.headers().unwrap().clone();
    let place = |name: &str| headers.iter().position(|h| h == name).unwrap();
    let columns = [place("train_loss"), place("grad_norm")];
    table
        .records()
        .map(|row| row.unwrap())
        .map(|row| columns.map(|column| row[column].parse().unwrap()))
        .collect()
}

/// Without the dice term, which counts over each batch, and without padding: pixels without truth make some samples
/// lighter than others, in the batch that they are in.
#[test]
fn accumulated_batches_are_one_large_batch() {
    let tmp = tempfile::tempdir().unwrap();
    let of = |name: &str, overrides: &[&str]| {
        let run = tmp.path().join(name);
        let all = [
            "train.loss.dice_weight=0",
            "train.augment.rotate_deg=0",
            "train.augment.scale=[1, 1]",
            "train.samples_per_epoch=8",
            "train.lr=0.1",
        ];
        let overrides = [&all[..], overrides];
        train(&recipe("lora", &overrides.concat()).unwrap(), &run).unwrap();
        losses(&run)
    };
    let whole = of("whole", &["train.batch_size=6"]);
    let parts = of("parts", &["train.batch_size=2", "train.accumulate=3"]);
    assert_eq!(whole.len(), 2);
    // Where products round their factors, those of a part are rounded to other values than the whole's.
    let allowed = (2.0 * salt_kernels::product_rounding(&Device::default())).max(1e-4);
    for (whole, parts) in whole.iter().flatten().zip(parts.iter().flatten()) {
        assert!((whole - parts).abs() < allowed * whole, "{whole} {parts}");
    }
    let other = of("other", &["train.batch_size=2"]);
    assert!(
        (whole[1][0] - other[1][0]).abs() > 1e-3 * whole[1][0],
        "more steps do more"
    );
}

#[test]
fn settings_of_the_optimiser_reach_the_weights() {
    let tmp = tempfile::tempdir().unwrap();
    let weights = |name: &str, overrides: &[&str]| {
        let run = tmp.path().join(name);
        let overrides = [&["train.epochs=1"], overrides].concat();
        train(&recipe("lora", &overrides).unwrap(), &run).unwrap();
        stable_files(&run)["adapter/adapter_model.safetensors"].clone()
    };
    let runs = [
        weights("adamw", &[]),
        weights("sgd", &["train.optimizer.rule=sgd"]),
        weights(
            "nesterov",
            &["train.optimizer.rule=sgd", "train.optimizer.nesterov=true"],
        ),
        weights(
            "plain sgd",
            &["train.optimizer.rule=sgd", "train.optimizer.momentum=0"],
        ),
        weights("lora plus", &["train.optimizer.lora_plus=16"]),
        weights(
            "group",
            &["train.optimizer.groups=[{paths='prompt', lr=1e-5}]"],
        ),
        weights("average", &["train.ema=0.5"]),
    ];
    for (i, one) in runs.iter().enumerate() {
        for other in &runs[i + 1..] {
            assert!(one != other);
        }
    }
    // A factor of one is no factor, and a group that repeats the run's settings changes nothing.
    assert!(runs[0] == weights("one", &["train.optimizer.lora_plus=1"]));
    let same = "train.optimizer.groups=[{paths='prompt', lr=1e-2}]";
    assert!(runs[0] == weights("same", &[same]));
}

#[test]
fn a_group_that_names_nothing_trained_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    for (method, setting) in [
        ("norms", "train.optimizer.lora_plus=16"),
        ("lora", "train.optimizer.groups=[{paths='iou_head', lr=1}]"),
    ] {
        let run = tmp.path().join("run");
        let outcome = train(&recipe(method, &[setting]).unwrap(), &run);
        assert!(
            matches!(outcome, Err(TrainError::EmptyGroup { .. })),
            "{outcome:?}"
        );
        assert!(!run.exists());
    }
}
