//! Bad input: a typed error with a way out, never a panic, and no half-made run directory.

use salt_train::{Interrupt, Session, Silent, TrainError};

use crate::support::{assert_same_files, inputs, machine, recipe, train};

fn check(overrides: &[&str], words: &[&str]) {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let error = recipe("salt", overrides)
        .and_then(|recipe| train(&recipe, &run))
        .unwrap_err()
        .to_string();
    for word in words {
        assert!(
            error.contains(word),
            "{overrides:?}: {error:?} lacks {word:?}"
        );
    }
    assert!(!run.exists(), "{overrides:?} left a directory behind");
}

#[test]
fn inputs_that_are_not_there() {
    check(&["data.path=nowhere"], &["nowhere"]);
    check(
        &["model.weights=none.safetensors"],
        &["none.safetensors", "embedded", ".pth"],
    );
}

#[test]
fn weights_of_another_model() {
    check(&["model.config.embed_dim=32"], &["shape", "model.name"]);
    check(&["model.config.depth=3"], &["image_encoder.blocks.2"]);
    check(&["model.token_init=tube"], &["tube", "thin"]);
}

#[test]
fn targets_and_ranks() {
    check(&["adapter.targets=['attn\\.qvk']"], &["qvk", "attn.qkv"]);
    check(&["adapter.head_rank=400"], &["400", "16"]);
    check(&["adapter.modules_to_save=['nroms']"], &["nroms"]);
}

#[test]
fn class_weights_for_other_classes() {
    check(
        &["train.loss.class_weights=[1, 2]"],
        &["train.loss.class_weights", "1 foreground", "2 weights"],
    );
}

#[test]
fn splits_without_cases() {
    let tmp = tempfile::tempdir().unwrap();
    for (missing, word) in [("train", "train"), ("test", "test score")] {
        let data = tmp.path().join(missing);
        copy_without(&inputs().data(), &data, missing);
        let path = format!("data.path={}", data.display());
        check(&[&path], &[missing, word]);
    }
    let no_val = tmp.path().join("val");
    copy_without(&inputs().data(), &no_val, "val");
    let path = format!("data.path={}", no_val.display());
    check(&[&path, "data.validation=0"], &["val", "data.validation"]);
}

/// Copy a data set but for the rows of one split.
fn copy_without(from: &std::path::Path, to: &std::path::Path, split: &str) {
    for folder in ["images", "masks"] {
        std::fs::create_dir_all(to.join(folder)).unwrap();
        for entry in from.join(folder).read_dir().unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), to.join(folder).join(entry.file_name())).unwrap();
        }
    }
    let table = std::fs::read_to_string(from.join("data_split.csv")).unwrap();
    let kept: Vec<&str> = table
        .lines()
        .filter(|line| !line.ends_with(&format!(",{split}")))
        .collect();
    std::fs::write(to.join("data_split.csv"), kept.join("\n")).unwrap();
}

#[test]
fn a_run_directory_is_used_once() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let recipe = recipe("frozen", &[]).unwrap();
    train(&recipe, &run).unwrap();
    assert!(matches!(
        train(&recipe, &run),
        Err(TrainError::RunExists { .. })
    ));
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let tmp = tempfile::tempdir().unwrap();
    std::fs::write(tmp.path().join("thesis.tex"), "years of work").unwrap();
    let recipe = recipe("frozen", &[]).unwrap();
    let outcome = train(&recipe, tmp.path());
    assert!(
        matches!(outcome, Err(TrainError::NotVacant { .. })),
        "{outcome:?}"
    );
    assert_eq!(tmp.path().read_dir().unwrap().count(), 1);
}

#[test]
fn masks_without_foreground_teach_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    copy_without(&inputs().data(), tmp.path(), "none of them");
    for mask in tmp.path().join("masks").read_dir().unwrap() {
        let path = mask.unwrap().path();
        let size = image::image_dimensions(&path).unwrap();
        image::GrayImage::new(size.0, size.1).save(path).unwrap();
    }
    let data = format!("data.path={}", tmp.path().display());
    let run = tmp.path().join("run");
    let outcome = train(&recipe("lora", &[&data]).unwrap(), &run);
    assert!(
        matches!(outcome, Err(TrainError::NoClasses { .. })),
        "{outcome:?}"
    );
}

