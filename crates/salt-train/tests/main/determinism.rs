//! Same recipe, same bytes.

use crate::support::{assert_same_files, recipe, stable_files, train};

#[test]
fn the_same_recipe_gives_the_same_bytes_with_any_number_of_workers() {
    let tmp = tempfile::tempdir().unwrap();
    let recipe_of = |workers: &str| recipe("salt", &[&format!("train.workers={workers}")]).unwrap();
    let (a, b, c) = (
        tmp.path().join("a"),
        tmp.path().join("b"),
        tmp.path().join("c"),
    );
    let first = train(&recipe_of("1"), &a).unwrap();
    train(&recipe_of("1"), &b).unwrap();
    train(&recipe_of("2"), &c).unwrap();
    assert_same_files(&a, &b, "one recipe twice");
    let (one, two) = (stable_files(&a), stable_files(&c));
    for name in [
        "metrics.csv",
        "cases.csv",
        "adapter/adapter_model.safetensors",
    ] {
        assert!(one[name] == two[name], "{name}");
    }
    assert_eq!(first.status, "finished");
    assert!(first.test.n > 0 && first.time.step_ms_median.is_some());
    assert!(a.join("overlays").read_dir().unwrap().count() == 1);
    assert!(!a.join("checkpoints/last.safetensors").exists());
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
