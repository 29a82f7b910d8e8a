//! Directories of HF peft that do not say what they hold, or hold less or more than they say: errors all,
//! where HF peft warns or goes on.

use salt_peft::{AdapterConfig, ExportOptions, Names, PeftError, export_hf_lora, load_adapter};

use crate::interop::{InteropNet, TOLERANCE, fixtures, read, trained, write};
use crate::nets::{assert_close, bits, floats};

/// What is wrong with a directory of HF peft, and a part of the message.
#[test]
fn features_that_are_not_known_are_refused() {
    let lora = fixtures().join("lora");
    let config = std::fs::read_to_string(lora.join("adapter_config.json")).expect("fixture");
    let spoil = |key: &str, value: serde_json::Value| {
        let dir = tempfile::tempdir().expect("tmp");
        let mut fields: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        fields[key] = value;
        std::fs::write(dir.path().join("adapter_config.json"), fields.to_string()).expect("writes");
        let tensors = "adapter_model.safetensors";
        std::fs::copy(lora.join(tensors), dir.path().join(tensors)).expect("copies");
        load_adapter(InteropNet::load(), dir.path())
            .map(|_| ())
            .expect_err(key)
            .to_string()
    };
    use serde_json::json;
    for (key, value, part) in [
        ("use_bdlora", json!({"a": 1}), "`use_bdlora`"),
        ("layer_replication", json!([[0, 1]]), "`layer_replication`"),
        ("target_parameters", json!(["x"]), "`target_parameters`"),
        ("some_new_feature", json!(true), "`some_new_feature`"),
        ("fan_in_fan_out", json!(true), "`fan_in_fan_out`"),
        ("init_lora_weights", json!("loftq"), "loftq"),
        ("init_lora_weights", json!(5), "`init_lora_weights` is 5"),
        ("target_modules", json!(3), "`target_modules` is 3"),
        ("target_modules", json!([3]), "`target_modules` is [3]"),
        ("target_modules", json!(null), "`target_modules`"),
        ("modules_to_save", json!("head"), "`modules_to_save` is"),
        ("rank_pattern", json!({"stem": 4.5}), "4.5"),
        ("alpha_pattern", json!([1]), "expected a table"),
        // Factors that HF peft would drop: its configuration does not mean them.
        ("target_modules", json!(["qkv"]), "leaves out"),
        ("exclude_modules", json!(["qkv"]), "leaves out"),
        ("exclude_modules", json!(r".*qkv"), "leaves out"),
        ("layers_to_transform", json!([7]), "leaves out"),
        ("modules_to_save", json!(["qkv"]), "qkv"),
        // Every linear layer: more than this one adapts.
        ("target_modules", json!("all-linear"), "lora_A"),
        ("init_lora_weights", json!("pissa_niter_4"), "pissa_niter_4"),
        ("peft_type", json!("IA3"), "IA3"),
        ("r", json!(0), "`r` is 0"),
        ("r", json!("x"), "`r`"),
        ("r", json!(4), "[4, "),
        ("lora_alpha", json!("much"), "`lora_alpha`"),
        ("use_dora", json!(1), "`use_dora`"),
        ("use_dora", json!(true), "lora_magnitude_vector"),
        ("rank_pattern", json!({"stem": 2}), "[2, "),
        ("rank_pattern", json!({"(": 2}), "rank_pattern"),
        ("alpha_pattern", json!({"stem": -1}), "alpha_pattern"),
        // A module that is meant and has no tensors: HF peft would go on with random factors.
        (
            "target_modules",
            json!(["stem", "qkv", "0", "1", "head"]),
            "head",
        ),
        ("target_modules", json!(r".*"), "head"),
    ] {
        let error = spoil(key, value.clone());
        assert!(error.contains(part), "{key} = {value}: {error}");
    }
}

/// HF peft warns and goes on; here a tensor that the configuration means and the file lacks is an error.
#[test]
fn tensors_that_are_missing_are_missed() {
    let spoil = |case: &str, fields: serde_json::Value, drop: &[&str]| {
        let from = fixtures().join(case);
        let dir = tempfile::tempdir().expect("tmp");
        let config = std::fs::read_to_string(from.join("adapter_config.json")).expect("fixture");
        let mut config: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        for (key, value) in fields.as_object().expect("a table") {
            config[key] = value.clone();
        }
        std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).expect("writes");
        let name = "adapter_model.safetensors";
        let mut tensors = read(&from.join(name));
        tensors.retain(|key, _| !drop.iter().any(|part| key.contains(part)));
        write(&dir.path().join(name), &tensors);
        load_adapter(InteropNet::load(), dir.path()).map(|_| ())
    };
    let none = serde_json::json!({});
    for (case, fields, drop, missing) in [
        ("lora", none.clone(), "blocks.1.", "blocks.1.lora_A"),
        ("lora", none.clone(), "blocks.1.lora_B", "blocks.1.lora_B"),
        (
            "dora",
            none.clone(),
            "qkv.lora_magnitude",
            "qkv.lora_magnitude",
        ),
        ("saved", none.clone(), "norm.", "norm.weight"),
        ("saved", none.clone(), "norm.bias", "norm.bias"),
        ("saved", none.clone(), "head.weight", "head.weight"),
        (
            "lora",
            serde_json::json!({"bias": "all"}),
            "no such",
            "stem.bias",
        ),
        (
            "lora",
            serde_json::json!({"bias": "lora_only"}),
            "no such",
            "stem.bias",
        ),
    ] {
        let error = spoil(case, fields, &[drop]).expect_err(missing).to_string();
        assert!(error.contains(missing), "{missing}: {error}");
    }
}

