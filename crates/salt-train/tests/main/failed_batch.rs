//! A loss or gradient that is not a number ends the run, and the batch is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use safetensors::SafeTensors;
use salt_data::{Batch, LoaderConfig, Split, TrainLoader, sample_stream};
use salt_train::durable::SystemFiles;
use salt_train::{Interrupt, Outcome, Recipe, Session, TrainError};

use crate::failing_files::{FailingFiles, Fault};
use crate::support::{Told, machine, on_cpu, recipe};

/// The second step meets parameters that the first has thrown out of range.
const SETTINGS: [&str; 5] = [
    "train.lr=1e30",
    "train.warmup=0",
    "train.decay=constant",
    "train.grad_clip=0",
    "train.overlays=0",
];

fn exploding(more: &[&str]) -> Recipe {
    recipe("full", &[&SETTINGS, more].concat()).unwrap()
}

/// Cases and folder of the failure.
fn kept(outcome: Result<Outcome, TrainError>) -> (Vec<String>, Option<PathBuf>) {
    match outcome {
        Err(TrainError::NonFinite { ids, saved, .. }) => (ids, saved),
        other => panic!("{other:?}"),
    }
}

fn start(recipe: &Recipe, run: &Path, files: &FailingFiles, told: &mut Told) -> TrainError {
    let mut session = Session::new(told, Interrupt::new()).through(Arc::new(files.clone()));
    salt_train::train(recipe, run, &machine(), &mut session).unwrap_err()
}

fn resume(run: &Path) -> (Vec<String>, Option<PathBuf>) {
    let mut told = Told::default();
    let mut session = Session::new(&mut told, Interrupt::new());
    kept(salt_train::resume(run, &machine(), &mut session))
}

fn whole() -> FailingFiles {
    FailingFiles::new(Arc::new(SystemFiles), usize::MAX, Fault::Crash)
}

/// Batch `number` of the first epoch, from a loader of our own.
fn batch(recipe: &Recipe, number: usize) -> Batch {
    let dataset = salt_train::open_dataset(recipe).unwrap();
    let config = LoaderConfig {
        batch_size: recipe.train.batch_size * recipe.train.accumulate,
        samples_per_epoch: recipe.train.samples_per_epoch,
        seed: recipe.train.seed,
        workers: 0,
        prefetch: 1,
        view: recipe.view(),
        augment: recipe.train.augment,
    };
    let loader = TrainLoader::open(&dataset, Split::Train, config, &recipe.data.cache.options());
    let mut batches = loader.unwrap().batches(0, number);
    batches.next().unwrap().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn report(folder: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(folder.join("report.json")).unwrap()).unwrap()
}

