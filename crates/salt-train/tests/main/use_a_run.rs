//! A finished run, loaded again from its directory.

use salt_data::Split;
use salt_train::{Interrupt, PredictOptions, Session, Silent, TrainError};

use crate::support::{inputs, machine, recipe, train};

#[test]
fn evaluation_and_prediction_from_the_directory_equal_the_run() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    let result = train(&recipe("salt", &["train.epochs=1"]).unwrap(), &run).unwrap();
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let again = salt_train::evaluate_run(&run, Split::Test, &machine(), &mut session).unwrap();
    assert_eq!(again.summary, result.test);

    let out = tmp.path().join("masks");
    let images = inputs().data().join("images");
    let options = PredictOptions {
        overlays: true,
        overwrite: false,
    };
    let written =
        salt_train::predict_run(&run, &images, &out, options, &machine(), &mut session).unwrap();
    assert_eq!(written.len(), images.read_dir().unwrap().count());
    assert!(!again.data_changed);
    let refused = salt_train::predict_run(&run, &images, &out, options, &machine(), &mut session);
    assert!(
        matches!(refused, Err(TrainError::MaskExists { .. })),
        "{refused:?}"
    );
    let options = PredictOptions {
        overwrite: true,
        ..options
    };
    salt_train::predict_run(&run, &images, &out, options, &machine(), &mut session).unwrap();
    let row = &again.rows[0];
    let mask = image::open(out.join(format!("{}.png", row.case)))
        .unwrap()
        .into_luma8();
    let positive = mask.as_raw().iter().filter(|v| **v == 255).count() as u64;
    assert!(mask.as_raw().iter().all(|v| [0, 255].contains(v)));
    assert_eq!(positive, row.metrics.n_pred);
    assert!(
        out.join("overlays")
            .join(format!("{}.png", row.case))
            .is_file()
    );
}

#[test]
fn an_adapter_of_another_base_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    let run = tmp.path().join("run");
    train(&recipe("scratch", &["train.epochs=1"]).unwrap(), &run).unwrap();
    let lora = tmp.path().join("lora");
    train(&recipe("lora", &["train.epochs=1"]).unwrap(), &lora).unwrap();
    // Another base under the same name: the recipe of the lora run now starts from scratch numbers.
    let text = std::fs::read_to_string(lora.join("recipe.toml")).unwrap();
    let other = tmp.path().join("other.safetensors");
    let device = burn::tensor::Device::default();
    let sam = salt_train::scratch::redraw(crate::support::tiny().init(&device).unwrap(), 43);
    salt_sam::weights::save(&sam, &other, &crate::support::named_tokens()).unwrap();
    let weights = inputs().weights().display().to_string();
    std::fs::write(
        lora.join("recipe.toml"),
        text.replace(&weights, &other.display().to_string()),
    )
    .unwrap();
    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let error = salt_train::evaluate_run(&lora, Split::Test, &machine(), &mut session).unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::Peft(salt_peft::PeftError::WrongBase { .. })
        ),
        "{error}"
    );
}
