//! A run over a base that is kept in half precision.

use burn::tensor::{DType, Device};
use salt_data::Split;
use salt_peft::PeftError;
use salt_train::{Interrupt, Session, Silent, TrainError};

use crate::resume::{resume, stop};
use crate::support::{assert_same_files, machine, recipe, stable_files, train};

const F16: &str = "adapter.base_precision=f16";

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_run_over_a_base_in_half_precision_is_resumed_and_used_as_any_other() {
    let tmp = tempfile::tempdir().unwrap();
    let path = |name: &str| tmp.path().join(name);
    if !Device::default().supports_dtype(DType::F16) {
        let error = train(&recipe("salt", &[F16]).unwrap(), &path("run")).unwrap_err();
        let named = matches!(
            error,
            TrainError::Peft(PeftError::UnsupportedPrecision { .. })
        );
        assert!(named, "{error}");
        eprintln!("skipped: {:?} has no f16", Device::default());
        return;
    }
    let plain = path("f32");
    train(&recipe("salt", &[]).unwrap(), &plain).unwrap();
    let straight = path("straight");
    let result = train(&recipe("salt", &[F16]).unwrap(), &straight).unwrap();
    let (half, full) = (stable_files(&straight), stable_files(&plain));
    assert!(half["metrics.csv"] != full["metrics.csv"]);
    let text = String::from_utf8(half["recipe.toml"].clone()).unwrap();
    assert!(text.contains("base_precision = \"f16\""), "{text}");

    let resumed = path("resumed");
    stop("salt", &[F16], 3, &resumed);
    resume(&resumed).unwrap();
    assert_same_files(&straight, &resumed, "resumed");

    let blocks = path("blocks");
    let recomputed = recipe("salt", &[F16, "train.recompute=blocks"]).unwrap();
    train(&recomputed, &blocks).unwrap();
    let blocks = stable_files(&blocks);
    for file in ["metrics.csv", "adapter/adapter_model.safetensors"] {
        assert!(half[file] == blocks[file], "blocks computed again: {file}");
    }

    let mut silent = Silent;
    let mut session = Session::new(&mut silent, Interrupt::new());
    let again = salt_train::evaluate_run(&straight, Split::Test, &machine(), &mut session);
    assert_eq!(again.unwrap().summary, result.test);
}

#[test]
fn a_recipe_that_leaves_no_weight_frozen_is_refused() {
    for method in ["full", "scratch"] {
        let error = recipe(method, &[F16]).unwrap_err().to_string();
        assert!(error.contains("base_precision"), "{error}");
    }
    let error = recipe("salt", &["adapter.base_precision=f8"]).unwrap_err();
    let error = error.to_string();
    assert!(error.contains("f8") && error.contains("bf16"), "{error}");
}