/// Whole tensors that no `modules_to_save` or `bias` means.
#[test]
fn tensors_that_are_not_meant_are_refused() {
    let dir = copy("saved", |config| {
        config["modules_to_save"] = serde_json::json!(["norm"])
    });
    let error = load_adapter(InteropNet::load(), dir.path()).map(|_| ());
    let error = error.expect_err("head is not meant");
    assert!(matches!(error, PeftError::UnmeantTensor { .. }), "{error}");
    assert!(error.to_string().contains("head"), "{error}");
}

/// HF peft goes through `alpha_pattern` in the order of the file.
#[test]
fn the_first_pattern_of_the_file_counts() {
    let outputs = |patterns: &str| {
        let dir = copy("lora", |_| ());
        let path = dir.path().join("adapter_config.json");
        let text = std::fs::read_to_string(&path).expect("copied");
        let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        config
            .as_object_mut()
            .expect("a table")
            .remove("alpha_pattern");
        let rest = config.to_string();
        let text = format!(r#"{{"alpha_pattern": {patterns}, {}"#, &rest[1..]);
        std::fs::write(path, text).expect("writes");
        let (model, _) = load_adapter(InteropNet::load(), dir.path()).expect("loads");
        bits(model.outputs())
    };
    let qkv_first = outputs(r#"{"qkv": 40, ".*": 4}"#);
    assert_ne!(qkv_first, outputs(r#"{".*": 4, "qkv": 40}"#));
    assert_eq!(outputs(r#"{".*": 4, "qkv": 40}"#), outputs(r#"{".*": 4}"#));
}

/// A copy of a fixture with another configuration.
fn copy(case: &str, change: impl FnOnce(&mut serde_json::Value)) -> tempfile::TempDir {
    let (from, dir) = (fixtures().join(case), tempfile::tempdir().expect("tmp"));
    let config = std::fs::read_to_string(from.join("adapter_config.json")).expect("fixture");
    let mut config = serde_json::from_str(&config).expect("JSON");
    change(&mut config);
    std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).expect("writes");
    let tensors = "adapter_model.safetensors";
    std::fs::copy(from.join(tensors), dir.path().join(tensors)).expect("copies");
    dir
}

/// What an export keeps beside HF peft's tensors belongs to it, and to no other.
#[test]
fn parameters_beside_an_export_are_neither_lost_nor_mixed_up() {
    let mut config = AdapterConfig::new("lora".parse().expect("registered"));
    config.targets = vec!["qkv".into()];
    config.modules_to_save = vec![r"qkv\.bias".into()];
    let model = trained(&config);
    let options = ExportOptions {
        names: Names::SAME,
        rank: None,
    };
    let dir = tempfile::tempdir().expect("tmp");
    let extra = dir.path().join("extra_parameters.safetensors");
    export_hf_lora(&model, &config, dir.path(), &options).expect("thin");
    let kept = std::fs::read(&extra).expect("a bias is no module");
    let load = || load_adapter(InteropNet::load(), dir.path());
    let (read, _) = load().expect("reads");
    assert_close(
        &floats(read.outputs()),
        &floats(model.outputs()),
        TOLERANCE,
        "with its bias",
    );

    std::fs::remove_file(&extra).expect("written");
    let error = load().map(|_| ()).expect_err("the bias is missing");
    assert!(matches!(error, PeftError::Io { .. }), "{error}");
    let mut other = kept.clone();
    *other.last_mut().expect("not empty") ^= 1;
    std::fs::write(&extra, other).expect("writes");
    let error = load().map(|_| ()).expect_err("another bias");
    assert!(matches!(error, PeftError::ChangedTensors { .. }), "{error}");

    // Another adapter into the same folder takes nothing over.
    std::fs::write(&extra, &kept).expect("writes");
    let mut plain = config.clone();
    plain.modules_to_save.clear();
    let model = trained(&plain);
    export_hf_lora(&model, &plain, dir.path(), &options).expect("thin");
    assert!(!extra.exists());
    let (read, _) = load().expect("reads");
    assert_close(
        &floats(read.outputs()),
        &floats(model.outputs()),
        TOLERANCE,
        "without",
    );
    std::fs::write(&extra, kept).expect("writes");
    let error = load().map(|_| ()).expect_err("of another adapter");
    assert!(matches!(error, PeftError::BadTensorFile { .. }), "{error}");
}
