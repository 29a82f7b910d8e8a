//! Same recipe, same bytes.

use crate::support::{assert_same_files, recipe, stable_files, train};

#[test]
fn the_same_recipe_gives_the_same_bytes_with_any_number_of_workers_and_any_cache() {
    let tmp = tempfile::tempdir().unwrap();
    let cache = format!("data.cache.dir={}", tmp.path().join("cache").display());
    let run = |name: &str, overrides: &[&str]| {
        let dir = tmp.path().join(name);
        let result = train(&recipe("salt", overrides).unwrap(), &dir).unwrap();
        (dir, result)
    };
    let (plain, result) = run("plain", &["train.workers=1"]);
    assert_eq!(result.status, "finished");
    assert!(result.test.n > 0 && result.time.step_ms_median.is_some());
    assert!(result.time.data_wait_s > 0.0 && result.time.data_wait_s < result.time.train_s);
    assert!(plain.join("overlays").read_dir().unwrap().count() == 1);
    assert!(!plain.join("checkpoints/last.safetensors").exists());
    let (again, _) = run("again", &["train.workers=1"]);
    assert_same_files(&plain, &again, "one recipe twice");
    let expected = stable_files(&plain);
    for (name, overrides) in [
        ("two workers", &["train.workers=2"][..]),
        (
            "nothing kept",
            &["data.cache.memory_mib=0", "train.workers=0"],
        ),
        ("kept on disk", &[&cache, "data.cache.memory_mib=0"]),
        ("found on disk", &[&cache]),
    ] {
        let (dir, _) = run(name, overrides);
        let files = stable_files(&dir);
        for file in [
            "metrics.csv",
            "cases.csv",
            "adapter/adapter_model.safetensors",
        ] {
            assert!(files[file] == expected[file], "{name}: {file}");
        }
    }
    assert!(tmp.path().join("cache").read_dir().unwrap().count() > 0);
}

#[test]
fn all_terms_of_the_loss_and_another_decay_train_and_give_the_same_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let overrides = [
        "train.shards=2",
        "train.decay=polynomial",
        "train.loss.dice_per_sample=true",
        "train.loss.bce_weight=0.5",
        "train.loss.ce_weight=0.5",
        "train.loss.tversky_weight=1",
        "train.loss.tversky_gamma=0.75",
        "train.loss.cldice_weight=0.5",
        "train.loss.boundary_weight=0.01",
        "train.loss.class_weights=[2]",
    ];
    let run = |name: &str| {
        let dir = tmp.path().join(name);
        train(&recipe("lora", &overrides).unwrap(), &dir).unwrap();
        dir
    };
    assert_same_files(&run("once"), &run("twice"), "all terms");
}

#[test]
fn another_seed_gives_other_bytes() {
    let tmp = tempfile::tempdir().unwrap();
    let (a, b) = (tmp.path().join("a"), tmp.path().join("b"));
    train(&recipe("lora", &["train.epochs=1"]).unwrap(), &a).unwrap();
    train(
        &recipe("lora", &["train.epochs=1", "train.seed=6"]).unwrap(),
        &b,
    )
    .unwrap();
    assert_ne!(
        stable_files(&a)["metrics.csv"],
        stable_files(&b)["metrics.csv"]
    );
}