#[test]
fn a_loss_that_explodes_names_the_batch() {
    let tmp = tempfile::tempdir().unwrap();
    let recipe = recipe(
        "full",
        &[
            "train.lr=1e30",
            "train.warmup=0",
            "train.grad_clip=0",
            "train.epochs=3",
        ],
    )
    .unwrap();
    let error = train(&recipe, &tmp.path().join("run")).unwrap_err();
    let text = error.to_string();
    assert!(
        matches!(&error, TrainError::NonFinite { ids, .. } if !ids.is_empty()),
        "{text}"
    );
    assert!(text.contains("train.lr"), "{text}");
}

#[test]
fn directories_that_hold_no_run() {
    let tmp = tempfile::tempdir().unwrap();
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let resumed = salt_train::resume(tmp.path(), &machine(), &mut session);
    assert!(matches!(resumed, Err(TrainError::NotARun { .. })));
    std::fs::write(tmp.path().join("recipe.toml"), crate::support::text("salt")).unwrap();
    let evaluated =
        salt_train::evaluate_run(tmp.path(), salt_data::Split::Test, &machine(), &mut session);
    assert!(matches!(evaluated, Err(TrainError::Unfinished { .. })));
}

#[test]
fn a_test_image_that_is_cut_short_is_found_before_training() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("vessels");
    copy_without(&inputs().data(), &data, "no split");
    let set = salt_data::Dataset::open(&data).unwrap();
    let image = &set.split(salt_data::Split::Test)[0].image;
    let whole = std::fs::read(image).unwrap();
    std::fs::write(image, &whole[..whole.len() / 2]).unwrap();
    let path = format!("data.path={}", data.display());
    check(&[&path], &[&image.display().to_string()]);
}

/// Does something to a data set after the first epoch.
struct AfterTheFirstEpoch<F: FnMut()>(F);

impl<F: FnMut()> salt_train::Observer for AfterTheFirstEpoch<F> {
    fn event(&mut self, event: salt_train::Event<'_>) {
        if let salt_train::Event::Epoch(row) = event
            && row.epoch == 1
        {
            (self.0)();
        }
    }
}

#[test]
fn a_picture_that_changes_during_training_ends_it_and_one_that_is_touched_does_not() {
    let tmp = tempfile::tempdir().unwrap();
    let data = tmp.path().join("data");
    copy_without(&inputs().data(), &data, "none of them");
    let path = format!("data.path={}", data.display());
    let overrides = [path.as_str(), "data.cache.memory_mib=0"];
    let recipe = recipe("norms", &overrides).unwrap();
    let dataset = salt_data::Dataset::open(&recipe.data.path).unwrap();
    let picture = dataset.split(salt_data::Split::Train)[0].image.clone();
    let bytes = std::fs::read(&picture).unwrap();
    let run_with = |name: &str, change: &dyn Fn()| {
        let mut observer = AfterTheFirstEpoch(change);
        let mut session = salt_train::Session::new(&mut observer, salt_train::Interrupt::new());
        let out = tmp.path().join(name);
        (
            salt_train::train(&recipe, &out, &machine(), &mut session),
            out,
        )
    };
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(9);
    let touch = || {
        let file = std::fs::File::options().write(true).open(&picture).unwrap();
        file.set_modified(later).unwrap();
    };
    let (outcome, touched) = run_with("touched", &touch);
    assert!(outcome.is_ok(), "{outcome:?}");
    let change = || {
        let mut image = image::open(&picture).unwrap().to_rgb8();
        image::imageops::flip_horizontal_in_place(&mut image);
        image.save(&picture).unwrap();
    };
    let (outcome, run) = run_with("changed", &change);
    assert!(
        matches!(
            outcome,
            Err(TrainError::Changed {
                what: "the data set",
                ..
            })
        ),
        "{outcome:?}"
    );
    // With the picture back, the run goes on from the last epoch that saw the right one.
    std::fs::write(&picture, bytes).unwrap();
    let mut silent = salt_train::Silent;
    let mut session = salt_train::Session::new(&mut silent, salt_train::Interrupt::new());
    salt_train::resume(&run, &machine(), &mut session).unwrap();
    assert_same_files(&touched, &run, "a run whose data came back");
}