#[test]
fn the_batch_is_kept_as_the_network_was_given_it() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let recipe = exploding(&["train.shards=2", "prompts.boxes=1"]);
    let error = start(&recipe, &run, &whole(), &mut Told::default());
    let text = error.to_string();
    let (ids, folder) = kept(Err(error));
    let folder = folder.unwrap();
    assert_eq!(folder, run.join("non_finite/step-2"));
    assert!(text.contains(&folder.display().to_string()), "{text}");

    let expected = batch(&recipe, 1);
    assert_eq!(ids, expected.ids);
    let bytes = std::fs::read(folder.join("batch.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let (images, labels) = (
        tensors.tensor("images").unwrap(),
        tensors.tensor("labels").unwrap(),
    );
    assert_eq!(images.shape(), [3, 3, 32, 32]);
    assert_eq!(labels.shape(), [3, 32, 32]);
    let pixels = expected.pixels_bchw.iter().flat_map(|x| x.to_le_bytes());
    assert!(images.data().iter().copied().eq(pixels));
    assert_eq!(labels.data(), expected.labels_bhw);

    let names = names(&folder);
    assert_eq!(names.len(), 2 + 2 * 3, "{names:?}");
    let first = image::open(folder.join(&names[0])).unwrap().into_rgb8();
    let seen = first.get_pixel(5, 9)[1];
    assert_eq!(seen, expected.pixels_bchw[1024 + 9 * 32 + 5].round() as u8);

    let report = report(&folder);
    let expected: [(&str, serde_json::Value); 5] = [
        ("step", 2.into()),
        ("epoch", 1.into()),
        ("batch", 2.into()),
        ("lr", 1e30.into()),
        ("seed", 5.into()),
    ];
    for (key, value) in expected {
        assert_eq!(report[key], value, "{key}: {report}");
    }
    let sample = &report["samples"][1];
    assert_eq!(
        (&sample["case"], &sample["stream"]),
        (&ids[1].clone().into(), &sample_stream(0, 4).into())
    );
    assert_eq!(report["prompts"].as_array().unwrap().len(), 3);
    assert_eq!(report["part_losses"].as_array().unwrap().len(), 2);
    let is_number = |key: &str| report[key].is_number();
    assert!(!is_number("loss") || !is_number("grad_norm"), "{report}");
    let parameters = report["parameters"].as_array().unwrap();
    let broken = |count: &serde_json::Value| {
        count["nan"].as_u64().unwrap() + count["infinite"].as_u64().unwrap() > 0
    };
    assert!(
        parameters.iter().any(|p| broken(&p["gradient"])),
        "{report}"
    );
    assert!(parameters.iter().all(|p| p["path"].is_string()), "{report}");
}

#[test]
fn the_same_failure_is_kept_once_and_another_one_beside_it() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let error = start(&exploding(&[]), &run, &whole(), &mut Told::default());
    let first = kept(Err(error)).1.unwrap();
    assert_eq!(resume(&run).1.as_deref(), Some(&*first));
    assert_eq!(names(&run.join("non_finite")), ["step-2"]);
    // One that is not complete is nobody's; one that says something else stays as it is.
    std::fs::remove_file(first.join("report.json")).unwrap();
    assert_eq!(resume(&run).1.as_deref(), Some(&*first));
    std::fs::write(first.join("report.json"), "mine").unwrap();
    let second = resume(&run).1.unwrap();
    assert_eq!(names(&run.join("non_finite")), ["step-2", "step-2-2"]);
    assert_eq!(report(&second)["step"], 2);
    let mine = std::fs::read(first.join("report.json")).unwrap();
    assert_eq!(mine, b"mine");
}

#[test]
fn a_batch_that_cannot_be_kept_is_said_and_the_failure_stays_what_it_is() {
    if !on_cpu() {
        return;
    }
    let tmp = tempfile::tempdir().unwrap();
    let recipe = exploding(&[]);
    let count = |run: &str| {
        let files = whole();
        start(&recipe, &tmp.path().join(run), &files, &mut Told::default());
        files.operations()
    };
    // Eight files of five operations each, and two syncs, come last.
    let (last, own) = (count("whole"), 8 * 5 + 2);
    for at in (last - own..last).step_by(4) {
        for fault in [Fault::Full { stays: true }, Fault::Broken] {
            let run = tmp.path().join(format!("{at}-{fault:?}"));
            let files = FailingFiles::new(Arc::new(SystemFiles), at, fault);
            let mut told = Told::default();
            let (ids, folder) = kept(Err(start(&recipe, &run, &files, &mut told)));
            let failed = files.failed().unwrap().display().to_string();
            assert!(!ids.is_empty() && folder.is_none(), "{failed}");
            assert!(
                told.0.concat().contains("is not kept"),
                "{failed}: {told:?}"
            );
            // A report never stands beside less than everything.
            let kept = run.join("non_finite/step-2");
            let complete = kept.join("report.json").exists();
            assert!(!complete || names(&kept).len() == 8, "{failed}");
            assert_eq!(resume(&run).1.unwrap(), kept, "{failed}");
        }
    }
}

#[test]
fn a_run_without_failures_has_no_such_folder() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    crate::support::train(&recipe("norms", &["train.epochs=1"]).unwrap(), &run).unwrap();
    assert!(!run.join("non_finite").exists());
}
