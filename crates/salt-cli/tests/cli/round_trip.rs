//! Train, score, predict, look into the adapter, merge, resume.

use std::collections::BTreeSet;

use super::inputs::{Inputs, device, json, salt, succeed};

fn pixels(path: &std::path::Path) -> image::GrayImage {
    image::open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .into_luma8()
}

fn tensor_names(bytes: &[u8]) -> BTreeSet<String> {
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    file.names().into_iter().map(str::to_owned).collect()
}

#[test]
fn a_run_can_be_used_in_every_way() {
    let inputs = Inputs::new();
    let said = succeed(&inputs.train("run", &[]));
    assert!(
        said.contains("run directory") && said.contains("| test "),
        "{said}"
    );
    let run = inputs.path("run");
    let result: serde_json::Value =
        serde_json::from_slice(&inputs.read("run", "result.json")).unwrap();
    assert_eq!(
        (&result["status"], &result["method"]),
        (&"finished".into(), &"salt".into())
    );
    assert_eq!(result["device"], device());
    for name in [
        "recipe.toml",
        "curves.svg",
        "log.jsonl",
        "metrics.csv",
        "cases.csv",
    ] {
        assert!(!inputs.read("run", name).is_empty(), "{name}");
    }

    // Scores from the directory are those of the run.
    let eval = json(&["eval", &run, "--json", "--device", &device()]);
    assert_eq!(eval["summary"], result["test"]);
    assert_eq!(
        eval["cases"].as_array().unwrap().len() as u64,
        result["test"]["n"].as_u64().unwrap()
    );
    let table = succeed(&["eval", &run, "--split", "val", "--device", &device()]);
    assert!(
        table.contains("| case ") && table.contains("| val "),
        "{table}"
    );

    // Masks have the image's name and size, and two values.
    let (images, out) = (inputs.path("vessels/images"), inputs.path("masks"));
    let words = [
        "predict",
        &run,
        "--images",
        &images,
        "--out",
        &out,
        "--overlay",
        "--device",
        &device(),
    ];
    assert!(succeed(&words).contains("6 masks"));
    let case = &eval["cases"][0];
    let name = format!("{}.png", case["case"].as_str().unwrap());
    let mask = pixels(&inputs.file("masks").join(&name));
    assert_eq!(mask.dimensions(), (48, 48));
    assert!(mask.as_raw().iter().all(|value| [0, 255].contains(value)));
    let positive = mask.as_raw().iter().filter(|value| **value == 255).count() as u64;
    assert_eq!(positive, case["n_pred"].as_u64().unwrap());
    assert!(inputs.file("masks/overlays").join(&name).is_file());

    // The adapter tells what it is, from either folder.
    let facts = json(&["adapter", "inspect", &run, "--json"]);
    assert_eq!(facts["config"]["method"], "salt");
    assert_eq!(facts["parameters"], result["params"]["trainable"]);
    assert_eq!(facts["bytes"], result["params"]["adapter_bytes"]);
    let text = succeed(&["adapter", "inspect", &inputs.path("run/adapter")]);
    assert!(
        text.contains("head_rank = 0.5") && text.contains("base weights: sha256"),
        "{text}"
    );

    // A finished run is not trained again.
    let before = inputs.read("run", "result.json");
    succeed(&["resume", &run]);
    assert_eq!(before, inputs.read("run", "result.json"));
}

#[test]
fn a_merged_checkpoint_computes_what_the_adapted_model_does() {
    let inputs = Inputs::new();
    succeed(&inputs.train("run", &[]));
    let merge = |adapter: &str, out: &str, naming: &str| {
        let mut words = inputs.merge("base.safetensors", adapter, out);
        words.extend(["--naming", naming].map(str::to_owned));
        succeed(&words)
    };
    assert!(merge("run/adapter", "merged.safetensors", "original").contains("salt merged"));
    merge("run", "merged_hf.safetensors", "hf");
    let names = tensor_names(&inputs.read("", "merged.safetensors"));
    assert_eq!(names, tensor_names(&inputs.read("", "base.safetensors")));
    let hf = tensor_names(&inputs.read("", "merged_hf.safetensors"));
    assert!(
        hf.contains("vision_encoder.layers.0.attn.qkv.weight"),
        "{hf:?}"
    );

    // Frozen over the merged weights scores as the run did.
    let set = format!("model.weights={}", inputs.path("merged.safetensors"));
    let run: serde_json::Value =
        serde_json::from_slice(&inputs.read("run", "result.json")).unwrap();
    let recipe = String::from_utf8(inputs.read("", "recipe.toml")).unwrap();
    let (head, tail) = recipe.split_once("[adapter]").unwrap();
    let (_, data) = tail.split_once("[data]").unwrap();
    let frozen = format!("{head}[adapter]\nmethod = 'frozen'\n[data]{data}");
    std::fs::write(inputs.file("recipe.toml"), frozen).unwrap();
    succeed(&inputs.train("frozen", &[&set]));
    let frozen: serde_json::Value =
        serde_json::from_slice(&inputs.read("frozen", "result.json")).unwrap();
    let dice = |result: &serde_json::Value| result["test"]["dice"]["mean"].as_f64().unwrap();
    // Merged in f32: a pixel at the threshold may fall to the other side.
    assert!(
        (dice(&run) - dice(&frozen)).abs() < 1e-3,
        "{} {}",
        dice(&run),
        dice(&frozen)
    );
}

#[test]
fn a_run_directory_is_used_once() {
    let inputs = Inputs::new();
    succeed(&inputs.train("run", &["train.epochs=1"]));
    let output = salt(&inputs.train("run", &["train.epochs=1"]));
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("salt resume"), "{stderr}");
}
