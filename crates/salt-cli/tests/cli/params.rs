//! `salt params`: the counts of the paper's settings, and of recipes.

use super::inputs::{Inputs, json, succeed};

/// A row of the table in the method's specification, section 3: adapter, trainable, percent.
fn check(preset: &str, adapter: u64, trainable: u64, percent: &str) {
    let document = json(&["params", "--preset", preset, "--json"]);
    assert_eq!(document["preset"], preset);
    assert_eq!(document["adapter"], adapter, "{preset}");
    assert_eq!(document["trainable"], trainable, "{preset}");
    assert_eq!(
        format!("{:.3}", document["percent"].as_f64().unwrap()),
        percent,
        "{preset}"
    );
    let layers = document["layers"].as_array().unwrap();
    let of_layer = |layer: &serde_json::Value| layer["trainable"].as_u64().unwrap();
    assert_eq!(
        layers.iter().map(of_layer).sum::<u64>(),
        trainable,
        "{preset}"
    );
    for key in ["path", "shape", "method", "rank"] {
        assert!(layers.iter().all(|layer| layer.get(key).is_some()), "{key}");
    }
}

#[test]
fn the_presets_count_as_the_specification_does() {
    check("paper-lora-4", 604_160, 1_563_904, "0.643");
    check("paper-lora-256", 38_666_240, 39_625_984, "14.084");
    check("paper-salt-256", 8_967_112, 9_926_856, "3.945");
    check("paper-salt-4", 179_368, 1_139_112, "0.469");
    check("paper-ssam", 74_752, 1_034_496, "0.426");
}

#[test]
fn the_table_says_the_same_in_words() {
    let text = succeed(&["params", "--preset", "paper-salt-256"]);
    assert!(
        text.contains("9,926,856 trainable of 251,659,769 parameters (3.945 %)"),
        "{text}"
    );
    assert!(
        text.contains("| image_encoder.blocks.0.attn.qkv "),
        "{text}"
    );
}

#[test]
fn a_recipe_is_counted_as_it_is_trained() {
    let inputs = Inputs::new();
    let recipe = inputs.path("recipe.toml");
    let counted = json(&["params", &recipe, "--json"]);
    assert_eq!(counted["preset"], serde_json::Value::Null);
    assert_eq!(counted["method"], "salt");
    succeed(&inputs.train("run", &["train.epochs=1"]));
    let result: serde_json::Value =
        serde_json::from_slice(&inputs.read("run", "result.json")).unwrap();
    for key in ["total", "trainable", "percent"] {
        assert_eq!(counted[key], result["params"][key], "{key}");
    }
    // Ranks from the spectrum need the weights; the others do not, nor the data.
    let energy = json(&[
        "params",
        &recipe,
        "--json",
        "--set",
        "adapter.head_rank=energy:0.5",
    ]);
    assert!(energy["trainable"].as_u64() > Some(0));
    std::fs::remove_file(inputs.file("base.safetensors")).unwrap();
    std::fs::remove_dir_all(inputs.file("vessels")).unwrap();
    assert_eq!(json(&["params", &recipe, "--json"]), counted);
}
